//! In: --no-owner, --no-privileges, --role-map, and roles that the target lacks. Out: whose the objects are on the target, and who may
//! do what with them.

use crate::common::db::Role;
use crate::common::{Pair, Place};

/// A table of one role, with everything that names roles; the other is granted something.
fn owned_by(owner: &str, reader: &str) -> Pair {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]')",
    );
    pair.source.exec(&format!(
        "CREATE SCHEMA s AUTHORIZATION {owner}; ALTER TABLE t OWNER TO {owner}; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO {owner};
         CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood OWNER TO {owner}; GRANT SELECT (id) ON t TO {reader};
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY seen ON t TO {reader}, CURRENT_USER USING (id > 0); CREATE POLICY alone ON t TO {reader} USING (true); COMMENT ON POLICY alone ON t IS 'x';
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA s GRANT SELECT ON TABLES TO {reader}; SET ROLE {owner}; GRANT UPDATE ON t TO {reader} WITH GRANT OPTION; RESET ROLE"
    ));
    pair
}

/// The owners of all that `owned_by` gives to its first role.
const OWNERS: &str = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 's' UNION SELECT relowner::regrole::text FROM pg_class WHERE relname = 't' AND relkind = 'r' \
    UNION SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'f' UNION SELECT typowner::regrole::text FROM pg_type WHERE typname = 'mood'";
/// Without MAINTAIN, which came with PostgreSQL 17.
const PRIVILEGES: &str = "SELECT x.grantor::regrole, x.grantee::regrole, x.privilege_type, x.is_grantable FROM pg_class c, \
    aclexplode(c.relacl || (SELECT attacl FROM pg_attribute a WHERE attrelid = c.oid AND attname = 'id')) x WHERE relname = 't' AND relkind = 'r' AND privilege_type <> 'MAINTAIN' ORDER BY 1, 2, 3";
const POLICIES: &str = "SELECT policyname, array_to_string(roles, ',') FROM pg_policies WHERE tablename = 't' ORDER BY 1";
const DEFAULTS: &str = "SELECT defaclrole::regrole, defaclacl FROM pg_default_acl";

#[test]
fn roles_that_are_on_both_sides_keep_what_is_theirs() {
    let both = [Place::source(), Place::target()];
    let (owner, reader) = (Role::odd(&both), Role::odd(&both));
    let pair = owned_by(&owner.quoted(), &reader.quoted());
    pair.copy(&[]);
    for sql in [OWNERS, PRIVILEGES, POLICIES, DEFAULTS] {
        pair.same_answer(sql);
    }
}

#[test]
fn role_map_gives_everything_to_the_role_of_another_name() {
    let (owner, reader) = (Role::odd(&[Place::source()]), Role::odd(&[Place::source()]));
    let new = Role::odd(&[Place::target()]);
    let new_reader = Role::create(&[Place::target()], "");
    let pair = owned_by(&owner.quoted(), &reader.quoted());
    let maps = [
        format!("{}={}", owner.quoted(), new.quoted()),
        format!("{}={}", reader.quoted(), new_reader.name),
    ];
    pair.copy(&["--role-map", &maps[0], "--role-map", &maps[1]]);
    assert_eq!(pair.target.rows(OWNERS), [new.quoted()]);
    let renamed = |sql: &str| -> Vec<String> {
        let rows = pair.source.rows(sql).into_iter();
        rows.map(|r| {
            let names = [(&owner.name, &new.name), (&reader.name, &new_reader.name)];
            names
                .iter()
                .fold(r.replace(['"', '\\'], ""), |r, (old, new)| {
                    r.replace(&old.replace('"', ""), &new.replace('"', ""))
                })
        })
        .collect()
    };
    let plain = |rows: Vec<String>| -> Vec<String> {
        rows.iter().map(|r| r.replace(['"', '\\'], "")).collect()
    };
    for sql in [PRIVILEGES, POLICIES, DEFAULTS] {
        assert_eq!(plain(pair.target.rows(sql)), renamed(sql), "{sql}");
    }
    pair.target.exec(&format!("SET ROLE {}", new.quoted()));
    let nearest = "SELECT id FROM t ORDER BY v OPERATOR(vectors.<->) '[0,0]'::vectors.vector";
    assert_eq!(pair.target.rows(nearest), ["1"]);
}

#[test]
fn no_owner_and_no_privileges_name_no_role_of_the_source() {
    let (owner, reader) = (Role::odd(&[Place::source()]), Role::odd(&[Place::source()]));
    let pair = owned_by(&owner.quoted(), &reader.quoted());
    pair.source
        .exec("DROP POLICY seen ON t; DROP POLICY alone ON t");
    let outcome = pair.copy(&["--no-owner", "--no-privileges"]);
    assert!(
        !outcome.everything().contains(&reader.name),
        "{}",
        outcome.everything()
    );
    assert_eq!(pair.target.rows(OWNERS), ["postgres"]);
    assert_eq!(pair.target.rows(PRIVILEGES), [""; 0]);
    assert_eq!(pair.target.rows(DEFAULTS), [""; 0]);
}

#[test]
fn a_role_that_the_target_lacks_is_one_finding_with_every_way_out() {
    let (owner, reader) = (Role::odd(&[Place::source()]), Role::odd(&[Place::source()]));
    let pair = owned_by(&owner.quoted(), &reader.quoted());
    let before = pair.target.catalog();
    let outcome = pair.run(&[]);
    outcome.refused(
        2,
        &[
            "2 undecided findings",
            "the owner of SCHEMA s",
            "granted something on",
            "named by POLICY public.t",
            &format!("CREATE ROLE {}", owner.quoted()),
            "--role-map",
            "--no-owner",
            "--no-privileges",
        ],
    );
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(pair.target.rows(OWNERS), ["postgres"]);
    assert_eq!(pair.target.rows(PRIVILEGES), [""; 0]);
    assert_eq!(pair.target.rows(DEFAULTS), [""; 0]);
    // CURRENT_USER stood for the role that made the policy.
    assert_eq!(pair.target.rows(POLICIES), ["seen|postgres"]);
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}

#[test]
fn a_role_map_that_names_nobody_or_says_nothing_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let before = pair.target.catalog();
    pair.run(&["--role-map", "nobody_at_all=x"]).refused(
        2,
        &["--role-map nobody_at_all=x", "no such role on the source"],
    );
    pair.run(&["--role-map", "a=b=c"])
        .refused(2, &["--role-map a=b=c", "remedy:"]);
    assert_eq!(pair.target.catalog(), before);
}
