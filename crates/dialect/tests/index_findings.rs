//! Vector indexes that are left out: one test a reason, and the words of the reason.

mod common;

use common::{edited_index as edited, mapped_index_column as mapped, shapes};
use pgv2rs_dialect::types::TargetType;

#[test]
fn taxicab_distance_has_no_index() {
    for name in ["ix_v_l1", "ix_h_l1", "ix_s_l1"] {
        assert_eq!(
            shapes().left_out("INDEX", name),
            "PGVecto.rs has no taxicab (L1) distance"
        );
    }
}

#[test]
fn an_order_of_vectors_has_no_index() {
    assert!(
        shapes()
            .left_out("INDEX", "ix_btree_vector")
            .contains("no order or equality of vectors")
    );
}

#[test]
fn a_btree_over_a_function_of_pgvector_calls_that_of_the_target() {
    assert_eq!(
        shapes().silent("INDEX", "ix_btree_dims"),
        "CREATE INDEX ix_btree_dims ON public.ix USING btree (vectors.vector_dims(e))"
    );
}

#[test]
fn an_unlogged_table_has_no_index() {
    assert!(shapes().left_out("INDEX", "fast_v").contains("UNLOGGED"));
}

#[test]
fn a_condition_is_said_in_the_words_of_the_target() {
    let statement = shapes().silent("INDEX", "ix_partial_op");
    assert!(
        statement.ends_with("$$) WHERE (vectors.vector_dims(any_dims) = 3)"),
        "{statement}"
    );
}

#[test]
fn an_expression_that_is_not_known_is_a_finding() {
    assert!(
        edited("ix_norm", "public.l2_normalize", "public.l2_norm")
            .left_out("INDEX", "ix_norm")
            .contains("calls public.l2_norm")
    );
    assert!(
        shapes()
            .silent("INDEX", "ix_norm")
            .contains("(((vectors.vector_normalize(e))::vectors.vector(4)) vectors.vector_l2_ops)")
    );
}

#[test]
fn a_column_without_dimensions_is_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&table)
        .and_then(|columns| columns.get_mut("e"))
        .expect("a vector column")
        .dims = None;
    assert_eq!(
        source.left_out("INDEX", "ix_v_l2"),
        "its key has no dimensions, and PGVecto.rs needs vectors.vector(n) for an index"
    );
    assert!(
        !source.translate("INDEX", "ix_cast").left_out,
        "the cast gives the dimensions"
    );
}

#[test]
fn too_many_sparse_dimensions_are_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&table)
        .and_then(|columns| columns.get_mut("s"))
        .expect("a vector column")
        .dims = Some(1_048_576);
    assert_eq!(
        source.left_out("INDEX", "ix_s_l2"),
        "its key has 1048576 dimensions; vectors.svector takes at most 1048575"
    );
}

#[test]
fn several_key_columns_are_a_finding() {
    let mut source = shapes();
    let index = source.oid("INDEX", "ix_v_l2");
    source
        .context
        .indexes
        .get_mut(&index)
        .expect("an index")
        .opclasses
        .push("vector_l2_ops".to_owned());
    assert_eq!(
        source.left_out("INDEX", "ix_v_l2"),
        "PGVecto.rs builds no index over several key columns"
    );
}

#[test]
fn an_operator_class_of_somebody_else_is_a_finding() {
    let mut source = shapes();
    let index = source.oid("INDEX", "ix_v_l2");
    source
        .context
        .indexes
        .get_mut(&index)
        .expect("an index")
        .opclasses = vec!["my_ops".to_owned()];
    assert_eq!(
        source.left_out("INDEX", "ix_v_l2"),
        "its operator class my_ops is not one of pgvector's"
    );
}

#[test]
fn an_unknown_option_is_a_finding() {
    let mut source = shapes();
    let index = source.oid("INDEX", "ix_v_l2");
    source
        .context
        .indexes
        .get_mut(&index)
        .expect("an index")
        .options
        .push(("quantized".to_owned(), "on".to_owned()));
    assert_eq!(
        source.left_out("INDEX", "ix_v_l2"),
        "the option quantized of hnsw is not known"
    );
}

#[test]
fn a_column_mapped_to_bits_or_an_array_loses_its_index_with_a_finding() {
    assert_eq!(
        mapped("e", TargetType::Bvector).left_out("INDEX", "ix_v_l2"),
        "PGVecto.rs has no operator class for Euclidean distance over vectors.bvector"
    );
    assert_eq!(
        mapped("e", TargetType::RealArray).left_out("INDEX", "ix_v_l2"),
        "real[] has no vector index"
    );
    assert_eq!(
        mapped("e", TargetType::RealArray).left_out("INDEX", "ix_cast"),
        "real[] has no vector index"
    );
}

#[test]
fn a_column_that_keeps_its_type_has_no_vector_index() {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&table)
        .expect("a table with vectors")
        .remove("b");
    assert!(
        source
            .left_out("INDEX", "ix_b_ham")
            .starts_with("column b keeps its type")
    );
}

#[test]
fn without_the_extension_every_vector_index_is_a_finding() {
    let mut source = shapes();
    source.context.real_array = true;
    for name in ["ix_v_l2", "ix_cast", "ix_b_ham", "ix_ivf_default"] {
        assert_eq!(source.left_out("INDEX", name), "real[] has no vector index");
    }
}

#[test]
fn subvectors_with_odd_bounds_are_findings() {
    for (old, new, reason) in [
        (
            "(e, 1, 2)",
            "(e, 0, 2)",
            "bounds that are not positive numbers",
        ),
        (
            "(e, 1, 2)",
            "(e, id, 2)",
            "bounds that are not positive numbers",
        ),
        ("(e, 1, 2)", "(e, 4, 2)", "beyond the end of the vector"),
        ("(e, 1, 2)", "(e, 1, 3)", "casts 3 dimensions to 2"),
        (
            "(e, 1, 2)",
            "(e, 4294967295, 4294967295)",
            "not one that can be translated",
        ),
    ] {
        let source = edited("ix_sub", old, new);
        let reason_found = source.left_out("INDEX", "ix_sub");
        assert!(reason_found.contains(reason), "{new}: {reason_found}");
    }
}

#[test]
fn a_function_of_the_same_name_in_another_schema_is_not_pgvectors() {
    let source = edited("ix_quant", "public.binary_quantize", "app.binary_quantize");
    assert!(
        source
            .left_out("INDEX", "ix_quant")
            .contains("not one that can be translated")
    );
}

#[test]
fn include_unique_and_text_that_does_not_parse_are_findings() {
    for (old, new, reason) in [
        (
            "(e public.vector_l2_ops)",
            "(e public.vector_l2_ops) INCLUDE (id)",
            "INCLUDE",
        ),
        ("CREATE INDEX", "CREATE UNIQUE INDEX", "no unique index"),
        (
            "(e public",
            "(e public.vector_l2_ops, h public",
            "several key columns",
        ),
        (
            "USING hnsw (",
            "USING hnsw ((",
            "not understood by the parser",
        ),
    ] {
        let reason_found = edited("ix_v_l2", old, new)
            .translate("INDEX", "ix_v_l2")
            .findings[0]
            .reason
            .clone();
        assert!(reason_found.contains(reason), "{new}: {reason_found}");
        assert!(
            edited("ix_v_l2", old, new)
                .translate("INDEX", "ix_v_l2")
                .left_out
        );
    }
}
