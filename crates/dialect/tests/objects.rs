//! The extension, views, routines, and what hangs on an object that is left out.

mod common;

use common::{Source, newer, shapes};
use pgv2rs_dialect::dump::Entry;
use pgv2rs_dialect::rewrite::{self, LeftOut, Severity, Translated};

fn assert_unchanged(source: &Source, kind: &str, name: &str) {
    let translated = source.translate(kind, name);
    assert_eq!(translated.findings, [], "{kind} {name}");
    assert_eq!(translated.statements, source.entry(kind, name).statements);
}

#[test]
fn the_extension_becomes_the_other_and_loses_its_comment() {
    let source = shapes();
    assert_eq!(
        source.translate("EXTENSION", "vector").statements,
        ["CREATE EXTENSION IF NOT EXISTS vectors"]
    );
    assert_eq!(
        source.translate("COMMENT", "EXTENSION vector"),
        Translated::default()
    );
    assert_unchanged(&source, "EXTENSION", "pg_trgm");
    assert_unchanged(&source, "COMMENT", "EXTENSION pg_trgm");
}

#[test]
fn real_arrays_need_no_extension() {
    let mut source = shapes();
    source.context.real_array = true;
    assert_eq!(
        source.translate("EXTENSION", "vector"),
        Translated::default()
    );
}

#[test]
fn what_the_catalog_does_not_tie_to_pgvector_keeps_its_bytes() {
    let source = shapes();
    for (kind, name) in [
        ("VIEW", "plain_view"),
        ("VIEW", "trgm_view"),
        ("MATERIALIZED VIEW", "matview"),
        ("FUNCTION", "atomic()"),
        ("FUNCTION", "unrelated()"),
        ("PROCEDURE", "proc(integer)"),
        ("RULE", "with_domain r"),
        ("RULE", "loop_view _RETURN"),
        ("STATISTICS", "st"),
        ("SEQUENCE", "types_id_seq"),
        ("TYPE", "mood"),
        ("CONSTRAINT", "types types_pkey"),
        ("ACL", "TABLE types"),
        ("COMMENT", "TABLE types"),
        ("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES"),
    ] {
        assert_unchanged(&source, kind, name);
    }
}

#[test]
fn the_placeholder_of_a_view_gets_the_types_of_the_target() {
    let mut source = shapes();
    assert_eq!(
        source.silent("VIEW", "loop_view"),
        "CREATE VIEW app.loop_view AS\nSELECT\n    NULL::bigint AS id,\n    NULL::vectors.vector(3) AS v,\n    NULL::bigint AS n"
    );
    source.context.real_array = true;
    assert!(
        source
            .silent("VIEW", "loop_view")
            .contains("NULL::real[] AS v")
    );
}

#[test]
fn keys_over_vectors_are_findings() {
    for name in ["keyed keyed_pkey", "keyed keyed_w_key"] {
        assert!(
            shapes()
                .left_out("CONSTRAINT", name)
                .contains("no order or equality of vectors")
        );
    }
}

#[test]
fn composite_types_and_signatures_get_the_types_of_the_target() {
    let source = shapes();
    assert_eq!(
        source.silent("TYPE", "pair"),
        "CREATE TYPE app.pair AS (\n\ta vectors.vector(3),\n\tn integer\n)"
    );
    let function = source.silent("FUNCTION", "takes_vector(public.vector)");
    assert!(
        function.starts_with("CREATE FUNCTION app.takes_vector(q vectors.vector) RETURNS bigint\n"),
        "{function}"
    );
}

#[test]
fn types_are_said_though_the_catalog_does_not_name_the_object_and_operators_are_not() {
    let mut source = shapes();
    source.context.dependents.clear();
    assert!(
        source
            .silent("TYPE", "pair")
            .contains("a vectors.vector(3)")
    );
    let view = source.silent("VIEW", "distance_view");
    assert!(
        view.contains("OPERATOR(public.<->) '[1,2,3]'::vectors.vector"),
        "{view}"
    );
}

#[test]
fn a_body_is_said_in_the_words_of_the_target_and_text_that_looks_like_a_header_stays() {
    let source = shapes();
    let body = source.silent("FUNCTION", "body_only(real[])");
    let original = &source.entry("FUNCTION", "body_only(real[])").statements[0];
    assert_eq!(
        body,
        original.replace(
            "ORDER BY v <=> q::vector LIMIT",
            "ORDER BY v OPERATOR(vectors.<=>) q::real[]::vectors.vector LIMIT"
        )
    );
}

#[test]
fn query_settings_of_a_function_are_renamed_or_left_out() {
    let mut source = shapes();
    let (statements, notes) = source.noted("FUNCTION", "tuned()");
    assert!(
        statements[0].contains("    SET \"vectors.hnsw_ef_search\" TO '100'\n"),
        "{statements:?}"
    );
    assert_eq!(
        notes,
        ["its setting hnsw.ef_search becomes vectors.hnsw_ef_search"]
    );
    source.context.real_array = true;
    let (statements, notes) = source.noted("FUNCTION", "tuned()");
    assert!(!statements[0].contains("SET "), "{statements:?}");
    assert_eq!(
        notes,
        ["its setting hnsw.ef_search has no counterpart on the target and is left out"]
    );
}

#[test]
fn secrets_are_not_run_and_not_shown() {
    let source = newer(18);
    for (kind, name) in [
        ("SUBSCRIPTION", "sub"),
        ("USER MAPPING", "USER MAPPING postgres SERVER far"),
    ] {
        assert!(source.entry(kind, name).statements[0].contains("s3cret"));
        assert!(source.left_out(kind, name).contains("secrets"));
        assert!(!format!("{:?}", source.translate(kind, name)).contains("s3cret"));
    }
}

