//! In: roles that are no superusers, on one side or both. Out: whole moves with no more than they need, and, where something lacks, all of
//! it at once with the GRANT that mends it.

use crate::common::db::Role;
use crate::common::run::{self, Outcome};
use crate::common::{Db, Pair, Place};

const SECRET: &str = "k9-Ordinary-Passw0rd";

/// A role that may log in and nothing else, on both servers.
fn ordinary() -> Role {
    let both = [Place::source(), Place::target()];
    Role::create(&both, &format!("LOGIN PASSWORD '{SECRET}'"))
}

fn as_role(db: &Db, role: &Role) -> Place {
    Place {
        user: role.name.clone(),
        password: Some(SECRET.into()),
        ..db.place.clone()
    }
}

fn run_as(pair: &Pair, role: &Role, arguments: &[&str]) -> Outcome {
    run::start_between(
        &as_role(&pair.source, role),
        &as_role(&pair.target, role),
        arguments,
    )
    .ended()
}

/// What a superuser does once on the target for somebody who is none.
fn prepare_target(pair: &Pair, role: &Role) {
    let (name, database) = (role.quoted(), &pair.target.place.database);
    pair.target.exec(&format!(
        "CREATE EXTENSION vectors; GRANT USAGE ON SCHEMA vectors TO {name}; GRANT CREATE ON DATABASE {database} TO {name}; GRANT CREATE ON SCHEMA public TO {name}"
    ));
}

/// All that an application makes for itself, made by it.
fn application(pair: &Pair, role: &Role) {
    let (name, database) = (role.quoted(), &pair.source.place.database);
    pair.source.exec(&format!(
        "GRANT CREATE ON DATABASE {database} TO {name}; GRANT CREATE ON SCHEMA public TO {name}; SET ROLE {name};
         CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('a', 'b'); CREATE TABLE app.t (id serial PRIMARY KEY, m app.mood, v vector(2)); INSERT INTO app.t (m, v) VALUES ('a', '[1,2]'), ('b', '[3,4]');
         CREATE INDEX near ON app.t USING hnsw (v vector_l2_ops); CREATE TABLE parts (id int, v halfvec(2)) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9); INSERT INTO parts VALUES (1, '[1,2]');
         CREATE VIEW app.w AS SELECT id FROM app.t; CREATE MATERIALIZED VIEW app.m AS SELECT id, v FROM app.t; CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER noting BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.note();
         ALTER TABLE app.t ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON app.t USING (true); COMMENT ON TABLE app.t IS 'rows'; ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC; GRANT SELECT ON app.m TO PUBLIC; CREATE PUBLICATION news FOR TABLE parts;
         CREATE TABLE child (t int REFERENCES app.t, n int CHECK (n > 0)); INSERT INTO child VALUES (1, 1); CREATE STATISTICS app.s ON id, m FROM app.t; RESET ROLE"
    ));
}

