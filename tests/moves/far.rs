//! In: many small tables, and a target to which every word takes its time. Out: how many answers a run waits for, counted on the way.

use std::sync::atomic::Ordering;

use crate::common::Pair;
use crate::common::proxy::far;
use crate::common::run::start_between;

/// Each with a key, an index, a sequence and an owner that is set.
fn tables(number: usize) -> Pair {
    let pair = Pair::new();
    pair.source.exec(&format!(
        "DO $$ BEGIN FOR i IN 1..{number} LOOP
            EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY KEY, n int, v vector(2))', i);
            EXECUTE format('CREATE INDEX ON t%s (n)', i);
            EXECUTE format('INSERT INTO t%s (n, v) VALUES (%s, ''[1,2]'')', i, i);
         END LOOP; END $$"
    ));
    pair
}

fn answers_waited_for(number: usize) -> usize {
    let pair = tables(number);
    let (target, turns) = far(&pair.target.place);
    let outcome = start_between(
        &pair.source.place,
        &target,
        &["--jobs", "1", "--index-jobs", "1", "--verify", "counts"],
    )
    .ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let last = format!("SELECT n, v::real[]::text FROM t{number}");
    pair.same_answer(&last);
    pair.same_answer("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'");
    turns.load(Ordering::SeqCst)
}

/// A slice begins, is copied, noted and committed; its rows are counted; key and index are built; the table is analyzed. Its schema, its slice
/// in the ledger and its sequence go with those of others.
#[test]
fn a_small_table_more_costs_few_answers_of_the_target() {
    let (few, many) = (answers_waited_for(10), answers_waited_for(50));
    let each = (many - few) / 40;
    assert!(
        each <= 12,
        "{few} answers for 10 tables, {many} for 50: {each} for one more"
    );
}
