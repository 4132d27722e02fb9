//! What somebody does to the tables while they change, or between a run that was killed and the next: nothing is lost, nothing of others is touched,
//! and what cannot go on says so.

use super::Both;
use super::common::db::Role;
use super::common::{Place, wait_until};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(2) NOT NULL, note text); INSERT INTO t SELECT i, ARRAY[i, 1]::real[]::vector FROM generate_series(1, 1000) i;";

const TREE: &str = "CREATE TABLE p (id int, v vector(1) NOT NULL) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000); CREATE INDEX near ON p USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10);
    INSERT INTO p SELECT i, ARRAY[i]::real[]::vector FROM generate_series(1, 1500) i;";

#[test]
fn a_table_that_has_the_name_of_another_by_now_is_not_touched() {
    let both = Both::with(TABLE);
    both.killed_at("batch:2", &["--batch-rows", "100"]);
    both.exec("CREATE TABLE new (LIKE t); INSERT INTO new SELECT * FROM t; ALTER TABLE t RENAME TO old; ALTER TABLE new RENAME TO t");
    for arguments in [&[][..], &["--undo"]] {
        both.run(arguments).refused(
            4,
            &["public.t", "is called public.old now", "rename it back"],
        );
        assert_eq!(both.one("SELECT count(v) FROM t"), "1000");
    }
    both.exec("DROP TABLE t; ALTER TABLE old RENAME TO t");
    both.change(&[]);
    assert_eq!(both.one("SELECT count(v) FROM t"), "1000");
}

#[test]
fn a_table_that_is_dropped_is_forgotten() {
    for arguments in [&[][..], &["--undo"]] {
        let both = Both::with(TABLE);
        both.killed_at("batch:2", &["--batch-rows", "100"]);
        both.exec("DROP TABLE t");
        both.change(arguments)
            .says(&["public.t was dropped meanwhile"]);
        both.assert_tidy();
        both.ledger_says("clean");
    }
}

/// The values of the table's row type would lose their vectors.
#[test]
fn rows_of_the_table_kept_elsewhere_are_a_finding() {
    for sql in [
        "CREATE TABLE log (r t)",
        "CREATE TABLE log (r t[])",
        "CREATE TYPE pair AS (a int, b t); CREATE TABLE log (r pair)",
        "CREATE DOMAIN d AS t; CREATE TABLE log (r d)",
    ] {
        let both = Both::with(TABLE);
        both.exec(sql);
        both.run(&[]).refused(
            2,
            &["column public.log.r", "would be NULL after the change"],
        );
    }
}

/// The owner of a table may make a cast that the trigger would call: it has the owner's rights, not those of who made it.
#[test]
fn the_trigger_has_the_rights_of_the_tables_owner() {
    let role = Role::create(&[Place::target()], "");
    let both = Both::with(TABLE);
    both.exec(&format!("ALTER TABLE t OWNER TO {}", role.quoted()));
    both.killed_at("kept", &[]);
    let owner = both.one("SELECT pg_get_userbyid(p.proowner) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'pgv2rs' AND p.proname LIKE 'keep%'");
    assert_eq!(owner, role.name);
    assert_eq!(
        both.one(&format!(
            "SELECT has_schema_privilege('{}', 'pgv2rs', 'CREATE')",
            role.name
        )),
        "f"
    );
    both.exec("UPDATE t SET v = '[5,5]' WHERE id = 1");
    both.change(&[]);
    assert_eq!(both.one("SELECT v::real[] FROM t WHERE id = 1"), "{5,5}");
    both.exec("DROP SCHEMA pgv2rs CASCADE");
}

