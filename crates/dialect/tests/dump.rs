//! Cutting a dump into entries: what is a header, where a statement ends, what is refused.

mod common;

use common::{fixture, shapes};
use pgv2rs_dialect::Error;
use pgv2rs_dialect::dump::{Entry, ObjectId, parse};

const HEADER: &str = "--\n-- TOC entry 7 (class 1259 OID 70)\n-- Name: t; Type: TABLE; Schema: public; Owner: me\n--\n\n";

fn statements(sql: &str) -> Vec<String> {
    let dump = parse(&format!("{HEADER}{sql}")).expect("parses");
    let [entry] = dump.entries.as_slice() else {
        panic!("not one entry: {dump:?}")
    };
    entry.statements.clone()
}

#[test]
fn reads_identity_from_the_header() {
    let source = shapes();
    let entry = source.entry("TABLE", "we\"ird.name");
    assert_eq!(
        (entry.schema.as_deref(), entry.owner.as_deref()),
        (Some("app"), Some("postgres"))
    );
    assert_eq!(entry.object.map(|object| object.class), Some(1259));
    let extension = source.entry("EXTENSION", "vector");
    assert_eq!(
        (extension.schema.as_deref(), extension.owner.as_deref()),
        (None, None)
    );
    assert_eq!(
        source.entry("COMMENT", "EXTENSION vector").dependencies,
        [extension.dump_id]
    );
    assert_eq!(
        source.entry("COMMENT", "EXTENSION vector").object,
        Some(ObjectId { class: 0, oid: 0 })
    );
}

#[test]
fn reads_dependencies_and_a_tablespace() {
    let sql = "--\n-- TOC entry 9 (class 1259 OID 70)\n-- Dependencies: 3 41 5\n\
               -- Name: a; Type: b; Type: INDEX; Schema: s; Owner: o; Tablespace: fast\n--\n\nCREATE INDEX a;\n";
    let dump = parse(sql).expect("parses");
    let expected = Entry {
        dump_id: 9,
        object: Some(ObjectId {
            class: 1259,
            oid: 70,
        }),
        dependencies: vec![3, 41, 5],
        name: "a; Type: b".to_owned(),
        kind: "INDEX".to_owned(),
        schema: Some("s".to_owned()),
        owner: Some("o".to_owned()),
        statements: vec!["CREATE INDEX a".to_owned()],
    };
    assert_eq!(dump.entries, [expected]);
}

#[test]
fn names_that_hold_the_words_of_a_header_are_read_as_the_statements_have_them() {
    let schema = "s; Type: TABLE; Schema: y; Owner: z";
    let cases = [
        (
            "t; Tablespace: fast",
            "TABLE",
            "public",
            "me",
            "CREATE TABLE public.\"t; Tablespace: fast\" ()",
        ),
        (
            "t; Schema: -; Owner: z",
            "TABLE",
            "public",
            "me",
            "CREATE TABLE public.\"t; Schema: -; Owner: z\" ()",
        ),
        (
            "t; Type: VIEW; Schema: y",
            "TABLE",
            schema,
            "me",
            &format!("CREATE TABLE \"{schema}\".\"t; Type: VIEW; Schema: y\" ()"),
        ),
        (
            "t; Type: TABLE; Schema: s",
            "INDEX",
            "y",
            "z",
            "CREATE INDEX i ON y.\"t; Type: TABLE; Schema: s\" (a)",
        ),
        (
            "i",
            "INDEX",
            "public",
            "o; Type: TABLE; Schema: y; Owner: z",
            "CREATE INDEX i ON public.t (a)",
        ),
        (
            "i",
            "INDEX",
            "a b; Schema: y",
            "me",
            "CREATE INDEX i ON \"a\nb; Schema: y\".t (a)",
        ),
    ];
    for (name, kind, schema, owner, statement) in cases {
        let sql = format!(
            "--\n-- TOC entry 7 (class 1259 OID 70)\n-- Name: {name}; Type: {kind}; Schema: {schema}; Owner: {owner}\n--\n\n{statement};\n"
        );
        let dump = parse(&sql).expect("parses");
        let [entry] = dump.entries.as_slice() else {
            panic!("not one entry: {dump:?}")
        };
        let read = (
            entry.name.as_str(),
            entry.kind.as_str(),
            entry.schema.as_deref(),
            entry.owner.as_deref(),
        );
        assert_eq!(read, (name, kind, Some(schema), Some(owner)), "{sql}");
        assert_eq!(entry.statements, [statement]);
    }
}

#[test]
fn a_header_inside_of_a_function_body_is_text() {
    let source = shapes();
    let body = source.entry("FUNCTION", "body_only(real[])");
    assert_eq!(body.statements.len(), 2);
    assert!(body.statements[0].contains("-- TOC entry 4711") && body.statements[0].ends_with("$$"));
    assert!(
        source
            .entries
            .iter()
            .all(|entry| entry.dump_id != 4711 && entry.name != "fake")
    );
}

