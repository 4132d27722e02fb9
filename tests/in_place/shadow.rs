//! A new table that takes the old one's place: all that stood on the old one stands on it, nothing that is written meanwhile is lost, and killed anywhere it goes on
//! or is taken back. pg_dump says what a table is.

use super::common::db::Role;
use super::common::{Place, wait_until};
use super::{Both, SHADOW};

/// With everything that may stand on a table. `ROLE` is another role.
const LADEN: &str = "CREATE SCHEMA \"S \"\"x\"; CREATE TABLE kinds (id int PRIMARY KEY, name text UNIQUE); INSERT INTO kinds SELECT i, 'k' || i FROM generate_series(0, 9) i;
    CREATE SEQUENCE free START 50;
    CREATE TABLE \"S \"\"x\".\"T \"\"t\" (n int GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3), gone int, \"K k\" text COLLATE \"C\" NOT NULL, v vector(3) NOT NULL DEFAULT '[1,2,3]', serial serial,
      kind int DEFAULT 1 REFERENCES kinds ON DELETE CASCADE, mother text COLLATE \"C\", doubled int GENERATED ALWAYS AS (kind * 2) STORED, during int4range, said text STORAGE EXTERNAL COMPRESSION pglz,
      f int DEFAULT nextval('free'), CONSTRAINT \"P k\" PRIMARY KEY (\"K k\") INCLUDE (kind) WITH (fillfactor = 80), CONSTRAINT later UNIQUE (serial) DEFERRABLE INITIALLY DEFERRED,
      CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WITH (fillfactor = 77) WHERE (during IS NOT NULL), CONSTRAINT \"short said\" CHECK (length(said) < 100)) WITH (fillfactor = 90, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 99);
    ALTER TABLE \"S \"\"x\".\"T \"\"t\" DROP COLUMN gone; ALTER TABLE \"S \"\"x\".\"T \"\"t\" ADD CONSTRAINT mothers FOREIGN KEY (mother) REFERENCES \"S \"\"x\".\"T \"\"t\" DEFERRABLE;
    INSERT INTO \"S \"\"x\".\"T \"\"t\" (\"K k\", v, kind, during, said) SELECT 'k' || i, ARRAY[i, -i, 0]::real[]::vector, i % 10, int4range(i, i + 1), repeat(i::text, 3) FROM generate_series(1, 500) i;
    CREATE TABLE refers (k text COLLATE \"C\" REFERENCES \"S \"\"x\".\"T \"\"t\" ON UPDATE CASCADE ON DELETE SET NULL); INSERT INTO refers VALUES ('k3'), ('k4');
    ALTER TABLE refers ADD CONSTRAINT unproven FOREIGN KEY (k) REFERENCES \"S \"\"x\".\"T \"\"t\" NOT VALID; COMMENT ON CONSTRAINT unproven ON refers IS 'not yet';
    CREATE INDEX near ON \"S \"\"x\".\"T \"\"t\" USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 20); CREATE INDEX \"i I\" ON \"S \"\"x\".\"T \"\"t\" (lower(said), kind DESC) WHERE kind > 2;
    CREATE UNIQUE INDEX own ON \"S \"\"x\".\"T \"\"t\" (said, \"K k\"); ALTER INDEX \"S \"\"x\".\"i I\" ALTER COLUMN 1 SET STATISTICS 55;
    ALTER TABLE \"S \"\"x\".\"T \"\"t\" ALTER COLUMN \"K k\" SET STATISTICS 66, ALTER COLUMN kind SET (n_distinct = 10), ALTER COLUMN v SET STORAGE EXTERNAL;
    CREATE STATISTICS \"S \"\"x\".together (ndistinct) ON kind, said FROM \"S \"\"x\".\"T \"\"t\"; COMMENT ON STATISTICS \"S \"\"x\".together IS 'st';
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER \"A a\" BEFORE UPDATE OF said ON \"S \"\"x\".\"T \"\"t\" FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION note('it''s'); COMMENT ON TRIGGER \"A a\" ON \"S \"\"x\".\"T \"\"t\" IS 'tr';
    CREATE CONSTRAINT TRIGGER c AFTER INSERT ON \"S \"\"x\".\"T \"\"t\" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER off AFTER DELETE ON \"S \"\"x\".\"T \"\"t\" FOR EACH STATEMENT EXECUTE FUNCTION note(); ALTER TABLE \"S \"\"x\".\"T \"\"t\" DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER c;
    CREATE RULE quiet AS ON UPDATE TO \"S \"\"x\".\"T \"\"t\" WHERE NEW.kind = -1 DO INSTEAD NOTHING; ALTER TABLE \"S \"\"x\".\"T \"\"t\" DISABLE RULE quiet; COMMENT ON RULE quiet ON \"S \"\"x\".\"T \"\"t\" IS 'ru';
    ALTER TABLE \"S \"\"x\".\"T \"\"t\" ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON \"S \"\"x\".\"T \"\"t\" AS RESTRICTIVE FOR UPDATE TO ROLE, PUBLIC USING (kind > 0) WITH CHECK (said <> ''); COMMENT ON POLICY few ON \"S \"\"x\".\"T \"\"t\" IS 'po';
    CREATE POLICY \"all\" ON \"S \"\"x\".\"T \"\"t\" FOR SELECT USING (true);
    GRANT SELECT, INSERT ON \"S \"\"x\".\"T \"\"t\" TO ROLE WITH GRANT OPTION; GRANT SELECT (said), UPDATE (v, kind) ON \"S \"\"x\".\"T \"\"t\" TO PUBLIC; REVOKE TRUNCATE ON \"S \"\"x\".\"T \"\"t\" FROM CURRENT_USER;
    GRANT USAGE ON SEQUENCE \"S \"\"x\".\"T \"\"t_n_seq\" TO ROLE; COMMENT ON SEQUENCE \"S \"\"x\".\"T \"\"t_n_seq\" IS 'se';
    COMMENT ON TABLE \"S \"\"x\".\"T \"\"t\" IS 'ta''ble'; COMMENT ON COLUMN \"S \"\"x\".\"T \"\"t\".said IS 'sa'; COMMENT ON COLUMN \"S \"\"x\".\"T \"\"t\".v IS 've'; COMMENT ON CONSTRAINT later ON \"S \"\"x\".\"T \"\"t\" IS 'la';
    COMMENT ON CONSTRAINT \"short said\" ON \"S \"\"x\".\"T \"\"t\" IS 'sh'; COMMENT ON INDEX \"S \"\"x\".near IS 'ne'; COMMENT ON CONSTRAINT mothers ON \"S \"\"x\".\"T \"\"t\" IS 'mo';
    ALTER TABLE \"S \"\"x\".\"T \"\"t\" ALTER COLUMN said SET NOT NULL; ALTER TABLE \"S \"\"x\".\"T \"\"t\" REPLICA IDENTITY USING INDEX own;
    ALTER TABLE \"S \"\"x\".\"T \"\"t\" CLUSTER ON own; ALTER INDEX \"S \"\"x\".own DEPENDS ON EXTENSION vector; ALTER TRIGGER c ON \"S \"\"x\".\"T \"\"t\" DEPENDS ON EXTENSION vector;
    CREATE TABLE plain (id smallint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v vector(1), q text); INSERT INTO plain (v) SELECT ARRAY[i]::real[]::vector FROM generate_series(1, 9) i; CREATE INDEX near_2 ON plain USING hnsw (v vector_l2_ops);
    CREATE FUNCTION inner_f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE FUNCTION outer_f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN inner_f($1); END';
    CREATE INDEX by_function ON plain (outer_f(id)); ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM CURRENT_USER";

fn laden(role: &Role) -> String {
    LADEN.replace("ROLE", &role.quoted())
}

/// What pg_dump says but for the words of the vectors: its lines, sorted, since it orders some by OID.
fn all_but_vectors(dump: &str) -> Vec<String> {
    let mut rest = dump.to_string();
    for index in ["CREATE INDEX near ", "CREATE INDEX near_2 "] {
        let (before, from) = rest.split_once(index).unwrap_or((&rest, ";"));
        let (_, after) = from.split_once(';').unwrap_or_default();
        rest = format!("{before}{after}");
    }
    let lines = rest.lines();
    let lines = lines.filter(|l| !l.is_empty() && !l.contains("vector") && !l.starts_with("--"));
    let mut lines: Vec<String> = lines.map(String::from).collect();
    lines.sort();
    lines
}

#[test]
fn all_that_stands_on_the_table_stands_on_the_new_one() {
    let role = Role::create(&[Place::target()], "");
    let both = Both::with(&laden(&role));
    both.exec(&format!("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {0}; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {0}", role.quoted()));
    let rows = "SELECT n, \"K k\", v::real[], serial, kind, mother, doubled, during, said, f FROM \"S \"\"x\".\"T \"\"t\" ORDER BY n";
    let (dump, before) = (both.dump(), both.rows(rows));
    let outcome = both.change(SHADOW);
    assert_eq!(outcome.report()["tables"][0]["verified_rows"], 500);
    assert_eq!(both.rows(rows), before);
    let (then, now) = (all_but_vectors(&dump), all_but_vectors(&both.dump()));
    let lost: Vec<&String> = then.iter().filter(|l| !now.contains(l)).collect();
    let new: Vec<&String> = now.iter().filter(|l| !then.contains(l)).collect();
    assert!(
        lost.is_empty() && new.is_empty(),
        "lost {lost:#?}\nnew {new:#?}"
    );
    assert_eq!(then, now);
    assert_eq!(both.indexes("\"S \"\"x\".\"T \"\"t\"").len(), 6);
    let of_column = |what: &str| {
        both.one(&format!("SELECT {what} FROM pg_attribute WHERE attrelid = '\"S \"\"x\".\"T \"\"t\"'::regclass AND attname = 'v'"))
    };
    assert_eq!(
        of_column(
            "format_type(atttypid, atttypmod), attnotnull, attstorage, col_description(attrelid, attnum)"
        ),
        "vectors.vector(3)|t|e|ve"
    );
    assert_eq!(
        both.one("SELECT obj_description('\"S \"\"x\".near'::regclass)"),
        "ne"
    );
    // Keys that were proved are proved again, and the others are not.
    assert_eq!(
        both.rows("SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"),
        [
            "T \"t_kind_fkey|t",
            "mothers|t",
            "refers_k_fkey|t",
            "unproven|f"
        ]
    );
    // Numbers go on where they were.
    both.exec("INSERT INTO \"S \"\"x\".\"T \"\"t\" (\"K k\", said) VALUES ('new', 'x')");
    assert_eq!(
        both.one(
            "SELECT n, serial, f, v::real[] FROM \"S \"\"x\".\"T \"\"t\" WHERE \"K k\" = 'new'"
        ),
        "1507|501|550|{1,2,3}"
    );
    both.exec("UPDATE \"S \"\"x\".\"T \"\"t\" SET \"K k\" = 'k3b' WHERE \"K k\" = 'k3'; DELETE FROM \"S \"\"x\".\"T \"\"t\" WHERE \"K k\" = 'k4'");
    assert_eq!(
        both.rows("SELECT k FROM refers ORDER BY k"),
        ["k3b", "NULL"]
    );
    both.assert_tidy();
}

/// What is put on the table while it changes is carried as well, or stops the swap with its name.
#[test]
fn what_is_put_on_the_table_meanwhile_is_not_lost() {
    let both = Both::with(TABLE);
    both.killed_at("compared", &[SHADOW, &["--table", "t"]].concat());
    both.exec("CREATE TABLE kinds (id int PRIMARY KEY); CREATE TABLE refers (id int REFERENCES t); GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'later'; COMMENT ON COLUMN t.said IS NULL");
    let refused = |words: &[&str]| {
        both.run(&[SHADOW, &["--table", "t"]].concat())
            .refused(4, words);
        assert_eq!(both.type_of("t", "v"), "vector(3)");
    };
    for (make, back, words) in [
        (
            "ALTER TABLE t ADD COLUMN late int",
            "ALTER TABLE t DROP COLUMN late",
            "changed since the plan",
        ),
        (
            "CREATE INDEX late ON t (said)",
            "DROP INDEX late",
            "changed since the plan",
        ),
        (
            "ALTER TABLE t ADD CHECK (id <> 0)",
            "ALTER TABLE t DROP CONSTRAINT t_id_check",
            "changed since the plan",
        ),
        (
            "CREATE TABLE child () INHERITS (t)",
            "DROP TABLE child",
            "table public.child was hung on it",
        ),
        (
            "CREATE INDEX late ON t USING hnsw (v vector_ip_ops)",
            "DROP INDEX late",
            "made on an old column since the plan",
        ),
        (
            "CREATE VIEW late AS SELECT said FROM t",
            "DROP VIEW late",
            "view public.late was hung on it",
        ),
        (
            "CREATE FUNCTION late(t) RETURNS int LANGUAGE sql RETURN 1",
            "DROP FUNCTION late",
            "function public.late(public.t) was hung on it",
        ),
        (
            "CREATE PUBLICATION late FOR TABLE t",
            "DROP PUBLICATION late",
            "in publication late was hung on it",
        ),
        (
            "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE CONSTRAINT TRIGGER late AFTER INSERT ON refers FROM t FOR EACH ROW EXECUTE FUNCTION late()",
            "DROP TRIGGER late ON refers; DROP FUNCTION late()",
            "trigger late on table public.refers was hung on it",
        ),
        (
            "ALTER TABLE t SET (toast.autovacuum_enabled = false)",
            "ALTER TABLE t RESET (toast.autovacuum_enabled)",
            "changed since the plan",
        ),
    ] {
        both.exec(make);
        refused(&[words]);
        both.exec(back);
    }
    both.change(&[SHADOW, &["--table", "t"]].concat());
    assert_eq!(both.one("SELECT relacl::text LIKE '%{=r/%' OR relacl::text LIKE '%,=r/%', obj_description(oid), col_description(oid, 4) FROM pg_class WHERE oid = 't'::regclass"), "t|later|NULL");
    assert_eq!(both.one("SELECT confrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'refers_id_fkey'"), "t|t");
}

/// Each row says in `said` what its vector must be.
const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE DEFERRABLE, v vector(3) NOT NULL DEFAULT '[1,2,3]', said text);
    INSERT INTO t SELECT i, i, ARRAY[i, 1, 2]::real[]::vector, i::text FROM generate_series(1, 5000) i; COMMENT ON COLUMN t.v IS 'old'; COMMENT ON COLUMN t.said IS 'sa';
    CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10); CREATE INDEX ON t (said);
    CREATE TABLE r (id int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, v vector(1), PRIMARY KEY (id)); INSERT INTO r SELECT i, ARRAY[i]::real[]::vector FROM generate_series(1, 5000, 7) i;";

