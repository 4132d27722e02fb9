//! `pgv2rs-copy verify`: two databases compared at any time. In: a move, and then mischief on one of the sides. Out: whether the command
//! sees it, what it says of it, and what it must not say.

mod common;

use common::db::Role;
use common::run::start;
use common::{Pair, Place, wait_until};
use serde_json::Value;

const KINDS: &str = "CREATE SCHEMA \"Odd one\"; CREATE TYPE pair AS (v vector(2), n int);
    CREATE TABLE t (id int PRIMARY KEY, v vector(3), h halfvec(2), s sparsevec(9), b bit(5), flags bit(3), vs vector(2)[], hs halfvec[], note text, m money, at timestamptz);
    CREATE INDEX ON t USING hnsw (b bit_hamming_ops);
    INSERT INTO t SELECT i, ARRAY[i, sin(i), -i / 3.0]::vector, ARRAY[i, 0.1]::vector::halfvec, ('{1:' || i || ',7:-0.25}/9')::sparsevec, (i % 32)::bit(5), (i % 8)::bit(3),
        ARRAY['[1,2]'::vector, NULL, ARRAY[i, 4]::vector], ARRAY['[1]'::halfvec], 'note ' || i, i, '2024-01-01'::timestamptz + i * interval '1 hour' FROM generate_series(1, 300) i;
    INSERT INTO t (id, s, vs) VALUES (-1, '{}/9', '{}'), (-2, NULL, NULL);
    CREATE TABLE \"Odd one\".\"t; \"\"x\"\"\" (\"K 1\" text, \"select\" int, v vector(2), PRIMARY KEY (\"K 1\", \"select\"));
    INSERT INTO \"Odd one\".\"t; \"\"x\"\"\" VALUES ('it''s', 1, '[1,2]'), ('b', 2, NULL);
    CREATE TABLE keyless (v vector(2), p pair); INSERT INTO keyless VALUES ('[1,2]', ROW('[3,4]', 5)), ('[1,2]', NULL);
    CREATE TABLE empty (v vector(2)); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES;
    CREATE TABLE mapped (id int PRIMARY KEY, a vector(2), b vector(2), c vector(2), s sparsevec(3));
    INSERT INTO mapped VALUES (1, '[1,0.1]', '[-1,2]', '[3,0.5]', '{2:7}/3'), (2, NULL, NULL, NULL, NULL);
    CREATE TABLE parts (id int, v vector(1)) PARTITION BY HASH (id); CREATE TABLE p0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE p1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO parts SELECT i, ARRAY[i]::vector FROM generate_series(1, 20) i";

fn moved() -> Pair {
    let pair = Pair::with(KINDS);
    let maps = ["a=vecf16", "b=bvector", "c=real[]", "s=real[]"];
    let maps: Vec<String> = maps.iter().map(|m| format!("public.mapped.{m}")).collect();
    let arguments: Vec<&str> = maps.iter().flat_map(|m| ["--map", m]).collect();
    pair.copy(&arguments);
    pair
}

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    let tables = report["tables"].as_array().into_iter().flatten();
    let mut found = tables.filter(|t| t["table"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not in {report}"))
}

#[test]
fn finds_nothing_after_a_move_and_says_what_it_could_not_compare() {
    let pair = moved();
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["The same rows in 8 tables", "public.t", "the same 302 rows"]);
    let report = outcome.report();
    assert_eq!(report["same"], true);
    for (name, rows) in [
        ("public.t", 302),
        ("public.keyless", 2),
        ("public.bare", 1),
        ("public.empty", 0),
    ] {
        let table = table(report, name);
        assert_eq!(
            (&table["source_rows"], &table["target_rows"]),
            (&rows.into(), &rows.into())
        );
    }
    // Nothing is silently left out of the comparison.
    let not = |name: &str| table(report, name)["not_compared"].to_string();
    assert_eq!(not("public.t"), "[]");
    assert!(not("public.mapped").contains("a: it was rounded on the way"));
    assert!(!not("public.mapped").contains("b:"));
    assert!(not("public.keyless").contains("p: "));
}

