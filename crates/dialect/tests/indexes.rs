//! Vector indexes of a recorded dump: one test a shape, with the exact statement.

mod common;

use common::{Source, shapes};
use pgv2rs_dialect::types::TargetType;

/// The statement of an index up to its options, and after them.
fn around(source: &Source, name: &str) -> (String, String) {
    let statement = source.silent("INDEX", name);
    let (before, rest) = statement
        .split_once(" WITH (options = $$\n")
        .expect("an options document");
    let (_, after) = rest.split_once("$$)").expect("the end of the document");
    (before.to_owned(), after.to_owned())
}

fn key(name: &str) -> String {
    let (before, after) = around(&shapes(), name);
    assert_eq!(after, "");
    let (_, key) = before
        .split_once(" ON public.ix USING vectors ")
        .expect("on public.ix");
    key.to_owned()
}

/// The source with a column of `public.ix` mapped to another type.
fn mapped(column: &str, to: TargetType) -> Source {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&(table, column.to_owned()))
        .expect("a vector column")
        .to = to;
    source
}

#[test]
fn the_whole_statement_of_a_plain_index() {
    let expected = "CREATE INDEX ix_v_ip ON public.ix USING vectors (e vectors.vector_dot_ops) WITH (options = $$\n\
                    optimizing.optimizing_threads = 8\n[indexing.hnsw]\nm = 24\nef_construction = 128\n$$)";
    assert_eq!(shapes().silent("INDEX", "ix_v_ip"), expected);
}

#[test]
fn dense_classes() {
    assert_eq!(key("ix_v_l2"), "(e vectors.vector_l2_ops)");
    assert_eq!(key("ix_h_ip"), "(h vectors.vecf16_dot_ops)");
    assert_eq!(key("ix_h_cos"), "(h vectors.vecf16_cos_ops)");
}

#[test]
fn sparse_classes() {
    assert_eq!(key("ix_s_l2"), "(s vectors.svector_l2_ops)");
    assert_eq!(key("ix_s_ip"), "(s vectors.svector_dot_ops)");
    assert_eq!(key("ix_s_cos"), "(s vectors.svector_cos_ops)");
}

#[test]
fn bit_classes() {
    assert_eq!(key("ix_b_ham"), "(b vectors.bvector_hamming_ops)");
    assert_eq!(key("ix_b_jac"), "(b vectors.bvector_jaccard_ops)");
}

#[test]
fn a_default_class_that_the_text_omits_is_named() {
    assert!(shapes().entry("INDEX", "ix_ivf_default").statements[0].ends_with("USING ivfflat (e)"));
    let expected = "CREATE INDEX ix_ivf_default ON public.ix USING vectors (e vectors.vector_l2_ops) WITH (options = $$\n\
                    optimizing.optimizing_threads = 8\n[indexing.ivf]\nnlist = 100\n$$)";
    assert_eq!(shapes().silent("INDEX", "ix_ivf_default"), expected);
}

#[test]
fn ivfflat_lists_become_nlist() {
    assert!(
        shapes()
            .silent("INDEX", "ix_ivf_cos")
            .contains("(e vectors.vector_cos_ops)")
    );
    assert!(
        shapes()
            .silent("INDEX", "ix_ivf_cos")
            .contains("[indexing.ivf]\nnlist = 7\n")
    );
}

#[test]
fn clamped_options_are_notes() {
    let (statements, notes) = shapes().noted("INDEX", "ix_h_l2");
    assert!(
        statements[0].contains("m = 4\nef_construction = 10\n"),
        "{statements:?}"
    );
    assert_eq!(
        notes,
        [
            "m = 3 becomes 4: PGVecto.rs takes 4 to 128",
            "ef_construction = 9 becomes 10: PGVecto.rs takes 10 to 2000"
        ]
    );
}

#[test]
fn ivfflat_over_bits_is_a_note() {
    let (statements, notes) = shapes().noted("INDEX", "ix_ivf_bit");
    assert!(statements[0].contains("[indexing.hnsw]\nm = 16\nef_construction = 64\n"));
    assert_eq!(
        notes,
        [
            "ivfflat becomes hnsw with m = 16 and ef_construction = 64, since PGVecto.rs has no ivf over vectors.bvector"
        ]
    );
}

