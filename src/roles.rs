//! In: the source's roles, --no-owner, --no-privileges, --role-map, and the target's roles. Out: what each role is on the target, who
//! needs the schema `vectors` there, and one finding for each role that is missing. Statements are the matter of the dialect.

use std::collections::{BTreeMap, HashSet};

use dialect::rewrite::roles::{Need, Roles};

use crate::catalog::target::Target;
use crate::catalog::{Relation, Source, ident};
use crate::cli::RoleMapping;
use crate::connect::quote;
use crate::plan::{Finding, Severity};
use crate::schema::{Phase, Step};

/// What the command line says of roles.
#[derive(Clone, Debug, Default)]
pub struct RoleWishes {
    /// All becomes the connecting role's.
    pub no_owner: bool,
    pub no_privileges: bool,
    pub mapped: Vec<RoleMapping>,
}

impl RoleWishes {
    /// What becomes of roles in statements.
    pub fn on(&self, target: &Target) -> Roles {
        let renamed = self.mapped.iter();
        Roles {
            renamed: renamed.map(|m| (m.from.clone(), m.to.clone())).collect(),
            there: Some(target.roles.clone()),
        }
    }

    /// A --role-map that names nobody is a mistake in the command line.
    pub fn unknown(&self, source: &Source) -> Vec<Finding> {
        let unknown = self
            .mapped
            .iter()
            .filter(|m| !source.roles.contains(&m.from));
        unknown
            .map(|m| {
                let object = format!("--role-map {}={}", ident(&m.from), ident(&m.to));
                Finding::new(
                    Severity::Problem,
                    object,
                    "there is no such role on the source",
                )
                .remedy(
                    "write the source's role first: --role-map 'old=new', in double quotes where SQL needs them",
                )
            })
            .collect()
    }

    /// The roles on the target that own or read one of these relations; `public` is everybody.
    pub fn readers<'a>(
        &self,
        relations: impl Iterator<Item = &'a Relation>,
        target: &Target,
    ) -> Vec<String> {
        let roles = self.on(target);
        let mut readers = HashSet::new();
        for relation in relations {
            let owner = Some(&relation.owner).filter(|_| !self.no_owner);
            let grantees = relation.grantees.iter().filter(|_| !self.no_privileges);
            let named = owner.into_iter().chain(grantees);
            readers.extend(named.filter_map(|r| roles.on_target(r)).map(String::from));
        }
        let mut readers: Vec<String> = readers.into_iter().collect();
        readers.sort();
        readers
    }
}

/// The extension gives PUBLIC no USAGE on its schema: without this, tables of other roles could not be read.
pub fn grant(readers: &[String]) -> Option<Step> {
    let names: Vec<String> = readers.iter().map(|r| role(r)).collect();
    let statement = format!("GRANT USAGE ON SCHEMA vectors TO {}", names.join(", "));
    (!readers.is_empty()).then(|| Step::own(Phase::BeforeData, GRANT, statement))
}

/// The step that may be refused: who lacks the privilege is asked for afterwards.
pub const GRANT: &str = "GRANT USAGE ON SCHEMA vectors";

/// A role in a statement.
pub fn role(name: &str) -> String {
    match name {
        "public" => "PUBLIC".into(),
        name => quote(name),
    }
}

/// One finding for each role that the target lacks. `needed` has a line for each object that names one.
pub fn missing(needed: &[(String, Need, String)], wishes: &RoleWishes) -> Vec<Finding> {
    let mut by_role: BTreeMap<&str, BTreeMap<Need, Vec<&str>>> = BTreeMap::new();
    for (role, need, object) in needed {
        let objects = by_role.entry(role).or_default().entry(*need).or_default();
        if !objects.contains(&object.as_str()) {
            objects.push(object);
        }
    }
    let finding = |(role, needs): (&str, BTreeMap<Need, Vec<&str>>)| {
        let uses: Vec<String> = needs.iter().map(|(need, o)| told(*need, o)).collect();
        let reason = format!("is not on the target, and is {}", uses.join("; "));
        let mut ways = vec![format!(
            "CREATE ROLE {} on the target (a cluster's roles come by pg_dumpall --roles-only)",
            quote(role)
        )];
        // A role that was mapped is known by its new name only.
        let old = wishes.mapped.iter().find(|m| m.to == role);
        let from = old.map_or(role, |m| m.from.as_str());
        ways.push(format!("--role-map '{}=…' names another", map_name(from)));
        if needs.contains_key(&Need::Owner) {
            ways.push("--no-owner makes all of it the connecting role's".into());
        }
        if needs
            .keys()
            .any(|n| !matches!(n, Need::Owner | Need::Policy))
        {
            ways.push("--no-privileges leaves all privileges out".into());
        }
        ways.push("--allow-findings leaves out what is for this role alone".into());
        Finding::new(Severity::Decision, format!("role {}", ident(role)), reason)
            .remedy(ways.join("; "))
    };
    by_role.into_iter().map(finding).collect()
}

fn map_name(role: &str) -> String {
    ident(role).replace('\'', "'\\''")
}

/// How many objects are worth their names: the finding is about the role.
const NAMED: usize = 3;

fn told(need: Need, objects: &[&str]) -> String {
    let what = match need {
        Need::Owner => "the owner of",
        Need::Grantee => "granted something on",
        Need::Grantor => "the grantor of something on",
        Need::DefaultPrivileges => "whom default privileges are for:",
        Need::Policy => "named by",
    };
    let named = objects.iter().take(NAMED).copied().collect::<Vec<_>>();
    match objects.len().saturating_sub(NAMED) {
        0 => format!("{what} {}", named.join(", ")),
        more => format!("{what} {} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(role: &str, need: Need, object: &str) -> (String, Need, String) {
        (role.into(), need, object.into())
    }

    #[test]
    fn one_finding_a_role_says_what_needs_it_and_every_way_out() {
        let mut lines: Vec<_> = (1..=5)
            .map(|n| needed("app", Need::Owner, &format!("TABLE public.t{n}")))
            .collect();
        lines.push(needed("app", Need::Grantee, "ACL public.TABLE t1"));
        lines.push(needed("app", Need::Owner, "TABLE public.t1"));
        lines.push(needed("Odd \"one'", Need::Policy, "POLICY public.t p"));
        let findings = missing(&lines, &RoleWishes::default());
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|f| f.severity == Severity::Decision));
        let (odd, app) = (&findings[0], &findings[1]);
        assert_eq!(odd.object, "role \"Odd \"\"one'\"");
        assert!(
            odd.remedy.contains("CREATE ROLE \"Odd \"\"one'\""),
            "{odd:?}"
        );
        assert!(!odd.remedy.contains("--no-owner"), "{odd:?}");
        for part in [
            "owner of TABLE public.t1, TABLE public.t2, TABLE public.t3 and 2 more",
            "granted something on",
        ] {
            assert!(app.reason.contains(part), "{app:?}");
        }
        for way in [
            "CREATE ROLE \"app\"",
            "--role-map 'app=…'",
            "--no-owner",
            "--no-privileges",
            "--allow-findings",
        ] {
            assert!(app.remedy.contains(way), "{app:?}");
        }
    }

    #[test]
    fn a_grant_quotes_every_role_but_public() {
        let roles = ["a\"b".to_string(), "public".to_string()];
        let grant = grant(&roles).map(|s| s.statements).unwrap_or_default();
        assert_eq!(
            grant,
            ["GRANT USAGE ON SCHEMA vectors TO \"a\"\"b\", PUBLIC"]
        );
    }
}