/// Each on the target; then what the report must hold, beside the exit code.
#[test]
fn sees_each_kind_of_change_and_names_the_rows_by_their_keys() {
    let pair = moved();
    keep(&pair);
    let odd = "\"Odd one\".\"t; \"\"x\"\"\"";
    for (mischief, name, says) in [
        (
            "UPDATE t SET v = '[7, 0.6569867, -2.3333335]' WHERE id = 7",
            "public.t",
            "column v differs|id = 7",
        ),
        (
            "UPDATE t SET h = '[8, 0.1]' WHERE id = 7",
            "public.t",
            "column h differs|id = 7",
        ),
        (
            "UPDATE t SET s = '{1:9, 6:-0.25}/9' WHERE id = 9",
            "public.t",
            "column s differs|id = 9",
        ),
        (
            "UPDATE t SET b = '[1, 1, 1, 1, 1]' WHERE id = 9",
            "public.t",
            "column b differs|id = 9",
        ),
        (
            "UPDATE t SET flags = B'111' WHERE id = 9",
            "public.t",
            "column flags differs|id = 9",
        ),
        (
            "UPDATE t SET vs = vs[2:3] WHERE id = 9",
            "public.t",
            "column vs differs|id = 9",
        ),
        (
            "UPDATE t SET vs = NULL WHERE id = -1",
            "public.t",
            "column vs differs|id = -1",
        ),
        (
            "UPDATE t SET hs = '{\"[2]\"}' WHERE id = 9",
            "public.t",
            "column hs differs|id = 9",
        ),
        (
            "UPDATE t SET note = '' WHERE id = -1",
            "public.t",
            "column note differs|id = -1",
        ),
        (
            "UPDATE t SET m = 1 WHERE id = 300",
            "public.t",
            "column m differs|id = 300",
        ),
        (
            "UPDATE t SET at = at + interval '1 us' WHERE id = 300",
            "public.t",
            "column at differs|id = 300",
        ),
        (
            "UPDATE t SET v = u.v FROM t u WHERE t.id + u.id = 7 AND t.id IN (3, 4)",
            "public.t",
            "the same values, in other rows|id = 3; id = 4",
        ),
        (
            "DELETE FROM t WHERE id IN (1, 2)",
            "public.t",
            "302 rows on the source, 300 on the target|only on the source: id = 1; id = 2",
        ),
        (
            "INSERT INTO t (id) VALUES (1000)",
            "public.t",
            "303 on the target|only on the target: id = 1000",
        ),
        (
            "UPDATE mapped SET b = '[1, 1]' WHERE id = 1",
            "public.mapped",
            "column b differs|id = 1",
        ),
        (
            "UPDATE mapped SET c = '{3,0.6}' WHERE id = 1",
            "public.mapped",
            "column c differs|id = 1",
        ),
        (
            "UPDATE mapped SET s = '{0,0,7}' WHERE id = 1",
            "public.mapped",
            "column s differs|id = 1",
        ),
        (
            "UPDATE \"Odd one\".\"t; \"\"x\"\"\" SET v = '[1, 3]' WHERE \"select\" = 1",
            odd,
            "column v differs|\"K 1\" = it's, select = 1",
        ),
        (
            "DELETE FROM keyless WHERE p IS NULL",
            "public.keyless",
            "2 rows on the source, 1 on the target",
        ),
        (
            "DELETE FROM bare",
            "public.bare",
            "1 row on the source, 0 on the target",
        ),
        ("DELETE FROM parts WHERE id = 13", "", "rows on the source"),
    ] {
        pair.target.exec(&format!("BEGIN; {mischief}; COMMIT"));
        let outcome = pair.verify(&[]);
        let what = format!("{mischief}\n{}", outcome.everything());
        assert_eq!(outcome.code, 1, "{what}");
        assert_eq!(outcome.report()["same"], false, "{what}");
        for word in says.split('|') {
            assert!(outcome.out.contains(word), "does not say {word}: {what}");
        }
        if !name.is_empty() {
            let found = table(outcome.report(), name);
            assert!(
                found["rows"].is_object() || name.ends_with("less") || name.ends_with("bare"),
                "{what}"
            );
        }
        assert!(outcome.out.contains("1 of 8 tables"), "{what}");
        // Of the values only keys.
        for value in ["2.3333", "note 3", "0.25", "2024"] {
            assert!(!outcome.everything().contains(value), "{what}");
        }
        restore(&pair);
    }
}

/// Copies of the target's tables beside them, to put back what was there; verify asks only for the source's.
fn keep(pair: &Pair) {
    pair.target.exec("CREATE SCHEMA kept");
    for (n, table) in tables(pair).iter().enumerate() {
        let sql = format!("CREATE TABLE kept.t{n} AS SELECT * FROM {table}");
        pair.target.exec(&sql);
    }
}

fn restore(pair: &Pair) {
    for (n, table) in tables(pair).iter().enumerate() {
        pair.target.exec(&format!(
            "TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept.t{n}"
        ));
    }
}

fn tables(pair: &Pair) -> Vec<String> {
    pair.target.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, '\"Odd one\"'::regnamespace) ORDER BY oid",
    )
}

#[test]
fn sees_what_the_source_has_written_since_and_only_the_tables_that_were_named() {
    let pair = moved();
    pair.source
        .exec("INSERT INTO t (id) VALUES (400); UPDATE mapped SET c = '[9,9]' WHERE id = 1");
    let outcome = pair.verify(&["--table", "public.mapped", "--jobs", "1"]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&["different: id = 1", "1 of 1 table"]);
    assert!(
        !outcome.out.contains("public.t "),
        "{}",
        outcome.everything()
    );
    let outcome = pair.verify(&["--exclude-table", "public.mapped"]);
    outcome.says(&["only on the source: id = 400"]);
}

