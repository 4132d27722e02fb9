//! In: the name of a service. Out: its parameters, from `~/.pg_service.conf` or the system's file, as libpq reads them.

use std::path::PathBuf;

use super::parameters::{Parameters, home};

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
fn section(text: &str, service: &str) -> Result<Option<Parameters>, String> {
    let mut found: Option<Parameters> = None;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (name.strip_suffix(']') == Some(service)).then(Parameters::default);
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
        // The first wins, as in libpq.
        let known = parameters.get(name).is_some() || parameters.set(name, value.to_string());
        if name == "service" || !known {
            return Err(wrong("there is no such parameter in a service"));
        }
    }
    Ok(found)
}
