//! In: rows that cannot go where they should. Out: the table, the row by its primary key, the column, and no half of a table.

use crate::common::Pair;

/// None of the source's rows, or all of them: 1,000 in `whole`, which is copied at the same time.
fn whole_or_absent(pair: &Pair, table: &str, rows: u64) {
    let found = pair.target.count(table);
    let whole = [None, Some(0), Some(rows)].contains(&found);
    assert!(whole, "{table} holds {found:?} of {rows} rows");
}

const WHOLE: &str = "CREATE TABLE whole (id int PRIMARY KEY, v vector(8));
    INSERT INTO whole SELECT i, array_fill(i::real, ARRAY[8])::vector FROM generate_series(1, 1000) i;";

/// pgvector refuses such rows itself; a column whose modifier was changed afterwards may hold them.
#[test]
fn a_row_of_other_dimensions_is_named_by_its_key() {
    let pair = Pair::with(WHOLE);
    pair.source.exec(
        "CREATE TABLE bad (region text, id int, v vector, PRIMARY KEY (region, id));
         INSERT INTO bad SELECT 'north', i, '[1,2,3]' FROM generate_series(1, 5000) i; INSERT INTO bad VALUES ('south-7', 4242, '[1,2]');
         UPDATE pg_attribute SET atttypmod = 3 WHERE attrelid = 'bad'::regclass AND attname = 'v'",
    );
    let outcome = pair.run(&[]);
    outcome.refused(
        3,
        &[
            "error: source:",
            "public.bad",
            "region = south-7",
            "id = 4242",
            "column v",
            "2 dimensions",
            "remedy:",
        ],
    );
    assert!(
        !outcome.err.contains("[1,2]"),
        "a value stands in the message\n{}",
        outcome.err
    );
    assert!([None, Some(0)].contains(&pair.target.count("bad")));
    whole_or_absent(&pair, "whole", 1000);
}

#[test]
fn a_row_without_a_primary_key_is_named_by_its_place() {
    let pair = Pair::with(
        "CREATE TABLE bad (v halfvec); INSERT INTO bad SELECT '[1,2,3]' FROM generate_series(1, 10); INSERT INTO bad VALUES ('[1]');
         UPDATE pg_attribute SET atttypmod = 3 WHERE attrelid = 'bad'::regclass AND attname = 'v'",
    );
    pair.run(&[])
        .refused(3, &["public.bad", "row 11", "column v"]);
    assert!([None, Some(0)].contains(&pair.target.count("bad")));
}

#[test]
fn other_dimensions_are_refused_in_every_type_of_vector() {
    for (ty, good, bad) in [
        ("sparsevec", "{1:1}/3", "{1:1}/4"),
        ("vector[]", "{\"[1,2,3]\"}", "{\"[1,2,3]\",\"[1]\"}"),
    ] {
        let pair = Pair::with(&format!(
            "CREATE TABLE bad (id int PRIMARY KEY, v {ty}); INSERT INTO bad VALUES (1, '{good}'), (77, '{bad}');
             UPDATE pg_attribute SET atttypmod = 3 WHERE attrelid = 'bad'::regclass AND attname = 'v'"
        ));
        pair.run(&[])
            .refused(3, &["public.bad", "id = 77", "column v"]);
        assert!([None, Some(0)].contains(&pair.target.count("bad")), "{ty}");
    }
}

#[test]
fn an_overflow_under_vecf16_names_the_row_and_the_ways_out() {
    let pair = Pair::with(WHOLE);
    pair.source.exec(
        "CREATE TABLE items (id uuid PRIMARY KEY, v vector(2)); INSERT INTO items VALUES (gen_random_uuid(), '[1,65504]');
         INSERT INTO items VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,70707]')",
    );
    let outcome = pair.run(&["--map", "public.items.v=vecf16"]);
    outcome.refused(
        3,
        &[
            "public.items",
            "id = a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "column v",
            "--overflow",
            "remedy:",
        ],
    );
    assert!(
        !outcome.err.contains("70707"),
        "a value stands in the message\n{}",
        outcome.err
    );
    assert!([None, Some(0)].contains(&pair.target.count("items")));
    whole_or_absent(&pair, "whole", 1000);
}