#[test]
fn says_what_is_missing_on_the_target_or_of_another_type() {
    let pair = moved();
    pair.target.exec("DROP TABLE keyless; ALTER TABLE t DROP COLUMN note; ALTER TABLE mapped ALTER id TYPE bigint");
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&[
        "public.keyless",
        "it is not on the target",
        "column note is not on the target",
        "column id is bigint on the target, not integer",
        "3 of 8 tables",
    ]);
}

/// More columns than a SELECT can count and sum one by one; the key stands among the first, what was exchanged among the last.
#[test]
fn sees_values_that_changed_rows_in_a_table_of_1600_columns() {
    let columns: String = (0..1598).map(|i| format!(", c{i} int")).collect();
    let pair = Pair::with(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2){columns}); INSERT INTO t (id, v, c1597) SELECT i, '[1,2]', i FROM generate_series(1, 9) i"
    ));
    pair.copy(&[]);
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.target
        .exec("UPDATE t SET c1597 = 7 - id WHERE id IN (3, 4)");
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&[
        "the same values, in other rows",
        "different: id = 3; id = 4",
    ]);
}

/// What the target computes is compared too, or it is said that it is not.
#[test]
fn looks_at_generated_columns() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2), twice int GENERATED ALWAYS AS (id * 2) STORED, thrice int GENERATED ALWAYS AS (id * 3) VIRTUAL);
        INSERT INTO t SELECT i, '[1,2]' FROM generate_series(1, 9) i",
    );
    pair.copy(&[]);
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["not compared: column thrice: the source stores no values"]);
    pair.target
        .exec("ALTER TABLE t ALTER twice DROP EXPRESSION; UPDATE t SET twice = 0 WHERE id = 5");
    let outcome = pair.verify(&[]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&["generated column twice", "1 of 1 table"]);
}

#[test]
fn waits_for_a_locked_table_of_the_target_and_says_so() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]')",
    );
    pair.copy(&[]);
    let other = pair.target.place.session();
    other.exec("BEGIN; LOCK TABLE t");
    let (from, to) = (&pair.source.place, &pair.target.place);
    let (from, to) = (from.connection_string(), to.connection_string());
    let ends = ["verify", "--source", &from, "--target", &to];
    let running = start(&ends, &[], Vec::new());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass \
        AND waitstart < clock_timestamp() - interval '11 s'";
    wait_until("it waits for longer than it keeps silent", || {
        pair.target.one(waits) != "0"
    });
    other.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["still waiting for the tables' locks on the target"]);
}

#[test]
fn says_what_a_role_of_few_rights_lacks_on_the_target() {
    let password = "a secret of few";
    let options = format!("LOGIN PASSWORD '{password}'");
    let role = Role::create(&[Place::target()], &options);
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]')",
    );
    pair.copy(&[]);
    let place = Place {
        user: role.name.clone(),
        password: Some(password.into()),
        ..pair.target.place.clone()
    };
    let (from, to) = (
        pair.source.place.connection_string(),
        place.connection_string(),
    );
    let ends = ["verify", "--source", &from, "--target", &to];
    let verify = || start(&ends, &[], vec![password.into()]).ended();
    verify().refused(4, &["permission denied for table t", "SELECT"]);
    pair.target.exec(&format!(
        "GRANT SELECT ON t TO {}; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        role.quoted()
    ));
    // Fewer rows would look like rows that were lost.
    verify().refused(4, &["row-level security", "BYPASSRLS"]);
    pair.target.exec("ALTER TABLE t DISABLE ROW LEVEL SECURITY");
    let outcome = verify();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.target
        .exec(&format!("REVOKE ALL ON t FROM {}", role.quoted()));
}

#[test]
fn names_some_of_many_rows_and_says_that_there_are_more() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t SELECT i, '[1,2]' FROM generate_series(1, 3000) i",
    );
    pair.copy(&[]);
    pair.target.exec("UPDATE t SET v = '[1, 3]'");
    let outcome = pair.verify(&[]);
    outcome.says(&["different: ", "there are more than these"]);
    let rows = &table(outcome.report(), "public.t")["rows"];
    assert_eq!(
        (rows["different"].as_array().map(Vec::len), &rows["more"]),
        (Some(20), &true.into())
    );
}

#[test]
fn takes_its_options_behind_its_name() {
    let ends = ["--source", "host=localhost", "--target", "host=localhost"];
    for arguments in [
        vec!["--jobs", "3", "verify", ends[0], ends[1], ends[2], ends[3]],
        vec!["verify", ends[0], ends[1]],
        vec!["verify", ends[0], ends[1], ends[2], ends[3], "--dry-run"],
        vec!["verify", ends[0], ends[1], ends[2], ends[3], "--jobs", "0"],
    ] {
        let outcome = start(&arguments, &[], Vec::new()).ended();
        assert_eq!(outcome.code, 2, "{arguments:?}\n{}", outcome.everything());
    }
}