#[test]
fn an_ordinary_role_that_owns_the_schema_moves_all_of_it() {
    let role = ordinary();
    let pair = Pair::new();
    application(&pair, &role);
    prepare_target(&pair, &role);
    let outcome = run_as(&pair, &role, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    pair.same_answer("SELECT id, m, v::real[]::text FROM app.t ORDER BY id");
    pair.same_answer("SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('t', 'near', 'part', 'parts', 'm', 'w', 't_id_seq') ORDER BY 1");
    pair.same_answer("SELECT polname, tgname FROM pg_policy, pg_trigger WHERE NOT tgisinternal");
    pair.same_answer("SELECT id FROM app.m ORDER BY id");
    let statistics = "SELECT count(*) FROM pg_stats WHERE schemaname = 'app' AND tablename = 't'";
    assert_ne!(pair.target.one(statistics), "0", "ANALYZE ran");
}

/// Hurt 15: a user of a hosted database reads what others own, and owns what it makes (pgcopydb#8, pgcopydb#174).
#[test]
fn an_ordinary_role_that_only_reads_moves_what_others_own() {
    let (owner, role) = (ordinary(), ordinary());
    let pair = Pair::new();
    application(&pair, &owner);
    prepare_target(&pair, &role);
    let name = role.quoted();
    pair.source.exec(&format!(
        "ALTER TABLE app.t DISABLE ROW LEVEL SECURITY; CREATE SCHEMA \"not Yours\"; CREATE TABLE \"not Yours\".\"odd \"\"one\" (id serial); CREATE TABLE hidden (id int); CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere password=hush-Hush-9' PUBLICATION p WITH (connect = false);
         GRANT USAGE ON SCHEMA app TO {name}; GRANT SELECT ON app.t, parts, part, child, app.t_id_seq TO {name}"
    ));
    let arguments = [
        "--table",
        "app.t",
        "--table",
        "parts",
        "--table",
        "child",
        "--no-owner",
        "--no-privileges",
    ];
    let outcome = run_as(&pair, &role, &arguments);
    let rest = [
        "--exclude-table",
        "hidden",
        "--exclude-table",
        "\"not Yours\".*",
        "--dry-run",
    ];
    let whole = run_as(&pair, &owner, &rest);
    whole.refused(2, &["subscription sub"]);
    assert!(!whole.everything().contains("hush-Hush-9"));
    pair.source
        .exec("ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub");
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    assert!(!outcome.everything().contains("hush-Hush-9"));
    assert_eq!(outcome.tables(), ["app.t", "public.child", "public.part"]);
    pair.same_answer("SELECT id, m, v::real[]::text FROM app.t ORDER BY id");
    assert_eq!(pair.target.one("SELECT nextval('app.t_id_seq')"), "3");
    let owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('t', 'part', 'child')";
    assert_eq!(pair.target.rows(owners), [name.trim_matches('"')]);
}

#[test]
fn all_that_the_sources_role_lacks_is_said_at_once_with_its_grants() {
    let (owner, role) = (ordinary(), ordinary());
    let pair = Pair::new();
    application(&pair, &owner);
    prepare_target(&pair, &role);
    let name = role.quoted();
    pair.source.exec("ALTER TABLE parts ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON parts USING (id < 0); CREATE TABLE \"o\"\"dd\" (id int)");
    let before = pair.target.catalog();
    let words = [
        &format!("GRANT USAGE ON SCHEMA \"app\" TO {name}"),
        &format!(
            "GRANT SELECT ON TABLE \"app\".\"t\", \"public\".\"parts\", \"public\".\"part\", \"public\".\"child\", \"public\".\"o\"\"dd\" TO {name}"
        ),
        &format!("GRANT SELECT ON SEQUENCE \"app\".\"t_id_seq\" TO {name}"),
        &format!("GRANT pg_read_all_data TO {name}"),
        &format!("ALTER ROLE {name} BYPASSRLS"),
        "2 tables: \"app\".\"t\", \"public\".\"parts\"",
        "4 problems",
    ];
    let outcome = run_as(&pair, &role, &["--no-owner", "--no-privileges"]);
    outcome.refused(2, &words.map(|w| w as &str));
    // What it says is enough.
    pair.source.exec(&format!(
        "GRANT pg_read_all_data TO {name}; ALTER ROLE {name} BYPASSRLS"
    ));
    assert_eq!(pair.target.catalog(), before);
    let outcome = run_as(&pair, &role, &["--no-owner", "--no-privileges"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    pair.same(
        "SELECT id, v::vector::real[]::text FROM parts ORDER BY id",
        "SELECT id, v::vectors.vector::real[]::text FROM parts ORDER BY id",
    );
}

#[test]
fn all_that_the_targets_role_lacks_is_said_at_once_with_its_grants() {
    let (owner, role) = (ordinary(), ordinary());
    let pair = Pair::new();
    application(&pair, &owner);
    let (name, database) = (role.quoted(), &pair.target.place.database);
    pair.target.exec(&format!(
        "CREATE EXTENSION vectors; REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    ));
    let to = as_role(&pair.target, &role);
    let run = |arguments: &[&str]| run::start_between(&pair.source.place, &to, arguments).ended();
    let before = pair.target.catalog();
    let grants = [
        format!("GRANT USAGE ON SCHEMA vectors TO {name}"),
        format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO {name}"),
        format!("GRANT CREATE ON DATABASE \"{database}\" TO {name}"),
        format!("GRANT USAGE, CREATE ON SCHEMA \"public\" TO {name}"),
        format!("GRANT {} TO {name}", owner.quoted()),
        format!("GRANT CREATE ON SCHEMA \"public\" TO {}", owner.quoted()),
        format!(
            "GRANT CREATE ON DATABASE \"{database}\" TO {}",
            owner.quoted()
        ),
    ];
    let outcome = run(&[]);
    outcome.says(&[&format!(
        "may not set default privileges for {}",
        owner.quoted()
    )]);
    outcome.refused(2, &grants.each_ref().map(|g| g as &str));
    assert_eq!(pair.target.catalog(), before);
    for grant in &grants {
        pair.target.exec(grant);
    }
    let outcome = run(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    pair.same_answer("SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('t', 'near', 'part', 'parts', 'm', 'w', 't_id_seq') ORDER BY 1");
    outcome.says(&[&format!(
        "GRANT USAGE ON SCHEMA vectors TO {}",
        owner.quoted()
    )]);
}

/// Who lacks something on both sides reads all of it in one plan, and one round of grants is enough.
#[test]
fn what_is_lacking_on_both_sides_is_said_in_one_plan() {
    let (owner, granting, role) = (ordinary(), ordinary(), ordinary());
    let pair = Pair::new();
    application(&pair, &owner);
    let (name, owns, grants) = (role.quoted(), owner.quoted(), granting.quoted());
    pair.source.exec(&format!(
        "ALTER TABLE app.t DISABLE ROW LEVEL SECURITY; GRANT EXECUTE ON FUNCTION app.f() TO {grants} WITH GRANT OPTION; GRANT USAGE ON SCHEMA app TO {grants}; SET ROLE {grants}; GRANT EXECUTE ON FUNCTION app.f() TO pg_monitor; RESET ROLE"
    ));
    pair.target.exec("CREATE EXTENSION vectors");
    let database = &pair.target.place.database;
    let on_source = [
        format!("GRANT USAGE ON SCHEMA \"app\" TO {name}"),
        format!("GRANT pg_read_all_data TO {name}"),
    ];
    let on_target = [
        format!("GRANT USAGE ON SCHEMA vectors TO {name}"),
        format!("GRANT CREATE ON DATABASE \"{database}\" TO {name}"),
        format!("GRANT USAGE, CREATE ON SCHEMA \"public\" TO {name}"),
        format!("GRANT CREATE ON SCHEMA \"public\" TO {owns}"),
        format!("GRANT CREATE ON DATABASE \"{database}\" TO {owns}"),
    ];
    let mut both = [&owns, &grants];
    both.sort();
    let member = format!("GRANT {}, {} TO {name}", both[0], both[1]);
    let outcome = run_as(&pair, &role, &[]);
    for grant in on_source.iter().chain(&on_target) {
        outcome.says(&[grant]);
    }
    outcome.refused(2, &[&member]);
    on_source.iter().for_each(|grant| pair.source.exec(grant));
    let all = on_target.iter().chain([&member]);
    all.for_each(|grant| pair.target.exec(grant));
    let outcome = run_as(&pair, &role, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT proacl::text LIKE '%pg_monitor=X/%' FROM pg_proc WHERE proname = 'f'");
}

/// Hosted databases often have one: the copy would meet it when the schema is there.
#[test]
fn a_connection_limit_of_the_targets_role_is_found_before_the_schema_is_there() {
    let role = ordinary();
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[5]')");
    prepare_target(&pair, &role);
    let limit = |n: u32| format!("ALTER ROLE {} CONNECTION LIMIT {n}", role.quoted());
    pair.target.exec(&limit(2));
    let to = as_role(&pair.target, &role);
    let run = || {
        let arguments = ["--no-owner", "--jobs", "2", "--index-jobs", "1"];
        run::start_between(&pair.source.place, &to, &arguments).ended()
    };
    let before = pair.target.catalog();
    run().refused(2, &["may have 2 connections at once", "CONNECTION LIMIT"]);
    assert_eq!(pair.target.catalog(), before);
    pair.target.exec(&limit(6));
    let outcome = run();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

/// Only the database's owner may set them, who may have done so before.
#[test]
fn settings_that_an_ordinary_role_may_not_make_are_enough_when_they_are_there() {
    let role = ordinary();
    let pair = Pair::new();
    application(&pair, &role);
    prepare_target(&pair, &role);
    let (name, database) = (role.quoted(), &pair.source.place.database);
    let made = [
        format!("ALTER DATABASE \"{database}\" SET \"work_mem\" TO '7MB'"),
        format!(
            "ALTER ROLE {name} IN DATABASE \"{database}\" SET \"search_path\" TO 'app', 'public'"
        ),
    ];
    made.iter().for_each(|set| pair.source.exec(set));
    run_as(&pair, &role, &[]).refused(2, &[&made[0], &made[1]]);
    made.iter().for_each(|set| pair.target.exec(set));
    let outcome = run_as(&pair, &role, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

/// The server only warns of a GRANT that is not done: nobody would miss the privilege before it is too late.
#[test]
fn a_grant_that_the_target_would_only_warn_of_is_found() {
    let role = ordinary();
    let pair = Pair::new();
    application(&pair, &role);
    prepare_target(&pair, &role);
    let reader = Role::create(&[Place::source(), Place::target()], "");
    pair.source.exec(&format!(
        "GRANT CREATE ON SCHEMA public TO {}",
        reader.quoted()
    ));
    let before = pair.target.catalog();
    let outcome = run_as(&pair, &role, &[]);
    let grant = format!("GRANT CREATE ON SCHEMA public TO {}", reader.name);
    outcome.refused(2, &["ACL SCHEMA public", "only warns", &grant]);
    assert_eq!(pair.target.catalog(), before);
    let outcome = run_as(&pair, &role, &["--no-privileges"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

/// Policies that bind the owner too hide rows from the search that tries each index, when all else has been read.
#[test]
fn policies_that_bind_the_owner_break_no_index() {
    let role = ordinary();
    let pair = Pair::new();
    application(&pair, &role);
    prepare_target(&pair, &role);
    let name = role.quoted();
    pair.source.exec(&format!("ALTER TABLE app.t FORCE ROW LEVEL SECURITY; DROP POLICY all_of_it ON app.t; CREATE POLICY none ON app.t USING (false); ALTER ROLE {name} BYPASSRLS; REFRESH MATERIALIZED VIEW app.m"));
    let plan = run_as(&pair, &role, &["--dry-run"]);
    let note = [
        "on the source no policy binds",
        &format!("ALTER ROLE {name} BYPASSRLS"),
    ];
    assert_eq!(plan.code, 0, "{}", plan.everything());
    plan.says(&note);
    pair.target.exec(&format!("ALTER ROLE {name} BYPASSRLS"));
    let outcome = run_as(&pair, &role, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    pair.same_answer("SELECT id, m, v::real[]::text FROM app.t ORDER BY id");
    pair.same_answer("SELECT count(*) FROM app.m");
    pair.same_answer(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'app.t'::regclass",
    );
}

/// Since PostgreSQL 16 a membership may come without the right to use what it owns, and before with NOINHERIT.
#[test]
fn a_membership_in_an_owner_must_be_of_use_for_the_rows() {
    let (owner, role) = (ordinary(), ordinary());
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[5]')");
    let (name, to_own) = (role.quoted(), owner.quoted());
    pair.source
        .exec(&format!("ALTER TABLE t OWNER TO {to_own}"));
    prepare_target(&pair, &role);
    pair.target.exec(&format!(
        "GRANT CREATE ON SCHEMA public TO {to_own}; GRANT USAGE ON SCHEMA vectors TO {to_own}"
    ));
    let to = as_role(&pair.target, &role);
    let run = || run::start_between(&pair.source.place, &to, &[]).ended();
    let grant = format!("GRANT {to_own} TO {name} WITH INHERIT TRUE, SET TRUE");
    let before = pair.target.catalog();
    for lacking in ["INHERIT FALSE, SET TRUE", "INHERIT TRUE, SET FALSE"] {
        pair.target
            .exec(&format!("GRANT {to_own} TO {name} WITH {lacking}"));
        run().refused(2, &[&grant]);
    }
    assert_eq!(pair.target.catalog(), before);
    pair.target.exec(&grant);
    let outcome = run();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}

/// The privileges of the source are in force before the rows arrive.
#[test]
fn an_owner_that_took_its_own_privileges_is_found_before_the_rows() {
    let role = ordinary();
    let pair = Pair::new();
    application(&pair, &role);
    prepare_target(&pair, &role);
    let name = role.quoted();
    pair.source.exec(&format!(
        "REVOKE INSERT ON child FROM {name}; REVOKE UPDATE ON SEQUENCE app.t_id_seq FROM {name}"
    ));
    let before = pair.target.catalog();
    let mend = [
        format!("GRANT SELECT, INSERT ON TABLE \"public\".\"child\" TO {name}"),
        format!("GRANT UPDATE ON SEQUENCE \"app\".\"t_id_seq\" TO {name}"),
    ];
    run_as(&pair, &role, &[]).refused(2, &["table public.child", &mend[0], &mend[1]]);
    assert_eq!(pair.target.catalog(), before);
    mend.iter().for_each(|grant| pair.source.exec(grant));
    let outcome = run_as(&pair, &role, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

#[test]
fn temporary_tables_are_needed_for_real_arrays_too() {
    let role = ordinary();
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[5]')");
    let (name, database) = (role.quoted(), &pair.target.place.database);
    pair.target.exec(&format!("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC; GRANT CREATE ON SCHEMA public TO {name}"));
    let to = as_role(&pair.target, &role);
    let arguments = ["--format", "real-array", "--no-owner"];
    let run = || run::start_between(&pair.source.place, &to, &arguments).ended();
    let grant = format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO {name}");
    run().refused(2, &[&grant]);
    let ledger = format!("CREATE SCHEMA pgv2rs AUTHORIZATION {}", role.quoted());
    run().refused(2, &[&ledger]);
    pair.target.exec(&ledger);
    pair.target.exec(&grant);
    let outcome = run();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

/// What a materialized view holds was read under the policies that bind its owner; with more in it, others would see what they may not.
#[test]
fn a_materialized_view_holds_no_more_than_policies_let_its_owner_see() {
    let role = ordinary();
    let pair = Pair::new();
    let name = role.quoted();
    pair.source.exec(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t, v vector(2)); INSERT INTO t VALUES (1, NULL, '[1,2]'), (2, 1, '[3,4]'); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY one ON t USING (id = 1); GRANT SELECT ON t TO {name}; GRANT CREATE ON SCHEMA public TO {name}; SET ROLE {name}; CREATE MATERIALIZED VIEW seen AS SELECT id, v FROM t; RESET ROLE;
         CREATE INDEX near ON seen USING hnsw (v vector_l2_ops); CREATE MATERIALIZED VIEW whole AS SELECT id FROM t"
    ));
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM seen");
    pair.same_answer("SELECT id FROM whole ORDER BY id");
    pair.same_answer("SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f'");
}

#[test]
fn vector_indexes_of_tables_made_by_hand_need_their_owner() {
    let role = ordinary();
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]'); CREATE INDEX near ON t USING hnsw (v vector_l2_ops)",
    );
    pair.target.exec(&format!(
        "CREATE EXTENSION vectors; CREATE TABLE t (id int, v vectors.vector(1)); GRANT ALL ON t TO {0}; GRANT USAGE ON SCHEMA vectors TO {0}",
        role.quoted()
    ));
    let to = as_role(&pair.target, &role);
    let run =
        || run::start_between(&pair.source.place, &to, &["--schema-source", "existing"]).ended();
    run().refused(2, &["table public.t", "may not build its vector indexes"]);
    let ledger = format!("CREATE SCHEMA pgv2rs AUTHORIZATION {}", role.quoted());
    run().refused(2, &[&ledger]);
    pair.target.exec(&ledger);
    pair.target.exec(&format!(
        "GRANT CREATE ON SCHEMA public TO {0}; ALTER TABLE t OWNER TO {0}",
        role.quoted()
    ));
    let outcome = run();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
}

#[test]
fn tables_made_by_hand_need_select_and_insert() {
    let role = ordinary();
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    pair.target
        .exec("CREATE EXTENSION vectors; CREATE TABLE t (id int, v vectors.vector(1))");
    let to = as_role(&pair.target, &role);
    let run =
        || run::start_between(&pair.source.place, &to, &["--schema-source", "existing"]).ended();
    let grant = format!(
        "GRANT SELECT, INSERT, DELETE ON \"public\".\"t\" TO {}",
        role.quoted()
    );
    run().refused(2, &[&grant, "GRANT USAGE ON SCHEMA vectors"]);
    let ledger = format!("CREATE SCHEMA pgv2rs AUTHORIZATION {}", role.quoted());
    run().refused(2, &[&ledger]);
    pair.target.exec(&ledger);
    pair.target.exec(&format!(
        "{grant}; GRANT USAGE ON SCHEMA vectors TO {}",
        role.quoted()
    ));
    let outcome = run();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}
