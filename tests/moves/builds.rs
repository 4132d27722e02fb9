//! In: tables with ordinary indexes and keys whose builds on the target wait for the test. Out: which of them run at the same time, with what
//! settings, and what the run says of them meanwhile. The servers are the oracle: their locks, and what their own settings were.

use crate::common::{Pair, run, wait_until};

/// An index over `held` stands still at the row of this number until nobody has the lock. What calls it is not built in parallel.
const HELD: &str = "CREATE FUNCTION held(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN IF i = 2500 THEN PERFORM pg_advisory_lock_shared(4711); PERFORM pg_advisory_unlock_shared(4711); END IF; RETURN i; END $$;";
const HOLD: &str = "SELECT pg_advisory_lock(4711)";
const LET_GO: &str = "SELECT pg_advisory_unlock(4711)";

/// The statements that wait for it, by their first two words.
const WAITING: &str = "SELECT string_agg(split_part(a.query, ' ', 1) || ' ' || split_part(a.query, ' ', 2), ', ' ORDER BY a.query)
    FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.objid = 4711 AND NOT l.granted AND a.datname = current_database()";

#[test]
fn indexes_of_one_table_are_built_at_the_same_time() {
    let pair = Pair::with(&format!(
        "{HELD} CREATE TABLE t (id int, v vector(1)); INSERT INTO t SELECT i, ARRAY[i]::vector FROM generate_series(2499, 2509) i;
         CREATE INDEX a ON t (held(id)); CREATE UNIQUE INDEX b ON t (held(id)); CREATE INDEX c ON t (held(id)) WHERE id > 3"
    ));
    pair.target.exec(HOLD);
    let running = pair.start(&["--index-jobs", "2"]);
    let two = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'ShareLock' AND granted";
    wait_until("two builds", || {
        ["CREATE INDEX, CREATE INDEX", "CREATE INDEX, CREATE UNIQUE"]
            .contains(&pair.target.one(WAITING).as_str())
    });
    assert_eq!(pair.target.one(two), "2");
    pair.target.exec(LET_GO);
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1");
}

/// A worker that took the next index of the large table would wait for its key; one that is not idle builds that of the small one.
#[test]
fn a_constraint_has_its_table_alone_and_no_worker_waits_for_it() {
    let pair = Pair::with(&format!(
        "{HELD} CREATE TABLE small (id int, v vector(1)); INSERT INTO small VALUES (2500, '[1]'); CREATE INDEX s ON small (held(id));
         CREATE TABLE large (id int, v vector(1), EXCLUDE USING btree (held(id) WITH =));
         INSERT INTO large SELECT i, ARRAY[i]::vector FROM generate_series(1, 5000) i;
         CREATE INDEX a ON large (id); CREATE INDEX b ON large (id DESC); ALTER TABLE large ADD PRIMARY KEY (id);
         CREATE UNIQUE INDEX c ON large (id); ALTER TABLE large REPLICA IDENTITY USING INDEX c; ALTER TABLE large CLUSTER ON b"
    ));
    pair.target.exec(HOLD);
    let running = pair.start(&["--index-jobs", "2"]);
    wait_until("the constraint and the index of the other table", || {
        pair.target.one(WAITING) == "ALTER TABLE, CREATE INDEX"
    });
    pair.target.exec(LET_GO);
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer(
        "SELECT indexrelid::regclass::text, indisreplident, indisclustered, pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid IN ('small'::regclass, 'large'::regclass) ORDER BY 1",
    );
}

