//! In: what has hurt the users of other programs that copy databases (by number). Out: none of it happens here.

use crate::common::{Pair, proxy, run, wait_until};
use crate::{TABLES, again, whole};

/// Hurt 5 (pgcopydb#876, pgcopydb#700): workers wait for ever, for a lock or for a peer that is gone.
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

/// Hurts 11 and 12 (pgcopydb#819, pg_easy_replicate#193): no slot is made, so nobody waits for old transactions to begin, and no WAL is kept for the copy.
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

/// Hurt 3: little heap and much TOAST is one job elsewhere (pgcopydb#50 of planetscale).
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

/// Hurt 4: the run "succeeds" after a COPY that failed (pgcopydb#201).
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

/// Hurt 9: a connection that is cut after hours (pgcopydb#885). The same process goes on.
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
        let running = run::start_between(&from, &to, &[]);
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

/// Hurt 10: elsewhere the snapshot holds back VACUUM for the whole index build (pgcopydb#17 of planetscale).
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
