//! Tables and domains of a recorded dump: what changes in them, and what is a finding.

mod common;

use common::{Source, shapes, words};
use pgv2rs_dialect::rewrite::{self, Severity};
use pgv2rs_dialect::types::{SourceType, TargetType, TypeChange};

/// What an entry became must be what it was with these replacements, and nothing else.
fn assert_replaced(source: &Source, kind: &str, name: &str, replacements: &[(&str, &str)]) {
    let mut expected = source.entry(kind, name).statements.clone();
    for (old, new) in replacements {
        assert!(expected[0].contains(old), "{old} is not in the dump");
        expected[0] = expected[0].replace(old, new);
    }
    let translated = source.translate(kind, name);
    assert_eq!(translated.findings, []);
    assert_eq!(translated.statements, expected);
}

#[test]
fn only_the_types_of_vector_columns_change() {
    let replacements = [
        (
            "v public.vector(3) NOT NULL",
            "v vectors.vector(3) NOT NULL",
        ),
        ("v_any public.vector,", "v_any vectors.vector,"),
        ("public.halfvec(4)", "vectors.vecf16(4)"),
        ("public.sparsevec(10)", "vectors.svector(10)"),
        ("va public.vector(3)[]", "va vectors.vector(3)[]"),
        ("public.halfvec[]", "vectors.vecf16[]"),
    ];
    assert_replaced(&shapes(), "TABLE", "types", &replacements);
}

#[test]
fn text_that_resembles_a_type_stays() {
    let statement = shapes().silent("TABLE", "types");
    assert!(
        statement.contains("label text DEFAULT 'a public.vector(3); -- not a type'::text NOT NULL")
    );
}

#[test]
fn bits_stay_bits_until_it_is_decided() {
    let statement = shapes().silent("TABLE", "types");
    assert!(statement.contains(
        "    b bit(8),\n    vb bit varying(8),\n    flags bit(4) DEFAULT '0101'::\"bit\",\n"
    ));
    let decided = [
        ("e public.vector(4)", "e vectors.vector(4)"),
        ("public.halfvec(4)", "vectors.vecf16(4)"),
        ("public.sparsevec(8)", "vectors.svector(8)"),
        ("b bit(6)", "b vectors.bvector(6)"),
        ("any_dims public.vector", "any_dims vectors.vector"),
        ("bit varying(6)", "vectors.bvector(6)"),
    ];
    assert_replaced(&shapes(), "TABLE", "ix", &decided);
}

#[test]
fn odd_names_are_found_and_kept() {
    let replacements = [
        (
            "\"Mixed Case\" public.vector(3)",
            "\"Mixed Case\" vectors.vector(3)",
        ),
        (
            "\"ünïcode\" public.halfvec(2)",
            "\"ünïcode\" vectors.vecf16(2)",
        ),
        (
            "\"select\" public.sparsevec(5)",
            "\"select\" vectors.svector(5)",
        ),
    ];
    assert_replaced(&shapes(), "TABLE", "we\"ird.name", &replacements);
}

#[test]
fn partitions_and_their_parent_change_alike() {
    let source = shapes();
    for name in ["parts", "parts_1", "parts_d"] {
        assert_replaced(
            &source,
            "TABLE",
            name,
            &[("public.vector(3)", "vectors.vector(3)")],
        );
    }
    assert_replaced(&source, "TABLE ATTACH", "parts_1", &[]);
}

#[test]
fn an_inherited_column_is_not_in_the_statement() {
    assert_replaced(&shapes(), "TABLE", "child", &[]);
}

#[test]
fn a_mapping_decides_the_type() {
    let mut source = shapes();
    let table = source.oid("TABLE", "types");
    for (column, to) in [
        ("v", TargetType::Vecf16),
        ("h", TargetType::Vector),
        ("v_any", TargetType::RealArray),
        ("va", TargetType::RealArray),
    ] {
        source
            .context
            .columns
            .get_mut(&table)
            .and_then(|columns| columns.get_mut(column))
            .expect("a vector column")
            .to = to;
    }
    let statement = source.silent("TABLE", "types");
    for column in [
        "v vectors.vecf16(3) NOT NULL,",
        "h vectors.vector(4),",
        "v_any real[],",
        "va real[][],",
    ] {
        assert!(
            statement.contains(&format!("    {column}\n")),
            "{column} in {statement}"
        );
    }
}

#[test]
fn a_domain_changes_and_its_columns_do_not() {
    let source = shapes();
    assert_replaced(
        &source,
        "DOMAIN",
        "embedding",
        &[("public.vector(3)", "vectors.vector(3)")],
    );
    assert_replaced(&source, "TABLE", "with_domain", &[]);
    assert_replaced(&source, "DOMAIN", "positive", &[]);
}

#[test]
fn a_check_of_a_domain_calls_the_function_of_the_target() {
    assert_eq!(
        shapes().silent("DOMAIN", "checked"),
        "CREATE DOMAIN app.checked AS vectors.vector(3)\n\tCONSTRAINT checked_check CHECK ((vectors.vector_dims(VALUE) = 3))"
    );
}