fn assert_changed(both: &Both, what: &str) {
    assert_eq!(both.type_of("t", "v"), "vectors.vector(3)", "{what}");
    assert_eq!(
        both.one(
            "SELECT count(*) FROM t WHERE v::real[] IS DISTINCT FROM ARRAY[said, '1', '2']::real[]"
        ),
        "0",
        "{what}"
    );
    let found =
        both.one("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM t JOIN r USING (id))");
    assert_eq!(found, "5000|715", "{what}");
    assert_eq!(
        both.indexes("t"),
        [
            "near|vectors|t",
            "t_pkey|btree|t",
            "t_said_idx|btree|t",
            "t_u_key|btree|t"
        ],
        "{what}"
    );
    assert_eq!(
        both.one("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"),
        "0",
        "{what}"
    );
    assert_eq!(both.one("SELECT attnotnull, attnum, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"), "t|3|old", "{what}");
    both.assert_tidy();
}

const FEW: &[&str] = &["--method", "shadow", "--batch-rows", "1000"];

#[test]
fn killed_at_any_step_it_goes_on() {
    for step in [
        "adding",
        "adding:2",
        "kept",
        "batch:4",
        "filled",
        "after-index:4",
        "taken-over",
        "before-index:7",
        "compared",
        "swapping",
        "swapped",
        "done",
    ] {
        let both = Both::with(TABLE);
        both.killed_at(step, FEW);
        both.change(FEW);
        assert_changed(&both, step);
    }
}

