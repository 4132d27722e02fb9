//! What a newer source dumps, said for an older target.

mod common;

use common::{Source, newer, shapes};
use pgv2rs_dialect::rewrite::{self, LeftOut, Severity};

fn edited(kind: &str, name: &str, statement: &str) -> Source {
    let mut source = newer(15);
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == kind && entry.name == name)
        .expect("the entry");
    entry.statements = vec![statement.to_owned()];
    source
}

#[test]
fn a_target_as_new_as_the_source_gets_every_byte() {
    let source = newer(18);
    for entry in source
        .entries
        .iter()
        .filter(|entry| !["SUBSCRIPTION", "USER MAPPING"].contains(&entry.kind.as_str()))
    {
        let translated = pgv2rs_dialect::rewrite::entry(entry, &source.context);
        assert_eq!(
            (translated.statements, translated.findings),
            (entry.statements.clone(), vec![]),
            "{} {}",
            entry.kind,
            entry.name
        );
    }
}

#[test]
fn transaction_timeout_needs_17() {
    let has = |version: u32| {
        let source = newer(version);
        let session = pgv2rs_dialect::rewrite::entry(&source.entries[0], &source.context);
        session
            .statements
            .iter()
            .any(|statement| statement.starts_with("SET transaction_timeout"))
    };
    assert!(has(17) && !has(16));
}

#[test]
fn virtual_columns_are_stored_and_said() {
    let (statements, notes) = newer(17).noted("TABLE", "gen");
    assert_eq!(
        statements[0],
        "CREATE TABLE public.gen (\n    a integer,\n    virt integer GENERATED ALWAYS AS ((a * 2)) STORED,\n    \
         kept integer GENERATED ALWAYS AS ((a * 3)) STORED\n)"
    );
    assert_eq!(
        notes,
        ["the virtual generated column virt is stored on the target"]
    );
    let spelled = edited(
        "TABLE",
        "gen",
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) VIRTUAL NOT NULL)",
    );
    assert_eq!(
        spelled.noted("TABLE", "gen").0,
        ["CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED NOT NULL)"]
    );
}

#[test]
fn identity_is_not_a_generated_column() {
    assert_eq!(
        shapes().silent("SEQUENCE", "types_id_seq"),
        shapes().entry("SEQUENCE", "types_id_seq").statements[0]
    );
}

#[test]
fn a_named_not_null_of_a_column_is_read_by_every_target() {
    let source = newer(15);
    assert_eq!(
        source.silent("TABLE", "parent"),
        source.entry("TABLE", "parent").statements[0]
    );
    assert_eq!(
        source.silent("DOMAIN", "named_domain"),
        source.entry("DOMAIN", "named_domain").statements[0]
    );
}

#[test]
fn not_null_of_an_inherited_column_follows_the_table() {
    let (statements, notes) = newer(15).noted("TABLE", "heir");
    assert_eq!(
        statements[..2],
        [
            "CREATE TABLE public.heir (\n    c integer\n)\nINHERITS (public.parent)",
            "ALTER TABLE ONLY public.heir ALTER COLUMN b SET NOT NULL"
        ]
    );
    assert_eq!(notes, Vec::<String>::new());
    let (statements, _) = newer(15).noted("TABLE", "heir_only");
    assert_eq!(
        statements[0],
        "CREATE TABLE public.heir_only (\n    \n)\nINHERITS (public.parent)"
    );
}

#[test]
fn not_null_constraints_of_a_table_move_to_their_columns_wherever_they_stand() {
    let rows = [
        (
            "(CONSTRAINT x NOT NULL a, a int)",
            "(a int CONSTRAINT x NOT NULL)",
        ),
        (
            "(a int, CONSTRAINT x NOT NULL a)",
            "(a int CONSTRAINT x NOT NULL)",
        ),
        ("(a int, NOT NULL a, b int)", "(a int NOT NULL, b int)"),
        (
            "(a int, b int, CONSTRAINT x NOT NULL a, CONSTRAINT y NOT NULL b)",
            "(a int CONSTRAINT x NOT NULL, b int CONSTRAINT y NOT NULL)",
        ),
        (
            "(CONSTRAINT x NOT NULL a, CONSTRAINT y NOT NULL b, a int, b int)",
            "(a int CONSTRAINT x NOT NULL, b int CONSTRAINT y NOT NULL)",
        ),
        (
            "(CONSTRAINT x NOT NULL \"A b\", \"A b\" int DEFAULT 1)",
            "(\"A b\" int DEFAULT 1 CONSTRAINT x NOT NULL)",
        ),
        (
            "(a int, CONSTRAINT x NOT NULL a NO INHERIT)",
            "(a int, CONSTRAINT x CHECK ((a IS NOT NULL)) NO INHERIT)",
        ),
    ];
    for (old, new) in rows {
        let source = edited("TABLE", "gen", &format!("CREATE TABLE t {old}"));
        assert_eq!(
            source.noted("TABLE", "gen").0,
            [format!("CREATE TABLE t {new}")]
        );
    }
}

