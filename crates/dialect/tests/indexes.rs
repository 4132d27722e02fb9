//! Vector indexes of a recorded dump: one test a shape, with the exact statement.

mod common;

use common::{Source, edited_index, mapped_index_column as mapped, shapes};
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
fn pgvector_in_another_schema_is_known_by_its_schema() {
    let mut source = edited_index("ix_quant_cast", "public.", "\"Ext\".");
    source.context.vector_schema = "Ext".to_owned();
    let statement = source
        .silent("INDEX", "ix_quant_cast")
        .replace("\"Ext\".ix", "public.ix");
    assert_eq!(statement, shapes().silent("INDEX", "ix_quant_cast"));
}