/// With all that is written meanwhile; pg_dump cannot tell that there ever was anything. Then it can begin again.
#[test]
fn killed_at_any_step_before_the_swap_it_is_taken_back() {
    for step in [
        "kept",
        "batch:4",
        "after-index:4",
        "taken-over",
        "compared",
        "swapping",
    ] {
        let both = Both::with(TABLE);
        let dump = both.dump();
        both.killed_at(step, FEW);
        both.exec("UPDATE t SET said = said WHERE id % 10 = 0; DELETE FROM t WHERE id = 77; INSERT INTO t VALUES (77, 77, '[77,1,2]', '77')");
        both.ledger_says("clean").refused(2, &["--undo"]);
        both.change(&["--undo"]);
        assert_eq!(both.dump(), dump, "{step}");
        assert_eq!(both.one("SELECT count(*) FROM t"), "5000", "{step}");
        both.assert_tidy();
        if step == "compared" {
            both.change(FEW);
            assert_changed(&both, step);
        }
    }
}

/// VACUUM FULL and CLUSTER move rows; TRUNCATE leaves none, and those that come after it come as any.
#[test]
fn a_table_that_gets_another_file_is_filled_anew() {
    for (step, meanwhile, left) in [
        ("batch:4", "VACUUM FULL t", 5000),
        ("batch:4", "TRUNCATE t CASCADE", 0),
        ("taken-over", "VACUUM FULL t", 5000),
        ("taken-over", "TRUNCATE t CASCADE", 0),
        ("compared", "TRUNCATE t CASCADE", 0),
    ] {
        let both = Both::with(TABLE);
        let arguments = [SHADOW, &["--batch-rows", "1000", "--table", "t"]].concat();
        both.killed_at(step, &arguments);
        both.exec("DELETE FROM t WHERE id > 4990");
        both.exec(meanwhile);
        both.exec("INSERT INTO t SELECT i, i, ARRAY[i, 1, 2]::real[]::vector, i::text FROM generate_series(6001, 6010) i");
        both.change(&arguments);
        let rows = if left == 0 { 10 } else { left };
        assert_eq!(
            both.one("SELECT count(*) FROM t"),
            rows.to_string(),
            "{step} {meanwhile}"
        );
        assert_eq!(both.one("SELECT count(*) FROM t WHERE v::real[] IS DISTINCT FROM ARRAY[said, '1', '2']::real[]"), "0");
        both.assert_tidy();
    }
}

