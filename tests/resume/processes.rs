//! In: several processes, and several roles. Out: one of them works, or they share the work; each says what it finds.

use crate::common::db::Role;
use crate::common::{Pair, Place, proxy, run, wait_until};
use crate::{TABLES, again, whole};

#[test]
fn other_options_and_another_source_are_refused() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:2", &[]);
    let refused = ["its options were others", "--no-owner", "pgv2rs-copy clean"];
    pair.run(&["--no-owner"]).refused(2, &refused);
    pair.run(&["--dry-run"]).refused(2, &["it is not done"]);
    let other = Pair::with("CREATE TABLE t (v vector(1))");
    let outcome = run::start_between(&other.source.place, &pair.target.place, &[]).ended();
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

#[test]
fn a_ledger_of_another_version_is_gone_on_with_by_nobody_and_clean_forgets_it() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:2", &[]);
    pair.target.exec(
        "COMMENT ON TABLE pgv2rs.run IS 'format 1'; ALTER TABLE pgv2rs.slice DROP COLUMN snapshot_xmin",
    );
    let words = [
        "format 1",
        "another version of this program",
        "pgv2rs-copy clean",
    ];
    pair.run(&[]).refused(4, &words);
    pair.on_target("status").refused(4, &words);
    let outcome = pair.on_target("clean");
    outcome.says(&["the ledger of another version forgotten"]);
    assert_eq!(outcome.code, 0);
    pair.on_target("status").says(&["has no ledger"]);
}

#[test]
fn a_step_that_waits_for_a_lock_in_vain_names_its_holder() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-step:1", &[]);
    let holder = pair.target.place.session();
    holder.exec("SET application_name = 'nightly'; BEGIN; LOCK TABLE big IN ROW EXCLUSIVE MODE");
    let pid = &holder.rows("SELECT pg_backend_pid()")[0];
    let held = format!("for a lock that process {pid} (postgres, nightly, since ");
    let waits = ["--stall-timeout", "1s", "--retry-for", "0s"];
    let remedy = "give it more time with --stall-timeout";
    pair.run(&waits)
        .refused(4, &[&held, " held", "55P03", remedy]);
    holder.exec("COMMIT");
    again(&pair, &[]);
    whole(&pair);
}

/// No word of a password that the database keeps. The program's own are looked for wherever a ledger is dropped.
#[test]
fn the_ledger_holds_no_secret() {
    let pair = Pair::with(TABLES);
    pair.source.exec(&format!(
        "ALTER DATABASE \"{}\" SET app.key = 'hush-Hush-8'; CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far OPTIONS (token 'hush-Hush-8')",
        pair.source.place.database
    ));
    let arguments = ["--allow-findings"];
    pair.killed_at("after-step:2", &arguments);
    let all = pair.target.ledger();
    assert!(all.contains("public.big") || all.contains("\"big\""));
    assert!(!all.contains("hush"));
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
    let second = run::start_between(&from, &to, &["--join", "--jobs", "2"]);
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

#[test]
fn another_roles_ledger_is_said_to_be_another_roles() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-commit:1", &[]);
    let role = Role::create(&[Place::target()], "LOGIN PASSWORD 'k9-Stranger'");
    let to = Place {
        user: role.name.clone(),
        password: Some("k9-Stranger".into()),
        ..pair.target.place.clone()
    };
    let string = to.connection_string();
    for command in ["status", "clean"] {
        let outcome = run::start(&[command, "--target", &string], &[], Vec::new()).ended();
        outcome.refused(4, &["the schema pgv2rs is another role's"]);
    }
    again(&pair, &[]);
}
