//! Functions over `words.sql`: signatures, and bodies that are strings.

mod common;

use common::words;
use pgv2rs_dialect::rewrite::{self, Severity, Translated};

fn function(name: &str) -> String {
    words().silent("FUNCTION", name)
}

#[test]
fn a_plpgsql_body_is_said_statement_by_statement() {
    let name = "match_documents(public.vector, double precision, integer)";
    let source = words();
    let original = &source.entry("FUNCTION", name).statements[0];
    let expected = original
        .replace("query_embedding public.vector", "query_embedding vectors.vector")
        .replace("best vector(3) :=", "best vectors.vector(3) :=")
        .replace(
            "SELECT i.v <-> query_embedding INTO STRICT n",
            "SELECT pg_catalog.sqrt((i.v OPERATOR(vectors.<->) query_embedding)::double precision) INTO STRICT n",
        )
        .replace("ORDER BY i.v <-> query_embedding LIMIT 1", "ORDER BY i.v OPERATOR(vectors.<->) query_embedding LIMIT 1")
        .replace("query_embedding::halfvec(3)", "query_embedding::vectors.vecf16(3)")
        .replace("1 - (i.v <=> query_embedding)", "1 - ((i.v OPERATOR(vectors.<=>) query_embedding)::double precision)")
        .replace("ORDER BY i.v <=> query_embedding", "ORDER BY i.v OPERATOR(vectors.<=>) query_embedding");
    assert_eq!(function(name), expected);
}

#[test]
fn a_sql_body_is_said_and_quoted_again() {
    assert!(
        function("nearest(public.vector)").ends_with(
            "AS $$SELECT * FROM public.items ORDER BY v OPERATOR(vectors.<=>) q LIMIT 5$$"
        )
    );
}

#[test]
fn an_alias_in_order_by_becomes_the_distance_that_it_names() {
    assert!(function("nearest_shown(public.vector)").contains(
        "SELECT id, pg_catalog.sqrt((v OPERATOR(vectors.<->) q)::double precision) AS distance FROM public.items ORDER BY v OPERATOR(vectors.<->) q LIMIT 5"
    ));
}

#[test]
fn quotes_never_end_inside_of_the_body() {
    let text = function("in_text(public.vector)");
    assert!(
        text.ends_with("AS $body1$SELECT pg_catalog.translate((q::real[])::text, '{}', '[]')::text || '$$'$body1$"),
        "{text}"
    );
}

#[test]
fn a_standard_body_is_said_like_a_view() {
    let body = function("standard(public.vector)");
    assert!(body.contains(
        "SELECT (pg_catalog.sqrt((items.v OPERATOR(vectors.<->) standard.q)::double precision))\n"
    ));
    assert!(body.contains("ORDER BY (items.v OPERATOR(vectors.<->) standard.q)\n"));
    assert!(function("standard_return(public.vector)").ends_with(
        "(q vectors.vector DEFAULT '[1,2,3]'::vectors.vector) RETURNS double precision\n    LANGUAGE sql IMMUTABLE\n    \
         RETURN ((q OPERATOR(vectors.<#>) '[1,1,1]'::vectors.vector)::double precision)"
    ));
}

#[test]
fn bits_of_a_parameter_become_a_vector_beside_a_column_that_is_one() {
    assert!(function("bits_of(bit)").contains(
        "ORDER BY b OPERATOR(vectors.<->) (pg_catalog.string_to_array(q::text, NULL))::real[]::vectors.vector::vectors.bvector LIMIT 2"
    ));
}

#[test]
fn new_and_old_of_a_trigger_are_understood() {
    assert!(
        function("touch()")
            .contains("IF (NEW.v OPERATOR(vectors.<=>) OLD.v)::double precision > 0.1 THEN")
    );
}

#[test]
fn a_word_that_another_extension_has_too_is_left_where_it_is_not_over_vectors() {
    let source = words();
    assert_eq!(
        source.translate("FUNCTION", "trigram(text)").statements,
        source.entry("FUNCTION", "trigram(text)").statements
    );
}

