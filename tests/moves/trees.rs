//! In: partitioned tables whose rows may belong to other partitions on another cluster. Out: every row on the target, in the partition
//! that the target itself chose; the tree counted, digested and sealed as one.

use crate::common::Pair;

/// Asked whether they can be computed for the rows of the tree, two keys of different collations are two questions.
#[test]
fn an_index_of_one_partition_with_two_collations_comes_with_the_tree() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd'); CREATE TABLE t (m mood, note text, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE INDEX two ON t0 (note text_pattern_ops, lower(note) COLLATE \"C\"); INSERT INTO t SELECT m, 'Note', '[1]' FROM unnest(enum_range(NULL::mood)) m",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT m, note, v::real[]::text FROM t ORDER BY m");
    pair.same_answer("SELECT pg_get_indexdef('two'::regclass)");
}

#[test]
fn a_hash_of_an_enum_is_filled_through_the_parent() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f'); CREATE SCHEMA other;
         CREATE TABLE hashed (id int, m mood, v vector(1), twice int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, m)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE other.\"H 1\" (v vector(1), gone int, m mood NOT NULL, id int NOT NULL, twice int GENERATED ALWAYS AS (id * 2) STORED);
         ALTER TABLE other.\"H 1\" DROP COLUMN gone; ALTER TABLE hashed ATTACH PARTITION other.\"H 1\" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO hashed SELECT i, (enum_range(NULL::mood))[i % 6 + 1], ARRAY[i]::vector FROM generate_series(1, 600) i",
    );
    let outcome = pair.copy(&[]);
    assert_eq!(outcome.tables(), ["public.hashed"]);
    let table = outcome.table("public.hashed");
    assert_eq!(table["source_rows"], 600, "{table}");
    assert_eq!(table["cutover"]["state"], "unchanged", "{table}");
    pair.same_answer("SELECT id, m, v::real[]::text, twice FROM hashed ORDER BY id");
    // Each row is where the target looks for it.
    let found = "SELECT count(*) FROM hashed WHERE m = 'a'";
    assert_eq!(pair.target.one(found), "100");
}

#[test]
fn the_hash_may_hide_in_arrays_composites_ranges_and_domains() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE TYPE pair AS (m mood, n int); CREATE TYPE moods AS RANGE (subtype = mood); CREATE DOMAIN dm AS mood;",
    );
    let keys = [
        ("arrays", "mood[]", "ARRAY[m]"),
        ("pairs", "pair", "ROW(m, 1)::pair"),
        ("ranges", "moods", "moods(m, 'c', '[]')"),
        ("domains", "dm", "m::dm"),
        (
            "classes",
            "regclass",
            "(ARRAY['pg_class', 'pg_type', 'pg_proc'])[i % 3 + 1]::regclass",
        ),
    ];
    for (table, ty, value) in keys {
        pair.source.exec(&format!(
            "CREATE TABLE {table} (k {ty}, v vector(1)) PARTITION BY HASH (k); CREATE TABLE {table}0 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 0);
             CREATE TABLE {table}1 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 1); CREATE TABLE {table}2 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 2);
             INSERT INTO {table} SELECT {value}, ARRAY[i]::vector FROM generate_series(1, 30) i, LATERAL (SELECT (enum_range(NULL::mood))[i % 3 + 1] m) x"
        ));
    }
    pair.source.exec("CREATE TABLE plain (k int, v vector(1)) PARTITION BY HASH (k); CREATE TABLE plain0 PARTITION OF plain FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO plain VALUES (1, '[1]')");
    let outcome = pair.copy(&[]);
    let mut expected: Vec<String> = keys.iter().map(|k| format!("public.{}", k.0)).collect();
    expected.push("public.plain0".into());
    expected.sort();
    assert_eq!(outcome.tables(), expected);
    for (table, _, _) in keys {
        pair.same_answer(&format!(
            "SELECT k::text, v::real[]::text FROM {table} ORDER BY 2, 1"
        ));
    }
}