#[test]
fn keys_and_indexes_of_a_tree_come_with_any_number_of_jobs() {
    let mut sql = "CREATE TABLE t (id int, k int, v vector(1), PRIMARY KEY (id, k), UNIQUE (k, id)) PARTITION BY RANGE (id);
        CREATE INDEX ON t (k); CREATE INDEX ON t (k DESC, id);".to_string();
    for n in 0..6 {
        let (from, to) = (n * 100, n * 100 + 100);
        sql.push_str(&format!(
            "CREATE TABLE t{n} PARTITION OF t FOR VALUES FROM ({from}) TO ({to}); CREATE INDEX ON t{n} (id DESC); ALTER TABLE t{n} ADD UNIQUE (k, id, v);"
        ).replace("(k, id, v)", "(id, k)"));
    }
    sql.push_str("INSERT INTO t SELECT i, i % 7, ARRAY[i]::vector FROM generate_series(0, 599) i");
    let pair = Pair::with(&sql);
    pair.copy(&["--index-jobs", "6"]);
    pair.same_answer("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1");
    pair.same_answer("SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace ORDER BY 1, 2");
    assert_eq!(
        pair.target
            .one("SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
        "0"
    );
}

/// What each index was built with, as the target's own trigger saw it.
const WATCHED: &str = "CREATE TABLE seen (what text, memory text, workers text);
    CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.seen SELECT object_identity, current_setting('maintenance_work_mem'), current_setting('max_parallel_maintenance_workers')
      FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 'public.by%'; END $$;
    CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION see();";
const SEEN: &str = "SELECT string_agg(DISTINCT memory || ' ' || workers, ', '), count(*) FROM seen";
const TWO: &str = "CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]'); CREATE INDEX by_id ON t (id); CREATE INDEX by_two ON t (id, id)";

#[test]
fn ordinary_indexes_are_built_with_what_the_target_has_to_give() {
    let pair = Pair::with(TWO);
    pair.target.exec(WATCHED);
    let setting = |name: &str| -> i64 {
        let sql = format!("SELECT setting FROM pg_settings WHERE name = '{name}'");
        pair.target
            .one(&sql)
            .parse()
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let processes = setting("max_parallel_workers").min(setting("max_worker_processes"));
    let usual = setting("max_parallel_maintenance_workers");
    let workers = usual.max(processes / 2 - 1);
    let memory = (setting("shared_buffers") * 8 / 4 / 2).min(1024 * 1024);
    let memory = setting("maintenance_work_mem").max(memory);
    let memory = pair.target.one(&format!(
        "SELECT set_config('maintenance_work_mem', '{memory}kB', true)"
    ));
    let outcome = pair.copy(&["--index-jobs", "2"]);
    assert_eq!(pair.target.one(SEEN), format!("{memory} {workers}|2"));
    outcome.says(&[
        "2 ordinary indexes, 2 at a time",
        &format!("max_parallel_maintenance_workers = {workers} ("),
        &format!("maintenance_work_mem = {memory} ("),
    ]);
}

#[test]
fn what_somebody_has_chosen_for_the_database_or_the_connection_stays() {
    let pair = Pair::with(TWO);
    pair.target.exec(WATCHED);
    pair.target.exec(&format!(
        "ALTER DATABASE {} SET max_parallel_maintenance_workers = 1",
        pair.target.place.database
    ));
    let options = [("PGOPTIONS", "-c maintenance_work_mem=3MB")];
    let outcome = run::start_with(&pair.source.place, &pair.target.place, &[], &options).ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(pair.target.one(SEEN), "3MB 1|2");
}

/// How far a run says that it is, of the only index that it builds: with the words for what is done, and with the share of the table that lies
/// before the row at which the build stands still, as the table itself has it.
fn says_how_far(index: &str, begins: &str, does: &str) {
    let pair = Pair::with(&format!(
        "{HELD} CREATE TABLE t (id int, v vector(1)); INSERT INTO t SELECT i, ARRAY[i]::vector FROM generate_series(1, 5000) i; {index}"
    ));
    pair.target.exec(HOLD);
    let running = pair.start(&[]);
    let asked = |since: &str| {
        pair.target.rows(&format!(
            "SELECT query_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND query LIKE '%pg_stat_progress_create_index%' AND query_start > '{since}'::timestamptz + interval '5 s'"
        ))
    };
    let mut first = Vec::new();
    wait_until("a look at the build", || {
        first = asked("-infinity");
        !first.is_empty()
    });
    // It comes after the line that the first one was for.
    wait_until("another look", || !asked(&first[0]).is_empty());
    let before = "SELECT trunc((ctid::text::point)[0] * 100 / (pg_relation_size('t') / 8192)) FROM t WHERE id = 2500";
    let share = pair.target.one(before);
    pair.target.exec(LET_GO);
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let line = outcome.err.lines().find(|l| l.contains(begins));
    let line = line.unwrap_or_else(|| panic!("{}", outcome.everything()));
    assert!(line.contains("; INDEX public.slow for "), "{line}");
    let ends = format!(": {does}, {share} %");
    assert!(line.ends_with(&ends), "{ends}: {line}");
}

#[test]
fn a_run_says_how_far_an_ordinary_index_is() {
    let index = "CREATE INDEX slow ON t (held(id))";
    says_how_far(index, "ordinary indexes: 0 of 1 after ", "scanning table");
}

#[test]
fn a_run_says_how_far_a_vector_index_is() {
    let index = "CREATE INDEX slow ON t USING hnsw (v vector_l2_ops) WHERE held(id) > 0";
    says_how_far(index, "vector indexes: 0 of 1 after ", "reading the table");
}
