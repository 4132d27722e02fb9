//! In: runs that are killed at a step, and the same command again. Out: the source's rows, none lost, none twice, and what was done is
//! not done again. What is compared is asked of the servers; the ledger is read with SQL of the tests' own.

mod common;

use common::proxy;
use common::run::Outcome;
use common::{Pair, wait_until};

/// 40 MB, five slices or more; and small ones. All that follows rows is there too.
const TABLES: &str = "CREATE TABLE big (id int PRIMARY KEY, pad text STORAGE PLAIN, v vector(2));
    INSERT INTO big SELECT i, repeat(md5(i::text), 60), ARRAY[i, sin(i)]::real[]::vector FROM generate_series(1, 20000) i;
    CREATE TABLE small (id int PRIMARY KEY REFERENCES big, v vector(2), n int CHECK (n > 0) DEFAULT 1); INSERT INTO small VALUES (1, '[1,2]'), (2, NULL);
    CREATE INDEX near ON big USING hnsw (v vector_l2_ops); CREATE INDEX plain_index ON big (pad); CREATE VIEW seen AS SELECT id FROM big;
    CREATE SEQUENCE numbers START 41; SELECT nextval('numbers')";

const ROWS: &str = "SELECT count(*), count(DISTINCT id), md5(string_agg(pad || v::real[]::text, ',' ORDER BY id)) FROM big";

/// All that came, asked of both servers.
fn whole(pair: &Pair) {
    pair.same_answer(ROWS);
    pair.same_answer("SELECT id, v::real[]::text, n FROM small ORDER BY id");
    pair.same_answer("SELECT conname, convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1");
    pair.same_answer("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1");
    pair.same_answer("SELECT count(*) FROM seen");
    pair.same_answer("SELECT last_value, is_called FROM numbers");
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(pair.target.one(invalid), "0");
}

/// Slices that are done: their ids, and the ids of the transactions that copied them.
fn slices(pair: &Pair) -> Vec<String> {
    pair.target
        .rows("SELECT id, xid, attempt FROM pgv2rs.slice WHERE rows IS NOT NULL ORDER BY id")
}

fn again(pair: &Pair, arguments: &[&str]) -> Outcome {
    let outcome = pair.copy(arguments);
    outcome.says(&["going on with the run that was begun"]);
    whole(pair);
    outcome
}

/// PEERS 1 and 2: a resume truncates what is finished, copies a part twice, or never makes the constraints.
#[test]
fn killed_at_any_step_the_same_command_ends_with_the_sources_rows() {
    for step in [
        "schema-applied",
        "laid",
        "claimed:2",
        "before-commit:3",
        "after-commit:3",
        "copied",
        "verified",
        "before-step:2",
        "after-step",
        "after-step:3",
        "after-step:5",
    ] {
        let pair = Pair::with(TABLES);
        pair.killed_at(step, &[]);
        again(&pair, &[]);
        let left = "SELECT (SELECT count(*) FROM pgv2rs.run), (SELECT count(*) FROM pgv2rs.slice), (SELECT count(*) FROM pgv2rs.step)";
        assert_eq!(pair.target.one(left), "1|0|0", "{step}");
    }
}

#[test]
fn killed_before_anything_was_written_the_same_command_begins_again() {
    let pair = Pair::with(TABLES);
    let before = pair.target.catalog();
    pair.killed_at("planned", &[]);
    assert_eq!(pair.target.catalog(), before);
    pair.copy(&[]);
    whole(&pair);
}

#[test]
fn killed_at_its_last_word_the_report_is_given_again() {
    let pair = Pair::with(TABLES);
    pair.killed_at("finished", &[]);
    let outcome = pair.copy(&[]);
    outcome.says(&["this move is done", "Verification: every row"]);
    assert_eq!(outcome.table("public.big")["rows"], 20000);
    whole(&pair);
    // Who has emptied the target wants it moved again.
    pair.target
        .exec("DROP VIEW seen; DROP TABLE small, big; DROP SEQUENCE numbers");
    let outcome = pair.copy(&[]);
    assert!(
        !outcome.err.contains("this move is done"),
        "{}",
        outcome.everything()
    );
    whole(&pair);
}

