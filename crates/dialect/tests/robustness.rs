//! What must hold for any text: no panic, no stack overflow, no silent change.

mod common;

use common::{context, fixture, newer, shapes, words};
use pgv2rs_dialect::dump::{Entry, ObjectId, parse};
use pgv2rs_dialect::rewrite;

fn view(statement: String) -> Entry {
    Entry {
        object: Some(ObjectId {
            class: 1259,
            oid: 1,
        }),
        kind: "VIEW".to_owned(),
        name: "v".to_owned(),
        statements: vec![statement],
        ..Entry::default()
    }
}

#[test]
fn deep_expressions_pass_unchanged_where_nothing_is_to_do() {
    let nested = |depth: usize| {
        format!(
            "CREATE VIEW v AS SELECT {}1{} AS x",
            "(".repeat(depth),
            ")".repeat(depth)
        )
    };
    for depth in [10, 500, 4_000, 100_000] {
        let entry = view(nested(depth));
        let translated = rewrite::entry(&entry, &context());
        assert_eq!(translated.statements, entry.statements, "depth {depth}");
        assert_eq!(translated.findings, []);
    }
}

#[test]
fn an_expression_too_deep_to_read_is_a_finding_where_something_is_to_do() {
    let deep = format!(
        "CREATE VIEW v AS SELECT {}NULL::public.vector(3){} AS x",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    let translated = rewrite::entry(&view(deep), &context());
    assert!(
        translated.left_out
            && translated.findings[0]
                .reason
                .contains("not understood by the parser")
    );
}

#[test]
fn long_chains_without_parentheses_are_read() {
    let union = vec!["SELECT 1 AS x"; 3_000].join(" UNION ALL ");
    let sum = vec!["1"; 3_000].join(" + ");
    let case = format!(
        "{} 1 {}",
        "CASE WHEN true THEN".repeat(300),
        "END ".repeat(300)
    );
    let not = format!("{} true", "NOT ".repeat(300));
    for body in [
        union,
        format!("SELECT {sum} AS x"),
        format!("SELECT {case} AS x"),
        format!("SELECT {not} AS x"),
    ] {
        let entry = view(format!("CREATE VIEW v AS {body}"));
        assert_eq!(
            rewrite::entry(&entry, &context()).statements,
            entry.statements
        );
    }
}

#[test]
fn a_dump_cut_anywhere_is_an_error_or_a_prefix() {
    let text = fixture("shapes.pre.sql");
    let whole = parse(&text).expect("parses").entries;
    for cut in (0..text.len())
        .step_by(37)
        .filter(|cut| text.is_char_boundary(*cut))
    {
        let Ok(dump) = parse(&text[..cut]) else {
            continue;
        };
        // The last entry may be short of statements, or end within one; those before it are whole.
        let complete = dump.entries.len().saturating_sub(1);
        assert_eq!(dump.entries[..complete], whole[..complete], "cut at {cut}");
    }
}

#[test]
fn statements_cut_anywhere_never_panic_and_never_pass_a_vector() {
    let source = shapes();
    for entry in source.entries.iter().filter(|entry| {
        ["TABLE", "INDEX", "DOMAIN", "VIEW", "FUNCTION"].contains(&entry.kind.as_str())
    }) {
        let Some(statement) = entry.statements.first() else {
            continue;
        };
        for cut in (0..statement.len())
            .step_by(5)
            .filter(|cut| statement.is_char_boundary(*cut))
        {
            let short = Entry {
                statements: vec![statement[..cut].to_owned()],
                ..entry.clone()
            };
            let translated = rewrite::entry(&short, &source.context);
            let passed = translated.statements.concat();
            assert!(
                !passed.contains("USING hnsw") && !passed.contains(" public.vector("),
                "{} cut at {cut}: {passed}",
                entry.name
            );
        }
    }
}

/// What stands at the bottom of deep nesting is said as anywhere else, without an end of the stack.
#[test]
fn deep_expressions_over_vectors_are_said() {
    let mut context = words().context;
    let object = ObjectId {
        class: 1259,
        oid: 1,
    };
    let member = "operator public.<=>(public.vector,public.vector)".to_owned();
    context.dependents.insert(object, vec![member]);
    for (open, close) in [
        ("(", ")"),
        ("abs(", ")"),
        ("(1 + ", ")"),
        ("CASE WHEN true THEN ", " END"),
    ] {
        for depth in [30, 300, 2_000] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let text =
                format!("CREATE VIEW v AS SELECT {open}(v OPERATOR(public.<=>) w){close} AS x");
            let translated = rewrite::entry(&view(text), &context);
            let expected = "((v OPERATOR(vectors.<=>) w)::double precision)";
            assert!(
                translated.statements.concat().contains(expected),
                "{open:.20} {depth}: {:?}",
                translated.findings
            );
        }
    }
}