#[test]
fn a_target_table_with_rows_is_refused_and_kept() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    pair.target
        .exec("CREATE TABLE t (id int, note text); INSERT INTO t VALUES (9, 'mine')");
    let before = pair.target.catalog();
    pair.run(&[])
        .refused(2, &["public.t", "not empty", "what to do"]);
    assert_eq!(pair.target.catalog(), before);
    assert_eq!(pair.target.rows("SELECT id, note FROM t"), ["9|mine"]);
}

#[test]
fn a_target_table_that_exists_is_refused_and_kept() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    pair.target.exec("CREATE TABLE t (id int)");
    let before = pair.target.catalog();
    pair.run(&[]).refused(
        2,
        &[
            "public.t",
            "on the target already",
            "--schema-source existing",
        ],
    );
    assert_eq!(pair.target.catalog(), before);
}

/// A check that a PostgreSQL function of the source made true and that the target computes anew.
#[test]
fn a_row_that_the_target_refuses_leaves_no_half_of_its_table() {
    let pair = Pair::with(WHOLE);
    pair.source.exec(
        "CREATE TABLE refused (id int PRIMARY KEY, v vector(2)); INSERT INTO refused SELECT i, '[1,2]' FROM generate_series(1, 3000) i;
         ALTER TABLE refused ADD CONSTRAINT few CHECK (id < 2900) NOT ENFORCED",
    );
    let existing = "CREATE EXTENSION vectors; CREATE TABLE whole (id int PRIMARY KEY, v vectors.vector(8)); CREATE TABLE refused (id int PRIMARY KEY, v vectors.vector(2), CONSTRAINT few CHECK (id < 2900))";
    pair.target.exec(existing);
    let outcome = pair.run(&["--schema-source", "existing"]);
    outcome.refused(4, &["error: target:", "public.refused", "23514", "few"]);
    assert_eq!(pair.target.count("refused"), Some(0));
    whole_or_absent(&pair, "whole", 1000);
}

/// A server before 17 takes the bytes of an infinity for a huge finite interval: no digest would see it.
#[test]
fn an_infinite_interval_is_refused_at_its_row_where_the_target_would_take_it_for_a_finite_one() {
    let probe = Pair::new();
    let knows_infinity = |db: &crate::common::Db| {
        db.one("SELECT current_setting('server_version_num')::int / 10000 >= 17") == "t"
    };
    if !knows_infinity(&probe.source) || knows_infinity(&probe.target) {
        println!("skipped: needs a source of PostgreSQL 17 or later and an older target");
        return;
    }
    for (ty, fine, infinite) in [
        ("interval", "1 day", "infinity"),
        ("interval[]", "{1 day,-1 day}", "{1 day,-infinity}"),
        ("spans", "[1 day,2 days)", "[1 day,infinity)"),
        ("many_spans", "{}", "{[1 day,infinity)}"),
        ("held", "(1,1 day)", "(1,infinity)"),
        ("waits", "1 day", "infinity"),
    ] {
        let pair = Pair::with(&format!(
            "CREATE TYPE spans AS RANGE (subtype = interval, multirange_type_name = many_spans); CREATE TYPE held AS (n int, i interval);
             CREATE DOMAIN waits AS interval; CREATE TABLE t (id int PRIMARY KEY, i {ty}, v vector(1));
             INSERT INTO t VALUES (1, '{fine}', '[1]'), (2, NULL, NULL), (7, '{infinite}', '[2]')"
        ));
        let words = [
            "table public.t",
            "row 3 (id = 7)",
            "column i",
            "interval is infinite",
        ];
        pair.run(&[]).refused(3, &words);
        whole_or_absent(&pair, "t", 3);
    }
}

#[test]
fn a_row_of_a_table_that_goes_as_text_is_named_by_its_key_too() {
    let pair = Pair::with(
        "CREATE TABLE t (id text PRIMARY KEY, r regtype, v vector); INSERT INTO t VALUES ('a', 'int', '[1,2]'), ('b', 'text', '[1,2]');
         CREATE VIEW n AS SELECT 1; CREATE TABLE dims (id text PRIMARY KEY, r regtype, v vector(2))",
    );
    pair.source.exec(
        "INSERT INTO dims SELECT id, r, v FROM t; UPDATE pg_attribute SET atttypmod = 3 WHERE attrelid = 'dims'::regclass AND attname = 'v'",
    );
    let words = [
        "table public.dims, row 1 (id = a)",
        "column v",
        "dimensions",
    ];
    pair.run(&[]).refused(3, &words);
    whole_or_absent(&pair, "dims", 2);
}
