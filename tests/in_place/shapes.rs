//! Trees of tables, odd names, tables without a key, and others that a user may have.

use super::{Both, METHODS, OF_DOCUMENTATION};

const TREE: &str = "CREATE TABLE parts (id int, day int, v vector(2) NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY LIST (day);
    CREATE TABLE parts_2_a PARTITION OF parts_2 DEFAULT;
    CREATE TABLE parts_3 (w int, v vector(2) NOT NULL, day int NOT NULL, id int NOT NULL); ALTER TABLE parts_3 DROP COLUMN w;
    ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM (20) TO (30);
    CREATE INDEX parts_near ON parts USING hnsw (v vector_l2_ops); CREATE INDEX parts_3_own ON parts_3 USING hnsw (v vector_cosine_ops);
    INSERT INTO parts SELECT i, i % 30, ARRAY[i, -i]::real[]::vector FROM generate_series(1, 3000) i;";

#[test]
fn a_partition_tree_changes_as_one_with_the_indexes_of_its_parts() {
    for method in OF_DOCUMENTATION {
        let both = Both::with(TREE);
        let names = |both: &Both| {
            both.rows("SELECT c.relname, p.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent ORDER BY 1")
        };
        let before = names(&both);
        let outcome = both.change(method);
        assert_eq!(outcome.report()["tables"][0]["verified_rows"], 3000);
        assert_eq!(before, names(&both), "{method:?}");
        for table in ["parts", "parts_1", "parts_2", "parts_2_a", "parts_3"] {
            assert_eq!(both.type_of(table, "v"), "vectors.vector(2)", "{table}");
            let invalid: Vec<String> = both
                .indexes(table)
                .into_iter()
                .filter(|i| i.ends_with("|f"))
                .collect();
            assert!(invalid.is_empty(), "{method:?} {table} {invalid:?}");
        }
        assert!(
            both.indexes("parts_3")
                .contains(&"parts_3_own|vectors|t".to_string())
        );
        assert_eq!(
            both.one("SELECT count(*) FROM parts WHERE v::real[] <> ARRAY[id, -id]::real[]"),
            "0"
        );
        // One that comes later has all of it.
        both.exec("CREATE TABLE parts_4 PARTITION OF parts FOR VALUES FROM (30) TO (40); INSERT INTO parts VALUES (1, 35, '[1,2]')");
        assert_eq!(
            both.indexes("parts_4")
                .iter()
                .filter(|i| i.contains("|vectors|"))
                .count(),
            1
        );
        both.assert_tidy();
    }
}

/// A child may have the column from itself as well, and columns of its own.
#[test]
fn inheritance_keeps_what_each_child_has() {
    // A child with a column of its own would be rewritten twice.
    for (method, more) in [
        (METHODS[0], "extra halfvec(2) NOT NULL"),
        (METHODS[1], "extra vectors.vecf16(2) NOT NULL"),
    ] {
        let both = Both::with(
            &"CREATE TABLE top (id int, v vector(2)); CREATE TABLE child (MORE) INHERITS (top);
             CREATE TABLE other (id int, v vector(2) DEFAULT '[3,4]'); ALTER TABLE other INHERIT top;
             INSERT INTO top VALUES (1, '[1,0]'); INSERT INTO child VALUES (2, '[2,0]', '[5,6]'); INSERT INTO other VALUES (3, '[3,0]');
             CREATE INDEX child_near ON child USING hnsw (v vector_l2_ops);".replace("MORE", more),
        );
        both.change(method);
        assert_eq!(
            both.rows("SELECT tableoid::regclass, id, v::real[] FROM top ORDER BY id"),
            ["top|1|{1,0}", "child|2|{2,0}", "other|3|{3,0}"]
        );
        assert_eq!(
            both.one("SELECT extra::vectors.vector::real[] FROM child"),
            "{5,6}"
        );
        both.exec("INSERT INTO other (id) VALUES (4)");
        assert_eq!(
            both.one("SELECT v::real[] FROM other WHERE id = 4"),
            "{3,4}"
        );
        assert_eq!(both.indexes("child"), ["child_near|vectors|t"]);
        both.assert_tidy();
    }
}

