//! Comes in: a password file, or a service file. Goes out: what libpq makes of it, by the same steps as its C (fe-connect.c: passwordFromFile,
//! parseServiceFile), byte by byte. The program's own reading shares nothing with it.

use std::collections::BTreeMap;

/// C's isspace.
fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The password of the first line that fits host, port, database and user.
pub fn password(file: &[u8], wanted: [&[u8]; 4]) -> Option<Vec<u8>> {
    for line in file.split(|b| *b == b'\n') {
        let mut end = line.len();
        while end > 0 && line[end - 1] == b'\r' {
            end -= 1;
        }
        let line = &line[..end];
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let mut rest = Some(line);
        for token in wanted {
            rest = rest.and_then(|rest| behind(rest, token));
        }
        let Some(rest) = rest else { continue };
        let mut password = Vec::new();
        let mut at = 0;
        while at < rest.len() && rest[at] != b':' {
            if rest[at] == b'\\' && at + 1 < rest.len() {
                at += 1;
            }
            password.push(rest[at]);
            at += 1;
        }
        return Some(password);
    }
    None
}

/// What stands behind a field that is the token, or a `*` (pwdfMatchesString).
fn behind<'a>(line: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    if line.starts_with(b"*:") {
        return Some(&line[2..]);
    }
    let (mut at, mut of_token) = (0, 0);
    while at < line.len() {
        if line[at] == b':' && of_token == token.len() {
            return Some(&line[at + 1..]);
        }
        if line[at] == b'\\' {
            at += 1;
        }
        if of_token == token.len() || line.get(at) != Some(&token[of_token]) {
            return None;
        }
        (at, of_token) = (at + 1, of_token + 1);
    }
    None
}

/// The parameters of the service, those that are empty left out; `None`: the file has it not; an error: it is refused.
#[allow(clippy::type_complexity)]
pub fn service(
    file: &[u8],
    service: &[u8],
    known: &[&str],
) -> Result<Option<BTreeMap<String, String>>, ()> {
    let mut found: Option<BTreeMap<String, String>> = None;
    for line in file.split(|b| *b == b'\n') {
        let first = line.iter().position(|b| !blank(*b)).unwrap_or(line.len());
        let end = line
            .iter()
            .rposition(|b| !blank(*b))
            .map_or(first, |at| at + 1);
        let line = &line[first..end];
        match line.first() {
            None | Some(b'#') => {}
            Some(b'[') if found.is_some() => break,
            Some(b'[') => {
                let named = line[1..].starts_with(service);
                if named && line.get(service.len() + 1) == Some(&b']') {
                    found = Some(BTreeMap::new());
                }
            }
            Some(_) => {
                let Some(parameters) = &mut found else {
                    continue;
                };
                let equals = line.iter().position(|b| *b == b'=').ok_or(())?;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| ());
                let (name, value) = (text(&line[..equals])?, text(&line[equals + 1..])?);
                // Parameters from LDAP this program does not read at all.
                if name == "service" || !known.contains(&name.as_str()) {
                    return Err(());
                }
                parameters.entry(name).or_insert(value);
            }
        }
    }
    Ok(found.map(|mut parameters| {
        parameters.retain(|_, value| !value.is_empty());
        parameters
    }))
}