#[test]
fn a_header_inside_of_a_string_is_text() {
    let sql = format!("COMMENT ON TABLE t IS 'x;\n{HEADER}CREATE TABLE no ();'");
    assert_eq!(statements(&format!("{sql};\n")), [sql]);
}

#[test]
fn session_statements_are_entries_in_their_place() {
    let source = shapes();
    let kinds: Vec<&str> = source
        .entries
        .iter()
        .map(|entry| entry.kind.as_str())
        .collect();
    assert_eq!(kinds[0], "SESSION");
    let table = kinds
        .iter()
        .position(|kind| *kind == "TABLE")
        .expect("a table");
    assert_eq!(kinds[table - 1], "SESSION");
    assert_eq!(
        source.entries[table - 1].statements,
        [
            "SET default_tablespace = ''",
            "SET default_table_access_method = heap"
        ]
    );
    assert_eq!(source.entries[table - 1].object, None);
}

#[test]
fn the_restrict_lines_are_cut() {
    let text = fixture("shapes.pre.sql");
    assert!(text.contains("\n\\restrict ") && text.contains("\n\\unrestrict "));
    assert!(
        shapes()
            .entries
            .iter()
            .flat_map(|entry| &entry.statements)
            .all(|statement| !statement.contains("restrict "))
    );
}

#[test]
fn a_restrict_line_in_the_middle_is_text() {
    let body = "CREATE FUNCTION f() AS $$\n\\restrict x\n\\unrestrict x\n$$";
    assert_eq!(statements(&format!("{body};\n")), [body]);
}

#[test]
fn statements_end_outside_of_bodies_and_parentheses_only() {
    let atomic = "CREATE FUNCTION f() RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 ELSE 2 END;\n SELECT 2;\nEND";
    let rule = "CREATE RULE r AS\n    ON INSERT TO t DO ( SELECT 1;\n SELECT 2;\n)";
    let plain = "CREATE TABLE \"begin;\" (a text DEFAULT ';')";
    assert_eq!(
        statements(&format!("{atomic};\n{rule};\n\n{plain};\n")),
        [atomic, rule, plain]
    );
}

#[test]
fn nothing_but_comments_and_semicolons_is_lost() {
    for name in [
        "shapes.pre.sql",
        "shapes.post.sql",
        "newer.pre.sql",
        "newer.post.sql",
    ] {
        let text = fixture(name);
        let mut rest = text.as_str();
        for statement in parse(&text)
            .expect("parses")
            .entries
            .into_iter()
            .flat_map(|entry| entry.statements)
        {
            let at = rest
                .find(&statement)
                .unwrap_or_else(|| panic!("{name}: not in its place: {statement}"));
            assert_only_filler(&rest[..at]);
            rest = &rest[at + statement.len()..];
        }
        assert_only_filler(rest);
    }
}

fn assert_only_filler(text: &str) {
    for line in text.lines() {
        let filler = line.is_empty()
            || line == ";"
            || line.starts_with("--")
            || line.starts_with("\\restrict")
            || line.starts_with("\\unrestrict");
        assert!(filler, "lost: {line}");
    }
}

#[test]
fn refuses_a_dump_without_headers() {
    let error = parse("SET x = 1;\n\nCREATE TABLE t ();\n").expect_err("no header");
    assert_eq!(error, Error::StatementWithoutHeader { line: 3 });
    assert!(error.to_string().contains("--verbose"));
}

#[test]
fn refuses_a_dump_that_is_cut_short() {
    let error = parse(&format!("{HEADER}CREATE TABLE t (a text DEFAULT 'secret")).expect_err("cut");
    assert_eq!(error, Error::Unterminated { line: 6 });
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn refuses_a_header_that_it_does_not_know() {
    let malformed =
        "--\n-- TOC entry 7 (class 1259 OID 70)\n-- Something new\n--\n\nCREATE TABLE t ();\n";
    assert_eq!(parse(malformed), Err(Error::MalformedHeader { line: 1 }));
}

#[test]
fn an_empty_dump_has_no_entries() {
    assert_eq!(parse("").expect("parses").entries, []);
    assert_eq!(
        parse("--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\n\\unrestrict x\n")
            .expect("parses")
            .entries,
        []
    );
}

#[test]
fn windows_line_ends_change_nothing_but_the_line_ends() {
    let text = fixture("newer.pre.sql");
    let unix = parse(&text).expect("parses").entries;
    let windows = parse(&text.replace('\n', "\r\n")).expect("parses").entries;
    let names = |entries: &[Entry]| {
        entries
            .iter()
            .map(|entry| (entry.dump_id, entry.name.clone(), entry.statements.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&unix), names(&windows));
}