#[test]
fn a_query_in_a_string_is_made_as_it_is_and_named() {
    let source = words();
    let translated = source.translate("FUNCTION", "dynamic(public.vector)");
    assert!(!translated.left_out);
    assert!(translated.statements[0].contains("app.dynamic(q vectors.vector)"));
    assert!(
        translated.statements[0]
            .contains("EXECUTE 'SELECT id FROM public.items ORDER BY v <=> $1 LIMIT 1'")
    );
    let [finding] = translated.findings.as_slice() else {
        panic!("{:?}", translated.findings)
    };
    assert_eq!(finding.severity, Severity::Decision);
    assert_eq!(
        finding.reason,
        "its body uses pgvector in a way that is not translated: <=>; it is made as it is"
    );
}

#[test]
fn a_distance_in_a_string_of_a_routine_over_vectors_is_theirs() {
    let mut source = words();
    source.context.shared_names.remove("<->");
    let name = "dynamic(public.vector)";
    let found = |entry: &&mut pgv2rs_dialect::dump::Entry| entry.name == name;
    let entry = source.entries.iter_mut().find(found).expect("the function");
    entry.statements[0] = entry.statements[0].replace("v <=> $1", "v <-> $1");
    let translated = source.translate("FUNCTION", name);
    let [finding] = translated.findings.as_slice() else {
        panic!("{:?}", translated.findings)
    };
    assert_eq!(finding.severity, Severity::Decision);
    assert!(
        finding.reason.contains("not translated: <->"),
        "{finding:?}"
    );
}

#[test]
fn with_operators_of_compatibility_such_a_query_is_a_note() {
    let mut source = words();
    source.context.compat_schema = Some("compat".to_owned());
    let translated = source.translate("FUNCTION", "dynamic(public.vector)");
    assert_eq!(translated.findings[0].severity, Severity::Note);
    assert!(
        translated.findings[0]
            .remedy
            .contains("put compat on its search_path")
    );
}

#[test]
fn every_function_of_the_fixture_gets_the_types_of_the_target() {
    let source = words();
    for entry in source
        .entries
        .iter()
        .filter(|entry| entry.kind == "FUNCTION" || entry.kind == "PROCEDURE")
    {
        let text = source
            .translate(&entry.kind, &entry.name)
            .statements
            .join("\n");
        assert!(
            !text.contains("public.vector") && !text.contains("public.halfvec"),
            "{text}"
        );
    }
}

#[test]
fn settings_in_a_body_get_their_counterparts() {
    let (statements, notes) = words().noted("FUNCTION", "tuned(public.vector)");
    for piece in [
        "SET LOCAL vectors.hnsw_ef_search = 100;",
        "set_config('vectors.ivf_nprobe', '10', true), set_config('hnsw.iterative_scan', 'strict_order', true)",
        "IF q::real[] IS DISTINCT FROM '[1,2,3]'::vectors.vector(3)::real[] THEN",
    ] {
        assert!(statements[0].contains(piece), "{}", statements[0]);
    }
    assert_eq!(
        notes[0],
        "its body sets hnsw.iterative_scan, which does nothing on the target"
    );
}

#[test]
fn a_body_that_merges_rows_by_vectors_is_made_as_it_is_and_named() {
    let source = words();
    let translated = source.translate("FUNCTION", "merges()");
    assert_eq!(
        translated.statements,
        source.entry("FUNCTION", "merges()").statements
    );
    assert!(
        translated.findings[0]
            .reason
            .starts_with("its body groups, sorts or merges rows by whole vectors")
    );
}

