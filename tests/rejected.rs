//! In: rows that cannot be converted, and `--reject-table`. Out: all other rows on the target, verified, and a line for each of these,
//! once, however often the run was killed. Which rows these are is said by the source's own SQL.

mod common;

use common::run::Outcome;
use common::{Pair, wait_until};
use serde_json::json;

/// 40 MB, five slices or more; every 1,500th row overflows a vecf16. A row of other dimensions is one whose column's modifier was changed
/// afterwards.
const TABLES: &str = "CREATE TABLE big (region text DEFAULT 'north', id int, pad text STORAGE PLAIN, v vector(2), PRIMARY KEY (region, id));
    INSERT INTO big SELECT 'north', i, repeat(md5(i::text), 60), ARRAY[i % 2000, CASE WHEN i % 1500 = 7 THEN 70000 ELSE 0.5 END]::real[]::vector FROM generate_series(1, 20000) i;
    CREATE TABLE dims (id uuid PRIMARY KEY, v vector, twice int GENERATED ALWAYS AS (vector_dims(v) * 2) STORED);
    INSERT INTO dims SELECT md5(i::text)::uuid, CASE WHEN i % 100 = 0 THEN '[1]' ELSE '[1,2,3]' END::vector FROM generate_series(1, 500) i;
    UPDATE pg_attribute SET atttypmod = 3 WHERE attrelid = 'dims'::regclass AND attname = 'v';
    CREATE TABLE fine (id int PRIMARY KEY, v vector(2)); INSERT INTO fine VALUES (1, '[1,70000]'), (2, NULL);
    CREATE INDEX plain_index ON big (pad); CREATE SEQUENCE numbers START 41; SELECT nextval('numbers')";

const OPTIONS: [&str; 3] = ["--map", "public.big.v=vecf16", "--reject-table"];

/// The key of a row of `big` that cannot come, as the source says it.
const BAD: &str = "SELECT 'region = ' || region || ', id = ' || id FROM big WHERE (v::real[])[2] > 65504 ORDER BY 1";

/// All that can come did, and of the rest there is a line each, and no more.
fn whole(pair: &Pair, outcome: &Outcome) {
    assert_eq!(outcome.code, 6, "{}", outcome.everything());
    pair.same(
        "SELECT count(*), md5(string_agg(pad || v::real[]::text, ',' ORDER BY id)) FROM big WHERE NOT (v::real[])[2] > 65504",
        "SELECT count(*), md5(string_agg(pad || v::vectors.vector::real[]::text, ',' ORDER BY id)) FROM big",
    );
    pair.same(
        "SELECT id, v::real[]::text FROM dims WHERE vector_dims(v) = 3 ORDER BY 1",
        "SELECT id, v::real[]::text FROM dims ORDER BY 1",
    );
    pair.same_answer("SELECT id, v::real[]::text FROM fine ORDER BY id");
    pair.same_answer("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1");
    pair.same_answer("SELECT last_value, is_called FROM numbers");
    pair.same(
        BAD,
        "SELECT key FROM pgv2rs.rejected WHERE \"table\" = 'public.big' ORDER BY 1",
    );
    pair.same(
        "SELECT 'id = ' || id FROM dims WHERE vector_dims(v) <> 3 ORDER BY 1",
        "SELECT key FROM pgv2rs.rejected WHERE \"table\" = 'public.dims' ORDER BY 1",
    );
    let others =
        "SELECT count(*) FROM pgv2rs.rejected WHERE \"table\" NOT IN ('public.big', 'public.dims')";
    assert_eq!(pair.target.one(others), "0");
}