#[test]
fn a_cast_to_half_precision() {
    assert_eq!(
        key("ix_cast"),
        "(((e)::vectors.vecf16(4)) vectors.vecf16_l2_ops)"
    );
}

#[test]
fn a_cast_that_gives_dimensions_keeps_its_condition() {
    let (before, after) = around(&shapes(), "ix_cast_any");
    assert_eq!(
        before,
        "CREATE INDEX ix_cast_any ON public.ix USING vectors (((any_dims)::vectors.vector(3)) vectors.vector_l2_ops)"
    );
    assert_eq!(after, " WHERE (id = 3)");
}

#[test]
fn binary_quantization() {
    assert_eq!(
        key("ix_quant"),
        "(((vectors.binarize(e))::vectors.bvector(4)) vectors.bvector_hamming_ops)"
    );
}

#[test]
fn binary_quantization_of_half_precision_goes_through_vector() {
    assert_eq!(
        key("ix_quant_h"),
        "(((vectors.binarize(h::vectors.vector))::vectors.bvector(4)) vectors.bvector_jaccard_ops)"
    );
    assert_eq!(
        key("ix_quant_cast"),
        "(((vectors.binarize((e)::vectors.vecf16(4)::vectors.vector))::vectors.bvector(4)) vectors.bvector_hamming_ops)"
    );
}

#[test]
fn subvectors_count_from_zero_and_leave_the_end_out() {
    assert_eq!(
        key("ix_sub"),
        "((((e[0:2]))::vectors.vector(2)) vectors.vector_cos_ops)"
    );
    assert_eq!(
        key("ix_sub_mid"),
        "((((e[1:4]))::vectors.vector(3)) vectors.vector_l2_ops)"
    );
    assert_eq!(
        key("ix_sub_h"),
        "((((h[2:4]))::vectors.vecf16(2)) vectors.vecf16_l2_ops)"
    );
}

#[test]
fn binary_quantization_of_a_subvector() {
    assert_eq!(
        key("ix_sub_quant"),
        "(((vectors.binarize((e[0:3])))::vectors.bvector(3)) vectors.bvector_hamming_ops)"
    );
}

#[test]
fn casts_in_a_row() {
    assert_eq!(
        key("ix_sparse_dense"),
        "((((h)::vectors.vector)::vectors.svector(4)) vectors.svector_l2_ops)"
    );
}

#[test]
fn a_cast_of_bits_of_any_length() {
    assert_eq!(
        key("ix_varbit"),
        "(((vb)::vectors.bvector(6)) vectors.bvector_hamming_ops)"
    );
}

#[test]
fn a_partial_index_keeps_its_condition_byte_for_byte() {
    let (before, after) = around(&shapes(), "ix_partial");
    assert_eq!(
        before,
        "CREATE INDEX ix_partial ON public.ix USING vectors (e vectors.vector_l2_ops)"
    );
    assert_eq!(
        after,
        " WHERE ((id > 5) AND (t = 'USING hnsw (e public.vector_l2_ops)'::text))"
    );
}

#[test]
fn names_keep_their_quotes() {
    let (before, _) = around(&shapes(), "Odd \"ix");
    assert_eq!(
        before,
        "CREATE INDEX \"Odd \"\"ix\" ON app.\"we\"\"ird.name\" USING vectors (\"Mixed Case\" vectors.vector_cos_ops)"
    );
}

#[test]
fn an_index_on_a_partitioned_table_stays_on_only_and_is_attached() {
    let source = shapes();
    assert!(source.silent("INDEX", "parts_v").starts_with(
        "CREATE INDEX parts_v ON ONLY app.parts USING vectors (v vectors.vector_l2_ops) WITH"
    ));
    assert!(
        source
            .silent("INDEX", "parts_1_v_idx")
            .contains("ON app.parts_1 USING vectors")
    );
    assert_eq!(
        source.silent("INDEX ATTACH", "parts_1_v_idx"),
        "ALTER INDEX app.parts_v ATTACH PARTITION app.parts_1_v_idx"
    );
}

