//! What comes, and what must not, by pg_depend alone.

use super::*;
use crate::plan::Severity;

#[test]
fn a_schema_comes_with_all_that_stands_in_it_but_no_extension() {
    let source = source();
    let entries = [
        entry("SCHEMA", "app", APP),
        entry("FUNCTION", "f()", id(FUNCTION, 31)),
        entry("VIEW", "log_view", rel(6)),
        entry("EXTENSION", "vector", VECTOR),
        entry("SCHEMA", "lib", LIB),
        entry("FUNCTION", "g()", id(FUNCTION, 30)),
    ];
    let selection = close(&source, &schema_app());
    assert_eq!(selection.relations.len(), source.relations.len());
    let (passed, _) = sifted(&selection, &source, &entries);
    assert_eq!(passed, [true, true, true, false, false, false]);
}

#[test]
fn a_schema_brings_what_its_objects_need_elsewhere() {
    let mut source = source();
    source
        .depends
        .push((id(FUNCTION, 31), id(FUNCTION, 30), 'n'));
    let entries = [
        entry("SCHEMA", "lib", LIB),
        entry("FUNCTION", "g()", id(FUNCTION, 30)),
    ];
    let selection = close(&source, &schema_app());
    assert_eq!(sifted(&selection, &source, &entries).0, [true, true]);
}

#[test]
fn a_composite_type_brings_the_types_of_its_columns_and_a_domain_its_check() {
    let mut source = source();
    let (pair, columns, mood) = (id(class::TYPE, 90), rel(91), id(class::TYPE, 92));
    let (domain, check) = (id(class::TYPE, 93), id(class::CONSTRAINT, 94));
    let cast = id(CAST, 95);
    source.depends.extend([
        (rel(1), pair, 'n'),
        (columns, pair, 'i'),
        (columns, mood, 'n'),
        (rel(1), domain, 'n'),
        (check, domain, 'a'),
        (check, id(FUNCTION, 30), 'n'),
        (cast, mood, 'n'),
        (cast, id(FUNCTION, 31), 'n'),
    ]);
    let selection = close(&source, &tables(&[1]));
    for object in [
        pair,
        mood,
        domain,
        id(FUNCTION, 30),
        LIB,
        cast,
        id(FUNCTION, 31),
    ] {
        assert!(selection.comes(object), "{object:?}");
    }
}

#[test]
fn an_excluded_table_goes_with_all_its_parts_and_without_a_word() {
    let source = source();
    let entries = [
        entry("TABLE", "logs", rel(3)),
        entry("SEQUENCE", "logs_id_seq", rel(4)),
        entry("CONSTRAINT", "logs logs_pkey", id(class::CONSTRAINT, 5)),
        entry("INDEX", "logs_pkey", rel(50)),
    ];
    let both = Patterns {
        excluded: HashSet::from([3]),
        ..schema_app()
    };
    for patterns in [without(&[3]), both] {
        let selection = close(&source, &patterns);
        assert_eq!(sorted(&selection.relations), [1, 2, 7, 8]);
        let (passed, findings) = sifted(&selection, &source, &entries);
        assert_eq!(passed, [false; 4]);
        assert_eq!(findings, []);
    }
}

#[test]
fn a_view_over_an_excluded_table_needs_a_decision() {
    let mut source = source();
    let above = relation(9, 'v', "above");
    source.depends.extend([
        (id(class::REWRITE, 61), rel(9), 'i'),
        (id(class::REWRITE, 61), rel(6), 'n'),
    ]);
    source.relations.push(above);
    let entries = [
        entry("VIEW", "log_view", rel(6)),
        entry("VIEW", "above", rel(9)),
        entry("RULE", "above _RETURN", id(class::REWRITE, 61)),
    ];
    let named = Patterns {
        excluded: HashSet::from([3]),
        ..tables(&[6, 9])
    };
    for patterns in [without(&[3]), named] {
        let selection = close(&source, &patterns);
        assert!(!selection.relations.contains(&6) && !selection.relations.contains(&9));
        let (passed, findings) = sifted(&selection, &source, &entries);
        assert_eq!(passed, [false; 3]);
        let said: Vec<_> = findings
            .iter()
            .map(|f| (f.severity, f.object.as_str()))
            .collect();
        let decision = Severity::Decision;
        assert_eq!(
            said,
            [
                (decision, "view app.log_view"),
                (decision, "view app.above")
            ]
        );
        assert_eq!(findings[1].reason, "needs app.logs, which is excluded");
    }
    // Nobody asked for the view: nothing to decide.
    let other = Patterns {
        excluded: HashSet::from([3]),
        ..tables(&[1])
    };
    let (_, findings) = sifted(&close(&source, &other), &source, &entries);
    assert_eq!(findings, []);
}

#[test]
fn a_table_whose_default_needs_an_excluded_sequence_needs_a_decision() {
    let mut source = source();
    source.relations.push(relation(9, 'S', "numbers"));
    source.depends.extend([
        (id(class::ATTRDEF, 12), rel(1), 'a'),
        (id(class::ATTRDEF, 12), rel(9), 'n'),
    ]);
    let entries = [
        entry("TABLE", "items", rel(1)),
        entry("DEFAULT", "items id", id(class::ATTRDEF, 12)),
    ];
    let selection = close(&source, &without(&[9]));
    assert!(!selection.relations.contains(&1));
    let (passed, findings) = sifted(&selection, &source, &entries);
    assert_eq!(passed, [false, false]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].object, "table app.items");
}

#[test]
fn an_owned_sequence_stays_with_its_table() {
    let source = source();
    let selection = close(&source, &without(&[4]));
    assert!(selection.relations.contains(&3) && selection.relations.contains(&4));
}

#[test]
fn a_schema_that_holds_only_a_function_comes_when_a_table_is_excluded() {
    let source = source();
    let entries = [
        entry("SCHEMA", "lib", LIB),
        entry("FUNCTION", "g()", id(FUNCTION, 30)),
        entry("EVENT TRIGGER", "on_drop", id(3466, 70)),
    ];
    let (passed, findings) = sifted(&close(&source, &without(&[3])), &source, &entries);
    assert_eq!(passed, [true; 3]);
    assert_eq!(findings, []);
}

#[test]
fn an_excluded_parent_takes_its_partitions_along() {
    let source = source();
    let selection = close(&source, &without(&[7]));
    assert_eq!(sorted(&selection.relations), [1, 2, 3, 4, 6]);
    let selection = close(&source, &without(&[8]));
    assert_eq!(sorted(&selection.relations), [1, 2, 3, 4, 6, 7]);
}

#[test]
fn what_comes_unasked_is_said() {
    let mut source = source();
    source.depends.push((rel(1), rel(2), 'n'));
    let selection = close(&source, &tables(&[1]));
    let said: Vec<_> = selection
        .findings
        .iter()
        .map(|f| f.object.as_str())
        .collect();
    assert_eq!(said, ["table app.owners"]);
}