#[test]
fn every_statement_of_plpgsql_that_holds_sql_is_said() {
    let (statements, _) = words().noted("FUNCTION", "assigned(public.vector)");
    for piece in [
        "u vectors.vector;",
        "d := pg_catalog.sqrt((q OPERATOR(vectors.<->) '[1,1,1]')::double precision);",
        "SELECT v INTO u FROM public.items WHERE pg_catalog.sqrt((items.v OPERATOR(vectors.<->) q)::double precision) < 3 ORDER BY items.v OPERATOR(vectors.<->) q LIMIT 1;",
        "(i.v OPERATOR(vectors.<=>) q)::double precision AS distance FROM public.items i ORDER BY i.v OPERATOR(vectors.<=>) q LIMIT 3 LOOP",
        "WHERE id = -1 AND pg_catalog.sqrt((v OPERATOR(vectors.<->) q)::double precision) > 1;",
        "SELECT vectors.vector_normalize(i.v) FROM public.items i WHERE false RETURNING pg_catalog.sqrt((v OPERATOR(vectors.<->) q)::double precision) INTO d;",
        "RETURN d + (q OPERATOR(vectors.<=>) u)::double precision;",
        "RETURN (- (q OPERATOR(vectors.<#>) '[1,2,3]')::double precision);",
    ] {
        assert!(
            statements[0].contains(piece),
            "{piece} is not in {}",
            statements[0]
        );
    }
}

/// What becomes of a function that `words.sql` does not have; nothing else has names of pgvector.
fn made(statement: &str) -> Translated {
    let mut source = words();
    source.context.shared_names.clear();
    let mut entry = source.entry("FUNCTION", "trigram(text)").clone();
    entry.statements = vec![statement.to_owned()];
    rewrite::entry(&entry, &source.context)
}

fn made_silently(statement: &str) -> String {
    let translated = made(statement);
    assert_eq!(translated.findings, [], "{statement}");
    translated.statements[0].clone()
}

#[test]
fn an_operator_over_types_of_postgresql_stays() {
    for statement in [
        "CREATE FUNCTION f(a point, b point) RETURNS float8 LANGUAGE sql AS $$ select a <-> b $$",
        "CREATE FUNCTION f(point, box) RETURNS float8 LANGUAGE sql AS $$ select $1 <-> $2 $$",
        "CREATE FUNCTION f() RETURNS float8 LANGUAGE sql AS $$ select loc <-> point(0, 0) from places, items $$",
        "CREATE FUNCTION f() RETURNS float8 LANGUAGE sql AS $$ select '(1,2)'::point <-> loc from places $$",
        "CREATE FUNCTION f() RETURNS float8 LANGUAGE sql AS $$ select point '(1,2)' <-> v from places $$",
        "CREATE FUNCTION f(q text) RETURNS tsquery LANGUAGE sql AS $$ select to_tsquery(q) <-> to_tsquery('b') $$",
        "CREATE FUNCTION f(v numeric, w int) RETURNS numeric LANGUAGE sql AS $$ select v + w from items where v = w $$",
        "CREATE FUNCTION f(p point) RETURNS float8 LANGUAGE plpgsql AS $$ declare c circle; begin return c <-> p; end $$",
    ] {
        assert_eq!(made_silently(statement), statement);
    }
}

#[test]
fn an_operator_over_what_is_known_to_be_a_vector_is_pgvectors() {
    for (written, said) in [
        (
            "$$ select items.v <-> x.y from items, x $$",
            "items.v OPERATOR(vectors.<->) x.y",
        ),
        (
            "$$ select x.y <-> '[1,2,3]'::vector from x $$",
            "x.y OPERATOR(vectors.<->) '[1,2,3]'::vectors.vector",
        ),
        (
            "$$ select x.v <-> '[1,2,3]' from x $$",
            "x.v OPERATOR(vectors.<->) '[1,2,3]'",
        ),
        (
            "$$ select v <-> (select y from x) from unknown $$",
            "v OPERATOR(vectors.<->) (select y from x)",
        ),
    ] {
        let statement = format!("CREATE FUNCTION f() RETURNS float8 LANGUAGE sql AS {written}");
        let text = made_silently(&statement);
        assert!(
            text.contains(&format!("pg_catalog.sqrt(({said})::double precision)")),
            "{text}"
        );
    }
}

