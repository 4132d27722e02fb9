//! In: what surrounds the tables: partitions, inheritance, foreign keys, views, names, roles, comments. Out: the same on the target,
//! by its catalogs and its behaviour.

use crate::common::db::Role;
use crate::common::{Pair, Place};

/// Partitioned parents and the keys around them came wrongly elsewhere (pgcopydb#856, pgcopydb#1032).
#[test]
fn partitioned_tables_of_two_levels_keep_each_row_in_its_leaf() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, region text, v vector(2), PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu') PARTITION BY RANGE (id);
         CREATE TABLE t_eu_low PARTITION OF t_eu FOR VALUES FROM (0) TO (50); CREATE TABLE t_eu_high PARTITION OF t_eu FOR VALUES FROM (50) TO (100);
         CREATE TABLE t_us PARTITION OF t FOR VALUES IN ('us'); CREATE TABLE t_other PARTITION OF t DEFAULT;
         INSERT INTO t SELECT i, (ARRAY['eu', 'us', 'jp'])[i % 3 + 1], ('[' || i || ',0.5]')::vector FROM generate_series(1, 99) i",
    );
    let outcome = pair.copy(&[]);
    let leaves = [
        "public.t_eu_high",
        "public.t_eu_low",
        "public.t_other",
        "public.t_us",
    ];
    assert_eq!(outcome.tables(), leaves);
    pair.same_answer("SELECT tableoid::regclass, id, region, v::real[]::text FROM t ORDER BY id");
    pair.same_answer(
        "SELECT relid::text, parentrelid, level FROM pg_partition_tree('t') ORDER BY 1",
    );
    let sql =
        "INSERT INTO t VALUES (60, 'eu', NULL), (1000, 'zz', NULL) RETURNING tableoid::regclass";
    pair.target.exec("DELETE FROM t WHERE id = 60");
    assert_eq!(pair.target.rows(sql), ["t_eu_high", "t_other"]);
}

#[test]
fn hash_partitions_keep_every_row() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd'); CREATE TABLE t (id int, m mood, v vector(1)) PARTITION BY HASH (id);
         CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO t SELECT i, 'a', '[1]' FROM generate_series(1, 50) i",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, tableoid::regclass, m FROM t ORDER BY id");
}

#[test]
fn inheritance_keeps_the_rows_of_parent_and_child_apart() {
    let pair = Pair::with(
        "CREATE TABLE parent (id int, v vector(2)); CREATE TABLE child (extra text) INHERITS (parent);
         INSERT INTO parent VALUES (1, '[1,2]'); INSERT INTO child VALUES (2, '[3,4]', 'x'), (3, '[5,6]', NULL)",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM ONLY parent ORDER BY id");
    pair.same_answer("SELECT tableoid::regclass, id, v::real[]::text FROM parent ORDER BY id");
    pair.same_answer("SELECT id, extra FROM child ORDER BY id");
}

/// The second parent is one too; and a table that has only the name of a column from nobody keeps its own type.
#[test]
fn a_child_of_two_tables_has_the_types_of_both() {
    let pair = Pair::with(
        "CREATE TABLE one (id int); CREATE TABLE two (b bit(4), v vector(2)); CREATE INDEX ON two USING hnsw (b bit_hamming_ops);
         CREATE TABLE child (note text) INHERITS (one, two); CREATE TABLE sister (b bit(4)) INHERITS (one);
         INSERT INTO two VALUES ('1010', '[1,2]'); INSERT INTO child VALUES (1, '0110', '[3,4]', 'x'), (2, NULL, NULL, NULL); INSERT INTO sister VALUES (3, '1111')",
    );
    pair.copy(&["--map", "public.two.v=real[]"]);
    let bits = "string_to_array(b::text, NULL)::real[]::text";
    pair.same(
        &format!("SELECT tableoid::regclass, {bits}, v::real[]::text FROM two ORDER BY 1, 2"),
        "SELECT tableoid::regclass, b::vectors.vector::real[]::text, v::text FROM two ORDER BY 1, 2",
    );
    pair.same_answer("SELECT id, b FROM sister");
}

#[test]
fn foreign_keys_in_a_circle_and_to_oneself_come_and_hold() {
    let pair = Pair::with(
        "CREATE TABLE a (id int PRIMARY KEY, b int, v vector(1)); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE);
         ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
         CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, v vector(1));
         BEGIN; INSERT INTO a VALUES (1, 1, '[1]'); INSERT INTO b VALUES (1, 1); COMMIT;
         INSERT INTO tree VALUES (1, 2, '[1]'), (2, 1, '[2]')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2");
    let refused = pair
        .target
        .try_exec("INSERT INTO tree VALUES (3, 99, NULL)");
    assert!(refused.is_err_and(|e| e.starts_with("23503")));
}

