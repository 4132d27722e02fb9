//! In: the name of a schema. Out: SQL that names it as the server does, and what the plan of a query depends on. That it runs, and
//! that indexes are used, is shown by the program's own tests against servers.

use pgv2rs_dialect::compat::{Kind, objects};

#[test]
fn quotes_the_schema_wherever_it_stands() {
    let plain = objects("public");
    let odd = objects("It's \"Odd\".one");
    assert_eq!(plain.len(), odd.len());
    for (plain, odd) in plain.iter().zip(&odd) {
        let expected = |text: &str| text.replace("\"public\"", "\"It's \"\"Odd\"\".one\"");
        assert_eq!(odd.name, expected(&plain.name));
        // A statement inside of a string inside of a string has its quotes doubled twice.
        let sql = match odd.kind {
            Kind::Aggregate => expected(&plain.sql).replace("It's", "It''''s"),
            _ => expected(&plain.sql),
        };
        assert_eq!(odd.sql, sql);
    }
}

#[test]
fn names_each_object_once() {
    let objects = objects("public");
    for (at, object) in objects.iter().enumerate() {
        let again = objects[..at]
            .iter()
            .find(|o| o.kind == object.kind && o.name == object.name);
        assert_eq!(again, None);
    }
}

/// A wrapper that is volatile, or casts the distance, hides the operator from the index.
#[test]
fn an_operator_with_an_index_stands_on_a_function_that_can_be_inlined() {
    let objects = objects("public");
    let indexed = |name: &str| {
        ["<->", "<#>", "<=>"].iter().any(|o| name.contains(o))
            || name.ends_with("(vectors.bvector,pg_catalog.\"bit\")")
    };
    let operators = objects
        .iter()
        .filter(|o| o.kind == Kind::Operator && indexed(&o.name));
    let mut seen = 0;
    for operator in operators {
        let function = operator
            .sql
            .split("FUNCTION = ")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let function = function.unwrap_or_default();
        let arguments = operator
            .name
            .split_once('(')
            .map(|(_, a)| a)
            .unwrap_or_default();
        let signature = format!("{function}({arguments}");
        let function = objects
            .iter()
            .find(|o| o.kind == Kind::Function && o.name == signature);
        let sql = &function.unwrap_or_else(|| panic!("no {signature}")).sql;
        assert!(sql.contains("RETURNS real LANGUAGE sql IMMUTABLE"), "{sql}");
        assert!(sql.contains("RETURN $1 OPERATOR(vectors."), "{sql}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn gives_no_name_to_sparse_text_since_the_same_literal_would_be_another_vector() {
    let objects = objects("public");
    let domains: Vec<&str> = objects
        .iter()
        .filter(|o| o.kind == Kind::Domain)
        .map(|o| o.name.as_str())
        .collect();
    assert_eq!(domains, ["\"public\".vector", "\"public\".halfvec"]);
}