#[test]
fn an_index_on_a_materialized_view() {
    assert!(shapes().silent("INDEX", "matview_v").starts_with(
        "CREATE INDEX matview_v ON app.matview USING vectors (v vectors.vector_l2_ops)"
    ));
}

#[test]
fn statements_that_follow_an_index_stay() {
    let (statements, _) = shapes().noted("INDEX", "ix_stat");
    assert_eq!(
        statements[1],
        "ALTER INDEX public.ix_stat ALTER COLUMN 1 SET STATISTICS 50"
    );
}

#[test]
fn other_indexes_keep_their_bytes() {
    let source = shapes();
    for name in ["ix_plain", "ix_trgm"] {
        let translated = source.translate("INDEX", name);
        assert_eq!(
            translated.statements,
            source.entry("INDEX", name).statements
        );
        assert_eq!(translated.findings, []);
    }
}

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
fn a_btree_over_a_function_of_pgvector_is_a_finding() {
    let reason = shapes().left_out("INDEX", "ix_btree_dims");
    assert_eq!(
        reason,
        "uses function public.vector_dims(public.vector) of pgvector; not translated yet"
    );
}

#[test]
fn an_unlogged_table_has_no_index() {
    assert!(shapes().left_out("INDEX", "fast_v").contains("UNLOGGED"));
}

#[test]
fn a_condition_that_uses_pgvector_is_a_finding() {
    assert_eq!(
        shapes().left_out("INDEX", "ix_partial_op"),
        "its WHERE uses the function public.vector_dims of pgvector; not translated yet"
    );
}

#[test]
fn an_expression_that_is_not_known_is_a_finding() {
    assert!(
        shapes()
            .left_out("INDEX", "ix_norm")
            .contains("calls public.l2_normalize")
    );
}

#[test]
fn a_column_without_dimensions_is_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&(table, "e".to_owned()))
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
        .get_mut(&(table, "s".to_owned()))
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
fn a_column_mapped_to_half_precision_gets_the_class_of_its_new_type() {
    let source = mapped("e", TargetType::Vecf16);
    let (before, _) = around(&source, "ix_v_l2");
    assert!(before.ends_with("(e vectors.vecf16_l2_ops)"), "{before}");
    let (before, _) = around(&source, "ix_quant");
    assert!(before.ends_with("(((vectors.binarize(e::vectors.vector))::vectors.bvector(4)) vectors.bvector_hamming_ops)"), "{before}");
    let (before, _) = around(&source, "ix_sub");
    assert!(
        before.ends_with("((((e[0:2]))::vectors.vector(2)) vectors.vector_cos_ops)"),
        "{before}"
    );
}

#[test]
fn casts_without_a_direct_way_go_through_vector() {
    let source = mapped("any_dims", TargetType::Svector);
    let (before, _) = around(&source, "ix_cast_any");
    assert!(
        before.ends_with("(((any_dims)::vectors.vector(3)) vectors.vector_l2_ops)"),
        "{before}"
    );
    let source = mapped("e", TargetType::Svector);
    let (before, _) = around(&source, "ix_cast");
    assert!(
        before.ends_with("(((e)::vectors.vector::vectors.vecf16(4)) vectors.vecf16_l2_ops)"),
        "{before}"
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
    source.context.columns.remove(&(table, "b".to_owned()));
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
fn pgvector_in_another_schema_is_known_by_its_schema() {
    let mut source = edited("ix_quant_cast", "public.", "\"Ext\".");
    source.context.vector_schema = "Ext".to_owned();
    let statement = source
        .silent("INDEX", "ix_quant_cast")
        .replace("\"Ext\".ix", "public.ix");
    assert_eq!(statement, shapes().silent("INDEX", "ix_quant_cast"));
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

/// The source with the text of one index changed.
fn edited(name: &str, old: &str, new: &str) -> Source {
    let mut source = shapes();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "INDEX" && entry.name == name)
        .expect("the index");
    assert!(entry.statements[0].contains(old));
    entry.statements[0] = entry.statements[0].replace(old, new);
    source
}