#[test]
fn variables_and_rows_of_a_trigger_have_the_types_of_their_columns() {
    let text = made_silently(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ declare a public.items.v%TYPE; b a%TYPE; begin \
         if NEW.v <-> OLD.v > 1 or a <-> b > 1 then raise notice 'moved'; end if; return new; end $$",
    );
    for piece in [
        "if pg_catalog.sqrt((NEW.v OPERATOR(vectors.<->) OLD.v)::double precision) > 1",
        "pg_catalog.sqrt((a OPERATOR(vectors.<->) b)::double precision) > 1",
    ] {
        assert!(text.contains(piece), "{text}");
    }
}

#[test]
fn a_distance_of_something_unknown_is_not_said_and_named() {
    let statement =
        "CREATE FUNCTION f() RETURNS float8 LANGUAGE sql AS $$ select a.e <-> b.e from x a, x b $$";
    let translated = made(statement);
    assert_eq!(translated.statements, [statement]);
    let [finding] = translated.findings.as_slice() else {
        panic!("{:?}", translated.findings)
    };
    assert_eq!(finding.severity, Severity::Decision);
    assert_eq!(
        finding.reason,
        "its body uses the operator <-> over operands whose types its text does not tell; it is made as it is"
    );
}

#[test]
fn a_distance_of_something_unknown_in_a_body_about_points_is_taken_for_theirs() {
    let statement = "CREATE FUNCTION f(q point) RETURNS float8 LANGUAGE sql AS $$ select a.e <-> b.e from x a, x b where a.e ~= q $$";
    let translated = made(statement);
    assert_eq!(translated.statements, [statement]);
    assert_eq!(translated.findings.len(), 1, "{:?}", translated.findings);
    assert_eq!(translated.findings[0].severity, Severity::Note);
}

#[test]
fn operators_bind_as_strongly_as_in_postgresql() {
    let l2 = "pg_catalog.sqrt((v OPERATOR(vectors.<->) q)::double precision)";
    let sum =
        "pg_catalog.sqrt((v OPERATOR(vectors.<->) ((q OPERATOR(vectors.+) q)))::double precision)";
    for (written, said) in [
        ("v <-> q between 0.5 and 1.5", "({l2}) between 0.5 and 1.5"),
        (
            "v <-> q not between 0.5 and 1.5 and id > 1",
            "({l2}) not between 0.5 and 1.5 and id > 1",
        ),
        (
            "v <-> q::vector between 0.5 and 1.5",
            "(pg_catalog.sqrt((v OPERATOR(vectors.<->) q::vectors.vector)::double precision)) between 0.5 and 1.5",
        ),
        (
            "v <-> q + q between 0.5 and 1.5",
            "({sum}) between 0.5 and 1.5",
        ),
        ("v <-> q isnull", "({l2}) isnull"),
        (
            "v <-> q::vector notnull",
            "(pg_catalog.sqrt((v OPERATOR(vectors.<->) q::vectors.vector)::double precision)) notnull",
        ),
        ("v = q isnull", "((v OPERATOR(vectors.=) q)) isnull"),
        ("v <-> q || 'm'", "({l2}) || 'm'"),
        ("v <-> q || 'm' || 'n'", "(({l2}) || 'm') || 'n'"),
        ("v <-> q in (1, 2)", "{l2} in (1, 2)"),
        (
            "not v <-> q < 1 and v <-> q is not null",
            "not {l2} < 1 and {l2} is not null",
        ),
        (
            "- (v <-> q) = any (array[1.0])",
            "- ({l2}) = any (array[1.0])",
        ),
        ("v <-> q is distinct from 1", "{l2} is distinct from 1"),
        ("'a' || 'b' || id", "'a' || 'b' || id"),
    ] {
        let statement = format!(
            "CREATE FUNCTION f(q vector) RETURNS SETOF text LANGUAGE sql AS $$SELECT {written} FROM public.items$$"
        );
        let translated = made(&statement);
        assert!(!translated.left_out);
        let said = said.replace("{l2}", l2).replace("{sum}", sum);
        assert!(
            translated.statements[0].ends_with(&format!("AS $$SELECT {said} FROM public.items$$")),
            "{written}: {translated:?}"
        );
    }
}