/// Its rows are as they were before the fill: no value in the new columns.
#[test]
fn the_swap_waits_for_a_snapshot_that_is_older_than_the_fill() {
    let both = Both::with(TABLE);
    both.exec("CREATE TABLE other (n int)");
    let reader = both.place.session();
    reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other");
    both.run(&["--retry-for", "1s"])
        .refused(4, &["older than the fill", "--retry-for"]);
    let running = both.start(&[]);
    wait_until("the swap waits", || {
        both.one("SELECT state FROM pgv2rs.in_place") == "verified"
    });
    assert_eq!(reader.one("SELECT count(v) FROM t"), "1000");
    reader.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(both.one("SELECT count(v) FROM t"), "1000");
}

#[test]
fn a_trigger_that_is_off_ends_the_fill_and_a_new_child_gets_one() {
    let both = Both::with(&TABLE.replace(" NOT NULL", ""));
    both.killed_at("kept", &[]);
    both.exec("ALTER TABLE t DISABLE TRIGGER ALL");
    both.run(&[]).refused(4, &["ENABLE ALWAYS"]);
    both.exec("ALTER TABLE t ENABLE ALWAYS TRIGGER \"~pgv2rs\"; CREATE TABLE child (more int) INHERITS (t); INSERT INTO child (id, v) VALUES (-1, '[7,7]')");
    both.change(&[]);
    assert_eq!(both.one("SELECT v::real[] FROM child"), "{7,7}");
    assert_eq!(both.type_of("child", "v"), "vectors.vector(2)");
    both.assert_tidy();
}

#[test]
fn an_index_of_others_that_has_a_free_name_by_now_stays() {
    let both = Both::with(TABLE);
    both.exec("CREATE INDEX i ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10); CREATE TABLE other (a int)");
    both.killed_at("filled", &["--drop-old-index"]);
    both.exec("CREATE INDEX i ON other (a)");
    both.run(&[]).refused(4, &["already exists"]);
    both.run(&["--undo"])
        .refused(4, &["is taken by something else"]);
    assert_eq!(both.indexes("other"), ["i|btree|t"]);
    both.exec("DROP INDEX i");
    both.change(&["--undo"]);
    assert_eq!(both.indexes("t"), ["i|hnsw|t", "t_pkey|btree|t"]);
}

/// What passes no trigger, or a trigger behind it, after the comparison, while the swap waits for its lock: the table's file, its columns and all of its
/// triggers must be those of the comparison.
#[test]
fn a_rewrite_or_a_later_trigger_after_the_comparison_is_noticed() {
    for sql in [
        "ALTER TABLE t ALTER v TYPE vector(2) USING l2_normalize(v)",
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := ''[0,0]''; RETURN NEW; END'; CREATE TRIGGER \"~~z\" BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g(); UPDATE t SET id = id WHERE id = 5",
        "ALTER TABLE t DISABLE TRIGGER \"~pgv2rs\"; UPDATE t SET v = '[0,0]' WHERE id = 5; ALTER TABLE t ENABLE ALWAYS TRIGGER \"~pgv2rs\"",
    ] {
        let both = Both::with(TABLE);
        // An old snapshot holds the swap up; then a lock does.
        let old = both.place.session();
        old.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
        let running = both.start(&[]);
        wait_until("all is compared", || {
            both.one("SELECT to_regclass('pgv2rs.in_place') IS NOT NULL") == "t"
                && both.one("SELECT count(*) FROM pgv2rs.in_place WHERE state = 'verified'") == "1"
        });
        let writer = both.place.session();
        writer.exec(&format!("BEGIN; {sql}"));
        old.exec("COMMIT");
        writer.exec("COMMIT");
        let outcome = running.ended();
        assert_ne!(outcome.code, 0, "{sql}\n{}", outcome.everything());
        assert_eq!(both.type_of("t", "v"), "vector(2)", "{sql}");
    }
}

