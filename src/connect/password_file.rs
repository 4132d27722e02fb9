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
        Ok(text) => (find(&text, wanted), None),
        Err(error) => refused(&error.to_string()),
    }
}

/// Of the first line that fits.
pub fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    lines.find_map(|line| password(line, wanted))
}

/// The password, if the line's first four fields fit. `\` takes the next character as it is; a field `*` fits all.
fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let rest = wanted.iter().try_fold(line, |rest, w| behind(rest, w))?;
    let mut password = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next().filter(|c| *c != ':') {
        // A last `\` takes nothing, and stays.
        let taken = (c == '\\').then(|| chars.next()).flatten();
        password.push(taken.unwrap_or(c));
    }
    Some(password)
}

/// What stands behind a field that fits. One with a `:` in it, an address say, fits without its `\` too.
fn behind<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut chars = line.chars();
    for wanted in wanted.chars() {
        let c = match chars.next()? {
            '\\' => chars.next()?,
            c => c,
        };
        if c != wanted {
            return None;
        }
    }
    chars.as_str().strip_prefix(':')
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
            ("db.example:5432:shop:app:secret\\", Some("secret\\")),
            ("", None),
        ] {
            assert_eq!(find(line, WANTED).as_deref(), found, "{line}");
        }
        let file = "else:*:*:*:no\r\n\n*:*:*:*:secret\r\r\n*:*:*:*:later\n";
        assert_eq!(find(file, WANTED).as_deref(), Some("secret"));
        for line in ["::1:5432:shop:app:secret", "\\:\\:1:5432:shop:app:secret"] {
            let found = find(line, ["::1", "5432", "shop", "app"]);
            assert_eq!(found.as_deref(), Some("secret"), "{line}");
        }
    }
}
