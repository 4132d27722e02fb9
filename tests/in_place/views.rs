//! Views over the columns, made again in the swap.

use super::common::Place;
use super::common::db::Role;
use super::{Both, METHODS};

fn views(role: &str) -> String {
    format!(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2), note text); INSERT INTO t SELECT i, ARRAY[i, 2]::real[]::vector, 'n' || i FROM generate_series(1, 40) i;
         CREATE VIEW a AS SELECT id, v, v <=> '[1,1]' AS angle, note FROM t WHERE v IS NOT NULL; COMMENT ON VIEW a IS 'it''s a view'; COMMENT ON COLUMN a.angle IS 'between';
         CREATE VIEW \"B \"\"b\" WITH (security_barrier = true) AS SELECT a.id, a.angle, t.v <#> a.v AS dot FROM a JOIN t USING (id) WITH LOCAL CHECK OPTION;
         ALTER VIEW a ALTER COLUMN note SET DEFAULT 'made';
         CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.t (id, v, note) VALUES (NEW.id, '[7,7]', NEW.note); RETURN NEW; END $$;
         CREATE TRIGGER put INSTEAD OF INSERT ON a FOR EACH ROW EXECUTE FUNCTION put();
         CREATE RULE away AS ON DELETE TO a DO INSTEAD DELETE FROM t WHERE id = OLD.id;
         ALTER VIEW a OWNER TO {role}; GRANT SELECT, DELETE ON t TO {role}; GRANT SELECT ON a TO PUBLIC; GRANT UPDATE (note) ON a TO {role};"
    )
    .replace(" WITH LOCAL CHECK OPTION", "")
}

/// What pg_dump says of them, but for the definitions.
const SURROUNDINGS: &str = "SELECT c.relname, pg_get_userbyid(c.relowner), c.relacl, c.reloptions, obj_description(c.oid), \
    (SELECT string_agg(concat_ws(' ', a.attname, a.attacl, col_description(c.oid, a.attnum), pg_get_expr(d.adbin, d.adrelid)), ',' ORDER BY a.attnum) \
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid), \
    (SELECT string_agg(pg_get_triggerdef(t.oid), ',') FROM pg_trigger t WHERE t.tgrelid = c.oid), (SELECT string_agg(pg_get_ruledef(r.oid), ',') FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') \
    FROM pg_class c WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace ORDER BY 1";

#[test]
fn views_are_made_again_with_all_that_is_theirs() {
    for method in METHODS {
        let role = Role::create(&[Place::target()], "");
        let both = Both::with(&views(&role.quoted()));
        let answers = "SELECT id, round(angle::numeric, 4), round(dot::numeric, 4) FROM \"B \"\"b\" ORDER BY id";
        let (before, around) = (both.rows(answers), both.rows(SURROUNDINGS));
        both.run(method)
            .refused(2, &["view public.a", "hangs on column v"]);
        let outcome = both.change(&[method, &["--recreate-views"]].concat());
        outcome.says(&["view public.a", "is dropped and made again in the swap"]);
        assert_eq!(both.rows(answers), before, "{method:?}");
        assert_eq!(both.rows(SURROUNDINGS), around, "{method:?}");
        both.exec("INSERT INTO a (id) VALUES (100); DELETE FROM a WHERE id = 1");
        assert_eq!(
            both.one("SELECT v::real[], note FROM t WHERE id = 100"),
            "{7,7}|made"
        );
        assert_eq!(both.one("SELECT count(*) FROM t"), "40");
        both.assert_tidy();
    }
}

#[test]
fn what_hangs_on_a_view_and_is_none_is_in_the_way() {
    for sql in [
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM a",
        "CREATE FUNCTION f(a) RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TABLE holds (row a)",
        "CREATE MATERIALIZED VIEW m AS SELECT v FROM t",
    ] {
        let both = Both::with(&views("CURRENT_USER"));
        both.exec(sql);
        both.run(&["--recreate-views"])
            .refused(2, &["hangs on", "nothing was written"]);
        both.change(&["--recreate-views", "--allow-findings"]);
        assert_eq!(both.type_of("t", "v"), "vector(2)", "{sql}");
    }
}

#[test]
fn a_view_that_is_changed_meanwhile_is_not_overwritten() {
    let both = Both::with(&views("CURRENT_USER"));
    both.killed_at("compared", &["--recreate-views"]);
    both.exec("CREATE VIEW later AS SELECT v FROM t");
    both.run(&["--recreate-views"])
        .refused(4, &["not what they were in the plan"]);
    both.exec("DROP VIEW later");
    both.killed_at("swapping", &["--recreate-views"]);
    assert_eq!(both.one("SELECT count(*) FROM a"), "40");
    both.change(&["--recreate-views"]);
    assert_eq!(
        both.one("SELECT count(*) FROM a WHERE angle IS NOT NULL"),
        "40"
    );
}

#[test]
fn what_a_view_had_not_it_does_not_get_and_what_changes_meanwhile_is_kept() {
    let role = Role::create(&[Place::target()], "");
    let both = Both::with(&views("CURRENT_USER"));
    let default = format!(
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}",
        role.quoted()
    );
    both.exec(&default);
    both.killed_at("filled", &["--recreate-views"]);
    both.exec(&format!("GRANT SELECT ON a TO {}", role.quoted()));
    both.run(&["--recreate-views"])
        .refused(4, &["not what they were in the plan"]);
    both.exec(&format!("REVOKE SELECT ON a FROM {}", role.quoted()));
    both.change(&["--recreate-views"]);
    let may = format!(
        "SELECT has_table_privilege('{}', '\"B \"\"b\"', 'SELECT')",
        role.name
    );
    assert_eq!(both.one(&may), "f");
    both.exec(&default.replace("GRANT", "REVOKE").replace(" TO ", " FROM "));
}

#[test]
fn a_view_over_two_tables_that_change_is_a_finding() {
    let both = Both::with(
        "CREATE TABLE t (id int, v vector(1)); CREATE TABLE u (id int, v vector(1)); CREATE VIEW w AS SELECT t.v <-> u.v AS d FROM t JOIN u USING (id)",
    );
    both.run(&["--recreate-views"]).refused(
        2,
        &[
            "view public.w",
            "stands over several tables",
            "DROP VIEW public.w",
        ],
    );
}
