//! Roles: owners, grantees, those of policies and of default privileges.
//!
//! In: statements in the target's words, and what is known of the target's roles. Out: the same statements with the names that the
//! roles have there; what is for a missing role alone is left away, and the role is named with what it was needed for. It makes no
//! finding: one role stands in many statements.

use super::Translated;
use crate::syntax::{Edits, all, first, name, parse, range};
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};
use std::collections::{HashMap, HashSet};

/// What becomes of the roles that statements name.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Names on the target, where they are others than on the source.
    pub renamed: HashMap<String, String>,
    /// The roles of the target; `None`: every role is taken to be there.
    pub there: Option<HashSet<String>>,
}

/// What a role was needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    Owner,
    Grantee,
    /// Somebody else than the owner granted what it was granted.
    Grantor,
    DefaultPrivileges,
    Policy,
}

impl Roles {
    /// The name of one of the source's roles on the target; `None` if there is no such role.
    pub fn on_target<'a>(&'a self, role: &'a str) -> Option<&'a str> {
        let name = self.renamed.get(role).map_or(role, String::as_str);
        let there = |roles: &HashSet<String>| name == PUBLIC || roles.contains(name);
        self.there.as_ref().is_none_or(there).then_some(name)
    }
}

/// No role can have this name: it means all of them.
const PUBLIC: &str = "public";

/// Renames in all statements of an entry.
pub(super) fn edit(mut translated: Translated, roles: &Roles) -> Translated {
    if roles.renamed.is_empty() && roles.there.is_none() {
        return translated;
    }
    let mut grantor_missing = false;
    let before = translated.statements.len();
    let mut policy = false;
    let texts = std::mem::take(&mut translated.statements);
    for text in texts {
        let Some(root) = STARTS
            .iter()
            .any(|s| text.starts_with(s))
            .then(|| parse(&text))
            .flatten()
        else {
            translated.statements.push(text);
            continue;
        };
        policy |= first::<ast::CreatePolicy>(&root).is_some();
        let mut speaker = Speaker {
            roles,
            edits: Edits::default(),
            missing: Vec::new(),
        };
        let stays = speaker.statement(&root, &mut grantor_missing);
        translated.missing_roles.append(&mut speaker.missing);
        if stays {
            translated.statements.push(speaker.edits.apply(&text));
        }
    }
    // What hangs on a policy goes with it.
    translated.left_out |= policy && before > 0 && translated.statements.is_empty();
    translated
}

/// How the statements begin that may name a role.
const STARTS: [&str; 6] = [
    "ALTER ",
    "GRANT ",
    "REVOKE ",
    "CREATE POLICY ",
    "SET SESSION AUTHORIZATION ",
    "RESET SESSION ",
];

struct Speaker<'a> {
    roles: &'a Roles,
    edits: Edits,
    missing: Vec<(String, Need)>,
}

impl Speaker<'_> {
    /// Whether the statement has anything left to do.
    fn statement(&mut self, root: &SyntaxNode, grantor_missing: &mut bool) -> bool {
        if let Some(reset) = first::<ast::ResetSessionAuth>(root) {
            self.edits.replace(range(reset.syntax()), "RESET ROLE");
            return !std::mem::take(grantor_missing);
        }
        // SET ROLE acts alike and is for members too, not for superusers alone.
        if let Some(set) = first::<ast::SetSessionAuth>(root) {
            let name = self
                .all_there(root, Need::Grantor)
                .then(|| first::<ast::RoleRef>(root))
                .flatten();
            *grantor_missing = name.is_none();
            let name = name.map(|role| role.syntax().clone());
            if let Some(name) = name {
                self.edits
                    .replace(range(set.syntax()).start..range(&name).start, "SET ROLE ");
            }
            return !*grantor_missing;
        }
        match first::<ast::ForRoles>(root) {
            _ if first::<ast::CreatePolicy>(root).is_some() => self.policy(root),
            Some(owners) => {
                self.all_there(owners.syntax(), Need::DefaultPrivileges)
                    && self.grantees(root, owners.syntax())
            }
            None if first::<ast::Grant>(root).is_some() || first::<ast::Revoke>(root).is_some() => {
                self.all_there(root, Need::Grantee)
            }
            None => self.all_there(root, Need::Owner),
        }
    }

    fn grantees(&mut self, root: &SyntaxNode, owners: &SyntaxNode) -> bool {
        let lists = all::<ast::RoleRefList>(root)
            .filter(|list| !range(owners).contains(&range(list.syntax()).start));
        let lists: Vec<_> = lists.collect();
        lists
            .iter()
            .all(|list| self.all_there(list.syntax(), Need::Grantee))
    }

    /// Renames every role inside of a node. A missing one is remembered.
    fn all_there(&mut self, node: &SyntaxNode, need: Need) -> bool {
        // The parser takes some privileges for roles: GRANT a TO b is a statement too.
        let privilege = |role: &ast::RoleNameRef| {
            let mut above = role.syntax().ancestors();
            above.any(|node| ast::RevokeCommand::can_cast(node.kind()))
        };
        let roles: Vec<_> = all::<ast::RoleNameRef>(node)
            .filter(|role| !privilege(role))
            .collect();
        let there: Vec<bool> = roles.iter().map(|role| self.rename(role, need)).collect();
        there.into_iter().all(|there| there)
    }

    /// A policy holds for the roles that are left; without any it has nobody to hold for.
    fn policy(&mut self, root: &SyntaxNode) -> bool {
        let Some(list) =
            first::<ast::PolicyRoles>(root).and_then(|to| first::<ast::RoleRefList>(to.syntax()))
        else {
            return true;
        };
        let refs: Vec<_> = all::<ast::RoleRef>(list.syntax()).collect();
        let mut kept = Vec::new();
        for role in &refs {
            let Some(name_ref) = first::<ast::RoleNameRef>(role.syntax()) else {
                kept.push(role.syntax().text().to_string());
                continue;
            };
            let role_name = name(name_ref.syntax());
            match self.roles.on_target(&role_name).map(str::to_owned) {
                Some(new) if new == role_name => kept.push(role.syntax().text().to_string()),
                Some(new) => kept.push(quoted(&new)),
                None => self.missing.push((self.named(&role_name), Need::Policy)),
            }
        }
        self.edits.replace(range(list.syntax()), kept.join(", "));
        !kept.is_empty()
    }

    fn rename(&mut self, role: &ast::RoleNameRef, need: Need) -> bool {
        let old = name(role.syntax());
        match self.roles.on_target(&old).map(str::to_owned) {
            Some(new) if new == old => true,
            Some(new) => {
                self.edits.replace(range(role.syntax()), quoted(&new));
                true
            }
            None => {
                self.missing.push((self.named(&old), need));
                false
            }
        }
    }

    /// The name that was looked for on the target.
    fn named(&self, role: &str) -> String {
        self.roles
            .renamed
            .get(role)
            .map_or(role, String::as_str)
            .to_owned()
    }
}

fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}