#[test]
fn a_dependency_on_the_extension_is_left_out() {
    let mut source = shapes();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.name == "ix_v_l2")
        .expect("the index");
    entry
        .statements
        .push("ALTER INDEX public.ix_v_l2 DEPENDS ON EXTENSION vector".to_owned());
    let (statements, notes) = source.noted("INDEX", "ix_v_l2");
    assert_eq!(statements.len(), 1);
    assert_eq!(
        notes,
        ["its dependency on the extension vector is left out"]
    );
}

/// Each entry with what became of it, in the order of the dump.
fn followed(source: &Source) -> Vec<(&Entry, Translated)> {
    let mut gone = LeftOut::default();
    let translate = |entry| {
        (
            entry,
            gone.follow(entry, || rewrite::entry(entry, &source.context)),
        )
    };
    source.entries.iter().map(translate).collect()
}

fn became<'a>(all: &'a [(&Entry, Translated)], kind: &str, name: &str) -> &'a Translated {
    let found = all
        .iter()
        .find(|(entry, _)| entry.kind == kind && entry.name == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).1
}

#[test]
fn a_comment_goes_with_its_object() {
    let source = shapes();
    let all = followed(&source);
    let comment = became(&all, "COMMENT", "INDEX ix_v_l1");
    assert!(comment.left_out && comment.statements.is_empty());
    assert_eq!(comment.findings[0].severity, Severity::Note);
}

#[test]
fn an_attachment_goes_with_its_index() {
    let mut source = shapes();
    let index = source.oid("INDEX", "parts_1_v_idx");
    source
        .context
        .indexes
        .get_mut(&index)
        .expect("an index")
        .unlogged = true;
    let all = followed(&source);
    assert!(became(&all, "INDEX ATTACH", "parts_1_v_idx").left_out);
    assert!(!became(&all, "INDEX ATTACH", "parts_d_v_idx").left_out);
    assert_eq!(
        became(&all, "INDEX ATTACH", "parts_1_v_idx").findings[0].reason,
        "needs app.parts_1_v_idx, which is left out"
    );
}

#[test]
fn the_second_half_of_a_view_goes_with_its_placeholder() {
    let mut source = shapes();
    let view = source.entry("VIEW", "loop_view").object.expect("an object");
    let member = "operator public.=(public.vector,public.vector)".to_owned();
    source.context.dependents.insert(view, vec![member]);
    let all = followed(&source);
    assert!(became(&all, "VIEW", "loop_view").left_out);
    let rule = became(&all, "RULE", "loop_view _RETURN");
    assert_eq!(
        rule.findings[0].reason,
        "needs app.loop_view, which is left out"
    );
}

#[test]
fn everything_that_names_a_table_goes_with_it() {
    let mut source = shapes();
    let table = source.oid("TABLE", "types");
    source
        .context
        .columns
        .get_mut(&table)
        .expect("a table with vectors")
        .remove("v");
    let all = followed(&source);
    for (kind, name) in [
        ("SEQUENCE", "types_id_seq"),
        ("CONSTRAINT", "types types_pkey"),
        ("ACL", "TABLE types"),
        ("COMMENT", "COLUMN types.v"),
        ("VIEW", "plain_view"),
        ("RULE", "loop_view _RETURN"),
    ] {
        assert!(became(&all, kind, name).left_out, "{kind} {name}");
    }
    assert!(!became(&all, "TABLE", "ix").left_out && !became(&all, "STATISTICS", "st").left_out);
}

#[test]
fn a_relation_that_was_left_out_elsewhere_counts() {
    let source = shapes();
    let mut gone = LeftOut::default();
    gone.relation("public", "types");
    let view = source.entry("VIEW", "plain_view");
    assert!(
        gone.follow(view, || rewrite::entry(view, &source.context))
            .left_out
    );
    let other = source.entry("TABLE", "ix");
    assert!(
        !gone
            .follow(other, || rewrite::entry(other, &source.context))
            .left_out
    );
}

#[test]
fn tables_of_a_publication_go_with_it() {
    let source = newer(15);
    let all = followed(&source);
    assert!(became(&all, "PUBLICATION TABLE", "pub_gen gen").left_out);
    assert!(!became(&all, "PUBLICATION TABLE", "pub parent").left_out);
}

#[test]
fn session_statements_are_never_left_out() {
    let source = shapes();
    for (entry, translated) in followed(&source)
        .iter()
        .filter(|(entry, _)| entry.kind == "SESSION")
    {
        let kept = entry
            .statements
            .iter()
            .filter(|statement| !statement.starts_with("SET transaction_timeout"));
        assert_eq!(translated.statements, kept.cloned().collect::<Vec<_>>());
    }
}

/// The comments of a dump have blanks where a name has line ends; its statements have the line ends.
#[test]
fn what_hangs_on_a_relation_whose_name_has_a_line_end_goes_with_it() {
    let mut left_out = LeftOut::default();
    left_out.relation("public", "odd\nname");
    for (name, goes) in [("odd\nname", true), ("odd name 2", false)] {
        let entry = Entry {
            kind: "INDEX ATTACH".into(),
            name: "part".into(),
            schema: Some("public".into()),
            statements: vec![format!(
                "ALTER INDEX public.\"{name}\" ATTACH PARTITION public.part"
            )],
            ..Entry::default()
        };
        let translated = left_out.follow(&entry, Translated::default);
        assert_eq!(translated.left_out, goes, "{name}");
    }
}