/// What was done is not done again: the rows of finished slices are those that the first process wrote.
#[test]
fn finished_slices_are_kept_and_the_others_are_copied_once() {
    let pair = Pair::with(TABLES);
    pair.killed_at("before-commit:3", &["--jobs", "1"]);
    let done = slices(&pair);
    assert_eq!(done.len(), 2);
    let first = pair
        .target
        .rows("SELECT DISTINCT xmin::text FROM big ORDER BY 1");
    assert_eq!(first.len(), 2);
    pair.killed_at("verified", &["--jobs", "1"]);
    let all = slices(&pair);
    assert!(all.len() > 4 && all.starts_with(&done), "{done:?} {all:?}");
    let kept = format!(
        "SELECT count(DISTINCT xmin::text) FROM big WHERE xmin::text IN ('{}')",
        first.join("', '")
    );
    assert_eq!(pair.target.one(&kept), "2");
    again(&pair, &["--jobs", "1"]);
    assert_eq!(pair.target.one(&kept), "2");
}

/// Of a source that nobody writes to.
#[test]
fn after_a_kill_at_nine_tenths_less_than_a_fifth_is_copied_again() {
    let pair = Pair::with("CREATE TABLE big (id int PRIMARY KEY, pad text STORAGE PLAIN, v vector(2));
        INSERT INTO big SELECT i, repeat(md5(i::text), 60), ARRAY[i, sin(i)]::real[]::vector FROM generate_series(1, 50000) i");
    let jobs = ["--jobs", "4"];
    pair.killed_at("laid", &jobs);
    let count: usize = pair
        .target
        .one("SELECT count(*) FROM pgv2rs.slice")
        .parse()
        .unwrap();
    assert!(count >= 10, "{count} slices of 100 MB");
    pair.killed_at(&format!("after-commit:{}", count * 9 / 10), &jobs);
    pair.killed_at("verified", &jobs);
    let again = "SELECT (100 * sum(bytes) FILTER (WHERE attempt = (SELECT max(attempt) FROM pgv2rs.slice)) / sum(bytes))::int FROM pgv2rs.slice";
    let percent: i32 = pair.target.one(again).parse().unwrap();
    assert!(percent > 0 && percent < 20, "{percent} % was copied again");
    pair.copy(&jobs);
    pair.same_answer(ROWS);
}

/// PEERS 1 again: between the two runs somebody writes. Slices that changed are taken back by the transaction that wrote them.
#[test]
fn what_was_written_between_two_runs_is_there_at_the_end() {
    let pair = Pair::with(TABLES);
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
        "are there already and as on the source",
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

#[test]
fn other_options_and_another_source_are_refused() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:2", &[]);
    let refused = ["its options were others", "--no-owner", "pgv2rs-copy clean"];
    pair.run(&["--no-owner"]).refused(2, &refused);
    pair.run(&["--dry-run"]).refused(2, &["it is not done"]);
    let other = Pair::with("CREATE TABLE t (v vector(1))");
    let outcome = common::run::start_between(&other.source.place, &pair.target.place, &[]).ended();
    outcome.refused(2, &["it is from another source"]);
    again(&pair, &["--jobs", "3"]);
}

#[test]
fn a_second_process_is_refused_while_the_first_one_works() {
    let pair = Pair::with(TABLES);
    pair.killed_at("schema-applied", &[]);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE small IN SHARE MODE");
    let first = pair.start(&[]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'small'::regclass";
    wait_until("the first one waits at the lock", || {
        pair.target.one(waits) == "1"
    });
    pair.run(&[])
        .refused(2, &["another pgv2rs-copy works on this target", "process "]);
    pair.on_target("clean")
        .refused(2, &["another pgv2rs-copy works on this target"]);
    let status = pair.on_target("status");
    assert_eq!(status.code, 0);
    status.says(&["a process works on it", "rows are copied or verified"]);
    holder.exec("COMMIT");
    let outcome = first.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    whole(&pair);
}

/// A process that was killed while the server works for it leaves a session behind.
#[test]
fn sessions_that_a_killed_process_has_left_are_ended() {
    let pair = Pair::with(TABLES);
    let holder = pair.target.place.session();
    pair.killed_at("schema-applied", &[]);
    holder.exec("BEGIN; LOCK TABLE small IN SHARE MODE");
    let running = pair.start(&[]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'small'::regclass";
    wait_until("it waits at the lock", || pair.target.one(waits) == "1");
    running.kill();
    let second = pair.start(&[]);
    wait_until("the second one waits there, and nobody else", || {
        let pid = format!(
            "{waits} AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_start > (SELECT max(begun) FROM pgv2rs.run))"
        );
        pair.target.one(&pid) == "1"
    });
    holder.exec("COMMIT");
    let outcome = second.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    whole(&pair);
}

#[test]
fn status_says_where_a_run_stands_and_clean_forgets_it() {
    let pair = Pair::with(TABLES);
    pair.on_target("status").says(&["has no ledger"]);
    pair.on_target("clean").says(&["has no ledger"]);
    pair.killed_at("after-commit:2", &["--jobs", "1"]);
    let status = pair.on_target("status");
    status.says(&[
        "2 of ",
        "no process works on it: the same command goes on from here",
    ]);
    pair.killed_at("after-step:2", &["--jobs", "1"]);
    pair.on_target("status")
        .says(&["all rows are there; 2 of "]);
    again(&pair, &[]);
    pair.on_target("status").says(&["done"]);
    let outcome = pair.on_target("clean");
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(
        pair.target.one("SELECT to_regnamespace('pgv2rs') IS NULL"),
        "t"
    );
    whole(&pair);
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

/// No word of a password, neither the program's own nor one that the database keeps.
#[test]
fn the_ledger_holds_no_secret() {
    let pair = Pair::with(TABLES);
    pair.source.exec(&format!(
        "ALTER DATABASE \"{}\" SET app.key = 'hush-Hush-8'; CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far OPTIONS (token 'hush-Hush-8')",
        pair.source.place.database
    ));
    let arguments = ["--allow-findings"];
    pair.killed_at("after-step:2", &arguments);
    let all = pair.target.one("SELECT (SELECT string_agg(r::text, '') FROM pgv2rs.run r) || (SELECT string_agg(s::text, '') FROM pgv2rs.step s) || coalesce((SELECT string_agg(s::text, '') FROM pgv2rs.slice s), '')");
    assert!(all.contains("public.big") || all.contains("\"big\""));
    let own = pair.source.place.password.clone().unwrap_or("hush".into());
    for secret in ["hush-Hush-8", own.as_str()] {
        assert!(!all.contains(secret));
    }
    pair.copy(&arguments);
    let setting = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()";
    pair.same_answer(setting);
}

/// Two processes share a run, each by a way of its own; Postgres says who copies what.
#[test]
fn a_process_that_joins_copies_slices_of_the_same_snapshot() {
    let pair = Pair::with(TABLES);
    pair.run(&["--join"])
        .refused(2, &["joining a run", "knows none"]);
    pair.killed_at("schema-applied", &[]);
    let holder = pair.target.place.session();
    // The first one gets as far as the first slice of the large table, and waits there.
    holder.exec("BEGIN; LOCK TABLE big IN SHARE MODE");
    let first = pair.start(&["--jobs", "1"]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'big'::regclass";
    wait_until("the first one waits at the lock", || {
        pair.target.one(waits) == "1"
    });
    pair.source
        .exec("UPDATE big SET v = '[1,1]'; INSERT INTO big VALUES (400000, 'later', '[1,1]')");
    let (from, to) = (
        proxy::counted(&pair.source.place).0,
        proxy::counted(&pair.target.place).0,
    );
    let second = common::run::start_between(&from, &to, &["--join", "--jobs", "2"]);
    wait_until("the second one waits there too", || {
        pair.target.one(waits) == "3"
    });
    holder.exec("COMMIT");
    let second = second.ended();
    assert_eq!(second.code, 0, "{}", second.everything());
    second.says(&["copied for the run that was begun"]);
    assert!(
        !second.out.contains("0 slices copied"),
        "{}",
        second.everything()
    );
    let first = first.ended();
    assert_eq!(first.code, 0, "{}", first.everything());
    assert_eq!(first.report()["verified"], true);
    assert_eq!(pair.target.one("SELECT count(*) FROM big"), "20000");
    let untouched = "SELECT count(*) FROM big WHERE v::real[] = '{1,1}'";
    assert_eq!(pair.target.one(untouched), "0");
}

/// PEERS 5: workers wait for ever, for a lock or for a peer that is gone.
#[test]
fn a_slice_that_stands_still_ends_the_run_and_names_who_is_in_the_way() {
    let pair = Pair::with(TABLES);
    pair.killed_at("schema-applied", &[]);
    let holder = pair.target.place.session();
    holder.exec("SET application_name = 'the one in the way'; BEGIN; LOCK TABLE big IN SHARE MODE");
    let pid = holder.one("SELECT pg_backend_pid()");
    let outcome = pair.run(&["--stall-timeout", "2s"]);
    let named = format!("waits for a lock that is held by process {pid}");
    outcome.refused(
        4,
        &[
            "copying public.big: no row has moved for 2s",
            &named,
            "the one in the way",
        ],
    );
    holder.exec("COMMIT");
    again(&pair, &[]);
}

/// The same of what follows the rows.
#[test]
fn a_step_that_waits_for_a_lock_ends_the_run_and_is_done_by_the_next_one() {
    let pair = Pair::with(TABLES);
    pair.killed_at("verified", &[]);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE big IN ROW EXCLUSIVE MODE");
    let outcome = pair.run(&["--stall-timeout", "1s", "--retry-for", "0s"]);
    outcome.refused(4, &["canceling statement due to lock timeout"]);
    holder.exec("COMMIT");
    again(&pair, &[]);
}

#[test]
fn a_disk_with_less_room_than_asked_for_stops_the_run_and_harms_nothing() {
    let pair = Pair::with(TABLES);
    pair.killed_at("schema-applied", &[]);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE big IN SHARE MODE");
    let outcome = pair.run(&["--min-free", "100000000GB"]);
    outcome.refused(
        4,
        &[
            "watching the target's disk",
            " are free, and --min-free asks for",
        ],
    );
    holder.exec("COMMIT");
    again(&pair, &["--min-free", "1MB"]);
}

/// PEERS 11 and 12: no slot is made, so nobody waits for old transactions to begin, and no WAL is kept for the copy.
#[test]
fn no_replication_slot_is_made_on_either_side() {
    let pair = Pair::with(TABLES);
    let old = pair.source.place.session();
    old.exec("BEGIN; UPDATE small SET n = 2 WHERE id = 2");
    pair.killed_at("copied", &[]);
    for db in [&pair.source, &pair.target] {
        assert_eq!(db.one("SELECT count(*) FROM pg_replication_slots"), "0");
    }
    old.exec("ROLLBACK");
    again(&pair, &[]);
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

#[test]
fn the_report_claims_no_proof_that_an_earlier_process_did_not_give() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-step", &["--verify", "none"]);
    let outcome = pair.run(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["Nothing is proved"]);
    assert_eq!(outcome.report()["verified"], false);
    let pair = Pair::with(TABLES);
    pair.killed_at("before-step:1", &["--verify", "none"]);
    pair.target.exec("UPDATE big SET v = '[9,9]' WHERE id = 7");
    let outcome = pair.run(&[]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
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

#[test]
fn another_roles_ledger_is_said_to_be_another_roles() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:1", &[]);
    let role = common::db::Role::create(&[common::Place::target()], "LOGIN PASSWORD 'k9-Stranger'");
    let to = common::Place {
        user: role.name.clone(),
        password: Some("k9-Stranger".into()),
        ..pair.target.place.clone()
    };
    let string = to.connection_string();
    for command in ["status", "clean"] {
        let outcome = common::run::start(&[command, "--target", &string], &[], Vec::new()).ended();
        outcome.refused(4, &["the schema pgv2rs is another role's"]);
    }
    again(&pair, &[]);
}

/// PEERS 3: little heap and much TOAST is one job elsewhere (pgcopydb#50 of planetscale).
#[test]
fn a_table_with_little_heap_and_much_toast_is_cut_by_all_of_its_bytes() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, pad text STORAGE EXTERNAL, v vector(1));
        INSERT INTO t SELECT i, repeat(md5(i::text), 500), '[1]' FROM generate_series(1, 4000) i",
    );
    let heap = pair
        .source
        .one("SELECT pg_relation_size('t') < 1000000 AND pg_table_size('t') > 60000000");
    assert_eq!(heap, "t");
    let outcome = pair.copy(&["--jobs", "1"]);
    let slices = outcome.table("public.t")["slices"].as_u64();
    assert!(slices >= Some(4), "{slices:?}");
    pair.same_answer("SELECT count(*), md5(string_agg(pad, ',' ORDER BY id)) FROM t");
}

/// PEERS 4: the run "succeeds" after a COPY that failed (pgcopydb#201).
#[test]
fn a_copy_that_the_target_refuses_is_no_success_and_ends_the_others() {
    let pair = Pair::with(TABLES);
    pair.killed_at("schema-applied", &[]);
    pair.target.exec("ALTER TABLE big ADD CHECK (id <> 15000)");
    pair.run(&[])
        .refused(4, &["copying public.big", "violates check constraint"]);
    pair.target
        .exec("ALTER TABLE big DROP CONSTRAINT big_id_check");
    again(&pair, &[]);
}

/// PEERS 9: a connection that is cut after hours (pgcopydb#885). The same process goes on.
#[test]
fn a_cut_of_all_connections_in_mid_copy_is_overcome_by_the_process_itself() {
    for side in ["source", "target"] {
        let pair = Pair::with(TABLES);
        pair.killed_at("schema-applied", &[]);
        let ((from, from_way), (to, to_way)) = (
            proxy::Way::to(&pair.source.place),
            proxy::Way::to(&pair.target.place),
        );
        let holder = pair.target.place.session();
        holder.exec("BEGIN; LOCK TABLE big IN SHARE MODE");
        let running = common::run::start_between(&from, &to, &[]);
        let waits =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'big'::regclass";
        wait_until("it waits at the lock", || pair.target.one(waits) != "0");
        if side == "source" {
            from_way.cut_all()
        } else {
            to_way.cut_all()
        }
        holder.exec("COMMIT");
        let outcome = running.ended();
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        outcome.says(&["trying again in"]);
        whole(&pair);
    }
}

/// PEERS 10: elsewhere the snapshot holds back VACUUM for the whole index build (pgcopydb#17 of planetscale).
#[test]
fn the_source_is_free_while_indexes_are_built() {
    let pair = Pair::with(TABLES);
    pair.killed_at("verified", &[]);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE big IN ROW EXCLUSIVE MODE");
    let running = pair.start(&[]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'big'::regclass";
    wait_until("an index build waits at the lock", || {
        pair.target.one(waits) != "0"
    });
    let held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgv2rs-copy' AND (backend_xmin IS NOT NULL OR state <> 'idle')";
    wait_until("nothing of it holds a snapshot on the source", || {
        pair.source.one(held) == "0"
    });
    pair.source
        .exec("BEGIN; SET LOCAL lock_timeout = '2s'; TRUNCATE big CASCADE; ROLLBACK");
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
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
        !outcome.err.contains("are there already"),
        "{}",
        outcome.everything()
    );
}