/// A snapshot that is older than a copied row does not see it: what such a writer deletes or moves is noted all the same. Rows that exchange a unique value
/// change together.
#[test]
fn writers_with_old_snapshots_leave_nothing_behind() {
    let both = Both::with(TABLE);
    both.killed_at("kept", &[SHADOW, &["--table", "t"]].concat());
    let writer = both.place.session();
    writer.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
    both.killed_at("filled", &[SHADOW, &["--table", "t"]].concat());
    writer.exec("DELETE FROM t WHERE id = 5; UPDATE t SET id = -6 WHERE id = 6; UPDATE t SET v = '[9,1,2]', said = '9' WHERE id = 7; INSERT INTO t VALUES (5, 5, '[8,1,2]', '8'); COMMIT");
    both.killed_at("compared", &[SHADOW, &["--table", "t"]].concat());
    both.exec("SET CONSTRAINTS ALL DEFERRED; BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE t SET u = 101 WHERE id = 100; UPDATE t SET u = 100 WHERE id = 101; COMMIT");
    both.change(&[SHADOW, &["--table", "t"]].concat());
    assert_eq!(
        both.rows("SELECT id, v::real[] FROM t WHERE id IN (5, 6, -6, 7) ORDER BY id"),
        ["-6|{6,1,2}", "5|{8,1,2}", "7|{9,1,2}"]
    );
    assert_eq!(
        both.rows("SELECT u FROM t WHERE id IN (100, 101) ORDER BY id"),
        ["101", "100"]
    );
    both.exec("DELETE FROM r WHERE id = -6");
    assert_eq!(both.one("SELECT count(*) FROM t"), "5000");
    both.assert_tidy();
}