#[test]
fn not_null_constraints_without_a_column_leave_an_empty_list() {
    let source = edited(
        "TABLE",
        "gen",
        "CREATE TABLE t (CONSTRAINT x NOT NULL a, CONSTRAINT y NOT NULL \"B\") INHERITS (p)",
    );
    let expected = [
        "CREATE TABLE t () INHERITS (p)",
        "ALTER TABLE ONLY t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE ONLY t ALTER COLUMN \"B\" SET NOT NULL",
    ];
    assert_eq!(source.noted("TABLE", "gen").0, expected);
}

#[test]
fn not_null_without_inheritance_or_proof_becomes_a_check_and_is_said() {
    let source = newer(15);
    let (statements, notes) = source.noted("TABLE", "lonely");
    assert_eq!(
        statements[0],
        "CREATE TABLE public.lonely (\n    a integer CONSTRAINT lonely_a CHECK ((a IS NOT NULL)) NO INHERIT,\n    b integer\n)"
    );
    assert_eq!(notes.len(), 1);
    let (statements, notes) = source.noted("CONSTRAINT", "later later nn2");
    assert_eq!(
        statements[0],
        "ALTER TABLE public.later\n    ADD CONSTRAINT \"later nn2\" CHECK ((\"B c\" IS NOT NULL)) NOT VALID"
    );
    assert_eq!(notes.len(), 1);
}

#[test]
fn not_null_added_later_is_set_on_the_column() {
    let source = edited(
        "CONSTRAINT",
        "later later_nn",
        "ALTER TABLE public.later\n    ADD CONSTRAINT later_nn NOT NULL a",
    );
    assert_eq!(
        source.silent("CONSTRAINT", "later later_nn"),
        "ALTER TABLE public.later\n    ALTER COLUMN a SET NOT NULL"
    );
}

#[test]
fn constructs_that_the_target_does_not_know_are_findings() {
    let rows = [
        ("CONSTRAINT", "period period_pk", 18, "WITHOUT OVERLAPS"),
        ("FK CONSTRAINT", "period_child period_fk", 18, "PERIOD"),
        ("PUBLICATION", "pub_gen", 18, "publish_generated_columns"),
        ("VIEW", "json_view", 17, "JSON_TABLE"),
        ("FUNCTION", "merger()", 17, "MERGE … BY SOURCE"),
        ("COLLATION", "built", 17, "the collation provider builtin"),
        ("EVENT TRIGGER", "et_login", 17, "an event trigger on login"),
        ("CONSTRAINT", "dist dist_a_key", 15, "NULLS NOT DISTINCT"),
    ];
    for (kind, name, since, what) in rows {
        let reason = newer(since - 1).left_out(kind, name);
        assert_eq!(
            reason,
            format!(
                "{what} needs PostgreSQL {since}, and the target is {}",
                since - 1
            )
        );
        let source = newer(since);
        assert_eq!(
            source.translate(kind, name).statements,
            source.entry(kind, name).statements,
            "{kind} {name}"
        );
    }
}

#[test]
fn a_constraint_that_is_not_enforced_is_left_out_with_a_note() {
    for (kind, name) in [
        ("CHECK CONSTRAINT", "lax lax_check"),
        ("FK CONSTRAINT", "lax_child lax_fk"),
    ] {
        let translated = newer(17).translate(kind, name);
        assert!(translated.left_out && translated.statements.is_empty());
        let [finding] = translated.findings.as_slice() else {
            panic!("{:?}", translated.findings)
        };
        assert_eq!(finding.severity, Severity::Note);
        assert_eq!(
            finding.reason,
            "NOT ENFORCED needs PostgreSQL 18, and the target is 17"
        );
        let source = newer(18);
        assert_eq!(
            source.translate(kind, name).statements,
            source.entry(kind, name).statements
        );
    }
}

