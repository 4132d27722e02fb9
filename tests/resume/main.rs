//! In: runs that are killed at a step, and the same command again. Out: the source's rows, none lost, none twice, and what was done is
//! not done again. What is compared is asked of the servers; the ledger is read with SQL of the tests' own.

#[path = "../common/mod.rs"]
mod common;

mod changes;
mod hurt;
mod kills;
mod processes;

use common::Pair;
use common::run::Outcome;

/// 40 MB, five slices or more; and small ones. All that follows rows is there too, but a graph with its usual options would be a third of these
/// tests' time.
const TABLES: &str = "CREATE TABLE big (id int PRIMARY KEY, pad text STORAGE PLAIN, v vector(2));
    INSERT INTO big SELECT i, repeat(md5(i::text), 60), ARRAY[i, sin(i)]::real[]::vector FROM generate_series(1, 20000) i;
    CREATE TABLE small (id int PRIMARY KEY REFERENCES big, v vector(2), n int CHECK (n > 0) DEFAULT 1); INSERT INTO small VALUES (1, '[1,2]'), (2, NULL);
    CREATE INDEX near ON big USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10); CREATE INDEX plain_index ON big (pad); CREATE VIEW seen AS SELECT id FROM big;
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
