//! In: the settings of the source's database, and who is on the target. Out: statements that set the same there, pgvector's own in
//! PGVecto.rs's words, and notes. No note holds a value: a setting may be a secret.

use dialect::rewrite::roles::Roles;
use dialect::settings::{Becomes, becomes};

use super::{Phase, Step};
use crate::catalog::ident;
use crate::catalog::settings::{Setting, Settings};
use crate::connect::{literal, quote};
use crate::plan::{Finding, Severity};

/// The variables whose value is a list of quoted names (GUC_LIST_QUOTE): quoted as one literal they would name one thing.
const LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `roles` says what they are on the target; `database` is the target's, and `there` what is set in it: somebody who may has done that.
pub fn translate(
    settings: &Settings,
    there: &[Setting],
    roles: &Roles,
    database: &str,
    real_array: bool,
) -> (Vec<Step>, Vec<Finding>) {
    let mut steps = Vec::new();
    let mut findings = Vec::new();
    for setting in &settings.here {
        match one(setting, there, roles, database, real_array) {
            Ok((step, note)) => {
                steps.extend(step);
                findings.extend(note);
            }
            Err(note) => findings.push(note),
        }
    }
    let counterpart = |setting: &str| match becomes(setting, real_array) {
        Becomes::Counterpart(new) => Some(new),
        _ => None,
    };
    for (role, setting) in &settings.everywhere {
        let place = format!("setting {setting} of role {role} in all databases");
        let reason = "belongs to the cluster, not to this database, so it is not carried";
        let remedy = counterpart(setting).map(|new| {
            format!("ALTER ROLE {role} SET {new} on the target, to the value of {setting}")
        });
        findings.push(note(place, reason, remedy.unwrap_or_default()));
    }
    for setting in &settings.configured {
        let place = format!("setting {setting} of the source's configuration");
        let reason = "belongs to the server, not to this database, so it is not carried";
        let remedy = counterpart(setting).map(|new| {
            format!("set {new} in the target's configuration, to the value of {setting}")
        });
        findings.push(note(place, reason, remedy.unwrap_or_default()));
    }
    (steps, findings)
}

fn note(object: String, reason: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Severity::Note, object, reason).remedy(remedy)
}

/// The step, unless it is done, with what is worth saying of it; or why there is none.
fn one(
    setting: &Setting,
    set: &[Setting],
    roles: &Roles,
    database: &str,
    real_array: bool,
) -> Result<(Option<Step>, Option<Finding>), Finding> {
    let Setting { role, name, value } = setting;
    let of = match role {
        None => "the database".to_string(),
        Some(role) => format!("role {} in the database", ident(role)),
    };
    let object = format!("setting {name} of {of}");
    let there = role.as_deref().map(|r| roles.on_target(r));
    if let (Some(role), Some(None)) = (role, there) {
        let remedy = format!("create the role {} there, and set it again", ident(role));
        return Err(note(
            object,
            "is left out: the role is not on the target",
            remedy,
        ));
    }
    if name == "default_transaction_read_only" {
        let remedy = "set it on the target by hand if the application wants it";
        return Err(note(
            object,
            "is left out: on a source it is a fence before a move, on the target it would keep the application from writing",
            remedy,
        ));
    }
    let (name, note) = match becomes(name, real_array) {
        Becomes::Itself => (name.as_str(), None),
        Becomes::Counterpart(new) => (
            new,
            Some(note(object.clone(), format!("becomes {new}"), "")),
        ),
        Becomes::Nothing => {
            let reason = "has no counterpart on the target and is left out";
            return Err(note(object, reason, ""));
        }
    };
    let done = |s: &Setting| {
        (s.role.as_deref(), s.name.as_str(), &s.value) == (there.flatten(), name, value)
    };
    if set.iter().any(done) {
        return Ok((None, note));
    }
    let whose = match there.flatten() {
        None => format!("ALTER DATABASE {}", quote(database)),
        Some(role) => format!("ALTER ROLE {} IN DATABASE {}", quote(role), quote(database)),
    };
    // What an application keeps under a name of its own may be a key or a password.
    let secret = name.contains('.') && !name.starts_with("vectors.");
    // The ledger keeps what follows the rows, but no secret. An application's own setting changes nothing about the copy.
    let phase = if secret {
        Phase::BeforeData
    } else {
        Phase::Late
    };
    let step = Step {
        secret,
        statements: statements(&whose, name, value),
        ..Step::own(phase, &object, String::new())
    };
    Ok((Some(step), note))
}