#[test]
fn views_answer_as_before() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, kind text, v vector(2)); INSERT INTO t SELECT i, 'k' || i % 3, ('[' || i || ',1]')::vector FROM generate_series(1, 20) i;
         CREATE VIEW with_vector AS SELECT id, v FROM t WHERE kind = 'k1'; CREATE VIEW over_view AS SELECT id FROM with_vector WHERE id > 5;
         CREATE VIEW counts (what, n) AS SELECT kind, count(*) FROM t GROUP BY kind",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM with_vector ORDER BY id");
    pair.same_answer("SELECT id FROM over_view ORDER BY id");
    pair.same_answer("SELECT what, n FROM counts ORDER BY what");
}

#[test]
fn materialized_views_are_filled_and_indexed_and_those_without_data_stay_so() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t SELECT i, ('[' || i || ',1]')::vector FROM generate_series(1, 20) i;
         CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WHERE id % 2 = 0; CREATE UNIQUE INDEX m_id ON m (id);
         CREATE MATERIALIZED VIEW over_m AS SELECT count(*) AS n FROM m; CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM t WITH NO DATA",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM m ORDER BY id");
    pair.same_answer("SELECT n FROM over_m");
    pair.same_answer("SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1");
    pair.same_answer("SELECT indexdef FROM pg_indexes WHERE tablename = 'm'");
}

/// Mixed case was folded elsewhere (ReplicaDB#198).
#[test]
fn odd_names_are_quoted_by_the_servers_rules() {
    let pair = Pair::with(
        r#"CREATE SCHEMA "Mixed Case"; CREATE SCHEMA "we""ird.x";
         CREATE TABLE "We""ird.Näme" ("Id" int PRIMARY KEY, "select" vector(2), "a b" text, "per%cent" int, "$1" int);
         INSERT INTO "We""ird.Näme" VALUES (1, '[1,2]', 'x', 5, 6), (2, NULL, 'y', NULL, 7);
         CREATE TABLE "Mixed Case"."order" ("user" serial PRIMARY KEY, "Vec" vector(2)); INSERT INTO "Mixed Case"."order" ("Vec") VALUES ('[3,4]');
         CREATE TABLE "we""ird.x"."tab	le" (id int, "line
break" vector(1)); INSERT INTO "we""ird.x"."tab	le" VALUES (1, '[9]');
         CREATE INDEX "In""dex.Näme" ON "We""ird.Näme" USING hnsw ("select" vector_l2_ops);
         CREATE TABLE "it's" (id int, v vector(1))"#,
    );
    pair.copy(&[]);
    pair.same_answer(r#"SELECT "Id", "select"::real[]::text, "a b", "per%cent", "$1" FROM "We""ird.Näme" ORDER BY 1"#);
    pair.same_answer(r#"SELECT "user", "Vec"::real[]::text FROM "Mixed Case"."order""#);
    pair.same_answer("SELECT id, \"line\nbreak\"::real[]::text FROM \"we\"\"ird.x\".\"tab\tle\"");
    pair.same_answer("SELECT relname FROM pg_class WHERE relname = 'In\"dex.Näme'");
    let next = r#"INSERT INTO "Mixed Case"."order" ("Vec") VALUES (NULL) RETURNING "user""#;
    assert_eq!(pair.target.one(next), "2");
}

#[test]
fn two_schemas_with_tables_of_one_name_do_not_mix() {
    let pair = Pair::with(
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t (id int, v vector(1)); CREATE TABLE two.t (id int, v vector(2));
         CREATE TABLE two.refs (t int, v public.halfvec(1));
         INSERT INTO one.t VALUES (1, '[1]'); INSERT INTO two.t VALUES (2, '[2,3]'), (3, '[4,5]'); CREATE INDEX i ON two.t USING hnsw (v vector_ip_ops)",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM one.t");
    pair.same_answer("SELECT id, v::real[]::text FROM two.t ORDER BY id");
    pair.same_answer("SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'i'");
}

#[test]
fn a_grantee_can_read_the_vectors_on_the_target() {
    let role = Role::create(&[Place::source(), Place::target()], "");
    let pair = Pair::with(
        "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, v vector(2)); INSERT INTO app.t VALUES (1, '[1,2]')",
    );
    let name = &role.name;
    pair.source.exec(&format!(
        "GRANT USAGE ON SCHEMA app TO {name}; GRANT SELECT ON app.t TO {name}"
    ));
    pair.copy(&[]);
    pair.target.exec(&format!("SET ROLE {name}"));
    let nearest = "SELECT id, v::real[]::text FROM app.t ORDER BY v OPERATOR(vectors.<->) '[0,0]'::vectors.vector";
    assert_eq!(pair.target.rows(nearest), ["1|{1,2}"]);
    let refused = pair.target.try_exec("DELETE FROM app.t");
    assert!(refused.is_err_and(|e| e.starts_with("42501")));
    pair.target.exec("RESET ROLE");
}

#[test]
fn tables_keep_their_owner_who_can_use_the_vectors() {
    let role = Role::create(&[Place::source(), Place::target()], "");
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]')",
    );
    pair.source
        .exec(&format!("ALTER TABLE t OWNER TO {}", role.name));
    pair.copy(&[]);
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 't'";
    assert_eq!(pair.target.one(owner), role.name);
    pair.target.exec(&format!(
        "SET ROLE {}; INSERT INTO t VALUES (2, '[3,4]'); RESET ROLE",
        role.name
    ));
}

#[test]
fn comments_come_too() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); COMMENT ON TABLE t IS 'it''s a table'; COMMENT ON COLUMN t.v IS 'the vector(2); of it';
         CREATE INDEX i ON t USING hnsw (v vector_l2_ops); COMMENT ON INDEX i IS 'by USING hnsw'",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT obj_description('t'::regclass), col_description('t'::regclass, 2), obj_description('i'::regclass)");
}