#[test]
fn a_tree_of_several_levels_and_schemas_is_one_unit_from_its_topmost_such_table() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd'); CREATE SCHEMA \"Deep\";
         CREATE TABLE top (d int, m mood, v vector(2), r regtype) PARTITION BY RANGE (d); CREATE TABLE low PARTITION OF top FOR VALUES FROM (0) TO (10);
         CREATE TABLE \"Deep\".high PARTITION OF top FOR VALUES FROM (10) TO (20) PARTITION BY HASH (m);
         CREATE TABLE \"Deep\".high0 PARTITION OF \"Deep\".high FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE \"Deep\".high1 PARTITION OF \"Deep\".high FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY LIST (d);
         CREATE TABLE high1_even PARTITION OF \"Deep\".high1 FOR VALUES IN (10, 12, 14, 16, 18); CREATE TABLE \"Deep\".high1_rest PARTITION OF \"Deep\".high1 DEFAULT;
         CREATE INDEX ON top USING hnsw (v vector_l2_ops);
         INSERT INTO top SELECT i % 20, (enum_range(NULL::mood))[i % 4 + 1], ARRAY[i, -i]::vector, 'int' FROM generate_series(1, 400) i",
    );
    let outcome = pair.copy(&[]);
    assert_eq!(outcome.tables(), ["\"Deep\".high", "public.low"]);
    pair.same_answer("SELECT d, m, v::real[]::text, r FROM top ORDER BY v::real[]");
}

#[test]
fn a_tree_that_changed_after_the_snapshot_is_told_apart() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE h (m mood, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO h VALUES ('a', '[1]'), ('b', '[2]')",
    );
    let writer = pair.source.place.session();
    writer.exec("BEGIN; UPDATE h1 SET v = '[3]'; UPDATE h0 SET v = '[3]'");
    let outcome = pair.copy(&[]);
    let table = outcome.table("public.h");
    assert_eq!(table["cutover"]["state"], "unknown", "{table}");
}

