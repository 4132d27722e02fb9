//! In: a selection, and the entries of the dump in their order, both sections by one sieve. Out: which of them come, and a
//! finding for each that someone would miss.

use std::collections::HashSet;

use dialect::dump::{Entry, ObjectId};

use super::closure::EXTENSION;
use super::{Scope, Selection};
use crate::catalog::{Relation, Source, class, dump_name};
use crate::plan::{Finding, Severity};

pub struct Sieve<'a> {
    selection: &'a Selection,
    source: &'a Source,
    /// The dump's numbers of what came, and of all that was seen.
    kept: HashSet<u32>,
    seen: HashSet<u32>,
    /// Schemas in which something came.
    schemas: HashSet<String>,
    /// Foreign servers that came.
    servers: HashSet<String>,
    extension_dropped: bool,
    pub findings: Vec<Finding>,
}

/// What the objects of an entry's dependencies did.
enum Followed {
    Come,
    Stay,
    /// The dump has no entry for any of them: members of extensions, built-in objects, the schema public.
    Unknown,
}

impl<'a> Sieve<'a> {
    pub fn new(selection: &'a Selection, source: &'a Source) -> Sieve<'a> {
        let relations = source.relations.iter();
        let coming = relations.filter(|r| selection.relations.contains(&r.oid));
        let mut schemas: HashSet<String> = coming.map(|r| dump_name(&r.schema)).collect();
        schemas.extend(selection.schemas.iter().map(|s| dump_name(s)));
        Sieve {
            selection,
            source,
            kept: HashSet::new(),
            seen: HashSet::new(),
            schemas,
            servers: HashSet::new(),
            extension_dropped: false,
            findings: Vec::new(),
        }
    }

    /// Whether an entry comes. They have to be given in the dump's order: comments and privileges follow their object.
    pub fn passes(&mut self, entry: &Entry) -> bool {
        if matches!(self.selection.scope, Scope::Everything) {
            return true;
        }
        let passes = match entry.object.filter(|o| o.class != 0) {
            Some(object) => self.object(entry, object),
            None => self.follows(entry),
        };
        self.seen.insert(entry.dump_id);
        if passes {
            self.kept.insert(entry.dump_id);
            self.schemas.extend(entry.schema.clone());
            if entry.kind == "SERVER" {
                self.servers.insert(entry.name.clone());
            }
        } else if entry.kind == "EXTENSION" {
            self.extension_dropped = true;
        }
        passes
    }

    /// An entry that names its object.
    fn object(&mut self, entry: &Entry, object: ObjectId) -> bool {
        if entry.kind == "DEFAULT ACL" && entry.schema.is_none() {
            return true;
        }
        if let Some(extension) = self.selection.lacking.get(&object) {
            // Of a whole that does not come its parts need no word, and the extension has its own.
            let owner = self.selection.owner(object).map(relation);
            let whole = owner.is_none_or(|owner| self.selection.comes(owner));
            if whole && entry.kind != "EXTENSION" {
                let mut extensions = self.source.extensions.iter();
                let name = extensions
                    .find(|e| e.oid == *extension)
                    .map(|e| e.name.clone());
                self.lacks(entry, &name.unwrap_or_default());
            }
            return false;
        }
        if let Some(root) = self.selection.barred.get(&object) {
            // Parts of what does not come: one finding, for the whole, is enough.
            let owner = self.selection.owner(object).map(relation);
            if owner.is_none_or(|owner| self.selection.comes(owner)) {
                let reason = format!("needs {}, which is excluded", self.display(*root));
                self.find(
                    Severity::Decision,
                    entry,
                    reason,
                    "exclude it too, where --exclude-table can, or exclude less; with --allow-findings it is left out",
                );
            }
            return false;
        }
        if !self.selection.comes(object) {
            return false;
        }
        match self.missing_end(entry, object) {
            Some(oid) => {
                let reason = format!(
                    "left out: it points to {}, which does not come",
                    self.display(oid)
                );
                self.find(
                    Severity::Note,
                    entry,
                    reason,
                    "select that table too, to keep the foreign key",
                );
                false
            }
            None => true,
        }
    }

    /// The relation that a foreign key points to, if it does not come.
    fn missing_end(&self, entry: &Entry, object: ObjectId) -> Option<u32> {
        if entry.kind != "FK CONSTRAINT" {
            return None;
        }
        let needs = self.source.depends.iter().filter(|(o, _, _)| *o == object);
        let relations = needs.filter(|(_, n, _)| {
            n.class == class::RELATION && self.source.relation(n.oid).is_some()
        });
        relations
            .map(|(_, n, _)| *n)
            .find(|n| !self.selection.comes(*n))
            .map(|n| n.oid)
    }

    /// Comments, privileges and attachments have no class: they come with what they are about.
    fn follows(&mut self, entry: &Entry) -> bool {
        let comes = |oid: u32| self.selection.comes(relation(oid));
        match entry.kind.as_str() {
            // They carry the OID of their relation.
            "ROW SECURITY" | "MATERIALIZED VIEW DATA" => entry.object.is_some_and(|o| comes(o.oid)),
            "TABLE ATTACH" => self
                .relation_of(entry)
                .is_some_and(|r| comes(r.oid) && r.whole().is_some_and(comes)),
            "INDEX ATTACH" => {
                let mut indexes = self.source.indexes.iter();
                let index = indexes.find(|i| named(entry, &i.schema, &i.name));
                index.is_some_and(|i| {
                    let above = self.source.relation(i.table).and_then(Relation::whole);
                    comes(i.oid) && comes(i.table) && above.is_none_or(comes)
                })
            }
            "SEQUENCE OWNED BY" => self
                .relation_of(entry)
                .is_some_and(|r| comes(r.oid) && self.selection.owner(r.id()).is_none_or(comes)),
            // It stands before the type that it makes room for, and gives no OID.
            "SHELL TYPE" => {
                let plain = |text: &str| dump_name(text).replace('"', "");
                let schema = entry.schema.as_deref().unwrap_or_default();
                let name = plain(&format!("{schema}.{}", entry.name));
                let mut types = self
                    .source
                    .types
                    .iter()
                    .filter(|(_, t)| plain(&t.name) == name);
                types.any(|(&oid, _)| {
                    self.selection.comes(ObjectId {
                        class: class::TYPE,
                        oid,
                    })
                })
            }
            "USER MAPPING" => {
                let server = entry.name.split_once(" SERVER ").map(|(_, server)| server);
                server.is_some_and(|server| self.servers.contains(server))
            }
            "ACL" | "COMMENT" | "SECURITY LABEL" | "STATISTICS DATA" => {
                match self.followed(entry) {
                    Followed::Come => true,
                    Followed::Stay => false,
                    Followed::Unknown => self.without_entry(entry),
                }
            }
            _ => {
                self.find(
                    Severity::Decision,
                    entry,
                    "nothing is known of this kind of entry, so it cannot be told whether it belongs to the selection".into(),
                    "copy without --schema, --table and --exclude-table; with --allow-findings it is left out",
                );
                false
            }
        }
    }

    fn followed(&self, entry: &Entry) -> Followed {
        if entry.dependencies.iter().any(|id| self.kept.contains(id)) {
            Followed::Come
        } else if entry.dependencies.iter().any(|id| self.seen.contains(id)) {
            Followed::Stay
        } else {
            Followed::Unknown
        }
    }

    /// What is said of an object that the dump does not make.
    fn without_entry(&mut self, entry: &Entry) -> bool {
        if let Some(extension) = self.lacking_owner(entry) {
            self.lacks(entry, extension);
            return false;
        }
        if matches!(self.selection.scope, Scope::AllBut) {
            return true;
        }
        if let Some(schema) = entry.name.strip_prefix("SCHEMA ") {
            return self.schemas.contains(schema);
        }
        let inside = entry
            .schema
            .as_ref()
            .is_some_and(|s| self.schemas.contains(s));
        if inside && self.extension_dropped {
            self.find(
                Severity::Note,
                entry,
                "left out: it is about a member of an extension, and not every extension comes"
                    .into(),
                "repeat it on the target where it is wanted",
            );
            return false;
        }
        inside
    }

    /// The extension whose member an entry is about, where the target lacks it. pg_dump writes privileges on members that differ from
    /// the extension's own, by default privileges of the database for example.
    fn lacking_owner(&self, entry: &Entry) -> Option<&'a str> {
        let about = (entry.schema.clone()?, entry.name.replace('"', ""));
        let mut extensions = self.source.extensions.iter();
        let owner = extensions.find(|e| {
            let id = ObjectId {
                class: EXTENSION,
                oid: e.oid,
            };
            self.selection.lacking.contains_key(&id) && e.members.contains(&about)
        });
        owner.map(|e| e.name.as_str())
    }

    fn lacks(&mut self, entry: &Entry, extension: &str) {
        let reason =
            format!("left out: it needs the extension {extension}, which the target lacks");
        self.find(Severity::Note, entry, reason, "");
    }

    fn relation_of(&self, entry: &Entry) -> Option<&'a Relation> {
        let mut relations = self.source.relations.iter();
        relations.find(|r| named(entry, &r.schema, &r.name))
    }

    fn display(&self, oid: u32) -> String {
        let relation = self.source.relation(oid);
        relation.map_or(format!("relation {oid}"), Relation::display)
    }

    fn find(&mut self, severity: Severity, entry: &Entry, reason: String, remedy: &str) {
        let kind = entry.kind.to_lowercase();
        let object = match &entry.schema {
            Some(schema) => format!("{kind} {schema}.{}", entry.name),
            None => format!("{kind} {}", entry.name),
        };
        let finding = Finding::new(severity, object, reason).remedy(remedy);
        self.findings.push(finding);
    }
}

fn relation(oid: u32) -> ObjectId {
    ObjectId {
        class: class::RELATION,
        oid,
    }
}

fn named(entry: &Entry, schema: &str, name: &str) -> bool {
    entry.schema.as_deref() == Some(dump_name(schema).as_str()) && entry.name == dump_name(name)
}
