//! In: the source's extensions, what the target offers, and how much hangs on each. Out: which are lacking, and a finding for each that
//! needs a word. Pure.

use super::{Finding, Severity};
use crate::catalog::extensions::{Extension, Offer};
use crate::catalog::ident;
use crate::catalog::target::Target;
use crate::connect::quote;

/// Why the target cannot have an extension, and what to do.
pub fn lacking(extension: &Extension, target: &Target) -> Option<(String, String)> {
    let quoted = quote(&extension.name);
    match target.extensions.get(&extension.name) {
        None => Some((
            "the target has no such extension to install".into(),
            package(&extension.name, target.version_num / 10_000),
        )),
        Some(offer) if offer.installed.is_none() && !offer.may_install => Some((
            "is not installed on the target, and the target's role may not install it".into(),
            format!(
                "as a superuser there: CREATE EXTENSION {quoted} WITH SCHEMA {}",
                quote(&extension.schema)
            ),
        )),
        Some(_) => None,
    }
}

/// `needing` are the objects that hang on the extension, for people.
pub fn findings(extension: &Extension, target: &Target, needing: &[String]) -> Vec<Finding> {
    let object = format!("extension {}", ident(&extension.name));
    let mut findings = Vec::new();
    if let Some((reason, remedy)) = lacking(extension, target) {
        let reason = format!("{reason}; {}", hanging(needing));
        let remedy = format!("{remedy}; with --allow-findings all of that is left out");
        findings.push(Finding::new(Severity::Decision, object, reason).remedy(remedy));
        return findings;
    }
    if let Some(offer) = target.extensions.get(&extension.name) {
        findings.extend(differs(extension, offer, &object, needing));
    }
    if !extension.filled.is_empty() {
        let tables = extension.filled.join(", ");
        let reason =
            format!("holds rows of the user's in its own tables, which are not moved: {tables}");
        let remedy = "copy them by pg_dump --data-only --table, once the extension is on the target; --allow-findings goes on without them";
        findings.push(Finding::new(Severity::Decision, object, reason).remedy(remedy));
    }
    findings
}

fn differs(extension: &Extension, offer: &Offer, object: &str, needing: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let installed = offer.installed.as_ref();
    if let Some((_, schema)) = installed.filter(|(_, s)| *s != extension.schema)
        && !needing.is_empty()
    {
        let reason = format!(
            "stands in schema {} on the target and in {} on the source, where {} would look for it",
            ident(schema),
            ident(&extension.schema),
            needing[0]
        );
        let remedy = format!(
            "on the target: ALTER EXTENSION {} SET SCHEMA {}",
            quote(&extension.name),
            quote(&extension.schema)
        );
        findings.push(Finding::new(Severity::Problem, object, reason).remedy(remedy));
    }
    let version = installed.map(|(v, _)| v).or(offer.version.as_ref());
    if let Some(version) = version.filter(|v| **v != extension.version) {
        let reason = format!(
            "is version {} on the source and {version} on the target",
            extension.version
        );
        findings.push(Finding::new(Severity::Note, object, reason));
    }
    findings
}

const NAMED: usize = 5;

fn hanging(needing: &[String]) -> String {
    let named = needing.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let named = named.join(", ");
    match needing.len() {
        0 => "nothing that comes needs it".into(),
        n if n <= NAMED => format!("needed by {named}"),
        n => format!("needed by {named} and {} more", n - NAMED),
    }
}

/// What PostgreSQL's own sources hold, which most systems pack apart.
const CONTRIB: [&str; 46] = [
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "bool_plperl",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "hstore_plperl",
    "hstore_plpython3u",
    "insert_username",
    "intarray",
    "isn",
    "jsonb_plperl",
    "jsonb_plpython3u",
    "lo",
    "ltree",
    "moddatetime",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "unaccent",
    "uuid-ossp",
];

fn package(name: &str, version: u32) -> String {
    match name {
        _ if CONTRIB.contains(&name) => format!(
            "install PostgreSQL's contrib modules on the target's server (package postgresql-contrib, postgresql{version}-contrib)"
        ),
        _ if name.starts_with("postgis") => format!(
            "install PostGIS on the target's server (package postgresql-{version}-postgis-3, postgis3x_{version})"
        ),
        _ => format!(
            "install its package on the target's server (such as postgresql-{version}-{})",
            name.replace('_', "-")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn extension() -> Extension {
        Extension {
            oid: 1,
            name: "hstore".into(),
            version: "1.8".into(),
            schema: "public".into(),
            filled: Vec::new(),
            members: HashSet::new(),
        }
    }

    fn target(offer: Option<Offer>) -> Target {
        Target {
            version_num: 160_000,
            extensions: offer
                .map(|o| ("hstore".to_string(), o))
                .into_iter()
                .collect(),
            ..Target::default()
        }
    }

    fn offer(installed: Option<(&str, &str)>, may_install: bool) -> Option<Offer> {
        Some(Offer {
            version: Some("1.8".into()),
            installed: installed.map(|(v, s)| (v.into(), s.into())),
            may_install,
        })
    }

    #[test]
    fn what_the_target_has_in_the_same_version_and_place_needs_no_word() {
        for there in [offer(None, true), offer(Some(("1.8", "public")), false)] {
            assert_eq!(
                findings(&extension(), &target(there), &["table t".into()]),
                []
            );
        }
    }

    #[test]
    fn what_the_target_lacks_is_a_decision_with_its_package_or_its_statement() {
        let absent = findings(&extension(), &target(None), &["table t".into()]);
        assert_eq!(absent[0].severity, Severity::Decision);
        assert!(absent[0].reason.contains("needed by table t"));
        assert!(absent[0].remedy.contains("postgresql-contrib"));
        let forbidden = findings(&extension(), &target(offer(None, false)), &[]);
        assert!(
            forbidden[0]
                .remedy
                .contains("CREATE EXTENSION \"hstore\" WITH SCHEMA \"public\"")
        );
    }

    #[test]
    fn another_version_is_a_note_and_another_schema_a_problem_where_something_needs_it() {
        let there = || target(offer(Some(("1.7", "extensions")), false));
        let severities = |needing: &[String]| -> Vec<Severity> {
            findings(&extension(), &there(), needing)
                .iter()
                .map(|f| f.severity)
                .collect()
        };
        assert_eq!(severities(&[]), [Severity::Note]);
        assert_eq!(
            severities(&["table t".into()]),
            [Severity::Problem, Severity::Note]
        );
    }

    #[test]
    fn rows_in_an_extensions_own_tables_are_a_decision() {
        let filled = Extension {
            filled: vec!["public.spatial_ref_sys".into()],
            ..extension()
        };
        let found = findings(&filled, &target(offer(None, true)), &[]);
        assert_eq!(found[0].severity, Severity::Decision);
        assert!(found[0].reason.contains("public.spatial_ref_sys"));
    }
}