/// Whoever reads through an older snapshot would not see the rows that were taken over last.
#[test]
fn the_swap_waits_for_older_snapshots_and_lets_writers_through() {
    let both = Both::with(TABLE);
    both.killed_at("compared", &[SHADOW, &["--table", "t"]].concat());
    let reader = both.place.session();
    reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM r");
    both.run(&[SHADOW, &["--table", "t", "--retry-for", "1s"]].concat())
        .refused(4, &["snapshot", "process"]);
    let running = both.start(&[SHADOW, &["--table", "t"]].concat());
    let other = both.place.session();
    other.exec("SET lock_timeout = '1s'");
    for id in 1..20 {
        other.exec(&format!("UPDATE t SET said = said WHERE id = {id}"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(both.type_of("t", "v"), "vector(3)");
    assert_eq!(reader.one("SELECT count(*) FROM t"), "5000");
    reader.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(both.type_of("t", "v"), "vectors.vector(3)");
}

/// A rewrite fires no trigger: what it has changed since the comparison is found by another one.
#[test]
fn a_rewrite_between_comparison_and_swap_is_not_undone() {
    let both = Both::with(TABLE);
    let reader = both.place.session();
    reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    let running = both.start(&[SHADOW, &["--table", "t"]].concat());
    wait_until("all is compared", || {
        let there =
            "SELECT coalesce((SELECT relname FROM pg_class WHERE relname = 'in_place'), '')";
        both.one(there) == "in_place"
            && both.one("SELECT max(state) FROM pgv2rs.in_place") == "verified"
    });
    both.exec("ALTER TABLE t ALTER said TYPE text USING said || '0'");
    reader.exec("COMMIT");
    let outcome = running.ended();
    outcome.refused(
        1,
        &["5000 rows are not what they are", "ALTER TABLE", "--undo"],
    );
    assert_eq!(both.one("SELECT said FROM t WHERE id = 5"), "50");
    both.change(&["--undo"]);
    both.change(&[SHADOW, &["--table", "t"]].concat());
    assert_eq!(both.one("SELECT said FROM t WHERE id = 5"), "50");
}

/// Numbers are handed out without any lock on the table, also while the swap waits for that of another one.
#[test]
fn no_number_of_an_identity_is_handed_out_twice() {
    let both = Both::with(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v vector(1)); INSERT INTO t (v) SELECT ARRAY[i]::real[]::vector FROM generate_series(1, 100) i;
         CREATE TABLE r (id int REFERENCES t)",
    );
    both.killed_at("compared", SHADOW);
    let reader = both.place.session();
    reader.exec("BEGIN; SELECT count(*) FROM r");
    let running = both.start(&[SHADOW, &["--lock-timeout", "900ms"]].concat());
    let numbers = both.place.session();
    let mut handed = Vec::new();
    // Who waits for the sequence that goes away gets an error, and no number.
    let mut next = || match numbers.try_rows("SELECT nextval('t_id_seq')") {
        Ok(rows) => handed.extend(rows),
        Err(error) => assert!(error.contains("could not open relation"), "{error}"),
    };
    for n in 0..60 {
        next();
        std::thread::sleep(std::time::Duration::from_millis(20));
        if n == 40 {
            reader.exec("COMMIT");
        }
    }
    wait_until("it is swapped", || {
        next();
        both.type_of("t", "v") == "vectors.vector(1)"
    });
    next();
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let all = handed.len();
    handed.sort();
    handed.dedup();
    assert_eq!(handed.len(), all);
}

/// A role that may not see what others' sessions do takes each of their transactions for one that looks.
#[test]
fn a_role_that_sees_nothing_of_others_waits_for_them_too() {
    for method in [SHADOW, super::METHODS[0]] {
        let role = Role::create(&[Place::target()], "LOGIN PASSWORD 'shadow-secret'");
        let both = Both::with(&format!(
            "{TABLE} ALTER TABLE t OWNER TO {0}; ALTER TABLE r OWNER TO {0}; GRANT CREATE ON SCHEMA public TO {0}; GRANT USAGE ON SCHEMA vectors TO {0};
             DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {0}', current_database()); END $$",
            role.quoted()
        ));
        let mut place = both.place.clone();
        (place.user, place.password) = (role.name.clone(), Some("shadow-secret".into()));
        let to = place.connection_string();
        let run = |more: &[&str]| {
            super::start(
                &[&["in-place", "--target", &to, "--table", "t"], method, more].concat(),
                &[],
                vec!["shadow-secret".into()],
            )
            .ended()
        };
        // One that is built CONCURRENTLY would wait for it as well, and not give up.
        both.exec("DROP INDEX near");
        let reader = both.place.session();
        reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
        run(&["--retry-for", "1s"]).refused(4, &["snapshot", "process"]);
        assert_eq!(reader.one("SELECT count(v) FROM t"), "5000");
        reader.exec("COMMIT");
        let outcome = run(&[]);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        assert_eq!(both.type_of("t", "v"), "vectors.vector(3)");
        assert_eq!(
            both.one("SELECT relowner::regrole FROM pg_class WHERE oid = 't'::regclass"),
            role.name
        );
        both.assert_tidy();
    }
}

#[test]
fn a_trigger_that_was_away_is_noticed_and_a_dropped_table_forgotten() {
    let both = Both::with(TABLE);
    both.killed_at("filled", &[SHADOW, &["--table", "t"]].concat());
    both.exec("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET v = '[9,9,9]' WHERE id = 5; ALTER TABLE t ENABLE ALWAYS TRIGGER \"~pgv2rs\", ENABLE ALWAYS TRIGGER \"~pgv2rs emptied\"");
    both.run(&[SHADOW, &["--table", "t"]].concat())
        .refused(4, &["not as they were made", "--undo"]);
    both.exec("DROP TABLE t CASCADE");
    both.change(SHADOW)
        .says(&["public.t was dropped meanwhile"]);
    both.assert_tidy();
}

/// Where it cannot be done the plan says so, and where it can, add-column's plan offers it.
#[test]
fn what_has_no_shadow_is_a_finding() {
    for (sql, words) in [
        ("CREATE TABLE t (id int, v vector(2))", "has no primary key"),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)) PARTITION BY RANGE (id)",
            "tree of partitions",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE TABLE child () INHERITS (t)",
            "tree of partitions or of inheritance",
        ),
        (
            "CREATE UNLOGGED TABLE t (id int PRIMARY KEY, v vector(2))",
            "is not logged",
        ),
        (
            "CREATE DOMAIN d AS int NOT NULL; CREATE TABLE t (id d PRIMARY KEY, v vector(2))",
            "domain that is NOT NULL",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE VIEW w AS SELECT id FROM t",
            "view public.w: hangs on table public.t",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE VIEW w AS SELECT count(*) FROM t",
            "view public.w: hangs on table public.t",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql AS 'SELECT NULL::int, NULL::vector(2)'",
            "function public.f(): hangs on table public.t",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2), w vectors.vector(2)); CREATE INDEX new ON t USING vectors (w vectors.vector_l2_ops)",
            "indexes of PGVecto.rs already (new), which a swap",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE TABLE p (id int REFERENCES t) PARTITION BY RANGE (id)",
            "foreign keys from partitioned tables",
        ),
        (
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v vector(2)); CREATE TABLE o (x int DEFAULT nextval('t_id_seq'))",
            "default value for column x of table public.o: hangs on table public.t",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE INDEX whole ON t ((t IS NOT NULL))",
            "over whole rows of it",
        ),
        (
            "CREATE TABLE k (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY REFERENCES k, v vector(2)); ALTER TABLE t DISABLE TRIGGER ALL",
            "foreign keys whose triggers are disabled",
        ),
    ] {
        let both = Both::with(sql);
        let dump = both.dump();
        both.run(&[SHADOW, &["--table", "t"]].concat())
            .refused(2, &[words, "nothing was written"]);
        assert_eq!(both.dump(), dump);
    }
    let both = Both::with(TABLE);
    both.run(&[SHADOW, &["--drop-old-index"]].concat())
        .refused(2, &["leave out --drop-old-index"]);
    both.exec("CREATE TABLE slow (id int PRIMARY KEY, v vector(64)); INSERT INTO slow SELECT i, (SELECT array_agg(random()) FROM generate_series(1, 64) WHERE i > 0)::vector FROM generate_series(1, 1000) i;
        CREATE INDEX ON slow USING hnsw (v vector_l2_ops); ANALYZE slow");
    both.change(&["--dry-run", "--table", "slow"]).says(&[
        "--drop-old-index",
        "or ",
        "with --method shadow",
    ]);
    both.change(&[SHADOW, &["--dry-run"]].concat()).says(&[
        "a new table beside each old one",
        "the fill takes about",
        "migrate_t",
    ]);
}