#[test]
fn triggers_come_after_the_rows_and_do_not_fire_for_them() {
    let pair = Pair::with(
        "CREATE TABLE log (n int); CREATE TABLE t (id int, v vector(1));
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (NEW.id); RETURN NEW; END';
         INSERT INTO t VALUES (1, '[1]'), (2, '[2]'); CREATE TRIGGER noting AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
    );
    pair.copy(&[]);
    assert_eq!(pair.target.count("log"), Some(0));
    pair.target.exec("INSERT INTO t VALUES (3, NULL)");
    assert_eq!(pair.target.rows("SELECT n FROM log"), ["3"]);
}

/// PostgreSQL looks for the equality of each column when the row is compared, and neither the text nor the catalog names it.
#[test]
fn triggers_still_tell_whether_a_row_with_a_vector_has_changed() {
    let pair = Pair::with(
        "CREATE TABLE by_when (id int PRIMARY KEY, g text, v vector(2), n int DEFAULT 0); INSERT INTO by_when VALUES (1, 'a', '[1,2]'), (2, 'b', NULL);
         CREATE TABLE bits (id int, b bit(4)); INSERT INTO bits VALUES (1, '1010'); CREATE INDEX ON bits USING hnsw (b bit_hamming_ops);
         CREATE TABLE by_new (LIKE by_when INCLUDING ALL); INSERT INTO by_new SELECT * FROM by_when;
         CREATE TABLE by_equals (LIKE by_when INCLUDING ALL); INSERT INTO by_equals SELECT * FROM by_when;
         CREATE TABLE by_parts (LIKE by_when INCLUDING ALL); INSERT INTO by_parts SELECT * FROM by_when;
         CREATE TABLE plain (id int, n numeric); INSERT INTO plain VALUES (1, 1.0);
         CREATE FUNCTION one() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := NEW.n + 1; RETURN NEW; END';
         CREATE FUNCTION two() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW IS DISTINCT FROM OLD THEN NEW.n := NEW.n + 1; END IF; IF NEW IS NOT DISTINCT FROM OLD THEN NEW.n := -1; END IF; RETURN NEW; END';
         CREATE FUNCTION three() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.* = OLD.* THEN RETURN NULL; END IF; NEW.n := NEW.n + 1; RETURN NEW; END';
         CREATE FUNCTION four() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF ROW(NEW.g, NEW.v) IS DISTINCT FROM ROW(OLD.g, OLD.v) THEN NEW.n := NEW.n + 1; END IF; IF (NEW.g, NEW.v) = (''z'', ''[3,4]'') THEN NEW.n := 9; END IF; RETURN NEW; END';
         CREATE FUNCTION five() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW IS DISTINCT FROM OLD THEN RAISE EXCEPTION ''changed''; END IF; RETURN NEW; END';
         CREATE TRIGGER t BEFORE UPDATE ON by_when FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION one();
         CREATE TRIGGER t BEFORE INSERT OR UPDATE ON by_new FOR EACH ROW EXECUTE FUNCTION two();
         CREATE TRIGGER t BEFORE UPDATE ON by_equals FOR EACH ROW EXECUTE FUNCTION three();
         CREATE TRIGGER t BEFORE UPDATE ON by_parts FOR EACH ROW EXECUTE FUNCTION four();
         CREATE TRIGGER t BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION five();
         CREATE VIEW same_bits AS SELECT b.id, count(b.*) AS n FROM bits a JOIN bits b USING (id) WHERE NOT (a.* <> b.*) GROUP BY b.id;
         CREATE VIEW unchanged AS SELECT a.id FROM by_when a JOIN by_new b USING (id) WHERE a.* = b.*",
    );
    pair.copy(&[]);
    for table in ["by_when", "by_new", "by_equals", "by_parts"] {
        for change in [
            "SET g = g",
            "SET v = v",
            "SET g = 'z'",
            "SET v = '[3,4]'",
            "SET v = NULL",
        ] {
            for side in [&pair.source, &pair.target] {
                side.exec(&format!("UPDATE {table} {change}"));
            }
            pair.same_answer(&format!("SELECT id, n FROM {table} ORDER BY id"));
        }
    }
    pair.same_answer("INSERT INTO by_new VALUES (3, 'c', '[5,6]') RETURNING n");
    pair.same_answer("SELECT count(*) FROM unchanged");
    pair.same_answer("SELECT id, n FROM same_bits");
    // No vector is in these rows: the function is the source's, byte for byte.
    pair.same_answer("SELECT prosrc FROM pg_proc WHERE proname = 'five'");
    pair.same_answer("UPDATE plain SET n = 1.00 RETURNING id");
}