#[test]
fn a_body_without_pgvector_gets_no_parentheses() {
    let statement = "CREATE FUNCTION f(a point, b point) RETURNS boolean LANGUAGE sql AS $$ select a <-> b between 1 and 2 $$";
    assert_eq!(made_silently(statement), statement);
}

/// What becomes of `SELECT id FROM public.items WHERE …` as the body of `nearest`.
fn where_clause(test: &str) -> Result<String, String> {
    let mut source = words();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.name == "nearest(public.vector)")
        .expect("the fixture has it");
    let old = "SELECT * FROM public.items ORDER BY v <=> q LIMIT 5";
    let whole = "SELECT * FROM public.items WHERE ";
    entry.statements[0] = entry.statements[0].replace(old, &format!("{whole}{test}"));
    let translated = source.translate("FUNCTION", "nearest(public.vector)");
    let (_, said) = translated.statements[0]
        .split_once(whole)
        .ok_or("no WHERE")?;
    match translated.findings.first() {
        Some(finding) => Err(finding.reason.clone()),
        None => Ok(said.trim_end_matches('$').to_owned()),
    }
}

#[test]
fn a_test_behind_a_distance_is_of_the_number() {
    let distance = "pg_catalog.sqrt((v OPERATOR(vectors.<->) q)::double precision)";
    for test in [
        "between 0.5 and 2 and id > 1",
        "not between symmetric 2 and 1",
        "isnull",
        "notnull or true",
        "is null",
        "in (1, 2)",
    ] {
        let said = where_clause(&format!("v <-> q {test}"));
        // IS and IN bind as in the tree.
        let expected = match test {
            "is null" | "in (1, 2)" => format!("{distance} {test}"),
            _ => format!("({distance}) {test}"),
        };
        assert_eq!(said, Ok(expected));
    }
    let cosine = "(v::vectors.vector(3) OPERATOR(vectors.<=>) q::vectors.vector)::double precision";
    assert_eq!(
        where_clause("v::vector(3) <=> q::vector between 0 and 1"),
        Ok(format!("({cosine}) between 0 and 1"))
    );
    assert_eq!(
        where_clause("1 - (v <=> q) between 0 and 1"),
        Ok("(1 - ((v OPERATOR(vectors.<=>) q)::double precision)) between 0 and 1".to_owned())
    );
    assert_eq!(
        where_clause("1 between v <-> q and 2"),
        Ok(format!("1 between {distance} and 2"))
    );
}

#[test]
fn whole_vectors_that_are_compared_without_an_operator_are_named() {
    for test in [
        "v in (q, '[1,2,3]')",
        "v not in (SELECT v FROM public.items)",
        "v between q and q",
        "nullif(v, q) is null",
        "greatest(v, q) is null",
    ] {
        let reason = where_clause(test).expect_err(test);
        assert!(reason.contains("compares whole vectors"), "{reason}");
    }
    assert_eq!(where_clause("id in (1, 2)"), Ok("id in (1, 2)".to_owned()));
}

#[test]
fn the_parts_of_two_rows_are_compared_as_their_numbers() {
    for (written, said) in [
        ("(id, v) = (1, q)", "(id, v::real[]) = (1, q::real[])"),
        (
            "ROW(v, id) is distinct from ROW('[1,2,3]', 1)",
            "ROW(v::real[], id) is distinct from ROW('[1,2,3]'::vectors.vector::real[], 1)",
        ),
        ("(id, name) = (1, 'a')", "(id, name) = (1, 'a')"),
    ] {
        assert_eq!(where_clause(written), Ok(said.to_owned()));
    }
}

#[test]
fn the_remedy_of_a_body_speaks_of_what_the_target_has() {
    let mut source = words();
    let remedy = |source: &common::Source| {
        let translated = source.translate("FUNCTION", "dynamic(public.vector)");
        translated.findings[0].remedy.clone()
    };
    assert!(remedy(&source).contains("the schema vectors"));
    source.context.real_array = true;
    assert!(
        !remedy(&source).contains("PGVecto.rs"),
        "{}",
        remedy(&source)
    );
    assert!(remedy(&source).contains("real[]"));
}