#[test]
fn defaults_checks_and_generated_columns_are_said_in_place() {
    let source = shapes();
    let rows = [
        (
            "with_default",
            "v vectors.vector(2) DEFAULT '[1,2]'::vectors.vector\n",
        ),
        (
            "with_check",
            "CONSTRAINT with_check_v_check CHECK (((vectors.vector_norm(v))::double precision < (2)::double precision))",
        ),
        (
            "with_generated",
            "GENERATED ALWAYS AS (pg_catalog.translate(((vectors.binarize(v))::vectors.bvector(2))::text, '[, ]', '')::\"bit\") STORED\n",
        ),
    ];
    for (name, clause) in rows {
        let (statements, _) = source.noted("TABLE", name);
        assert!(statements[0].contains(clause), "{}", statements[0]);
    }
}

#[test]
fn findings_hold_no_values() {
    let source = words();
    for entry in &source.entries {
        let findings = format!("{:?}", rewrite::entry(entry, &source.context).findings);
        for value in ["[1,2", "{1:1", "'101'", "0.5", "moved"] {
            assert!(!findings.contains(value), "{value} in {findings}");
        }
    }
}

#[test]
fn a_vector_column_that_nobody_decided_is_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "base");
    source
        .context
        .columns
        .get_mut(&table)
        .expect("a table with vectors")
        .remove("v");
    assert_eq!(
        source.left_out("TABLE", "base"),
        "mentions the type public.vector of pgvector in a place that is not known"
    );
}

#[test]
fn a_decided_column_that_is_not_in_the_dump_is_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "types");
    let change = TypeChange {
        from: SourceType::Vector,
        to: TargetType::Vector,
        dims: None,
        array: false,
    };
    source
        .context
        .columns
        .entry(table)
        .or_default()
        .insert("gone".to_owned(), change);
    assert_eq!(
        source.left_out("TABLE", "types"),
        "column gone is not in the statement that makes the table"
    );
}

#[test]
fn a_column_that_changed_between_catalog_and_dump_is_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "base");
    source
        .context
        .columns
        .get_mut(&table)
        .and_then(|columns| columns.get_mut("v"))
        .expect("a vector column")
        .from = SourceType::Halfvec;
    assert_eq!(
        source.left_out("TABLE", "base"),
        "column v is a vector in the dump and a halfvec in the catalog"
    );
}

#[test]
fn more_dimensions_than_the_target_takes_are_a_finding() {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&table)
        .and_then(|columns| columns.get_mut("b"))
        .expect("a decided column")
        .dims = Some(70_000);
    assert_eq!(
        source.left_out("TABLE", "ix"),
        "column b has 70000 dimensions; vectors.bvector takes at most 65535"
    );
}

#[test]
fn a_default_of_bits_that_become_a_vector_is_one() {
    let mut source = shapes();
    let table = source.oid("TABLE", "types");
    let bits = TypeChange {
        from: SourceType::Bit,
        to: TargetType::Bvector,
        dims: Some(4),
        array: false,
    };
    let columns = source.context.columns.entry(table).or_default();
    columns.insert("flags".to_owned(), bits);
    let statement = source.silent("TABLE", "types");
    assert!(
        statement.contains("flags vectors.bvector(4) DEFAULT '[0, 1, 0, 1]'::vectors.bvector,"),
        "{statement}"
    );
}

#[test]
fn pg_trgm_in_the_same_schema_is_not_pgvector() {
    let mut source = shapes();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "TABLE" && entry.name == "types")
        .expect("the table");
    let check = ",\n    CONSTRAINT near CHECK (((label OPERATOR(public.<->) 'x'::text) < (1)::double precision))\n)";
    entry.statements[0] = entry.statements[0].replace("\n)", check);
    let statement = source.silent("TABLE", "types");
    assert!(
        statement.contains("OPERATOR(public.<->) 'x'::text")
            && statement.contains("v vectors.vector(3) NOT NULL")
    );
}

#[test]
fn a_schema_that_needs_quotes_is_understood() {
    let mut source = shapes();
    source.context.vector_schema = "My ext".to_owned();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "TABLE" && entry.name == "base")
        .expect("the table");
    entry.statements[0] = entry.statements[0].replace("public.vector", "\"My ext\".\"vector\"");
    assert_eq!(
        source.silent("TABLE", "base"),
        "CREATE TABLE app.base (\n    v vectors.vector(3)\n)"
    );
}

#[test]
fn foreign_tables_change_like_tables() {
    let mut source = shapes();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "TABLE" && entry.name == "base")
        .expect("the table");
    entry.kind = "FOREIGN TABLE".to_owned();
    entry.statements[0] = "CREATE FOREIGN TABLE app.base (\n    v public.vector(3) OPTIONS (column_name 'x')\n)\nSERVER far".to_owned();
    assert_eq!(
        source.silent("FOREIGN TABLE", "base"),
        "CREATE FOREIGN TABLE app.base (\n    v vectors.vector(3) OPTIONS (column_name 'x')\n)\nSERVER far"
    );
}

#[test]
fn a_table_that_the_parser_does_not_know_passes_only_if_it_needs_no_edit() {
    for (name, left_out) in [("base", true), ("positive", false)] {
        let mut source = shapes();
        let entry = source
            .entries
            .iter_mut()
            .find(|entry| entry.name == name)
            .expect("the entry");
        entry.statements[0].push_str(" FROBNICATED BY (");
        let (kind, statements) = (entry.kind.clone(), entry.statements.clone());
        let translated = source.translate(&kind, name);
        assert_eq!(translated.left_out, left_out);
        if left_out {
            assert_eq!(translated.findings[0].severity, Severity::Decision);
            assert!(
                translated.findings[0]
                    .reason
                    .contains("not understood by the parser")
            );
        } else {
            assert_eq!(translated.statements, statements);
        }
    }
}
