//! Comes in: any bytes, from libFuzzer or from the committed corpus. Goes out: nothing, or a panic where what is read of a connection
//! string, a password file or a service file breaks a promise. The program's own files are compiled here as they stand: they need
//! nothing else of it. `tests/connect` runs this over the corpus as an ordinary test.
// Only a part of them is reached from here.
#[allow(dead_code)]
#[path = "../../../../src/connect/parameters.rs"]
mod parameters;
#[allow(dead_code)]
#[path = "../../../../src/connect/password_file.rs"]
mod password_file;
#[allow(dead_code)]
#[path = "../../../../src/connect/service_file.rs"]
mod service_file;

mod libpq;

use std::collections::BTreeMap;

use parameters::Parameters;

/// Stands for a password. No name, no message and, but for one chance in many, no input holds it.
const SECRET: &str = "s3cr3tPa55";

pub fn names() -> impl Iterator<Item = &'static str> {
    ["connection_strings", "password_files", "service_files"].into_iter()
}

/// Runs one target. What is not UTF-8 is read by none of them.
pub fn run(name: &str, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match name {
        "connection_strings" => connection_string(text),
        "password_files" => password_files(text),
        "service_files" => service_files(text),
        _ => panic!("no target is called {name}"),
    }
}

/// What is read, written down in both forms, is read again; and wherever a secret stands in a password, it is in nothing that is shown.
fn connection_string(text: &str) {
    if let Ok(read) = Parameters::parse(text) {
        let set = all(&read);
        assert_eq!(
            Parameters::parse(&words(&set)).ok().map(|p| all(&p)),
            Some(set.clone())
        );
        // %00 is refused in a URL.
        if set.values().all(|value| !value.contains('\0')) {
            assert_eq!(
                Parameters::parse(&url(&set)).ok().map(|p| all(&p)),
                Some(set)
            );
        }
    }
    for at in [0, text.len()] {
        let mut password = text.to_string();
        password.insert_str(at, SECRET);
        never_shown(&format!("postgresql://user:{password}@host/database"));
        // Behind a quote other parameters begin.
        if !text.contains('\'') {
            never_shown(&format!("host=h password='{password}' dbname=d"));
        }
    }
}

fn never_shown(text: &str) {
    let nowhere = |name: &str| ["PGSERVICEFILE", "PGSYSCONFDIR"].contains(&name);
    let variable = |name: &str| nowhere(name).then(|| "/dev/null".to_string());
    let queried = text
        .split_once('?')
        .is_some_and(|(_, query)| query.contains("dbname"));
    let shown = match Parameters::read(text, &variable) {
        Err(error) => error,
        // `?user=…@…` is a user's name, as those of some clouds are: that is what was asked for.
        Ok(read) if read.get("user").is_some_and(|user| user.contains(SECRET)) => return,
        // And so are `?password=…@…` and its like; what stands before them is then the name of a host or a database.
        Ok(read)
            if all(&read).iter().any(|(name, v)| {
                v.ends_with("@host/database") && (name != "dbname" || queried)
            }) =>
        {
            return;
        }
        Ok(read) => match read.places() {
            Err(error) => error,
            Ok(places) => format!("{places:?} {}", read.database()),
        },
    };
    assert!(!shown.contains(SECRET), "{text:?}: {shown}");
}

/// Four wanted fields and then the file, a line each: the password is the one that libpq's own steps find.
fn password_files(text: &str) {
    let mut parts = text.splitn(5, '\n');
    let wanted: Option<Vec<&str>> = parts.by_ref().take(4).map(Some).collect();
    let (Some(&[host, port, database, user]), Some(file)) = (wanted.as_deref(), parts.next())
    else {
        return;
    };
    let wanted = [host, port, database, user];
    // C ends a text there.
    if text.contains('\0') {
        return;
    }
    let expected = libpq::password(file.as_bytes(), wanted.map(str::as_bytes));
    let found = password_file::find(file, wanted).map(String::into_bytes);
    assert_eq!(found, expected);
    // What is written with all of its marks taken back is found, whatever it is.
    let line: Vec<String> = wanted.iter().chain([&text]).map(|f| marked(f)).collect();
    let line = line.join(":");
    if !line.contains(['\n', '\r']) && !line.starts_with('#') {
        let found = password_file::find(&line, wanted);
        assert_eq!(found.as_deref(), Some(text));
    }
}

/// The name of a service and then the file: its parameters are those that libpq's own steps find, and what is refused they refuse.
fn service_files(text: &str) {
    let Some((service, file)) = text.split_once('\n') else {
        return;
    };
    if text.contains('\0') {
        return;
    }
    let known: Vec<&str> = Parameters::names().collect();
    let expected = libpq::service(file.as_bytes(), service.as_bytes(), &known);
    let found = match service_file::section(file, service) {
        Ok(found) => Ok(found.map(|p| all(&p))),
        Err(_) => Err(()),
    };
    assert_eq!(found, expected);
}

fn all(parameters: &Parameters) -> BTreeMap<String, String> {
    let set = |name: &str| Some((name.to_string(), parameters.get(name)?.to_string()));
    Parameters::names().filter_map(set).collect()
}

fn words(set: &BTreeMap<String, String>) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let word = |(name, value): (&String, &String)| format!("{name} = '{}'", quoted(value));
    set.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn url(set: &BTreeMap<String, String>) -> String {
    let encoded = |value: &str| {
        value
            .bytes()
            .map(|b| format!("%{b:02X}"))
            .collect::<String>()
    };
    let pair = |(name, value): (&String, &String)| format!("{name}={}", encoded(value));
    let pairs: Vec<String> = set.iter().map(pair).collect();
    format!("postgres://?{}", pairs.join("&"))
}

fn marked(field: &str) -> String {
    field.replace('\\', "\\\\").replace(':', "\\:")
}
