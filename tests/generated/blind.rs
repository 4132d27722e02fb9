//! The comparison is trusted with everything else here: is it blind? In: a database that arrived whole, and mischief done to the target.
//! Out: a failure for each mischief that the comparison does not see.

use super::common::Pair;
use super::database::Database;
use super::wishes::Wishes;
use super::{dump, rows};

const SCHEMA: &str = "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TYPE pair AS (m mood, n integer); CREATE SEQUENCE s;
     CREATE TABLE t (id integer NOT NULL, v vector(2), h halfvec(2), b bit(4), x sparsevec(3), vs vector[], note text DEFAULT 'd');
     INSERT INTO t VALUES (1, '[1,2]', '[3,4]', '1010', '{1:5}/3', '{\"[1,2]\"}', 'n'), (2, NULL, NULL, NULL, NULL, NULL, NULL);
     CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 20); CREATE INDEX bits ON t USING hnsw (b bit_hamming_ops);
     CREATE VIEW w AS SELECT id, 0.5 AS f FROM t; CREATE TABLE child () INHERITS (t); COMMENT ON TABLE t IS 'c';
     ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0); CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'";

/// What is done to the target, and how it is undone.
const MISCHIEF: [(&str, &str); 15] = [
    (
        "UPDATE t SET v = '[1, 2.0000002]' WHERE id = 1",
        "UPDATE t SET v = '[1, 2]' WHERE id = 1",
    ),
    (
        "UPDATE t SET h = '[3, 4.004]' WHERE id = 1",
        "UPDATE t SET h = '[3, 4]' WHERE id = 1",
    ),
    (
        "UPDATE t SET b = '[1, 0, 1, 1]' WHERE id = 1",
        "UPDATE t SET b = '[1, 0, 1, 0]' WHERE id = 1",
    ),
    (
        "UPDATE t SET x = '{1:5}/3' WHERE id = 1",
        "UPDATE t SET x = '{0:5}/3' WHERE id = 1",
    ),
    (
        "UPDATE t SET vs = '[0:0]={\"[1, 2]\"}' WHERE id = 1",
        "UPDATE t SET vs = '{\"[1, 2]\"}' WHERE id = 1",
    ),
    (
        "UPDATE t SET note = '' WHERE id = 2",
        "UPDATE t SET note = NULL WHERE id = 2",
    ),
    (
        "INSERT INTO t (id) VALUES (3)",
        "DELETE FROM t WHERE id = 3",
    ),
    (
        "INSERT INTO child (id) VALUES (3)",
        "DELETE FROM child WHERE id = 3",
    ),
    ("SELECT setval('s', 5)", "SELECT setval('s', 1, false)"),
    (
        "ALTER TABLE t ALTER id DROP NOT NULL",
        "ALTER TABLE t ALTER id SET NOT NULL",
    ),
    ("COMMENT ON TABLE t IS 'd'", "COMMENT ON TABLE t IS 'c'"),
    (
        "ALTER TABLE t ALTER note SET DEFAULT 'e'",
        "ALTER TABLE t ALTER note SET DEFAULT 'd'",
    ),
    (
        "CREATE OR REPLACE VIEW w AS SELECT id, 0.6 AS f FROM t",
        "CREATE OR REPLACE VIEW w AS SELECT id, 0.5 AS f FROM t",
    ),
    (
        "ALTER TABLE t DROP CONSTRAINT c",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)",
    ),
    ("DROP INDEX near", ""),
];

#[test]
fn the_comparison_sees_what_is_wrong() {
    let mut database = Database::from_seed(0, "");
    database.extension = "public".into();
    database.arrays = false;
    database.wishes = Wishes::default();
    database.decisions.clear();
    let pair = Pair::with(SCHEMA);
    pair.copy(&[]);
    assert_eq!(pair.on_target("clean").code, 0);
    let compared =
        || dump::compare(&database, &pair, &[]).and_then(|()| rows::compare(&database, &pair, &[]));
    compared().unwrap_or_else(|e| panic!("without any mischief: {e}"));
    for (mischief, remedy) in MISCHIEF {
        pair.target.exec(mischief);
        assert!(compared().is_err(), "not seen: {mischief}");
        pair.target.exec(remedy);
    }
}

#[test]
fn answers_are_alike_only_up_to_the_last_digits_of_their_numbers() {
    let lines = |text: &str| vec![text.to_string()];
    for (a, b) in [
        ("1|0.333333333", "1|0.33333334"),
        ("NaN", "NaN"),
        ("{[1,2],x}", "{[1, 2],x}"),
    ] {
        assert!(rows::alike(&lines(a), &lines(b)), "{a} {b}");
    }
    for (a, b) in [
        ("1|0.333", "1|0.334"),
        ("NaN", "1"),
        ("x", "y"),
        ("1", "1|2"),
        ("", "0"),
    ] {
        assert!(!rows::alike(&lines(a), &lines(b)), "{a} {b}");
    }
}

#[test]
fn neighbours_change_places_only_where_their_distances_are_rounded() {
    let lines = |text: &str| -> Vec<String> { text.split(' ').map(String::from).collect() };
    let (ties, exact) = ("6|0 14|0 3|4.19e-08", "3|0 6|0 14|0");
    assert!(rows::alike_but_for_ties(&lines(ties), &lines(exact)));
    assert!(rows::alike_in_any_order(
        &lines("{0} {1.5e-08} {7}"),
        &lines("{0} {0} {7}")
    ));
    assert!(!rows::alike_in_any_order(
        &lines("{0} {1.5e-08}"),
        &lines("{0} {7}")
    ));
    for (a, b) in [
        (exact, "6|0 3|0 14|0"),
        ("1|0.5 2|0.7", "2|0.7 1|0.5"),
        ("1|0.5 2|0.5", "1|0.5 3|0.5"),
        ("1|0.5 2|0.5", "1|0.5"),
    ] {
        assert!(!rows::alike_but_for_ties(&lines(a), &lines(b)), "{a} {b}");
    }
}

/// Else a failure could not be made anew.
#[test]
fn a_seed_makes_the_same_database_each_time() {
    for seed in 0..50 {
        let script = || Database::from_seed(seed, "gen").script;
        assert_eq!(script(), script());
    }
    assert_ne!(
        Database::from_seed(1, "").script,
        Database::from_seed(2, "").script
    );
}