#[test]
fn a_tree_without_one_of_its_partitions_is_a_finding() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE h (m mood, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE TABLE t (v vector(1)); INSERT INTO t VALUES ('[1]')",
    );
    pair.run(&["--exclude-table", "h1"]).refused(
        2,
        &["table public.h", "its partition public.h1 does not come"],
    );
    let outcome = pair.run(&["--exclude-table", "h1", "--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.tables(), ["public.t"]);
}

#[test]
fn a_tree_that_is_there_already_is_filled_through_its_parent_too() {
    let tree = "CREATE TABLE h (m mood, v VECTOR(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);";
    let mood = "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd');";
    let pair = Pair::with(&format!(
        "{mood} {} INSERT INTO h SELECT (enum_range(NULL::mood))[i % 4 + 1], ARRAY[i]::vector FROM generate_series(1, 40) i",
        tree.replace("VECTOR", "vector")
    ));
    let existing = ["--schema-source", "existing"];
    pair.target.exec(&format!(
        "CREATE EXTENSION vectors; {mood} CREATE TABLE h (m mood, v vectors.vector(1))"
    ));
    pair.run(&existing)
        .refused(2, &["table public.h", "is not a partitioned table"]);
    let of_target = tree.replace("VECTOR", "vectors.vector");
    pair.target.exec(&format!("DROP TABLE h; {of_target}"));
    assert_eq!(pair.copy(&existing).tables(), ["public.h"]);
    pair.same_answer("SELECT m, v::real[]::text FROM h ORDER BY v::real[]");
}

/// A library's order of texts decides where a row of such a tree belongs.
#[test]
fn ranges_of_texts_whose_order_is_the_librarys_go_through_the_parent() {
    let pair = Pair::with(
        "CREATE TABLE words (w text COLLATE \"C\", v vector(1)) PARTITION BY RANGE (w); CREATE TABLE w0 PARTITION OF words FOR VALUES FROM (MINVALUE) TO ('m');
         CREATE TABLE w1 PARTITION OF words FOR VALUES FROM ('m') TO (MAXVALUE); INSERT INTO words VALUES ('a', '[1]'), ('z', '[2]')",
    );
    assert_eq!(pair.copy(&[]).tables(), ["public.w0", "public.w1"]);
    let Some(collation) = pair.source.rows("SELECT quote_ident(collname) FROM pg_collation WHERE collprovider = 'c' AND collcollate LIKE 'C.%' AND collencoding IN (-1, 6) LIMIT 1").pop() else {
        println!("skipped: the source has no collation of a library");
        return;
    };
    let pair = Pair::with(&format!(
        "CREATE TABLE words (w text COLLATE {collation}, v vector(1)) PARTITION BY RANGE (w); CREATE TABLE w0 PARTITION OF words FOR VALUES FROM (MINVALUE) TO ('m');
         CREATE TABLE w1 (w text COLLATE {collation}, v vector(1), CHECK (w >= 'm' AND w < 'zz')); ALTER TABLE words ATTACH PARTITION w1 FOR VALUES FROM ('m') TO ('zz');
         INSERT INTO words VALUES ('a', '[1]'), ('z', '[2]')"
    ));
    let outcome = pair.run(&[]);
    if outcome.code == 2 {
        outcome.says(&["collation"]);
        return;
    }
    assert_eq!(
        outcome.tables(),
        ["public.words"],
        "{}",
        outcome.everything()
    );
    pair.same_answer("SELECT w, v::real[]::text, tableoid::regclass FROM words ORDER BY v::real[]");
}

/// So many that chance leaves no partition empty.
fn moods() -> String {
    let moods: Vec<String> = (b'a'..=b'z').map(|c| format!("'{}'", c as char)).collect();
    format!("CREATE TYPE mood AS ENUM ({});", moods.join(", "))
}

/// The target may put any row of such a tree into any partition.
#[test]
fn what_one_partition_alone_asks_is_a_finding_where_other_rows_break_it() {
    let tree = &format!("{} CREATE TABLE h (id int, m mood, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE TABLE t (v vector(1)); INSERT INTO t VALUES ('[1]');
         INSERT INTO h SELECT i, (enum_range(NULL::mood))[i % 26 + 1], ARRAY[i]::vector FROM generate_series(1, 78) i;", moods());
    let narrow = [
        (
            "INSERT INTO h SELECT NULL, m, '[79]' FROM h1 LIMIT 1; ALTER TABLE h0 ALTER id SET NOT NULL",
            "NOT NULL of column id",
        ),
        (
            "DO $$ DECLARE few text; BEGIN SELECT string_agg(id::text, ',') INTO few FROM h0; EXECUTE format('ALTER TABLE h0 ADD CONSTRAINT few CHECK (id = ANY (ARRAY[%s]))', few); END $$",
            "constraint few",
        ),
        (
            "CREATE SCHEMA app; CREATE TABLE app.few AS SELECT id FROM h1; CREATE FUNCTION few(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN EXISTS (SELECT FROM app.few f WHERE f.id = $1); END $$; ALTER TABLE h1 ADD CONSTRAINT by_function CHECK (few(id))",
            "constraint by_function",
        ),
    ];
    for (sql, what) in narrow {
        let pair = Pair::with(&format!("{tree} {sql}"));
        pair.run(&[]).refused(2, &["table public.h", what]);
        let outcome = pair.run(&["--allow-findings"]);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        assert!(!outcome.tables().contains(&"public.h".to_string()));
    }
    let pair = Pair::with(&format!(
        "{tree} DROP TABLE h1; ALTER TABLE h0 ADD CHECK (id > 0), ADD CHECK (length(m::text) = 1)"
    ));
    pair.run(&[]).refused(
        2,
        &["public.h has no partition for some remainders of its hash"],
    );
    let pair = Pair::with(&format!(
        "{tree} ALTER TABLE h0 ADD CHECK (id > 0), ADD CHECK (id < 2) NOT VALID; ALTER TABLE h1 ALTER id SET NOT NULL"
    ));
    assert_eq!(pair.copy(&[]).tables(), ["public.h", "public.t"]);
    pair.same_answer("SELECT id, m, v::real[] FROM h ORDER BY id");
}

/// A row that belongs to the other half there must find its place in it.
#[test]
fn halves_that_are_split_otherwise_are_a_finding_where_a_row_would_find_no_partition() {
    let gap = &format!("{} CREATE TABLE gap (id int, m mood, v vector(2)) PARTITION BY HASH (m);
         CREATE TABLE g0 PARTITION OF gap FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (id);
         CREATE TABLE g1 PARTITION OF gap FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY RANGE (id);
         CREATE TABLE g00 PARTITION OF g0 FOR VALUES FROM (0) TO (10);", moods());
    let fill = "DO $$ DECLARE m mood; BEGIN FOREACH m IN ARRAY enum_range(NULL::mood) LOOP FOR i IN 0 .. 19 LOOP
         BEGIN INSERT INTO gap VALUES (i, m, ARRAY[i, 0]::vector); EXCEPTION WHEN check_violation THEN NULL; END; END LOOP; END LOOP; END $$;";
    let rows = "SELECT id, m, v::real[] FROM gap ORDER BY id, m";
    let refused = [
        (
            "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (10) TO (20);",
            "public.g0 has no partition",
        ),
        (
            "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (0) TO (5);",
            "public.g1 has no partition",
        ),
        (
            "DROP TABLE g1; CREATE TABLE g1 PARTITION OF gap FOR VALUES WITH (MODULUS 2, REMAINDER 1);",
            "public.g0 has no partition",
        ),
        (
            "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (0) TO (10) PARTITION BY LIST (id); CREATE TABLE g100 PARTITION OF g10 FOR VALUES IN (0, 1, 2);",
            "public.g1 has no partition",
        ),
    ];
    for (partitions, what) in refused {
        let pair = Pair::with(&format!("{gap} {partitions} {fill}"));
        pair.run(&[]).refused(2, &["table public.gap", what]);
    }
    let carried = [
        // The same on both sides.
        "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (0) TO (10);",
        // Other bounds, and a place for each row.
        "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (0) TO (5); CREATE TABLE g11 PARTITION OF g1 FOR VALUES FROM (5) TO (7) PARTITION BY LIST (id); CREATE TABLE g110 PARTITION OF g11 DEFAULT; CREATE TABLE g12 PARTITION OF g1 FOR VALUES FROM (7) TO (10);",
        "CREATE TABLE g10 PARTITION OF g1 FOR VALUES FROM (10) TO (20); CREATE TABLE g1d PARTITION OF g1 DEFAULT; CREATE TABLE g0d PARTITION OF g0 DEFAULT;",
    ];
    for partitions in carried {
        let pair = Pair::with(&format!("{gap} {partitions} {fill}"));
        assert_eq!(pair.copy(&[]).tables(), ["public.gap"]);
        pair.same_answer(rows);
    }
}

/// Below a hash of enums each half is split by id, which puts rows on the target where they were: a check of one part is not asked of the others.
#[test]
fn what_a_part_asks_is_asked_of_the_rows_that_may_come_to_it() {
    let pair = Pair::with(&format!(
        "{} CREATE TABLE h (id int, n int, m mood, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (id); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY RANGE (id);
         CREATE TABLE h00 PARTITION OF h0 FOR VALUES FROM (0) TO (10); CREATE TABLE h01 PARTITION OF h0 FOR VALUES FROM (10) TO (20);
         CREATE TABLE h10 PARTITION OF h1 FOR VALUES FROM (0) TO (10); CREATE TABLE h11 PARTITION OF h1 FOR VALUES FROM (10) TO (20);
         INSERT INTO h SELECT i, CASE WHEN i < 10 THEN i END, m, '[1]' FROM generate_series(0, 19) i, unnest(enum_range(NULL::mood)) m;
         ALTER TABLE h00 ADD CHECK (n < 10), ALTER n SET NOT NULL; ALTER TABLE h11 ADD CHECK (n IS NULL); CREATE INDEX ON h01 ((1 / (id - 1)))",
        moods()
    ));
    assert_eq!(pair.copy(&[]).tables(), ["public.h"]);
    pair.same_answer("SELECT id, n, m FROM h ORDER BY id, m");
}

#[test]
fn keys_and_indexes_of_one_partition_alone_are_a_finding_where_other_rows_may_break_them() {
    let tree = &format!("{} CREATE TABLE h (id int, k int, w text, r int4range, m mood, v vector(1)) PARTITION BY HASH (m);
         CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE TABLE few (id int, n int, PRIMARY KEY (id), UNIQUE (n, id)); CREATE TABLE points (at int, v vector(1));
         INSERT INTO h SELECT i, 0, chr(97 + i), int4range(i, i + 1), (enum_range(NULL::mood))[i % 26 + 1], ARRAY[i]::vector FROM generate_series(0, 25) i;
         INSERT INTO few SELECT id, id FROM h0;", moods());
    let refused = [
        (
            "UPDATE h SET k = CASE WHEN tableoid = 'h0'::regclass THEN id ELSE 0 END; ALTER TABLE h0 ADD UNIQUE (k)",
            "index h0_k_key",
        ),
        (
            "UPDATE h SET w = CASE WHEN tableoid = 'h0'::regclass THEN w ELSE 'X' END; CREATE UNIQUE INDEX low ON h0 (lower(w))",
            "index low",
        ),
        (
            "UPDATE h SET k = CASE WHEN tableoid = 'h0'::regclass THEN id END; CREATE UNIQUE INDEX one ON h0 (k) NULLS NOT DISTINCT",
            "index one",
        ),
        (
            "CREATE UNIQUE INDEX pattern ON h0 (w text_pattern_ops)",
            "index pattern",
        ),
        (
            "ALTER TABLE h0 ADD CONSTRAINT apart EXCLUDE USING gist (r WITH &&)",
            "index apart",
        ),
        (
            "UPDATE h SET k = CASE WHEN tableoid = 'h0'::regclass THEN 1 ELSE 0 END; CREATE INDEX divided ON h0 ((1 / k))",
            "index divided",
        ),
        (
            "ALTER TABLE h0 ADD CONSTRAINT there FOREIGN KEY (id) REFERENCES few",
            "constraint there",
        ),
        (
            "UPDATE h SET k = CASE WHEN tableoid = 'h0'::regclass THEN id END; ALTER TABLE h0 ADD CONSTRAINT full_key FOREIGN KEY (k, id) REFERENCES few (n, id) MATCH FULL",
            "constraint full_key",
        ),
        (
            "ALTER TABLE h0 ADD UNIQUE (id); INSERT INTO points SELECT id FROM h0 LIMIT 1; ALTER TABLE points ADD CONSTRAINT back FOREIGN KEY (at) REFERENCES h0 (id)",
            "public.points constraint back",
        ),
    ];
    for (sql, what) in refused {
        let pair = Pair::with(&format!("{tree} {sql}"));
        pair.run(&[]).refused(2, &["table public.h:", what]);
        let outcome = pair.run(&["--allow-findings"]);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        assert!(!outcome.tables().contains(&"public.h".to_string()));
    }
    // What no row of the tree can break, wherever it comes to lie.
    let pair = Pair::with(&format!(
        "{tree} UPDATE h SET k = CASE WHEN id < 8 THEN id END; INSERT INTO few SELECT id, k FROM h1;
         ALTER TABLE h0 ADD PRIMARY KEY (id), ADD UNIQUE (k), ADD FOREIGN KEY (id) REFERENCES few, ADD FOREIGN KEY (k) REFERENCES few;
         CREATE UNIQUE INDEX ON h1 (lower(w)) WHERE id > 3; CREATE INDEX ON h1 ((1 / (id + 1))); CREATE INDEX ON h0 (w text_pattern_ops);
         ALTER TABLE points ADD FOREIGN KEY (at) REFERENCES h0 (id)"
    ));
    assert_eq!(
        pair.copy(&[]).tables(),
        ["public.few", "public.h", "public.points"]
    );
    pair.same_answer("SELECT id, k, w, r, m, v::real[] FROM h ORDER BY id");
}