#[test]
fn odd_names_no_key_no_rows_and_several_columns() {
    let odd = "CREATE SCHEMA \"We.ird \"\"s\"; CREATE TABLE \"We.ird \"\"s\".\"T'able USING x\" (\"select\" int, \"V.ec\"\"tor\" vector(2), \"migrate_V.ec\"\"tor\" int, ctid2 text, new vector(3), old halfvec(1));
        INSERT INTO \"We.ird \"\"s\".\"T'able USING x\" SELECT i, ARRAY[i, 0]::real[]::vector, 5, 'x', '[1,2,3]', '[9]' FROM generate_series(1, 500) i;
        CREATE INDEX \"In\"\"dex USING y\" ON \"We.ird \"\"s\".\"T'able USING x\" USING hnsw (\"V.ec\"\"tor\" vector_ip_ops);
        CREATE TABLE nothing (v vector(3)); CREATE TABLE one (v vector); INSERT INTO one VALUES ('[1]'), ('[1,2]'), (NULL);
        CREATE UNLOGGED TABLE fleeting (id int, v vector(1)); INSERT INTO fleeting VALUES (1, '[1]');
        CREATE TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (ééééééééééééééééééééééééééééé vector(1));
        INSERT INTO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa VALUES ('[7]');
        CREATE TABLE made (id int, v vector(2), double int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO made VALUES (4, '[1,1]');";
    for method in OF_DOCUMENTATION {
        let both = Both::with(odd);
        let outcome = both.change(method);
        assert_eq!(
            outcome.report()["tables"].as_array().map(Vec::len),
            Some(6),
            "{}",
            outcome.everything()
        );
        let table = "\"We.ird \"\"s\".\"T'able USING x\"";
        assert_eq!(both.one(&format!("SELECT count(*) FROM {table} WHERE \"V.ec\"\"tor\"::real[] = ARRAY[\"select\", 0]::real[] AND new::real[] = '{{1,2,3}}' AND old::vectors.vector::real[] = '{{9}}' AND \"migrate_V.ec\"\"tor\" = 5")), "500");
        assert_eq!(
            both.indexes("\"We.ird \"\"s\".\"T''able USING x\""),
            ["In\"dex USING y|vectors|t"]
        );
        assert_eq!(
            both.rows("SELECT v::real[] FROM one ORDER BY 1"),
            ["{1}", "{1,2}", "NULL"]
        );
        assert_eq!(both.type_of("nothing", "v"), "vectors.vector(3)");
        assert_eq!(both.one("SELECT double FROM made"), "8");
        assert_eq!(both.one("SELECT ééééééééééééééééééééééééééééé::real[] FROM aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "{7}");
    }
}

#[test]
fn only_the_named_tables_change() {
    let both = Both::with(
        "CREATE TABLE a (v vector(1)); CREATE TABLE b (v vector(1)); CREATE SCHEMA other; CREATE TABLE other.c (v vector(1))",
    );
    both.change(&["--table", "a"]);
    both.change(&["--schema", "other"]);
    assert_eq!(both.type_of("a", "v"), "vectors.vector(1)");
    assert_eq!(both.type_of("b", "v"), "vector(1)");
    assert_eq!(both.type_of("other.c", "v"), "vectors.vector(1)");
    both.change(&["--exclude-table", "b"]);
    assert_eq!(both.type_of("b", "v"), "vector(1)");
}

/// Triggers of the user's do not fire for the fill, rules neither.
#[test]
fn the_fill_is_no_update_to_the_users_triggers() {
    let both = Both::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2), at int DEFAULT 0); CREATE TABLE log (id int);
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := NEW.at + 1; INSERT INTO public.log VALUES (NEW.id); RETURN NEW; END $$;
         CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
         CREATE RULE audit AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (-1);
         INSERT INTO t SELECT i, '[1,2]' FROM generate_series(1, 100) i",
    );
    both.change(&[]);
    assert_eq!(both.one("SELECT sum(at) FROM t"), "0");
    assert_eq!(both.one("SELECT count(*) FROM log"), "0");
    both.exec("UPDATE t SET v = '[3,4]' WHERE id = 1");
    assert_eq!(both.one("SELECT count(*) FROM log"), "2");
}
