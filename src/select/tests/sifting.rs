//! Entries of the dump that follow others, or that nobody knows.

use super::*;
use crate::catalog::Type;
use crate::plan::Severity;

#[test]
fn row_security_comes_with_its_table() {
    let source = source();
    let entries = [
        entry("ROW SECURITY", "items", id(0, 1)),
        entry("POLICY", "items mine", id(POLICY, 11)),
        entry("ROW SECURITY", "logs", id(0, 3)),
    ];
    let (passed, findings) = sifted(&close(&source, &tables(&[1])), &source, &entries);
    assert_eq!(passed, [true, true, false]);
    assert_eq!(findings, []);
}

#[test]
fn an_unknown_kind_of_entry_needs_a_decision_under_a_selection_only() {
    let source = source();
    let entries = [entry("NOVELTY", "x", NONE)];
    for patterns in [tables(&[1]), schema_app(), without(&[3])] {
        let (passed, findings) = sifted(&close(&source, &patterns), &source, &entries);
        assert_eq!(passed, [false]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].object, "novelty app.x");
        assert_eq!(findings[0].severity, Severity::Decision);
    }
    let everything = close(&source, &Patterns::default());
    assert_eq!(sifted(&everything, &source, &entries), (vec![true], vec![]));
}

#[test]
fn comments_and_privileges_come_with_what_they_are_about() {
    let source = source();
    let entries = [
        numbered(entry("FUNCTION", "f()", id(FUNCTION, 31)), 1, &[]),
        numbered(entry("FUNCTION", "g()", id(FUNCTION, 30)), 2, &[]),
        numbered(entry("INDEX", "tree idx", rel(71)), 3, &[]),
        about("ACL", "FUNCTION f()", 1),
        about("ACL", "FUNCTION g()", 2),
        about("COMMENT", "INDEX \"tree idx\"", 3),
        about("SECURITY LABEL", "FUNCTION f()", 1),
    ];
    let (passed, findings) = sifted(&close(&source, &schema_app()), &source, &entries);
    assert_eq!(passed, [true, false, true, true, false, true, true]);
    assert_eq!(findings, []);
}

/// pg_dump makes no entry for the schema public, for built-in objects and for members of extensions.
#[test]
fn privileges_on_what_the_dump_does_not_make_come_with_its_schema() {
    let source = source();
    let of_schema = |name: &str| Entry {
        schema: None,
        ..about("ACL", name, 77)
    };
    let built_in = Entry {
        schema: Some("pg_catalog".into()),
        ..about("ACL", "FUNCTION pg_sleep()", 78)
    };
    let entries = [of_schema("SCHEMA app"), of_schema("SCHEMA lib"), built_in];
    let selection = close(&source, &tables(&[1]));
    assert_eq!(
        sifted(&selection, &source, &entries).0,
        [true, false, false]
    );
    let selection = close(&source, &without(&[3]));
    assert_eq!(sifted(&selection, &source, &entries).0, [true; 3]);

    let members = [
        entry("EXTENSION", "vector", VECTOR),
        about("ACL", "FUNCTION member()", 79),
    ];
    let (passed, findings) = sifted(&close(&source, &tables(&[1])), &source, &members);
    assert_eq!(passed, [false, false]);
    assert_eq!(findings[0].object, "acl app.FUNCTION member()");
}

#[test]
fn default_privileges_come_with_their_schema_or_without_any() {
    let mut source = source();
    source
        .depends
        .extend([(id(826, 40), APP, 'a'), (id(826, 41), LIB, 'a')]);
    let everywhere = Entry {
        schema: None,
        ..entry("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", id(826, 42))
    };
    let entries = [
        entry("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", id(826, 40)),
        entry("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", id(826, 41)),
        everywhere,
    ];
    let (passed, _) = sifted(&close(&source, &tables(&[1])), &source, &entries);
    assert_eq!(passed, [true, false, true]);
}

#[test]
fn a_foreign_key_to_a_table_that_does_not_come_is_named() {
    let source = source();
    let key = [entry(
        "FK CONSTRAINT",
        "items items_owner_fkey",
        id(class::CONSTRAINT, 10),
    )];
    for patterns in [tables(&[1]), without(&[2])] {
        let selection = close(&source, &patterns);
        assert!(selection.relations.contains(&1));
        let (passed, findings) = sifted(&selection, &source, &key);
        assert_eq!(passed, [false]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Note);
        assert_eq!(
            findings[0].object,
            "fk constraint app.items items_owner_fkey"
        );
        assert!(findings[0].reason.contains("app.owners"));
    }
    for patterns in [tables(&[1, 2]), without(&[3]), schema_app()] {
        let selection = close(&source, &patterns);
        assert_eq!(sifted(&selection, &source, &key), (vec![true], vec![]));
    }
}

#[test]
fn attachments_are_found_by_the_name_that_the_dump_writes() {
    let source = source();
    let entries = [
        entry("TABLE ATTACH", "tree 1", NONE),
        entry("INDEX ATTACH", "tree 1_idx", NONE),
    ];
    let passed = |patterns| sifted(&close(&source, &patterns), &source, &entries).0;
    assert_eq!(passed(tables(&[7])), [true, true]);
    assert_eq!(passed(tables(&[1])), [false, false]);
    assert_eq!(passed(without(&[7])), [false, false]);
    assert_eq!(passed(without(&[8])), [false, false]);
}

#[test]
fn a_user_mapping_comes_with_its_server_and_a_shell_type_with_its_type() {
    let mut source = source();
    let (fast, ty) = (id(1417, 80), id(class::TYPE, 82));
    let base = Type {
        name: "app.\"Base\"".into(),
        kind: 'b',
        has_binary: true,
        ..Type::default()
    };
    source.types.insert(82, base);
    source
        .depends
        .extend([(rel(1), fast, 'n'), (rel(1), ty, 'n')]);
    let server = |name: &str, oid| Entry {
        schema: None,
        ..entry("SERVER", name, id(1417, oid))
    };
    let entries = [
        server("fast", 80),
        server("slow", 81),
        entry("USER MAPPING", "USER MAPPING a SERVER fast", NONE),
        entry("USER MAPPING", "USER MAPPING a SERVER slow", NONE),
        entry("SHELL TYPE", "Base", NONE),
        entry("SHELL TYPE", "other", NONE),
    ];
    let (passed, findings) = sifted(&close(&source, &tables(&[1])), &source, &entries);
    assert_eq!(passed, [true, false, true, false, true, false]);
    assert_eq!(findings, []);
}
