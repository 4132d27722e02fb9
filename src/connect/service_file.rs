//! In: the name of a service. Out: its parameters, from `~/.pg_service.conf` or the system's file, as libpq reads them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::parameters::{Parameters, blank, home};

/// The user's file first, then the system's.
pub fn read(
    service: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Parameters, String> {
    let own = variable("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| Some(home()?.join(".pg_service.conf")));
    let system = variable("PGSYSCONFDIR").map(PathBuf::from);
    let system = system.unwrap_or_else(|| PathBuf::from("/etc/postgresql-common"));
    let files = own.into_iter().chain([system.join("pg_service.conf")]);
    let mut looked = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let found = section(&text, service);
        if let Some(parameters) = found.map_err(|e| format!("{}: {e}", file.display()))? {
            return Ok(parameters);
        }
        looked.push(file.display().to_string());
    }
    Err(match looked.is_empty() {
        true => format!("there is no file of services to look for {service} in"),
        false => format!(
            "the service {service} is not in {}",
            looked.join(" nor in ")
        ),
    })
}

/// None: it has no such section.
pub fn section(text: &str, service: &str) -> Result<Option<Parameters>, String> {
    let mut found: Option<Parameters> = None;
    let mut named = BTreeSet::new();
    for (n, line) in text.split('\n').enumerate() {
        let line = line.trim_matches(blank);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            // What stands behind the bracket is nobody's.
            let behind = name.strip_prefix(service);
            found = behind
                .is_some_and(|b| b.starts_with(']'))
                .then(Parameters::default);
            continue;
        }
        let Some(parameters) = &mut found else {
            continue;
        };
        let wrong = |why: &str| format!("line {}: {why}", n + 1);
        if line.starts_with("ldap://") {
            return Err(wrong("parameters from LDAP are not read by this program"));
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        // The first wins, as in libpq, be it empty.
        let known = !named.insert(name) || parameters.set(name, value.to_string());
        if name == "service" || !known {
            return Err(wrong("there is no such parameter in a service"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_section_as_libpq_does() {
        for (text, host) in [
            ("[s]\nhost=a", Some("a")),
            ("\t[s] \r\n # not this: host=b\r\n host=a \r\n", Some("a")),
            ("[s] # mine\nhost=a", Some("a")),
            ("[ss]\nhost=b\n[s]\nhost=a\n[s]\nhost=c", Some("a")),
            ("[s]\nhost=a\nhost=b", Some("a")),
            ("[s]\nhost=\nhost=b", None),
            ("[s]\nhost=\u{a0}a", Some("\u{a0}a")),
        ] {
            let found = section(text, "s").expect("it is read");
            let found = found.unwrap_or_else(|| panic!("not found: {text:?}"));
            assert_eq!(found.get("host"), host, "{text:?}");
        }
        assert!(section("[t]\nhost=a", "s").is_ok_and(|found| found.is_none()));
        for text in ["host", "host =a", "\u{a0}host=a", "service=t", "ldap://h/x"] {
            assert!(section(&format!("[s]\n{text}"), "s").is_err(), "{text:?}");
        }
    }
}
