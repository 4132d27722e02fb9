//! In: what others do to the source, the target and the ledger between two runs. Out: the rows of the last snapshot, or a refusal that says what
//! has changed.

use crate::common::Pair;
use crate::{TABLES, again, whole};

/// Hurt 1 again: between the two runs somebody writes. Slices that changed are taken back by the transaction that wrote them.
#[test]
fn what_was_written_between_two_runs_is_there_at_the_end() {
    let pair = Pair::with(TABLES);
    pair.quiet();
    pair.killed_at("copied", &["--jobs", "1"]);
    pair.target.exec("VACUUM (FREEZE) big");
    let file = "SELECT pg_relation_filenode('big')";
    let before = pair.target.one(file);
    pair.source.exec(
        "UPDATE big SET v = '[7,7]' WHERE id = 11; DELETE FROM big WHERE id BETWEEN 15100 AND 15110;
         INSERT INTO big VALUES (100000, 'new', '[8,8]'); UPDATE big SET id = 200000 WHERE id = 15000; INSERT INTO small VALUES (3, '[3,4]')",
    );
    let outcome = again(&pair, &["--jobs", "1"]);
    outcome.says(&[
        "public.big changed since",
        "there already and as on the source",
    ]);
    // Never truncated.
    assert_eq!(pair.target.one(file), before);
}

#[test]
fn a_table_that_was_truncated_or_rewritten_between_two_runs_is_copied_anew() {
    for change in [
        "TRUNCATE big CASCADE; INSERT INTO big VALUES (1, 'x', '[1,2]'); INSERT INTO small VALUES (1, '[5,6]')",
        "VACUUM FULL big",
        "ALTER TABLE big ALTER COLUMN v SET STORAGE EXTERNAL; ALTER TABLE big ALTER COLUMN v SET STORAGE DEFAULT; DELETE FROM small WHERE id = 2; DELETE FROM big WHERE id % 2 = 0",
    ] {
        let pair = Pair::with(TABLES);
        pair.killed_at("after-commit:4", &[]);
        for statement in change.split("; ") {
            pair.source.exec(statement);
        }
        again(&pair, &[]);
    }
}

/// A txid_snapshot does not list subtransactions: asking whether it sees the rows' xmin would keep what it has not seen.
#[test]
fn rows_of_a_subtransaction_that_was_open_at_the_snapshot_are_not_forgotten() {
    let pair = Pair::with(TABLES);
    let writer = pair.source.place.session();
    writer.exec("BEGIN; UPDATE small SET n = 5 WHERE id = 1; SAVEPOINT a; UPDATE big SET v = '[9,9]' WHERE id = 77; RELEASE a");
    pair.source
        .exec("INSERT INTO big VALUES (300000, 'later', '[1,1]')");
    pair.killed_at("copied", &[]);
    writer.exec("COMMIT");
    again(&pair, &[]);
    assert_eq!(
        pair.target
            .one("SELECT v::real[]::text FROM big WHERE id = 77"),
        "{9,9}"
    );
}

#[test]
fn a_schema_that_changed_between_two_runs_is_refused_and_what_is_new_is_named() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:2", &[]);
    pair.source.exec("ALTER TABLE big ADD COLUMN more int");
    let outcome = pair.run(&[]);
    outcome.refused(2, &["the source's schema has changed", "TABLE public.big"]);
    pair.source
        .exec("ALTER TABLE big DROP COLUMN more; CREATE TABLE newcomer (id int)");
    let outcome = again(&pair, &[]);
    outcome.says(&["TABLE public.newcomer", "not moved"]);
    assert_eq!(
        outcome.report()["new_tables"],
        serde_json::json!(["public.newcomer"])
    );
}

/// Somebody who writes into the target's tables in the meantime is found out, and nothing is taken back then.
#[test]
fn a_target_that_somebody_else_has_changed_is_not_gone_on_with() {
    let pair = Pair::with(TABLES);
    pair.killed_at("copied", &[]);
    pair.target
        .exec("UPDATE big SET pad = 'other' WHERE id = 11");
    pair.source
        .exec("UPDATE big SET v = '[7,7]' WHERE id < 20000");
    pair.run(&[]).refused(
        4,
        &[
            "somebody else has written to the table",
            "pgv2rs-copy clean",
        ],
    );
    assert_eq!(pair.target.count("big"), Some(20000));
}