#[test]
fn a_table_that_leaves_the_tree_is_as_it_was() {
    for (sql, arguments) in [
        ("ALTER TABLE p DETACH PARTITION p1", &[][..]),
        ("ALTER TABLE p DETACH PARTITION p1", &["--undo"]),
        ("ALTER TABLE child NO INHERIT t", &[]),
        ("ALTER TABLE child NO INHERIT t", &["--undo"]),
    ] {
        let both = Both::with(TREE);
        both.exec(TABLE);
        both.exec("CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (1, '[1,1]')");
        let table = if sql.contains("child") { "t" } else { "p" };
        both.killed_at("batch:1", &["--table", table]);
        both.exec(sql);
        both.change(&[arguments, &["--table", table]].concat());
        let left = if table == "t" { "child" } else { "p1" };
        assert!(both.type_of(left, "v").starts_with("vector("), "{sql}");
        both.assert_tidy();
        both.exec(&format!(
            "INSERT INTO {left} (id, v) VALUES (5, '{}')",
            if table == "t" { "[1,2]" } else { "[1]" }
        ));
    }
}

#[test]
fn partitions_may_go_and_come_while_the_rows_are_filled() {
    for arguments in [&[][..], &["--drop-old-index"]] {
        for end in [&[][..], &["--undo"]] {
            let both = Both::with(TREE);
            both.killed_at("batch:1", arguments);
            both.exec("DROP TABLE p1; CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (2000) TO (3000); INSERT INTO p VALUES (2500, '[9]');
                CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (3000) TO (4000) PARTITION BY RANGE (id); CREATE TABLE p4a PARTITION OF p4 DEFAULT");
            both.change(end);
            let method = if end.is_empty() { "vectors" } else { "hnsw" };
            assert_eq!(both.indexes("p"), [format!("near|{method}|t")]);
            for part in ["p2", "p3", "p4", "p4a"] {
                let indexes = both.indexes(part);
                assert!(
                    indexes.len() == 1 && indexes[0].ends_with(&format!("|{method}|t")),
                    "{part} {indexes:?}"
                );
            }
            assert_eq!(both.one("SELECT count(v) FROM p"), "502");
            both.assert_tidy();
        }
    }
}

/// The old column and the new one side by side may not fit a page, where neither may go to TOAST.
#[test]
fn storage_plain_comes_with_the_swap() {
    let both = Both::with(
        "CREATE TABLE t (id int, v vector(1500)); ALTER TABLE t ALTER v SET STORAGE PLAIN; INSERT INTO t SELECT i, array_fill(i::real, ARRAY[1500])::vector FROM generate_series(1, 20) i",
    );
    both.change(&[]);
    assert_eq!(
        both.one(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
        ),
        "p"
    );
    assert_eq!(
        both.one("SELECT count(*) FROM t WHERE v::real[] = array_fill(id::real, ARRAY[1500])"),
        "20"
    );
    both.exec("INSERT INTO t (id, v) SELECT 100, v FROM t LIMIT 1");
}

#[test]
fn what_is_put_on_the_old_column_meanwhile_is_not_lost_silently() {
    for (sql, back) in [
        (
            "ALTER TABLE t ALTER v SET DEFAULT '[1,2]'",
            "ALTER TABLE t ALTER v DROP DEFAULT",
        ),
        (
            "ALTER TABLE t ALTER v DROP NOT NULL",
            "ALTER TABLE t ALTER v SET NOT NULL",
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (vector_dims(v) = 2)",
            "ALTER TABLE t DROP CONSTRAINT c",
        ),
        (
            "COMMENT ON COLUMN t.v IS 'said'",
            "COMMENT ON COLUMN t.v IS NULL",
        ),
        (
            "ALTER TABLE t ALTER v SET STATISTICS 5",
            "ALTER TABLE t ALTER v SET STATISTICS -1",
        ),
        ("CREATE VIEW w AS SELECT v FROM t", "DROP VIEW w"),
    ] {
        let both = Both::with(TABLE);
        both.killed_at("batch:2", &["--batch-rows", "100"]);
        both.exec(sql);
        both.run(&[]).refused(4, &["since the plan", "--undo"]);
        assert_eq!(both.type_of("t", "v"), "vector(2)", "{sql}");
        both.exec(back);
        both.change(&[]);
    }
}

#[test]
fn a_tree_whose_tables_change_apart_is_not_rewritten_twice() {
    let both = Both::with(
        "CREATE TABLE t (v vector(1)); CREATE TABLE c (w vector(1)) INHERITS (t); INSERT INTO c VALUES ('[1]', '[2]')",
    );
    both.run(&["--method", "alter-type", "--yes"])
        .refused(2, &["rewritten twice", "add-column"]);
    both.change(&[]);
    assert_eq!(both.one("SELECT v::real[], w::real[] FROM c"), "{1}|{2}");
}

#[test]
fn a_partition_is_not_named_apart_from_its_whole() {
    let both = Both::with(TREE);
    both.run(&["--table", "p1"])
        .refused(2, &["changes only together with public.p"]);
    both.run(&["--exclude-table", "p1"])
        .refused(2, &["changes only together with public.p"]);
    both.change(&["--table", "p"]);
}

#[test]
fn checks_not_valid_and_typed_tables_are_findings() {
    let both = Both::with(TABLE);
    both.exec("UPDATE t SET note = 'bad' WHERE id = 1; ALTER TABLE t ADD CONSTRAINT good CHECK (note <> 'bad') NOT VALID");
    both.run(&[]).refused(2, &["NOT VALID (good)"]);
    let both = Both::with("CREATE TYPE ty AS (v vector(1)); CREATE TABLE typed OF ty");
    both.run(&[]).refused(2, &["composite type (OF)"]);
}

/// Deeper trees: a part of a part that comes, and a part with parts that goes.
#[test]
fn trees_of_trees_may_change_while_the_rows_are_filled() {
    let tree = "CREATE TABLE p (id int, v vector(1) NOT NULL) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000) PARTITION BY RANGE (id);
        CREATE TABLE p1a PARTITION OF p1 FOR VALUES FROM (0) TO (500); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000);
        CREATE INDEX near ON p USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10); INSERT INTO p SELECT i, ARRAY[i]::real[]::vector FROM generate_series(1, 400) i;";
    for sql in [
        "CREATE TABLE p1b PARTITION OF p1 FOR VALUES FROM (500) TO (1000); INSERT INTO p VALUES (700, '[7]')",
        "ALTER TABLE p DETACH PARTITION p1; INSERT INTO p1 VALUES (3, '[3]')",
    ] {
        for end in [&["--drop-old-index"][..], &["--undo"]] {
            let both = Both::with(tree);
            both.killed_at("filled", &["--drop-old-index"]);
            both.exec(sql);
            both.change(&[end, &["--table", "p"]].concat());
            both.assert_tidy();
            let method = if end == ["--undo"] { "hnsw" } else { "vectors" };
            assert_eq!(both.indexes("p"), [format!("near|{method}|t")], "{sql}");
            if sql.contains("DETACH") {
                assert_eq!(both.type_of("p1a", "v"), "vector(1)", "{sql}");
                both.exec("INSERT INTO p1 VALUES (4, '[4]')");
            } else {
                assert_eq!(both.one("SELECT count(v) FROM p"), "401");
            }
        }
    }
}

/// The trigger would refuse every write.
#[test]
fn an_owner_without_a_right_on_pgvectors_schema_is_found_in_the_plan() {
    let role = Role::create(&[Place::target()], "");
    let both = Both::with("");
    both.exec(&format!(
        "CREATE SCHEMA ext; ALTER EXTENSION vector SET SCHEMA ext; CREATE TABLE t (h ext.halfvec(2)); ALTER TABLE t OWNER TO {}",
        role.quoted()
    ));
    both.run(&[]).refused(
        2,
        &[
            "may not use the schema of pgvector",
            "GRANT USAGE ON SCHEMA \"ext\"",
        ],
    );
    both.exec(&format!("GRANT USAGE ON SCHEMA ext TO {}", role.quoted()));
    both.change(&[]);
    both.exec("DROP SCHEMA pgv2rs CASCADE");
}
