//! Killed at each step: the same command goes on, or --undo leaves everything as it was. What was done to the tables meanwhile is noticed.

use super::common::wait_until;
use super::{Both, METHODS};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(3) NOT NULL DEFAULT '[1,2,3]', s sparsevec(3), note text); COMMENT ON COLUMN t.v IS 'old';
    INSERT INTO t SELECT i, ARRAY[i, 1, 2]::real[]::vector, ('{2:' || i || '}/3')::sparsevec FROM generate_series(1, 2000) i;
    CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10); CREATE INDEX also ON t USING hnsw (s sparsevec_ip_ops) WITH (m = 4, ef_construction = 10);
    CREATE TABLE p (id int, v vector(1)) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
    CREATE TABLE p2 PARTITION OF p DEFAULT; CREATE INDEX parts ON p USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10);
    INSERT INTO p SELECT i, ARRAY[i]::real[]::vector FROM generate_series(1, 1500) i;";

/// The last number is the passing at which it is killed.
const STEPS: [&str; 14] = [
    "adding",
    "adding:2",
    "kept",
    "old-index-dropped",
    "batch:3",
    "filled",
    "not-null",
    "before-index",
    "after-index",
    "before-index:3",
    "compared",
    "swapping",
    "swapped",
    "done",
];

fn assert_changed(both: &Both, what: &str) {
    let wrong = "SELECT count(*) FROM t WHERE v::real[] IS DISTINCT FROM ARRAY[id, 1, 2]::real[] OR s::vectors.vector::real[] IS DISTINCT FROM ARRAY[0, id, 0]::real[]";
    assert_eq!(both.one(wrong), "0", "{what}");
    assert_eq!(
        both.one("SELECT count(*) FROM p WHERE v::real[] IS DISTINCT FROM ARRAY[id]::real[]"),
        "0",
        "{what}"
    );
    assert_eq!(
        both.one("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM p)"),
        "3500",
        "{what}"
    );
    assert_eq!(
        both.indexes("t"),
        ["also|vectors|t", "near|vectors|t", "t_pkey|btree|t"],
        "{what}"
    );
    assert_eq!(both.indexes("p"), ["parts|vectors|t"], "{what}");
    assert_eq!(both.one("SELECT attnotnull, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"), "t|old", "{what}");
    both.assert_tidy();
}

#[test]
fn killed_at_any_step_the_same_command_goes_on() {
    for step in STEPS {
        let both = Both::with(TABLE);
        both.killed_at(step, &["--drop-old-index", "--batch-rows", "500"]);
        both.change(&["--drop-old-index"]);
        assert_changed(&both, step);
    }
}

#[test]
fn killed_at_any_step_a_rewrite_goes_on() {
    let method = METHODS[1];
    for step in [
        "altering",
        "altering:2",
        "altered",
        "before-index",
        "after-index",
        "before-index:3",
        "done",
    ] {
        let both = Both::with(TABLE);
        both.killed_at(step, method);
        both.change(method);
        assert_changed(&both, step);
    }
}

/// pg_dump cannot tell that there ever was anything.
#[test]
fn killed_at_any_step_before_the_swap_it_can_be_undone() {
    let steps = [
        "kept",
        "old-index-dropped",
        "batch:3",
        "filled",
        "not-null",
        "before-index",
        "after-index",
        "before-index:2",
        "compared",
        "swapping",
    ];
    let of_tree = [
        "kept",
        "old-index-dropped",
        "filled",
        "before-index",
        "after-index:2",
        "compared",
        "swapping",
    ];
    let steps = steps
        .iter()
        .map(|s| ("t", s))
        .chain(of_tree.iter().map(|s| ("p", s)));
    for (table, step) in steps {
        let both = Both::with(TABLE);
        let dump = both.dump();
        let rows = both.rows("SELECT * FROM t ORDER BY id");
        both.killed_at(
            step,
            &["--drop-old-index", "--batch-rows", "500", "--table", table],
        );
        both.ledger_says("clean").refused(2, &["--undo"]);
        both.change(&["--undo"]);
        assert_eq!(both.dump(), dump, "{table} {step}");
        assert_eq!(
            both.rows("SELECT * FROM t ORDER BY id"),
            rows,
            "{table} {step}"
        );
        let valid = both.one("SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid IN ('near'::regclass, 'also'::regclass, 'parts'::regclass)");
        assert_eq!(valid, "t", "{table} {step}");
        both.assert_tidy();
        both.run(&["--undo"]).refused(2, &["no table"]);
    }
}