/// The file that is watched must be that of the table that is read.
#[test]
fn tables_that_have_changed_their_names_between_two_runs_are_refused() {
    let pair = Pair::with(TABLES);
    pair.source.exec("CREATE TABLE other (LIKE big INCLUDING ALL); INSERT INTO other SELECT * FROM big WHERE id < 100; DROP TABLE small");
    pair.killed_at("after-commit:2", &[]);
    pair.source.exec("ALTER TABLE big RENAME TO z; ALTER TABLE other RENAME TO big; ALTER TABLE z RENAME TO other");
    pair.run(&[])
        .refused(2, &["the source's schema has changed"]);
}

/// Dropping an attribute and adding one of its name writes no row, and the dump says the same.
#[test]
fn a_composite_whose_attribute_was_made_again_between_two_runs_is_copied_again() {
    let pair = Pair::with("CREATE TYPE pair AS (a int, b int); CREATE TABLE t (id int PRIMARY KEY, p pair, v vector(1));
        INSERT INTO t SELECT i, ROW(i, i)::pair, '[1]' FROM generate_series(1, 5) i");
    pair.killed_at("copied", &[]);
    pair.source
        .exec("ALTER TYPE pair DROP ATTRIBUTE b; ALTER TYPE pair ADD ATTRIBUTE b int");
    pair.copy(&[]);
    pair.same_answer("SELECT id, p::text FROM t ORDER BY id");
}

#[test]
fn a_table_that_has_become_a_partition_between_two_runs_is_refused() {
    let pair = Pair::with("CREATE TABLE m (d text, id int, v vector(1)) PARTITION BY RANGE (d); CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('a') TO ('m');
        CREATE TABLE md PARTITION OF m DEFAULT; INSERT INTO m VALUES ('b', 1), ('z', 2); CREATE TABLE late (d text, id int, v vector(1)); INSERT INTO late VALUES ('n', 3)");
    pair.killed_at("laid", &[]);
    pair.source
        .exec("ALTER TABLE m ATTACH PARTITION late FOR VALUES FROM ('n') TO ('p')");
    pair.run(&[])
        .refused(2, &["the source's schema has changed", "late"]);
    pair.source.exec("ALTER TABLE m DETACH PARTITION late");
    pair.copy(&[]);
    pair.same_answer("SELECT tableoid::regclass, d, id FROM m ORDER BY id");
}

#[test]
fn a_sequence_that_was_made_again_between_two_runs_is_set() {
    for step in ["copied", "before-step:1"] {
        let pair = Pair::with("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v vector(2)); INSERT INTO t (v) SELECT '[1,2]' FROM generate_series(1, 50);
            CREATE SEQUENCE s; SELECT setval('s', 70)");
        pair.killed_at(step, &[]);
        pair.source.exec("DROP SEQUENCE s; CREATE SEQUENCE s; SELECT setval('s', 80); ALTER TABLE t ALTER id DROP IDENTITY; ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY; SELECT setval('t_id_seq', 50)");
        pair.copy(&[]);
        pair.same_answer("SELECT (SELECT last_value FROM s), (SELECT last_value FROM t_id_seq)");
    }
}

/// The target's own ledger, of a move into what is a source now.
#[test]
fn the_ledger_of_a_move_into_the_source_is_left_where_it_is() {
    let pair = Pair::with(TABLES);
    pair.source.exec(
        "CREATE SCHEMA pgv2rs; CREATE TABLE pgv2rs.run (id int); INSERT INTO pgv2rs.run VALUES (1)",
    );
    let outcome = pair.copy(&[]);
    whole(&pair);
    assert_eq!(outcome.tables(), ["public.big", "public.small"]);
    assert_eq!(
        pair.target
            .one("SELECT count(*) FROM pgv2rs.run WHERE report IS NOT NULL"),
        "1"
    );
}

/// After a promotion the places and transactions of rows may be those of others.
#[test]
fn no_slice_of_another_timeline_of_the_source_is_kept() {
    let pair = Pair::with(TABLES);
    pair.killed_at("copied", &[]);
    let other = "UPDATE pgv2rs.slice SET shape = replace(shape, '\"timeline\":\"00000001\"', '\"timeline\":\"00000002\"')";
    pair.target.exec(other);
    let changed = "SELECT count(*) FROM pgv2rs.slice WHERE shape LIKE '%00000002%'";
    assert_ne!(pair.target.one(changed), "0");
    let outcome = again(&pair, &[]);
    assert!(
        !outcome.err.contains("there already"),
        "{}",
        outcome.everything()
    );
}
