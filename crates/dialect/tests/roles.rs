//! Roles that have another name on the target, or are not there.

mod common;

use pgv2rs_dialect::dump::{Entry, parse};
use pgv2rs_dialect::rewrite::roles::{Need, Roles};
use pgv2rs_dialect::rewrite::{self, Context, Translated};

/// One statement after the other as an entry, on a target that has `app`, `Odd "Role"` and nobody else; `old` is `new role` there,
/// which it has too.
fn translated(statements: &[&str]) -> Translated {
    let entry = Entry {
        kind: "ACL".into(),
        statements: statements.iter().map(|s| s.to_string()).collect(),
        ..Entry::default()
    };
    let there = ["app", "Odd \"Role\"", "new role"].map(str::to_owned);
    let context = Context {
        roles: Roles {
            renamed: [("old".to_owned(), "new role".to_owned())].into(),
            there: Some(there.into()),
        },
        ..common::context()
    };
    rewrite::entry(&entry, &context)
}

fn assert_kept(statement: &str) {
    let translated = translated(&[statement]);
    assert_eq!(translated.statements, [statement]);
    assert_eq!(translated.missing_roles, []);
}

fn assert_becomes(statement: &str, expected: &str) {
    let translated = translated(&[statement]);
    assert_eq!(translated.statements, [expected]);
}

fn assert_lacks(statement: &str, role: &str, need: Need) {
    let translated = translated(&[statement]);
    assert_eq!(translated.statements, [""; 0], "{statement}");
    assert_eq!(translated.missing_roles, [(role.to_owned(), need)]);
}

#[test]
fn a_role_that_is_there_keeps_every_byte() {
    for statement in [
        "ALTER TABLE public.t OWNER TO app",
        "ALTER FUNCTION public.f(a integer) OWNER TO \"Odd \"\"Role\"\"\"",
        "GRANT SELECT(id) ON TABLE public.t TO app WITH GRANT OPTION",
        "REVOKE ALL ON FUNCTION public.f(a integer) FROM PUBLIC",
        "GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE public.t TO app",
        "GRANT UPDATE ON TABLE public.t TO app",
        "GRANT USAGE,CREATE ON SCHEMA s TO app",
        "GRANT EXECUTE,CONNECT,TEMPORARY,SET ON TABLE public.t TO app",
        "GRANT UPDATE(a,b) ON TABLE public.t TO app",
        "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT USAGE,UPDATE ON SEQUENCES TO app",
        "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA s GRANT SELECT ON TABLES TO \"Odd \"\"Role\"\"\"",
        "CREATE POLICY old ON public.old USING ((old > 0))",
        "CREATE POLICY p ON public.t TO PUBLIC USING (true)",
        "ALTER TABLE ONLY public.t ALTER COLUMN old SET DEFAULT 'owner to old'::text",
    ] {
        assert_kept(statement);
    }
}

#[test]
fn a_role_with_another_name_is_renamed_wherever_it_is_named() {
    assert_becomes(
        "ALTER TABLE public.old OWNER TO old",
        "ALTER TABLE public.old OWNER TO \"new role\"",
    );
    assert_becomes(
        "ALTER OPERATOR public.<-> (integer, integer) OWNER TO old",
        "ALTER OPERATOR public.<-> (integer, integer) OWNER TO \"new role\"",
    );
    assert_becomes(
        "GRANT ALL ON SCHEMA old TO old",
        "GRANT ALL ON SCHEMA old TO \"new role\"",
    );
    assert_becomes(
        "ALTER DEFAULT PRIVILEGES FOR ROLE old IN SCHEMA old REVOKE ALL ON TABLES FROM \"old\"",
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"new role\" IN SCHEMA old REVOKE ALL ON TABLES FROM \"new role\"",
    );
    assert_becomes(
        "CREATE POLICY old ON public.old TO app, old USING ((\"current_user\"() = 'old'::name))",
        "CREATE POLICY old ON public.old TO app, \"new role\" USING ((\"current_user\"() = 'old'::name))",
    );
}

#[test]
fn what_is_for_a_missing_role_alone_is_left_away_and_the_role_is_named() {
    assert_lacks("ALTER TABLE public.t OWNER TO gone", "gone", Need::Owner);
    assert_lacks(
        "ALTER SCHEMA s OWNER TO \"Gone \"\"x\"",
        "Gone \"x",
        Need::Owner,
    );
    assert_lacks(
        "GRANT SELECT ON TABLE public.t TO gone",
        "gone",
        Need::Grantee,
    );
    assert_lacks(
        "ALTER DEFAULT PRIVILEGES FOR ROLE gone REVOKE ALL ON FUNCTIONS FROM PUBLIC",
        "gone",
        Need::DefaultPrivileges,
    );
    assert_lacks(
        "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO gone",
        "gone",
        Need::Grantee,
    );
}

#[test]
fn a_policy_holds_for_the_roles_that_are_left() {
    let some = translated(&["CREATE POLICY p ON public.t TO gone, app, old USING (true)"]);
    assert_eq!(
        some.statements,
        ["CREATE POLICY p ON public.t TO app, \"new role\" USING (true)"]
    );
    assert_eq!(some.missing_roles, [("gone".to_owned(), Need::Policy)]);
    assert!(!some.left_out);
    let none = translated(&["CREATE POLICY p ON public.t TO gone USING (true)"]);
    assert_eq!(none.statements, [""; 0]);
    assert!(none.left_out, "what hangs on the policy has to go with it");
}

/// pg_dump says so of what somebody else than the owner granted; only a superuser may SET SESSION AUTHORIZATION.
#[test]
fn a_grant_by_somebody_else_needs_no_superuser() {
    let by = |role: &str| {
        let set = format!("SET SESSION AUTHORIZATION {role}");
        let grant = "GRANT SELECT ON TABLE public.t TO app";
        translated(&[&set, grant, "RESET SESSION AUTHORIZATION", grant])
    };
    let grant = "GRANT SELECT ON TABLE public.t TO app";
    assert_eq!(
        by("app").statements,
        ["SET ROLE app", grant, "RESET ROLE", grant]
    );
    assert_eq!(by("old").statements[0], "SET ROLE \"new role\"");
    let missing = by("gone");
    assert_eq!(
        missing.statements,
        [grant, grant],
        "the owner grants it instead"
    );
    assert_eq!(missing.missing_roles, [("gone".to_owned(), Need::Grantor)]);
}

#[test]
fn a_grant_by_somebody_else_is_read_from_a_dump() {
    let dump = parse(
        "--\n-- TOC entry 9 (class 0 OID 0)\n-- Dependencies: 8\n-- Name: TABLE t; Type: ACL; Schema: public; Owner: app\n--\n\n\
         SET SESSION AUTHORIZATION old;\nGRANT SELECT ON TABLE public.t TO app;\nRESET SESSION AUTHORIZATION;\n",
    );
    let entries = dump.expect("it parses").entries;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].statements.len(), 3);
}