#[test]
fn an_undo_that_is_killed_goes_on_and_nothing_else_begins_before() {
    let both = Both::with(TABLE);
    let dump = both.dump();
    both.killed_at("filled", &["--drop-old-index", "--table", "t"]);
    for step in ["undoing", "before-index", "after-index"] {
        both.killed_at(step, &["--undo"]);
        both.run(&[]).refused(2, &["is being undone", "--undo"]);
        both.ledger_says("status").says(&["dropped indexes"]);
    }
    both.change(&["--undo"]);
    assert_eq!(both.dump(), dump);
}

#[test]
fn what_is_done_is_not_undone_and_another_method_is_refused() {
    let both = Both::with(TABLE);
    both.killed_at("kept", &["--table", "t"]);
    both.run(METHODS[1])
        .refused(2, &["was begun with --method add-column"]);
    both.killed_at("swapped", &["--table", "t"]);
    both.run(&["--undo"])
        .refused(2, &["of the new type already"]);
    both.change(&[]);
    assert_changed(&both, "swapped");
}

/// A write that the trigger did not see is found before the swap.
#[test]
fn a_trigger_that_was_away_for_a_while_is_noticed() {
    let both = Both::with(TABLE);
    both.killed_at("filled", &["--table", "t"]);
    both.exec("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET v = '[9,9,9]' WHERE id = 5");
    both.run(&["--table", "t"])
        .refused(4, &["ENABLE ALWAYS", "--undo"]);
    both.exec("ALTER TABLE t ENABLE ALWAYS TRIGGER \"~pgv2rs\"");
    both.run(&["--table", "t"]).refused(
        1,
        &[
            "1 rows are not what their old column holds",
            "nothing was swapped",
        ],
    );
    assert_eq!(both.type_of("t", "v"), "vector(3)");
    both.exec("UPDATE t SET note = 'touched' WHERE id = 5");
    both.change(&["--table", "t"]);
    assert_eq!(both.one("SELECT v::real[] FROM t WHERE id = 5"), "{9,9,9}");
}

#[test]
fn an_index_made_meanwhile_on_the_old_column_is_not_lost_silently() {
    let both = Both::with(TABLE);
    both.killed_at("compared", &["--table", "t"]);
    both.exec("CREATE INDEX another ON t USING hnsw (v vector_cosine_ops) WITH (m = 4, ef_construction = 10)");
    both.run(&["--table", "t"])
        .refused(4, &["made on an old column since the plan", "another"]);
    assert_eq!(both.type_of("t", "v"), "vector(3)");
    both.exec("DROP INDEX another");
    both.change(&["--table", "t"]);
}

/// A partition that is attached in the middle holds rows that nobody has filled.
#[test]
fn partitions_may_come_meanwhile() {
    let both = Both::with(TABLE);
    both.killed_at("compared:2", &[]);
    both.exec(
        "CREATE TABLE p3 (id int, v vector(1), migrate_v vectors.vector(1)); INSERT INTO p3 SELECT i, ARRAY[i]::real[]::vector FROM generate_series(5000, 5100) i;
         ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (5000) TO (6000)",
    );
    both.change(&[]);
    assert_eq!(
        both.one("SELECT count(*) FROM p WHERE v::real[] IS DISTINCT FROM ARRAY[id]::real[]"),
        "0"
    );
    assert_eq!(both.one("SELECT count(*) FROM p3"), "101");
    assert_eq!(both.indexes("p"), ["parts|vectors|t"]);
    both.assert_tidy();
}

/// Killed in the middle of a build, which waits for an older snapshot.
#[test]
fn an_index_that_is_half_built_is_made_anew() {
    let both = Both::with(TABLE);
    let reader = both.place.session();
    reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM p");
    let running = both.start(&["--table", "t"]);
    let half = "SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE c.relname LIKE 'pgv2rs%' AND NOT x.indisvalid";
    wait_until("an index is half built", || both.one(half) == "1");
    running.kill();
    reader.exec("COMMIT");
    both.change(&[]);
    assert_changed(&both, "half built");
}