#[test]
fn rows_that_cannot_be_converted_are_set_aside_and_all_others_come() {
    let pair = Pair::with(TABLES);
    let outcome = pair.run(&OPTIONS);
    whole(&pair, &outcome);
    let runs = "SELECT DISTINCT r.run = n.id, r.\"table\", r.\"column\", r.reason FROM pgv2rs.rejected r, pgv2rs.run n ORDER BY 2";
    assert_eq!(
        pair.target.rows(runs),
        [
            "t|public.big|v|element 1 overflows a 16-bit float (beyond 65504)",
            "t|public.dims|v|the vector has 1 dimensions, the column 3"
        ]
    );
    let report = outcome.report();
    let bad = pair.source.rows(BAD).len();
    assert_eq!(
        (&report["verified"], &report["rejected"]),
        (&json!(false), &json!(bad + 5))
    );
    let big = outcome.table("public.big");
    assert_eq!(big["rejected"], json!(bad));
    assert_eq!(big["rows"], json!(20000 - bad));
    assert_eq!(big["target_rows"], json!(20000 - bad));
    assert_eq!(big["source_rows"], json!(20000));
    assert_eq!(big["differences"], json!([]));
    assert_eq!(big["sent_digest"], big["target_digest"]);
    assert_eq!(
        big["rejections"][0],
        json!({"key": "region = north, id = 7", "column": "v", "reason": "element 1 overflows a 16-bit float (beyond 65504)"})
    );
    assert_eq!(outcome.table("public.fine")["rejected"], 0);
    outcome.says(&[
        "REJECTED: region = north, id = 7, column v: element 1 overflows",
        "verified but for 5 rejected",
        "are NOT on the target; pgv2rs.rejected there names each",
        "every row on the target was read back and is as on the source",
        "but what is said above comes first",
    ]);
    for unsaid in ["safe to switch", "every row of every table"] {
        assert!(!outcome.out.contains(unsaid), "{}", outcome.everything());
    }
    assert!(!outcome.everything().contains("70000"));
    // Told again, with the same answer; and the lines stay.
    let again = pair.run(&OPTIONS);
    again.says(&["this move is done", "REJECTED: region = north, id = 7"]);
    whole(&pair, &again);
    assert_eq!(again.report(), report);
    pair.on_target("status")
        .says(&["done, but for 19 rejected rows"]);
    // Any other comparison names them as what they are: not there.
    let compared = pair.verify(&["-t", "dims"]);
    assert_eq!(compared.code, 1, "{}", compared.everything());
    compared.says(&[
        "500 rows on the source, 495 on the target",
        "only on the source",
    ]);
    pair.on_target("clean");
    assert_eq!(
        pair.target.one("SELECT to_regnamespace('pgv2rs') IS NULL"),
        "t"
    );
}

/// PEERS 1: a line is committed with the slice that met it, so it is there as often as its row is not.
#[test]
fn killed_at_any_step_each_rejected_row_has_one_line() {
    for step in [
        "before-commit:3",
        "after-commit:3",
        "copied",
        "verified",
        "after-step",
        "finished",
    ] {
        let pair = Pair::with(TABLES);
        pair.killed_at(step, &OPTIONS);
        let without = "SELECT count(*) FROM pgv2rs.rejected r LEFT JOIN pgv2rs.slice s ON s.id = r.slice AND s.rows IS NOT NULL WHERE s.id IS NULL";
        if step != "finished" {
            assert_eq!(pair.target.one(without), "0", "{step}");
            let counted = "SELECT (SELECT count(*) FROM pgv2rs.rejected) = (SELECT sum(rejected) FROM pgv2rs.slice)";
            assert_eq!(pair.target.one(counted), "t", "{step}");
        }
        let outcome = pair.run(&OPTIONS);
        whole(&pair, &outcome);
        assert_eq!(
            outcome.report()["rejected"],
            json!(pair.source.rows(BAD).len() + 5),
            "{step}"
        );
    }
}

#[test]
fn a_row_that_is_mended_between_two_runs_comes_and_its_line_goes() {
    let pair = Pair::with(TABLES);
    pair.quiet();
    pair.killed_at("copied", &OPTIONS);
    pair.on_target("status").says(&["and 19 rejected"]);
    pair.source.exec(
        "UPDATE big SET v = '[3,4]' WHERE id = 1507; UPDATE big SET v = '[3,70000]' WHERE id = 10;
         DELETE FROM big WHERE id = 3007; DELETE FROM dims WHERE vector_dims(v) <> 3 AND id = (SELECT min(id::text)::uuid FROM dims WHERE vector_dims(v) <> 3)",
    );
    let outcome = pair.run(&OPTIONS);
    outcome.says(&[
        "going on with the run",
        "there already and as on the source",
    ]);
    whole(&pair, &outcome);
    let lines = "SELECT count(*) FROM pgv2rs.rejected WHERE key IN ('region = north, id = 1507', 'region = north, id = 3007')";
    assert_eq!(pair.target.one(lines), "0");
    assert_eq!(
        pair.target
            .one("SELECT v::vectors.vector::real[]::text FROM big WHERE id = 1507"),
        "{3,4}"
    );
}