/// Each query shows a name under the same name: what it is was asked of all of them, by all of them.
#[test]
fn many_queries_that_show_the_same_name_are_read_at_once() {
    let source = words();
    let mut entry = source
        .entries
        .iter()
        .find(|entry| entry.kind == "FUNCTION")
        .expect("a function")
        .clone();
    let query = |n: usize| {
        format!(
            "q{n} AS (SELECT id, v <#> embedding AS d FROM public.items ORDER BY v <#> embedding)"
        )
    };
    let queries: Vec<String> = (0..20).map(query).collect();
    entry.statements[0] = format!(
        "CREATE FUNCTION f(embedding public.vector) RETURNS SETOF public.items LANGUAGE sql AS $$\nWITH {} SELECT id, d FROM q0 WHERE id = d ORDER BY id\n$$",
        queries.join(", ")
    );
    let started = std::time::Instant::now();
    rewrite::entry(&entry, &source.context);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn bodies_cut_anywhere_never_panic() {
    let source = words();
    for entry in source
        .entries
        .iter()
        .filter(|entry| entry.kind == "FUNCTION")
    {
        let statement = &entry.statements[0];
        let body = statement.find(" AS $").map_or(statement.len(), |at| at + 5);
        for cut in (body..statement.len()).step_by(3) {
            let broken = Entry {
                statements: vec![format!("{} <=> é {}", &statement[..cut], &statement[cut..])],
                ..entry.clone()
            };
            let translated = rewrite::entry(&broken, &source.context);
            assert!(!translated.left_out || translated.statements.is_empty());
        }
    }
}

#[test]
fn bytes_replaced_anywhere_never_panic() {
    let sources = [shapes(), newer(14)];
    let wild = ["\u{0}", "'", "\"", "(", ")", "$", ";", "é", "\\", "/*"];
    for source in &sources {
        for (number, entry) in source.entries.iter().enumerate() {
            let Some(statement) = entry.statements.first() else {
                continue;
            };
            for at in (number % 11..statement.len())
                .step_by(11)
                .filter(|at| statement.is_char_boundary(*at))
            {
                let mut text = statement.clone();
                text.insert_str(at, wild[(at + number) % wild.len()]);
                let broken = Entry {
                    statements: vec![text],
                    ..entry.clone()
                };
                let translated = rewrite::entry(&broken, &source.context);
                assert!(!translated.left_out || translated.statements.is_empty());
            }
        }
    }
}

#[test]
fn without_vectors_and_on_an_equal_server_nothing_changes() {
    let mut source = shapes();
    // Without anything from the catalog, and with pgvector said to live elsewhere, no entry has anything to do with vectors.
    source.context = rewrite::Context {
        target_version: 18,
        vector_schema: "nowhere".to_owned(),
        ..context()
    };
    for entry in source
        .entries
        .iter()
        .filter(|entry| !entry.name.ends_with("vector") && entry.name != "tuned()")
        // The words of a body that is a string are pgvector's wherever pgvector lives.
        .filter(|entry| {
            !entry.name.starts_with("body_only") && !entry.name.starts_with("takes_vector")
        })
    {
        assert_eq!(
            rewrite::entry(entry, &source.context).statements,
            entry.statements,
            "{} {}",
            entry.kind,
            entry.name
        );
    }
}
