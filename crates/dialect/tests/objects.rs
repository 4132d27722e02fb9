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
fn a_view_that_uses_an_operator_of_pgvector_is_a_finding_with_what_to_say_instead() {
    let source = shapes();
    assert_eq!(
        source.left_out("VIEW", "distance_view"),
        "uses operator public.<->(public.vector,public.vector), type public.vector of pgvector; not translated yet"
    );
    let remedy = &source.translate("VIEW", "distance_view").findings[0].remedy;
    assert!(
        remedy.contains("squared Euclidean distance") && remedy.contains("r * r"),
        "{remedy}"
    );
}

#[test]
fn the_placeholder_of_a_view_gets_the_types_of_the_target() {
    let (statements, notes) = shapes().noted("VIEW", "loop_view");
    assert_eq!(
        statements[0],
        "CREATE VIEW app.loop_view AS\nSELECT\n    NULL::bigint AS id,\n    NULL::vectors.vector(3) AS v,\n    NULL::bigint AS n"
    );
    assert_eq!(notes.len(), 1);
    let mut source = shapes();
    source.context.real_array = true;
    assert!(source.noted("VIEW", "loop_view").0[0].contains("NULL::real[] AS v"));
}

#[test]
fn keys_over_vectors_are_findings() {
    for name in ["keyed keyed_pkey", "keyed keyed_w_key"] {
        let source = shapes();
        assert!(
            source
                .left_out("CONSTRAINT", name)
                .contains("operator class")
        );
        assert!(
            source.translate("CONSTRAINT", name).findings[0]
                .remedy
                .contains("no equality or order")
        );
    }
}

#[test]
fn types_and_functions_over_vectors_are_findings() {
    let source = shapes();
    for (kind, name) in [
        ("TYPE", "pair"),
        ("FUNCTION", "takes_vector(public.vector)"),
    ] {
        assert_eq!(
            source.left_out(kind, name),
            "uses type public.vector of pgvector; not translated yet"
        );
    }
}

#[test]
fn a_type_of_pgvector_is_found_though_the_catalog_does_not_name_the_object() {
    let mut source = shapes();
    source.context.dependents.clear();
    for (kind, name) in [
        ("TYPE", "pair"),
        ("FUNCTION", "takes_vector(public.vector)"),
        ("VIEW", "distance_view"),
    ] {
        let translated = source.translate(kind, name);
        assert!(translated.left_out, "{kind} {name}");
        assert!(translated.findings.iter().any(|finding| {
            finding.reason == "mentions the type public.vector of pgvector; not translated yet"
        }));
    }
}

#[test]
fn a_body_that_may_use_pgvector_is_a_note() {
    let source = shapes();
    let (statements, notes) = source.noted("FUNCTION", "body_only(real[])");
    assert_eq!(
        statements,
        source.entry("FUNCTION", "body_only(real[])").statements
    );
    assert_eq!(notes, ["its body may use pgvector: <=>, vector"]);
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
    let member = "operator public.<=>(public.vector,public.vector)".to_owned();
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