#[test]
fn without_the_option_a_run_stops_and_may_go_on_with_it() {
    let pair = Pair::with(TABLES);
    let without = &OPTIONS[..2];
    pair.run(without)
        .refused(3, &["region = north, id = ", "column v", "--reject-table"]);
    assert_eq!(pair.target.one("SELECT count(*) FROM pgv2rs.rejected"), "0");
    pair.killed_at("copied", &OPTIONS);
    assert_eq!(
        pair.target.one("SELECT count(*) FROM pgv2rs.rejected"),
        "19"
    );
    // What was rejected is tried again, so nothing is missing that nobody has agreed to.
    pair.run(without).refused(3, &["column v"]);
    let outcome = pair.run(&OPTIONS);
    whole(&pair, &outcome);
    // Mended, there is nothing left to reject, and no trace of it.
    let other = Pair::with(TABLES);
    other.killed_at("copied", &OPTIONS);
    other.source.exec("UPDATE big SET v = '[1,1]' WHERE (v::real[])[2] > 65504; DELETE FROM dims WHERE vector_dims(v) <> 3");
    let outcome = other.copy(without);
    assert_eq!(outcome.report()["rejected"], 0);
    assert_eq!(
        other.target.one("SELECT count(*) FROM pgv2rs.rejected"),
        "0"
    );
    other.same_answer("SELECT count(*), sum(id) FROM big");
}

/// Whether rows are set aside is the run's affair, and not that of who helps.
#[test]
fn a_process_that_joins_sets_rows_aside_if_the_first_one_does() {
    let pair = Pair::with(TABLES);
    pair.killed_at("schema-applied", &OPTIONS);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE big IN SHARE MODE");
    let first = pair.start(&[&OPTIONS[..], &["--jobs", "1"]].concat());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'big'::regclass";
    wait_until("the first one waits at the lock", || {
        pair.target.one(waits) == "1"
    });
    let second = pair.start(&[&OPTIONS[..2], &["--jobs", "2", "--join"]].concat());
    wait_until("the second one waits there too", || {
        pair.target.one(waits) == "3"
    });
    holder.exec("COMMIT");
    let second = second.ended();
    assert_eq!(second.code, 0, "{}", second.everything());
    whole(&pair, &first.ended());
}

/// Without a primary key a row has no name but its place; texts, composites, arrays and domains hold vectors too.
#[test]
fn rows_of_every_kind_of_table_are_set_aside() {
    let pair = Pair::with(
        "CREATE TABLE bare (n int, v halfvec); INSERT INTO bare SELECT i, CASE WHEN i IN (3, 900) THEN '[1]' ELSE '[1,2,3]' END::halfvec FROM generate_series(1, 1000) i;
         CREATE TABLE named (id text PRIMARY KEY, r regtype, v vector);
         INSERT INTO named SELECT 'k' || i, 'int', CASE WHEN i = 5 THEN '[1]' ELSE '[1,2,3]' END::vector FROM generate_series(1, 10) i;
         CREATE TABLE listed (id bigint PRIMARY KEY, v vector[]); INSERT INTO listed VALUES (1, '{\"[1,2,3]\"}'), (2, '{\"[1,2,3]\",\"[1]\"}'), (3, NULL);
         CREATE TABLE thin (id date PRIMARY KEY, v sparsevec); INSERT INTO thin VALUES ('2026-01-02', '{1:1}/3'), ('2026-01-03', '{1:1}/20000'), ('2026-01-04', NULL);
         CREATE TYPE pair AS (n int, v vector); CREATE TABLE held (id int PRIMARY KEY, p pair); INSERT INTO held VALUES (1, (1, '[1,2,3]')), (2, (2, '[1,2]'));
         CREATE TABLE parted (id int PRIMARY KEY, v vector) PARTITION BY HASH (id); CREATE TABLE p0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE p1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO parted SELECT i, CASE WHEN i % 10 = 0 THEN '[1]' ELSE '[1,2,3]' END::vector FROM generate_series(1, 100) i;
         UPDATE pg_attribute SET atttypmod = 3 WHERE attname = 'v' AND attrelid IN ('bare'::regclass, 'named'::regclass, 'listed'::regclass, 'thin'::regclass, 'p0'::regclass,
           'p1'::regclass, 'parted'::regclass, (SELECT typrelid FROM pg_type WHERE typname = 'pair'))",
    );
    // What goes as text is copied again.
    pair.killed_at("copied", &["--reject-table"]);
    let outcome = pair.run(&["--reject-table"]);
    assert_eq!(outcome.code, 6, "{}", outcome.everything());
    for table in outcome.report()["tables"].as_array().unwrap() {
        assert_eq!(table["differences"], json!([]), "{}", outcome.everything());
    }
    assert_eq!(
        pair.target.rows("SELECT \"table\", key, \"column\" FROM pgv2rs.rejected WHERE \"table\" NOT LIKE '%.p_' ORDER BY 1, \"row\""),
        [
            "public.bare|row 3|v",
            "public.bare|row 900|v",
            "public.held|id = 2|p",
            "public.listed|id = 2|v",
            "public.named|id = k5|v",
            "public.thin|id = 2026-01-03|v"
        ]
    );
    pair.same(
        "SELECT 'id = ' || id FROM parted WHERE vector_dims(v) = 1 ORDER BY id",
        "SELECT key FROM pgv2rs.rejected WHERE \"table\" LIKE '%.p_' ORDER BY substr(key, 6)::int",
    );
    for (table, fine) in [
        ("bare", "vector_dims(v) = 3"),
        ("named", "vector_dims(v) = 3"),
        ("listed", "id <> 2"),
        ("thin", "id <> '2026-01-03'"),
        ("held", "id <> 2"),
        ("parted", "id % 10 <> 0"),
    ] {
        let all = format!("SELECT count(*) FROM {table}");
        pair.same(&format!("{all} WHERE {fine}"), &all);
    }
    let long = "SELECT n FROM bare ORDER BY n";
    pair.same(
        &long.replace("ORDER", "WHERE vector_dims(v) = 3 ORDER"),
        long,
    );
}