/// PGVecto.rs writes blanks into the text of a vector, counts sparse ones from 0, and has no operator to join two.
#[test]
fn vectors_in_texts_and_beside_others_read_as_before() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(2), h halfvec(2)); INSERT INTO t VALUES (1, '[1,2]', '[3,4]'), (2, NULL, '[5,6]'), (3, '[7,8.5]', NULL);
         CREATE VIEW texts AS SELECT id, v || ' x'::text AS a, 'v=' || id || v || ';' || h AS b, concat(v, '/', h) AS c, format('%s|%L', v, h) AS d FROM t;
         CREATE VIEW documents AS SELECT id, to_json(v) AS a, jsonb_build_object('v', v, 'h', h) AS b, json_build_array(v, id) AS c FROM t;
         CREATE VIEW collected AS SELECT jsonb_agg(v ORDER BY id) AS a, json_object_agg(id, h) AS b FROM t;
         CREATE VIEW joined AS SELECT id, (v || '[9]'::vector)::real[]::text AS a, (h || h)::vector::real[]::text AS b, (v || h::vector)::real[]::text AS c FROM t;
         CREATE FUNCTION lines() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r record; o text := ''; BEGIN FOR r IN SELECT * FROM t ORDER BY id LOOP o := o || r.id || ':' || coalesce(r.v::text, '-') || ' '; END LOOP; RETURN o; END $$;
         CREATE FUNCTION line(n int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r record; o text := 'n'; BEGIN SELECT * INTO r FROM t WHERE id = n; o := o || r.id || ':' || r.v || ' '; RETURN o; END $$;
         CREATE FUNCTION three(n int) RETURNS real[] LANGUAGE sql AS $$ SELECT (v || h::vector || '[7]')::real[] FROM t WHERE id = n $$",
    );
    pair.copy(&[]);
    for view in ["texts", "documents", "joined"] {
        pair.same_answer(&format!("SELECT x::text FROM {view} x ORDER BY id"));
    }
    pair.same_answer("SELECT x::text FROM collected x");
    pair.same_answer("SELECT lines(), line(1), line(2)");
    pair.same_answer("SELECT three(1)::text, three(2)::text");
}

/// No row and no answer depends on them: an ordinary move goes on without --allow-findings.
#[test]
fn statistics_and_unenforced_checks_over_vectors_stay_behind_with_a_note() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, g text, v vector(2)); INSERT INTO t VALUES (1, 'a', '[1,2]');
         CREATE STATISTICS whole ON g, v FROM t; COMMENT ON STATISTICS whole IS 'of vectors'; CREATE STATISTICS far ON g, (v <-> '[1,1]') FROM t;
         ALTER TABLE t ADD CONSTRAINT lax CHECK (v <+> '[0,0]' < 5) NOT ENFORCED; COMMENT ON CONSTRAINT lax ON t IS 'not kept'",
    );
    pair.copy(&[]);
    let kept = "SELECT stxname::text FROM pg_statistic_ext UNION ALL SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'";
    assert_eq!(pair.target.rows(kept), ["far"]);
}

