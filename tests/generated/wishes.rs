//! What the program is told of roles. In: a database with its roles. Out: the arguments, and the entries of the source's dump as they are
//! to be on the target by them.

use super::database::Database;
use super::names::ident;
use super::words::{bare, unquoted};

#[derive(Default)]
pub struct Wishes {
    /// Names on the source and on the target, where no role has the old one.
    pub renamed: Vec<(String, String)>,
    pub no_owner: bool,
    pub no_privileges: bool,
}

pub fn make(database: &mut Database) {
    let mut rng = database.stream("wishes");
    if database.has("renamed roles") {
        for role in database.roles.clone() {
            if rng.percent(60) {
                let to = format!("{role}{}", rng.pick(&["_new", " \"New\"", "=x", "'"]));
                database.arguments.push("--role-map".into());
                let argument = format!("{}={}", ident(&role), ident(&to));
                database.arguments.push(argument);
                database.wishes.renamed.push((role, to));
            }
        }
    }
    if database.has("no owners") && rng.percent(40) {
        database.wishes.no_owner = true;
        database.arguments.push("--no-owner".into());
    }
    if database.has("no privileges") && rng.percent(40) {
        database.wishes.no_privileges = true;
        database.arguments.push("--no-privileges".into());
    }
}

impl Wishes {
    pub fn on_target(&self, role: &str) -> String {
        let renamed = self.renamed.iter().find(|(old, _)| old == role);
        renamed.map_or(role, |(_, new)| new).to_string()
    }

    /// A header of the source's dump; None for an entry that does not come. `user` makes all that is made on the target.
    pub fn header(&self, header: &str, user: &str) -> Option<String> {
        let defaults = header.contains("; Type: DEFAULT ACL; ");
        if self.no_privileges && (defaults || header.contains("; Type: ACL; ")) {
            return None;
        }
        let Some((start, owner)) = header.rsplit_once("; Owner: ") else {
            return Some(header.into());
        };
        // Default privileges are of a role, and nobody's own.
        let nobodys = ["-", "pg_database_owner"].contains(&owner);
        let owner = match self.no_owner && !nobodys && !defaults {
            true => user.to_string(),
            false => self.on_target(owner),
        };
        Some(format!("{start}; Owner: {owner}"))
    }

    /// The words of an entry.
    pub fn words(&self, words: &mut [String], user: &str) {
        for word in words.iter_mut() {
            let name = unquoted(word);
            if let Some((_, new)) = self.renamed.iter().find(|(old, _)| *old == name) {
                *word = bare(&ident(new));
            }
        }
        for at in 2..words.len() {
            if self.no_owner && words[at - 2] == "OWNER" && words[at - 1] == "TO" {
                words[at] = bare(&ident(user));
            }
        }
    }
}
