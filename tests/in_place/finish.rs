//! `pgv2rs-copy finish`: what comes last, on request, and only after a verified move or change.

use super::Both;
use super::common::db::Role;
use super::common::run::{Outcome, start};
use super::common::{Pair, Place};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(3), s sparsevec(3)); CREATE INDEX near ON t USING hnsw (v vector_l2_ops);
    INSERT INTO t SELECT i, ARRAY[i, 0, 1]::real[]::vector, '{1:1}/3' FROM generate_series(1, 50) i; CREATE TABLE other (v vector(2));";

fn finish(place: &Place, arguments: &[&str]) -> Outcome {
    let to = place.connection_string();
    let ends = ["finish", "--target", &to];
    let secrets: Vec<String> = place.password.iter().cloned().collect();
    start(&[&ends, arguments].concat(), &[], secrets).ended()
}

fn done(place: &Place, arguments: &[&str]) -> Outcome {
    let outcome = finish(place, arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome
}

#[test]
fn pgvector_goes_when_nothing_hangs_on_it_and_old_queries_go_on() {
    let both = Both::with(TABLE);
    finish(&both.place, &[]).refused(2, &["verified in full"]);
    both.killed_at("filled", &["--table", "t"]);
    finish(&both.place, &[]).refused(2, &["public.t", "--undo"]);
    both.change(&["--table", "t"]);
    // Another table still has it: nothing is half done.
    let catalog = both.catalog();
    finish(&both.place, &["--compat-operators", "public"]).refused(
        4,
        &[
            "other",
            "depends on",
            "nothing was changed",
            "--keep-pgvector",
        ],
    );
    assert_eq!(catalog, both.catalog());
    both.change(&[]);
    both.exec("CREATE FUNCTION old() RETURNS void LANGUAGE plpgsql AS 'DECLARE x public.vector; BEGIN END'");
    done(&both.place, &["--dry-run"]).says(&["bodies that may speak of pgvector", "old()"]);
    done(&both.place, &["--dry-run"]).says(&["would be done", "DROP EXTENSION vector"]);
    assert_eq!(
        both.one("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"),
        "1"
    );
    done(&both.place, &["--compat-operators", "public"]).says(&[
        "DROP EXTENSION vector (0.8",
        "pgvector's names made in schema public",
        "ANALYZE",
    ]);
    assert_eq!(
        both.one("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"),
        "0"
    );
    let query = "SELECT id FROM t ORDER BY v <-> '[7,0,1]'::vector LIMIT 3";
    assert_eq!(
        both.rows(&format!("SET enable_seqscan = off; {query}"))[0],
        "7"
    );
    let plan = both.rows(&format!("EXPLAIN {query}")).join("\n");
    assert!(plan.contains("Index Scan using near"), "{plan}");
    // Again it finds nothing to do.
    done(&both.place, &["--compat-operators", "public"])
        .says(&["is not here", "0 of pgvector's names"]);
}

#[test]
fn a_search_path_is_extended_where_the_user_says_and_nowhere_else() {
    let role = Role::odd(&[Place::target()]);
    let both = Both::with("CREATE TABLE t (v vector(1)); CREATE SCHEMA \"Od,d \"\"s\"");
    both.change(&[]);
    let database = both.place.database.clone();
    both.exec(&format!("ALTER ROLE {} IN DATABASE \"{database}\" SET search_path = \"Od,d \"\"s\", \"$user\", public", role.quoted()));
    let nobody = finish(&both.place, &["--search-path", "role=nobody_of_this_name"]);
    nobody.refused(4, &["does not exist"]);
    assert_eq!(
        both.one("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"),
        "1"
    );
    let name = format!("role={}", role.quoted());
    let outcome = done(&both.place, &["--keep-pgvector", "--search-path", &name]);
    outcome.says(&["real[] = real[] is ambiguous", "ALTER ROLE"]);
    let settings = "SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()";
    assert_eq!(
        both.rows(settings),
        ["search_path=\"Od,d \"\"s\", \"$user\", public, vectors"]
    );
    done(&both.place, &["--keep-pgvector", "--search-path", &name])
        .says(&["on that search_path already"]);
    done(
        &both.place,
        &["--keep-pgvector", "--search-path", "database"],
    );
    assert_eq!(
        both.place.session().one("SHOW search_path"),
        "\"$user\", public, vectors"
    );
    done(
        &both.place,
        &["--keep-pgvector", "--search-path", "system", "--dry-run"],
    )
    .says(&["ALTER SYSTEM SET search_path = \"$user\", \"public\", \"vectors\""]);
    assert_eq!(
        Place::target().session().one("SHOW search_path"),
        "\"$user\", public"
    );
    finish(&both.place, &["--search-path", "everywhere"]).refused(2, &["role=NAME"]);
    assert_eq!(
        both.one("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"),
        "1"
    );
}

#[test]
fn after_a_move_there_is_no_pgvector_to_drop() {
    let pair = Pair::with("CREATE TABLE t (v vector(2)); INSERT INTO t VALUES ('[1,2]')");
    assert_eq!(pair.run(&["--verify", "counts"]).code, 0);
    finish(&pair.target.place, &[]).refused(2, &["verified in full"]);
    let pair = Pair::with("CREATE TABLE t (v vector(2)); INSERT INTO t VALUES ('[1,2]')");
    pair.copy(&[]);
    done(&pair.target.place, &["--compat-operators", "public"])
        .says(&["is not here", "made in schema public"]);
    assert_eq!(
        pair.target.one("SELECT l2_distance(v, '[1,5]') FROM t"),
        "3"
    );
}