/// Such a function may find less than it will, or nothing, while the rows arrive.
#[test]
fn checks_that_look_at_other_tables_wait_until_all_rows_are_there() {
    let pair = Pair::with(
        "CREATE SCHEMA app; CREATE TABLE app.known (id int, v vector(1)); INSERT INTO app.known VALUES (1, '[1]');
         CREATE FUNCTION is_known(n int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM app.known k WHERE k.id = n); END';
         CREATE TABLE a (id int CONSTRAINT \"In A\" CHECK (is_known(id)), s text DEFAULT repeat('x', 20000)); INSERT INTO a VALUES (1);
         COMMENT ON CONSTRAINT \"In A\" ON a IS 'it''s known'; ALTER TABLE a ADD CONSTRAINT only_a CHECK (is_known(id)) NO INHERIT;
         CREATE TABLE b (x int) INHERITS (a); INSERT INTO b VALUES (1); CREATE TABLE c (id int, s text, CONSTRAINT \"In A\" CHECK (is_known(id)));
         ALTER TABLE c INHERIT a; INSERT INTO c VALUES (1);
         CREATE TABLE p (id int, CONSTRAINT in_p CHECK (is_known(id))) PARTITION BY LIST (id); INSERT INTO app.known VALUES (2);
         CREATE TABLE p2 PARTITION OF p (CONSTRAINT in_p2 CHECK (is_known(id + 0))) FOR VALUES IN (2); INSERT INTO p VALUES (2);
         CREATE TABLE m (at timestamptz CHECK (at <= now()), by name CHECK (by = current_user), id int CHECK (id > 0)); INSERT INTO m VALUES (now(), current_user, 1);",
    );
    let outcome = pair.copy(&[]);
    assert!(!outcome.everything().contains("NOT VALID"));
    pair.same_answer("SELECT conrelid::regclass::text, conname, conislocal, coninhcount, connoinherit, convalidated, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
         FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 ORDER BY 1, 2");
    pair.same_answer("SELECT tableoid::regclass, id FROM a ORDER BY 1");
    pair.same_answer("SELECT id FROM p");
}

#[test]
fn a_check_that_rows_of_the_source_break_becomes_not_valid_and_the_rows_come() {
    let pair = Pair::with(
        "CREATE SCHEMA app; CREATE FUNCTION app.fine(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
         CREATE TABLE t (id int CONSTRAINT fine CHECK (app.fine(id)), v vector(1)); INSERT INTO t VALUES (1, '[1]'), (200, '[2]');
         CREATE OR REPLACE FUNCTION app.fine(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 100'",
    );
    pair.run(&["--dry-run"])
        .says(&["CHECK public.t fine: rows of the source break it"]);
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[] FROM t ORDER BY id");
    let check = "SELECT convalidated FROM pg_constraint WHERE conname = 'fine'";
    assert_eq!(pair.target.one(check), "f");
}

#[test]
fn checks_of_domains_wait_for_the_rows_too() {
    let pair = Pair::with(
        "CREATE SCHEMA app; CREATE TABLE app.known (id int, v vector(1)); INSERT INTO app.known VALUES (1, '[1]');
         CREATE FUNCTION is_known(n int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM app.known k WHERE k.id = n); END';
         CREATE DOMAIN app.\"Known\" AS int CONSTRAINT known CHECK (is_known(VALUE)); COMMENT ON CONSTRAINT known ON DOMAIN app.\"Known\" IS 'it''s known';
         CREATE TABLE t (id app.\"Known\", s text DEFAULT repeat('x', 20000)); INSERT INTO t VALUES (1);
         CREATE DOMAIN inside AS int CHECK (is_known(VALUE)); CREATE TABLE u (id inside[], s text DEFAULT repeat('x', 20000)); INSERT INTO u VALUES ('{1,1}');
         CREATE FUNCTION fine(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'; CREATE DOMAIN changed AS int CHECK (fine(VALUE)); CREATE TABLE w (id changed);
         INSERT INTO w VALUES (1); CREATE OR REPLACE FUNCTION fine(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false'",
    );
    let outcome = pair.copy(&[]);
    outcome.says(&[
        "CHECK public.inside inside_check: its values stand inside",
        "CHECK public.changed changed_check: rows of the source break it",
    ]);
    pair.same_answer("SELECT conname, contypid::regtype, pg_get_constraintdef(oid) LIKE 'CHECK%', obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE contypid <> 0 AND oid >= 16384 ORDER BY 1");
    let valid = "SELECT string_agg(conname, ',') FROM pg_constraint WHERE contypid <> 0 AND convalidated AND oid >= 16384";
    assert_eq!(pair.target.one(valid), "known");
    pair.same_answer("SELECT t.id, u.id, w.id FROM t, u, w");
}

/// PostgreSQL's operators over arrays look for that of the elements when they run, and PGVecto.rs's types have none.
#[test]
fn arrays_of_vectors_are_compared_and_searched_as_before() {
    let pair = Pair::with(
        "CREATE TABLE items (id int, g text, v vector(3)); INSERT INTO items VALUES (1, 'a', '[1,2,3]'), (2, 'a', '[2,0,1]'), (3, 'b', '[1,2,3]'), (4, 'b', NULL), (5, 'c', '[-0,1e20,0]');
         CREATE TABLE lists (id int, vs vector[], ws vector(3)[], hs halfvec[]); INSERT INTO lists VALUES (1, '{\"[1,2,3]\",NULL,\"[0,1,2]\"}', '{\"[1,2,3]\",NULL,\"[-0,1,2]\"}', '{\"[1,2]\"}'),
             (2, '[0:1]={\"[1]\",\"[2]\"}', '{}', NULL), (3, '{{\"[1,1,1]\"},{\"[2,2,2]\"}}', '{\"[1,1,1]\",\"[2,2,2]\"}', '{\"[1,2]\"}'), (4, NULL, '{\"[1,2,3]\"}', '{\"[5,2]\"}');
         CREATE VIEW equal AS SELECT array_agg(v ORDER BY id) = array_agg(v ORDER BY g, id) AS a, array_agg(v) <> array_agg(v ORDER BY id DESC) AS b, array_agg(v) IS DISTINCT FROM NULL AS c FROM items;
         CREATE VIEW places AS SELECT array_position(array_agg(v ORDER BY id), '[2,0,1]') AS a, array_positions(array_agg(v ORDER BY id), '[1,2,3]') AS b, array_position(array_agg(v ORDER BY id), '[0,1e20,0]') AS c, array_position(array_agg(v ORDER BY id), '[1,2,3]', 2) AS d, array_position(array_agg(v ORDER BY id), NULL) AS e FROM items;
         CREATE VIEW held AS SELECT id, vs = ws AS a, vs @> ws AS b, ws <@ vs AS c, vs && ws AS d, vs IS NOT DISTINCT FROM ws AS e, vs <> '{\"[1,2,3]\"}' AS f, CASE vs WHEN ws THEN 1 ELSE 2 END AS g, (hs || '[5,2]'::halfvec) && hs AS h FROM lists;
         CREATE VIEW any_of AS SELECT i.id, l.id AS l FROM items i, lists l WHERE i.v = ANY (l.ws);
         CREATE VIEW inside AS SELECT e = e AS a, e <> f AS b FROM (SELECT id, vs AS e, ws AS f FROM lists) q ORDER BY id;
         CREATE VIEW parts AS SELECT id, count(*) OVER (PARTITION BY hs) AS n FROM lists; CREATE VIEW counted AS SELECT count(DISTINCT hs) AS n FROM lists;
         CREATE VIEW cut AS SELECT id, vs[1:1] = ws[1:1] AS a, vs[1] = ws[1] AS b, array_append(vs, ws[1]) = array_cat(vs, ws[1:1]) AS c FROM lists WHERE id IN (1, 4);
         CREATE FUNCTION same(n int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE a vector[]; b vector[]; BEGIN SELECT array_agg(v ORDER BY id) INTO a FROM items; SELECT l.ws INTO b FROM lists l WHERE l.id = n;
             RETURN concat(a = b, a @> b, b <@ a, a && b, array_position(a, b[1]), b[1] = ANY (a), b[1] = ANY (b), '[2,0,1]'::vector = ANY (a), a <> '{}'); END $$;
         CREATE FUNCTION first(vs vector[]) RETURNS bool LANGUAGE sql AS $$ SELECT vs = ARRAY(SELECT v FROM items WHERE id < 3 ORDER BY id) AND vs = ARRAY['[1,2,3]', '[2,0,1]']::vector[] $$;
         CREATE VIEW firsts AS SELECT first(array_agg(v ORDER BY id)) AS a FROM items WHERE id < 3",
    );
    pair.copy(&[]);
    for view in ["equal", "places", "any_of", "counted", "firsts", "inside"] {
        pair.same_answer(&format!("SELECT x::text FROM {view} x ORDER BY 1"));
    }
    for view in ["held", "parts", "cut"] {
        pair.same_answer(&format!("SELECT x::text FROM {view} x ORDER BY id"));
    }
    pair.same_answer("SELECT n, same(n) FROM generate_series(1, 4) n");
}

#[test]
fn what_needs_an_order_of_arrays_of_vectors_is_named() {
    let views = [
        "SELECT id FROM lists ORDER BY vs",
        "SELECT vs FROM lists GROUP BY vs",
        "SELECT DISTINCT vs FROM lists",
        "SELECT vs FROM lists UNION SELECT vs FROM lists",
        "SELECT max(vs) AS m FROM lists",
        "SELECT GREATEST(vs, vs[1:2]) AS m FROM lists",
        "SELECT array_remove(vs, '[1,2,3]') AS m FROM lists",
        "SELECT array_replace(vs, '[1,2,3]', '[3,2,1]') AS m FROM lists",
        "SELECT id FROM lists WHERE vs < vs[1:1]",
        "SELECT array_agg(DISTINCT vs) AS m FROM lists",
        "SELECT a.id FROM lists a JOIN lists b USING (vs)",
        "SELECT array_agg(v) > array_agg(v ORDER BY id) AS m FROM items",
        "SELECT rank() OVER (ORDER BY vs) AS r FROM lists",
    ];
    let pair = Pair::with(
        "CREATE TABLE items (id int, v vector(3)); INSERT INTO items VALUES (1, '[1,2,3]');
         CREATE TABLE lists (id int, vs vector[]); INSERT INTO lists VALUES (1, '{\"[1,2,3]\"}')",
    );
    for (n, view) in views.iter().enumerate() {
        pair.source.exec(&format!("CREATE VIEW v{n}_ AS {view}"));
    }
    let plan = pair.run(&["--dry-run"]);
    for n in 0..views.len() {
        plan.refused(2, &[&format!("view public.v{n}_")]);
    }
}

/// PL/pgSQL casts what it is given; PGVecto.rs's casts to text write blanks.
#[test]
fn vectors_that_become_texts_in_plpgsql_read_as_before() {
    let pair = Pair::with(
        "CREATE TABLE items (id int, v vector(3), h halfvec(2)); INSERT INTO items VALUES (1, '[1,2,1e20]', '[0.5,2]');
         CREATE FUNCTION returned(q vector) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN q; END';
         CREATE FUNCTION given(q vector, h halfvec, OUT o text) LANGUAGE plpgsql AS 'DECLARE a varchar := q; b text; BEGIN b := h; o = q; o := o || a || b; END';
         CREATE FUNCTION several(q vector) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN NEXT q; RETURN NEXT ''x''; END';
         CREATE FUNCTION kept(q vector) RETURNS vector LANGUAGE plpgsql AS 'DECLARE w vector := q; BEGIN w := q; RETURN w; END'",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT returned(v), given(v, h), kept(v)::real[] FROM items");
    pair.same_answer("SELECT several(v) FROM items");
}

#[test]
fn texts_of_arrays_and_documents_of_rows_are_named() {
    let pair = Pair::with(
        "CREATE TABLE items (id int, g text, v vector(3)); INSERT INTO items VALUES (1, 'a', '[1,2,3]');
         CREATE VIEW cast_ AS SELECT array_agg(v)::text AS a FROM items;
         CREATE VIEW joined_ AS SELECT array_to_string(array_agg(v), ';') AS a FROM items;
         CREATE VIEW json_ AS SELECT json_agg(i) AS a FROM (SELECT id, v FROM items) i;
         CREATE VIEW row_ AS SELECT i::text AS a FROM items i;
         CREATE FUNCTION body_() RETURNS json LANGUAGE sql AS 'SELECT json_agg(i) FROM (SELECT id, v FROM items) i';
         CREATE FUNCTION alias_() RETURNS json LANGUAGE sql AS 'SELECT row_to_json(i) FROM items i';
         CREATE FUNCTION plpgsql_(vs vector[]) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN vs; END';
         CREATE VIEW without AS SELECT json_agg(i) AS a, array_agg(i.g)::text AS b FROM (SELECT id, g FROM items) i",
    );
    let outcome = pair.copy(&[]);
    let note = "makes a text or a document of arrays or whole rows with vectors";
    let notes = outcome.report()["findings"].as_array().expect("findings");
    let named: Vec<&str> = notes
        .iter()
        .filter(|f| {
            f["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(note))
        })
        .filter_map(|f| f["object"].as_str())
        .collect();
    for object in [
        "view public.cast_",
        "view public.joined_",
        "view public.json_",
        "view public.row_",
    ] {
        assert!(named.contains(&object), "{object} is not among {named:?}");
    }
    for function in ["body_", "alias_", "plpgsql_"] {
        let object = format!("function public.{function}(");
        assert!(
            named.iter().any(|n| n.starts_with(&object)),
            "{object} is not among {named:?}"
        );
    }
    assert_eq!(named.len(), 7, "{named:?}");
    pair.same_answer("SELECT w::text FROM without w");
}

#[test]
fn elements_of_arrays_and_aliases_of_parameters_are_known_as_vectors() {
    let pair = Pair::with(
        "CREATE TABLE items (id int, v vector(3)); INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[2,0,1]');
         CREATE FUNCTION total(VARIADIC vs vector[]) RETURNS float8 LANGUAGE sql AS $$ SELECT sum(x <-> '[0,0,0]') FROM unnest(vs) x $$;
         CREATE FUNCTION numbered(vs vector[]) RETURNS float8 LANGUAGE sql AS $$ SELECT sum((t.e <-> '[0,0,0]') * t.n) FROM unnest(vs) WITH ORDINALITY t(e, n) $$;
         CREATE FUNCTION apart(a vector, b vector) RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE ar vector[]; BEGIN ar := ARRAY[a, b]; RETURN ar[1] <-> ar[2]; END $$;
         CREATE FUNCTION aliased(vector) RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE al ALIAS FOR $1; BEGIN RETURN al <-> '[1,1,1]'; END $$;
         CREATE FUNCTION renamed(q vector) RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE al ALIAS FOR q; d float8; BEGIN SELECT al <-> '[1,1,1]' INTO d; RETURN d; END $$;
         CREATE FUNCTION each(vs vector[]) RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE w vector; d float8 := 0; BEGIN FOREACH w IN ARRAY vs LOOP d := d + (w <-> '[1,1,1]'); END LOOP; RETURN d; END $$",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT round(total(VARIADIC array_agg(v ORDER BY id))::numeric, 4), round(numbered(array_agg(v ORDER BY id))::numeric, 4), round(each(array_agg(v ORDER BY id))::numeric, 4) FROM items");
    pair.same_answer("SELECT round(apart(a.v, b.v)::numeric, 4), round(aliased(b.v)::numeric, 4), round(renamed(b.v)::numeric, 4) FROM items a, items b ORDER BY a.id, b.id");
}

/// As for whole rows: the catalog does not tell that the parts of a composite are compared.
#[test]
fn composites_that_hold_vectors_are_compared_as_before() {
    let pair = Pair::with(
        "CREATE TYPE pair AS (n int, v vector(3)); CREATE TYPE plain AS (n int, t text);
         CREATE TABLE held (id int, p pair, o pair, w plain); INSERT INTO held VALUES (1, '(1,\"[1,2,3]\")', '(1,\"[1,2,3]\")', '(1,a)'), (2, '(1,\"[1,2,3]\")', '(1,\"[1,2,4]\")', '(1,a)'),
             (3, NULL, NULL, NULL), (4, NULL, '(1,\"[1,2,3]\")', '(2,a)'), (5, '(,)', '(,)', NULL);
         CREATE VIEW asked AS SELECT id, p = o AS a, p <> o AS b, p IS DISTINCT FROM o AS c, p IS NOT DISTINCT FROM o AS d, p IS DISTINCT FROM ROW(1, '[1,2,3]')::pair AS e, w = '(1,a)'::plain AS f, rank() OVER (ORDER BY w) AS g FROM held;
         CREATE VIEW outer_ AS SELECT a.id, b.* IS NOT DISTINCT FROM c.* AS same FROM held a LEFT JOIN held b ON b.id = a.id + 3 LEFT JOIN held c ON c.id = a.id + 3;
         CREATE TABLE fired (id int, p pair, n int); INSERT INTO fired SELECT id, p, 0 FROM held;
         CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW IS DISTINCT FROM OLD THEN NEW.n := NEW.n + 1; END IF; RETURN NEW; END'; CREATE TRIGGER t BEFORE UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION fire();
         CREATE FUNCTION same(a pair, b pair) RETURNS bool LANGUAGE sql AS 'SELECT a = b';
         CREATE FUNCTION differs(a pair, n int) RETURNS bool LANGUAGE plpgsql AS 'DECLARE b pair; BEGIN b := (SELECT o FROM held WHERE id = n); RETURN a IS DISTINCT FROM b; END'",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT a::text FROM asked a ORDER BY id");
    pair.same_answer("SELECT o::text FROM outer_ o ORDER BY id");
    pair.same_answer(
        "SELECT id, same(p, o), differs(p, 1), differs(p, 3), w::text FROM held ORDER BY id",
    );
}

#[test]
fn what_needs_an_order_of_composites_with_vectors_is_named() {
    let views = [
        "SELECT id FROM held ORDER BY p",
        "SELECT p FROM held GROUP BY p",
        "SELECT DISTINCT p FROM held",
        "SELECT p FROM held UNION SELECT p FROM held",
        "SELECT a.id FROM held a WHERE a.p IN (SELECT b.p FROM held b)",
        "SELECT id FROM held WHERE p < ROW(1, '[1,2,3]')::pair",
        "SELECT id FROM held WHERE ps = ps[1:1]",
        "SELECT array_position(ps, p) AS n FROM held",
        "SELECT id FROM held WHERE p = ANY (ps)",
        "SELECT max(ps) AS m FROM held",
        "SELECT array_agg(p) = array_agg(p ORDER BY id) AS m FROM held",
        "SELECT rank() OVER (PARTITION BY p) AS r FROM held",
        "SELECT count(DISTINCT p) AS n FROM held",
        "SELECT a.id FROM held a JOIN held b USING (p)",
        "SELECT CASE p WHEN ROW(1, '[1,2,3]')::pair THEN 1 END AS c FROM held",
        "SELECT GREATEST(p, ps[1]) AS m FROM held",
    ];
    let pair = Pair::with(
        "CREATE TYPE pair AS (n int, v vector(3)); CREATE TABLE held (id int, p pair, ps pair[]); INSERT INTO held VALUES (1, '(1,\"[1,2,3]\")', '{}')",
    );
    for (n, view) in views.iter().enumerate() {
        pair.source.exec(&format!("CREATE VIEW v{n}_ AS {view}"));
    }
    let plan = pair.run(&["--dry-run"]);
    for n in 0..views.len() {
        plan.refused(2, &[&format!("view public.v{n}_")]);
    }
}

/// The target would make the index as long as no two rows are there to be compared.
#[test]
fn keys_over_arrays_and_composites_of_vectors_are_named_before_anything_is_written() {
    let pair = Pair::with(
        "CREATE TYPE pair AS (n int, v vector(3)); CREATE TABLE held (id int, vs vector(3)[], p pair); INSERT INTO held VALUES (1, '{\"[1,2,3]\"}', '(1,\"[1,2,3]\")'), (2, '{\"[1,2,4]\"}', NULL);
         CREATE INDEX by_array ON held (id, vs); CREATE UNIQUE INDEX by_composite ON held (p); ALTER TABLE held ADD CONSTRAINT unique_array UNIQUE (vs);
         CREATE INDEX included ON held (id) INCLUDE (vs, p); ALTER TABLE held ADD CONSTRAINT also UNIQUE (id) INCLUDE (p)",
    );
    let kept = "SELECT relname FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    pair.run(&[]).refused(
        2,
        &[
            "index public.by_array",
            "index public.by_composite",
            "constraint public.held unique_array",
        ],
    );
    assert!(pair.target.rows(kept).is_empty());
    pair.copy(&["--allow-findings"]);
    assert_eq!(pair.target.rows(kept), ["also", "included"]);
    pair.same_answer("SELECT id, vs[1]::real[] FROM held ORDER BY id");
}