#[test]
fn newer_json_functions_are_findings() {
    for (name, since, count) in [("json_fn", 17, 2), ("json_agg_view", 16, 2)] {
        assert_eq!(
            newer(since - 1).translate("VIEW", name).findings.len(),
            count
        );
        assert!(newer(since - 1).translate("VIEW", name).left_out);
        assert!(!newer(since).translate("VIEW", name).left_out);
    }
}

#[test]
fn the_privilege_maintain_needs_17() {
    let (statements, notes) = newer(16).noted("ACL", "TABLE parent");
    assert_eq!(
        statements,
        ["GRANT SELECT ON TABLE public.parent TO dialect_reader"]
    );
    assert_eq!(
        notes,
        ["the privilege MAINTAIN needs PostgreSQL 17 and is left out"]
    );
    let (statements, notes) = newer(16).noted("ACL", "TABLE gen");
    assert_eq!((statements.len(), notes.len()), (0, 1));
    let source = newer(16);
    assert_eq!(
        source.silent("ACL", "TABLE lonely"),
        source.entry("ACL", "TABLE lonely").statements[0]
    );
}

#[test]
fn the_access_method_of_a_partitioned_table_needs_17() {
    let (statements, notes) = newer(16).noted("TABLE", "part_am");
    assert!(
        statements
            .iter()
            .all(|statement| !statement.contains("ACCESS METHOD"))
    );
    assert_eq!(notes.len(), 1);
    assert!(
        newer(17)
            .translate("TABLE", "part_am")
            .statements
            .iter()
            .any(|statement| statement.contains("SET ACCESS METHOD heap"))
    );
}

#[test]
fn storage_parameters_of_18_are_left_out() {
    let (statements, notes) = newer(17).noted("TABLE", "threshold");
    assert_eq!(
        statements[0],
        "CREATE TABLE public.threshold (\n    a integer\n)\nWITH (fillfactor='70')"
    );
    assert_eq!(
        notes,
        ["storage parameters that need PostgreSQL 18 are left out"]
    );
}

#[test]
fn a_comment_on_a_not_null_goes_where_its_name_is_kept() {
    for version in [17, 18] {
        let source = newer(version);
        let mut gone = LeftOut::default();
        let mut follow = |entry| gone.follow(entry, || rewrite::entry(entry, &source.context));
        let became: Vec<_> = source
            .entries
            .iter()
            .map(|entry| (entry, follow(entry)))
            .collect();
        let of = |name: &str| {
            let mut found = became
                .iter()
                .filter(|(entry, _)| entry.kind == "COMMENT" && entry.name == name);
            &found.next().expect("a comment").1
        };
        assert_eq!(of("CONSTRAINT named_nn ON parent").left_out, version < 18);
        assert!(
            !of("CONSTRAINT later_nn ON later").left_out,
            "a check keeps its name"
        );
    }
}

#[test]
fn an_unlogged_sequence_needs_15() {
    let (statements, notes) = newer(14).noted("SEQUENCE", "forgetful");
    assert!(
        statements[0].starts_with("CREATE SEQUENCE public.forgetful\n"),
        "{statements:?}"
    );
    assert_eq!(
        notes,
        ["an UNLOGGED sequence needs PostgreSQL 15: it is logged on the target"]
    );
    assert!(
        newer(15)
            .silent("SEQUENCE", "forgetful")
            .starts_with("CREATE UNLOGGED SEQUENCE")
    );
}

#[test]
fn at_local_is_spelled_out_before_17() {
    assert!(
        newer(16)
            .silent("VIEW", "local_time")
            .contains("(now() AT TIME ZONE pg_catalog.current_setting('TimeZone')) AS t")
    );
    assert!(
        newer(17)
            .silent("VIEW", "local_time")
            .contains("(now() AT LOCAL) AS t")
    );
}

#[test]
fn merge_needs_15() {
    assert!(
        newer(14)
            .translate("FUNCTION", "merger()")
            .findings
            .iter()
            .any(|finding| finding.reason.starts_with("MERGE needs PostgreSQL 15"))
    );
}