/// The lines wait for the end of a COPY, and more of them than may wait make an end of it in between.
#[test]
fn a_table_with_more_bad_rows_than_good_ones_has_a_line_for_each() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(300)); CREATE TABLE none (id int PRIMARY KEY, v vector(1));
         INSERT INTO t SELECT i, array_fill((CASE WHEN i % 8 = 0 THEN i % 2000 ELSE 1e6 END)::real, ARRAY[300])::vector FROM generate_series(1, 20000) i;
         INSERT INTO none SELECT i, '[1e6]' FROM generate_series(1, 4000) i",
    );
    let maps = [
        "--map",
        "public.t.v=vecf16",
        "--map",
        "public.none.v=vecf16",
        "--reject-table",
        "--jobs",
        "1",
    ];
    pair.killed_at("copied", &maps);
    let outcome = pair.run(&maps);
    assert_eq!(outcome.code, 6, "{}", outcome.everything());
    let of = |table: &str| {
        format!(
            "SELECT count(*), count(DISTINCT key), count(DISTINCT (slice, \"row\")) FROM pgv2rs.rejected WHERE \"table\" = 'public.{table}'"
        )
    };
    assert_eq!(pair.target.one(&of("t")), "17500|17500|17500");
    assert_eq!(pair.target.one(&of("none")), "4000|4000|4000");
    pair.same(
        "SELECT id, (v::real[])[300] FROM t WHERE id % 8 = 0 ORDER BY id",
        "SELECT id, (v::vectors.vector::real[])[300] FROM t ORDER BY id",
    );
    assert_eq!(pair.target.count("none"), Some(0));
    let t = outcome.table("public.t");
    assert_eq!((&t["rejected"], &t["rows"]), (&json!(17500), &json!(2500)));
    assert_eq!(t["rejections"].as_array().map(Vec::len), Some(20));
    outcome.says(&["REJECTED: 17480 more"]);
}

/// The option is about the conversion: what the target itself refuses is no affair of it.
#[test]
fn a_row_that_the_target_refuses_is_not_set_aside() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t SELECT i, '[1,70000]' FROM generate_series(1, 3000) i",
    );
    pair.target.exec("CREATE EXTENSION vectors; CREATE TABLE t (id int PRIMARY KEY CHECK (id < 2900), v vectors.vector(2))");
    let outcome = pair.run(&["--schema-source", "existing", "--reject-table"]);
    outcome.refused(4, &["public.t", "23514"]);
    assert_eq!(pair.target.one("SELECT count(*) FROM pgv2rs.rejected"), "0");
}

#[test]
fn what_follows_the_rows_may_need_one_that_was_rejected() {
    let pair = Pair::with(
        "CREATE TABLE owner (id int PRIMARY KEY, v vector(1)); INSERT INTO owner VALUES (1, '[1]'), (2, '[70000]');
         CREATE TABLE child (id int PRIMARY KEY, owner int REFERENCES owner); INSERT INTO child VALUES (1, 1), (2, 2)",
    );
    let arguments = [
        "--map",
        "public.owner.v=vecf16",
        "--reject-table",
        "--verify",
        "counts",
    ];
    let outcome = pair.run(&arguments);
    assert_eq!(outcome.code, 4, "{}", outcome.everything());
    outcome.says(&[
        "Not done",
        "child_owner_fkey",
        "REJECTED: id = 2",
        "all row counts agree, with the rejected rows",
    ]);
    pair.source.exec("DELETE FROM child WHERE owner = 2");
    pair.target.exec("DELETE FROM child WHERE owner = 2");
    let outcome = pair.run(&arguments);
    assert_eq!(outcome.code, 6, "{}", outcome.everything());
    assert_eq!(outcome.report()["rejected"], 1);
}