/// Whatever the server would refuse in the swap it refuses before anything is written; a left-out index takes its comment with it; a key that is gone after the swap
/// is no matter.
#[test]
fn the_swap_is_rehearsed() {
    let both = Both::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE INDEX l1 ON t USING hnsw (v vector_l1_ops); COMMENT ON INDEX l1 IS 'x'; CREATE TABLE r (id int REFERENCES t);
         CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'nothing is dropped here'; END $$; CREATE EVENT TRIGGER no ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION no()",
    );
    let dump = both.dump();
    both.run(&[SHADOW, &["--allow-findings"]].concat()).refused(
        4,
        &[
            "rehearsing the swap",
            "nothing is dropped here",
            "nothing was written",
        ],
    );
    assert_eq!(both.dump(), dump);
    both.exec("DROP EVENT TRIGGER no");
    both.killed_at("swapped", &[SHADOW, &["--allow-findings"]].concat());
    both.ledger_says("status")
        .says(&["foreign keys are to be validated"]);
    both.exec("DROP TABLE r");
    both.change(&[SHADOW, &["--allow-findings"]].concat());
    assert_eq!(both.indexes("t"), ["t_pkey|btree|t"]);
    both.assert_tidy();
}

/// Views over a table that goes away are made again, also those that show no vector.
#[test]
fn views_over_the_table_are_made_again() {
    let both = Both::with(&format!(
        "{TABLE} CREATE VIEW a AS SELECT said FROM t; CREATE VIEW b AS SELECT count(*) AS n FROM t; CREATE VIEW c AS SELECT t FROM t WHERE id = 1"
    ));
    both.change(&[SHADOW, &["--recreate-views"]].concat());
    assert_eq!(
        both.one(
            "SELECT (SELECT count(*) FROM a), (SELECT n FROM b), (SELECT (t).v::real[] FROM c)"
        ),
        "5000|5000|{1,1,2}"
    );
    assert_changed(&both, "views");
}

/// Every statement of a writer goes through, in each of its forms, and what it has written is there.
#[test]
fn prepared_statements_find_the_new_table() {
    let both = Both::with(TABLE);
    let session = both.place.session();
    session.exec("PREPARE up(int) AS UPDATE t SET said = said WHERE id = $1; PREPARE down(int) AS SELECT said FROM t WHERE id = $1");
    session.exec("CREATE FUNCTION pg_temp.up() RETURNS int LANGUAGE plpgsql AS 'DECLARE n int; BEGIN UPDATE t SET said = said WHERE id = 3; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END'");
    for _ in 0..7 {
        session.exec("EXECUTE up(1); EXECUTE down(1); SELECT pg_temp.up()");
    }
    let running = both.start(SHADOW);
    wait_until("it is swapped", || {
        session.exec("EXECUTE up(2)");
        std::thread::sleep(std::time::Duration::from_millis(40));
        both.type_of("t", "v") == "vectors.vector(3)"
    });
    assert_eq!(session.one("EXECUTE down(2)"), "2");
    assert_eq!(session.one("SELECT pg_temp.up()"), "1");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_changed(&both, "prepared");
}
