//! In: a password file, libpq's `.pgpass`, and who wants to go where. Out: the password of the first line that fits. A file that others
//! may read is not taken, as by libpq, and that is said.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `wanted` is host, port, database and user. The password, and a warning.
pub fn read(file: &Path, wanted: [&str; 4]) -> (Option<String>, Option<String>) {
    let Ok(about) = std::fs::metadata(file) else {
        return (None, None);
    };
    let refused = |why: &str| {
        let warning = format!("the password file {} is not used: {why}", file.display());
        (None, Some(warning))
    };
    if !about.is_file() {
        return refused("it is no plain file");
    }
    if about.permissions().mode() & 0o077 != 0 {
        return refused("others may read it; chmod 0600 mends that");
    }
    match std::fs::read_to_string(file) {
        Ok(text) => (text.lines().find_map(|line| password(line, wanted)), None),
        Err(error) => refused(&error.to_string()),
    }
}

/// The password, if the line's first four fields fit. `\` takes the next character as it is; a field `*` fits all.
fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, behind) = field(rest);
        if rest[..rest.len() - behind.map_or(0, |b| b.len() + 1)] != *"*" && field != wanted {
            return None;
        }
        rest = behind?;
    }
    Some(field(rest).0)
}

/// Up to the next `:`, and what is behind that.
fn field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ':' => return (field, Some(&text[at + 1..])),
            '\\' => field.extend(chars.next().map(|(_, c)| c)),
            c => field.push(c),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [&str; 4] = ["db.example", "5432", "shop", "app"];

    #[test]
    fn finds_the_password_of_a_line_that_fits() {
        for (line, found) in [
            ("db.example:5432:shop:app:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("db.example:*:shop:app:se\\:cr\\\\et", Some("se:cr\\et")),
            ("db.example:5432:shop:app:se:cret", Some("se")),
            ("db\\.example:5432:shop:app:secret", Some("secret")),
            ("db.example:5432:shop:app:", Some("")),
            ("db.example:5433:shop:app:secret", None),
            ("\\*:5432:shop:app:secret", None),
            ("#*:*:*:*:secret", None),
            ("db.example:5432:shop:app", None),
            ("", None),
        ] {
            assert_eq!(password(line, WANTED).as_deref(), found, "{line}");
        }
    }
}