fn statements(whose: &str, name: &str, value: &str) -> Vec<String> {
    let elements = match LISTS.contains(&name) {
        true => list(value),
        false => vec![value.to_string()],
    };
    let value: Vec<String> = elements.iter().map(|v| literal(v)).collect();
    let set = format!("{whose} SET {} TO {}", quote(name), value.join(", "));
    // The server takes the name of any library here, and refuses every connection if it is not there. Loaded first, a
    // missing one is found in the rehearsal.
    let directory = match name {
        "session_preload_libraries" => "",
        "local_preload_libraries" => "$libdir/plugins/",
        _ => return vec![set],
    };
    let named = elements.iter().filter(|library| !library.is_empty());
    let load = named.map(|library| match library.contains('/') {
        true => format!("LOAD {}", literal(library)),
        false => format!("LOAD {}", literal(&format!("{directory}{library}"))),
    });
    load.chain([set]).collect()
}

/// The elements of a list as the server stores it: separated by commas, quoted where they are not plain.
fn list(value: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut quoted = false;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                element.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            c if c.is_whitespace() && !quoted => {}
            c => element.push(c),
        }
    }
    elements.push(element);
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(role: Option<&str>, name: &str, value: &str) -> Setting {
        Setting {
            role: role.map(String::from),
            name: name.into(),
            value: value.into(),
        }
    }

    fn translated(one: Setting) -> (Vec<Step>, Vec<Finding>) {
        let settings = Settings {
            here: vec![one],
            ..Settings::default()
        };
        translate(
            &settings,
            &[setting(Some("user"), "work_mem", "2MB")],
            &Roles {
                renamed: [("old".to_string(), "user".to_string())].into(),
                there: Some(["app", "user"].map(String::from).into()),
            },
            "Shop",
            false,
        )
    }

    #[test]
    fn quotes_each_element_of_a_search_path_and_any_other_value_as_one() {
        let (steps, _) = translated(setting(
            None,
            "search_path",
            "\"$user\", public, \"Odd, \"\"one\"\"\", \"it's\"",
        ));
        let expected = "ALTER DATABASE \"Shop\" SET \"search_path\" TO '$user', 'public', 'Odd, \"one\"', 'it''s'";
        assert_eq!(steps[0].statements, [expected]);
        let (steps, _) = translated(setting(Some("app"), "DateStyle", "ISO, DMY"));
        let expected = "ALTER ROLE \"app\" IN DATABASE \"Shop\" SET \"DateStyle\" TO 'ISO, DMY'";
        assert_eq!(steps[0].statements, [expected]);
        let (steps, _) = translated(setting(Some("old"), "work_mem", "1MB"));
        let expected = "ALTER ROLE \"user\" IN DATABASE \"Shop\" SET \"work_mem\" TO '1MB'";
        assert_eq!(steps[0].statements, [expected]);
        // It stands there already.
        let (steps, _) = translated(setting(Some("old"), "work_mem", "2MB"));
        assert!(steps.is_empty());
        let (steps, _) = translated(setting(None, "search_path", "\"\""));
        assert_eq!(
            steps[0].statements,
            ["ALTER DATABASE \"Shop\" SET \"search_path\" TO ''"]
        );
    }

    #[test]
    fn says_pgvectors_settings_in_the_words_of_pgvecto_rs() {
        let (steps, notes) = translated(setting(None, "hnsw.ef_search", "200"));
        assert_eq!(
            steps[0].statements,
            ["ALTER DATABASE \"Shop\" SET \"vectors.hnsw_ef_search\" TO '200'"]
        );
        assert!(notes[0].reason.contains("vectors.hnsw_ef_search"));
        let (steps, notes) = translated(setting(None, "hnsw.iterative_scan", "strict_order"));
        assert!(steps.is_empty() && notes[0].severity == Severity::Note);
    }

    #[test]
    fn leaves_out_what_would_fence_the_target_and_roles_that_are_not_there() {
        for left_out in [
            setting(None, "default_transaction_read_only", "on"),
            setting(Some("gone"), "work_mem", "1GB"),
        ] {
            let (steps, notes) = translated(left_out);
            assert!(steps.is_empty() && notes.len() == 1);
        }
    }

    #[test]
    fn tries_a_library_before_every_connection_has_to_load_it() {
        let (steps, _) = translated(setting(
            None,
            "session_preload_libraries",
            "auto_explain, \"a b\"",
        ));
        let set =
            "ALTER DATABASE \"Shop\" SET \"session_preload_libraries\" TO 'auto_explain', 'a b'";
        assert_eq!(
            steps[0].statements,
            ["LOAD 'auto_explain'", "LOAD 'a b'", set]
        );
        let (steps, _) = translated(setting(None, "local_preload_libraries", "x"));
        assert_eq!(steps[0].statements[0], "LOAD '$libdir/plugins/x'");
    }

    #[test]
    fn shows_no_value_of_an_applications_own_setting() {
        let (steps, _) = translated(setting(None, "app.jwt_secret", "hunter2"));
        assert!(steps[0].statements[0].contains("hunter2"));
        assert!(!steps[0].shown().concat().contains("hunter2"));
    }
}
