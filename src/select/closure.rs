//! In: the source's catalog and what the patterns match. Out: the selection. Pure: pg_depend was read before.

use std::collections::{HashMap, HashSet};

use dialect::dump::ObjectId;

use super::{Patterns, Scope, Selection};
use crate::catalog::target::Target;
use crate::catalog::{Relation, Source, class};
use crate::plan::{Finding, Severity, extensions};

/// pg_depend, to be read from both ends.
struct Graph<'a> {
    source: &'a Source,
    /// What an object needs.
    needs: HashMap<ObjectId, Vec<(ObjectId, char)>>,
    /// What needs an object.
    users: HashMap<ObjectId, Vec<(ObjectId, char)>>,
    owners: HashMap<ObjectId, u32>,
    /// The parts of a relation.
    parts: HashMap<u32, Vec<ObjectId>>,
}

/// Closes the patterns' matches over what they need and what belongs to them.
pub fn close(source: &Source, patterns: &Patterns) -> Selection {
    let graph = Graph::new(source);
    let excluded = graph.excluded(&patterns.excluded);
    let mut barred = graph.barred(&excluded);
    let named = |r: &Relation| match (&patterns.tables, &patterns.schemas) {
        (Some(tables), _) => lineage(source, r.oid).any(|oid| tables.contains(&oid)),
        (None, Some(schemas)) => schemas.contains_key(&r.schema),
        (None, None) => true,
    };
    let scope = if patterns.schemas.is_some() || patterns.tables.is_some() {
        let mut closure = Closure::new(&graph, &excluded, &barred);
        let relations = source.relations.iter().filter(|r| named(r));
        closure.add(relations.map(Relation::id).collect());
        if patterns.tables.is_none() {
            closure.add(graph.of_schemas(patterns));
        }
        closure.add_casts();
        let Closure {
            wanted, refused, ..
        } = closure;
        barred.retain(|object, _| refused.contains(object));
        Scope::Only(wanted)
    } else if patterns.excluded.is_empty() {
        Scope::Everything
    } else {
        Scope::AllBut
    };
    let mut selection = Selection {
        scope,
        excluded,
        barred,
        lacking: HashMap::new(),
        owners: graph.owners,
        schemas: patterns
            .schemas
            .iter()
            .flat_map(|s| s.keys().cloned())
            .collect(),
        relations: HashSet::new(),
        findings: Vec::new(),
    };
    for relation in &source.relations {
        if !selection.comes(relation.id()) {
            continue;
        }
        selection.relations.insert(relation.oid);
        if !named(relation) {
            selection.findings.extend(needed(relation));
        }
    }
    selection
}

/// Takes what needs an extension that the target lacks out of a selection, with findings for the extensions.
pub fn offered(source: &Source, target: &Target, selection: &mut Selection) {
    let graph = Graph::new(source);
    let depends = source.depends.iter();
    let members: HashSet<ObjectId> = depends
        .filter(|(_, needs, kind)| needs.class == EXTENSION && *kind == 'e')
        .map(|(object, _, _)| *object)
        .collect();
    for extension in &source.extensions {
        let id = ObjectId {
            class: EXTENSION,
            oid: extension.oid,
        };
        if !selection.comes(id) {
            continue;
        }
        let needing = graph.barred(&HashMap::from([(id, extension.oid)]));
        let relations = source.relations.iter();
        let named = relations
            .filter(|r| needing.contains_key(&r.id()) && selection.relations.contains(&r.oid));
        let mut named: Vec<String> = named.map(|r| r.display()).collect();
        // Indexes, functions, types: whatever is neither a member nor a relation.
        // What extensions have made themselves is nobody's that comes: the parts of operator classes and arrays are no members.
        let own = |o: &ObjectId| {
            let mut wholes = graph.needs.get(o).into_iter().flatten();
            let part = wholes.any(|(of, kind)| matches!(kind, 'i' | 'a') && members.contains(of));
            part || members.contains(o)
        };
        let others = needing
            .keys()
            .filter(|o| o.class != class::RELATION && !own(o));
        let others =
            others.filter(|o| !graph.is_member(**o) && graph.needs_member(**o, extension.oid));
        let others = others.count();
        if others > 0 {
            named.push(format!("other objects ({others})"));
        }
        let findings = extensions::findings(extension, target, &named);
        selection.findings.extend(findings);
        if extensions::lacking(extension, target).is_some() {
            selection
                .relations
                .retain(|oid| !needing.contains_key(&relation_id(*oid)));
            selection.lacking.extend(needing);
            selection.lacking.insert(id, extension.oid);
            if matches!(selection.scope, Scope::Everything) {
                selection.scope = Scope::AllBut;
            }
        }
    }
}

fn relation_id(oid: u32) -> ObjectId {
    ObjectId {
        class: class::RELATION,
        oid,
    }
}

/// The relations that hold rows or show them are worth a word when nobody named them.
fn needed(relation: &Relation) -> Option<Finding> {
    let kind = match relation.kind {
        'r' | 'p' => "table",
        'f' => "foreign table",
        'v' => "view",
        'm' => "materialized view",
        _ => return None,
    };
    let object = format!("{kind} {}", relation.display());
    let reason = "comes too: a selected object needs it";
    Some(Finding::new(Severity::Note, object, reason))
}

/// A table and the partitioned tables above it.
fn lineage(source: &Source, oid: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(oid), |oid| source.relation(*oid)?.whole())
}

impl<'a> Graph<'a> {
    fn new(source: &'a Source) -> Graph<'a> {
        let (mut needs, mut users) = (HashMap::new(), HashMap::new());
        for &(object, needed, kind) in &source.depends {
            needs
                .entry(object)
                .or_insert_with(Vec::new)
                .push((needed, kind));
            users
                .entry(needed)
                .or_insert_with(Vec::new)
                .push((object, kind));
        }
        let owners = owners(source);
        let mut parts: HashMap<u32, Vec<ObjectId>> = HashMap::new();
        for (part, owner) in &owners {
            parts.entry(*owner).or_default().push(*part);
        }
        Graph {
            source,
            needs,
            users,
            owners,
            parts,
        }
    }

    /// The relations that the patterns exclude, with their partitions, and the parts of all of them.
    fn excluded(&self, matched: &HashSet<u32>) -> HashMap<ObjectId, u32> {
        let mut excluded = HashMap::new();
        for relation in &self.source.relations {
            // A sequence that a table owns stays with its table, as in pg_dump.
            let owner = self.owners.get(&relation.id()).copied();
            let Some(oid) = lineage(self.source, owner.unwrap_or(relation.oid))
                .find(|oid| matched.contains(oid))
            else {
                continue;
            };
            excluded.insert(relation.id(), oid);
            let parts = self.parts.get(&relation.oid).into_iter().flatten();
            excluded.extend(parts.map(|part| (*part, oid)));
        }
        excluded
    }

    /// Whatever needs something excluded, directly or not. A foreign key does not count: it is left out alone.
    fn barred(&self, excluded: &HashMap<ObjectId, u32>) -> HashMap<ObjectId, u32> {
        let mut barred = HashMap::new();
        let mut open: Vec<(ObjectId, u32)> = excluded.iter().map(|(o, r)| (*o, *r)).collect();
        while let Some((object, root)) = open.pop() {
            let users = self.users.get(&object).into_iter().flatten();
            let hit = users
                .filter(|(user, kind)| !points(*user, object, *kind))
                .map(|(user, _)| *user)
                .chain(self.whole(object).filter(|_| barred.contains_key(&object)));
            for next in hit.collect::<Vec<_>>() {
                if !excluded.contains_key(&next) && !barred.contains_key(&next) {
                    barred.insert(next, root);
                    open.push((next, root));
                }
            }
        }
        barred
    }

    /// What cannot be made without this part of it, since it stands in the same statement: the table of a default or a
    /// constraint, the view of its query, the domain of its check, the composite type of its columns.
    fn whole(&self, part: ObjectId) -> impl Iterator<Item = ObjectId> {
        let needs = self.needs.get(&part).into_iter().flatten();
        needs
            .filter(move |(_, kind)| match part.class {
                class::ATTRDEF | class::CONSTRAINT => matches!(kind, 'a' | 'i'),
                class::REWRITE | class::RELATION => *kind == 'i',
                _ => false,
            })
            .map(|(whole, _)| *whole)
    }

    /// What stands in the named schemas, and these themselves; but no extension and no member of one: `pg_dump -n` leaves
    /// them out too, and those that are needed come by that.
    fn of_schemas(&self, patterns: &Patterns) -> Vec<ObjectId> {
        let oids = patterns.schemas.iter().flat_map(|s| s.values());
        let schemas = oids.map(|&oid| ObjectId {
            class: class::NAMESPACE,
            oid,
        });
        let mut found = Vec::new();
        for schema in schemas {
            found.push(schema);
            let inside = self.users.get(&schema).into_iter().flatten();
            found.extend(
                inside
                    .filter(|(object, kind)| {
                        *kind == 'n' && object.class != EXTENSION && !self.is_member(*object)
                    })
                    .map(|(object, _)| *object),
            );
        }
        found
    }

    /// Whether an object needs a member of the extension itself, not by way of something else.
    fn needs_member(&self, object: ObjectId, extension: u32) -> bool {
        let member = |o: &ObjectId| {
            let needs = self.needs.get(o).into_iter().flatten();
            needs
                .into_iter()
                .any(|(n, kind)| *kind == 'e' && n.class == EXTENSION && n.oid == extension)
        };
        let needs = self.needs.get(&object).into_iter().flatten();
        needs.into_iter().any(|(n, _)| member(n))
    }

    fn is_member(&self, object: ObjectId) -> bool {
        let needs = self.needs.get(&object);
        needs.is_some_and(|needs| needs.iter().any(|(_, kind)| *kind == 'e'))
    }
}

/// Classes that only the closure has to tell apart.
pub(super) const EXTENSION: u32 = 3079;
const CAST: u32 = 2605;
const DEFAULT_ACL: u32 = 826;

/// Whether this is a foreign key's tie to the table or the unique index that it points to.
fn points(object: ObjectId, needed: ObjectId, kind: char) -> bool {
    object.class == class::CONSTRAINT && needed.class == class::RELATION && kind == 'n'
}

/// The relation whose part an object is: its indexes, constraints, defaults, triggers, rules, policies, owned sequences.
fn owners(source: &Source) -> HashMap<ObjectId, u32> {
    let kinds: HashMap<u32, char> = source.relations.iter().map(|r| (r.oid, r.kind)).collect();
    let is_part = |object: ObjectId, needs: ObjectId, kind: char| {
        matches!(kind, 'a' | 'i')
            && needs.class == class::RELATION
            && kinds.contains_key(&needs.oid)
            // A partition depends on its parent in this way too, and is no part of it.
            && (object.class != class::RELATION || kinds.get(&object.oid) == Some(&'S'))
    };
    let depends = source.depends.iter();
    let mut owners: HashMap<ObjectId, u32> = depends
        .filter(|(object, needs, kind)| is_part(*object, *needs, *kind))
        .map(|(object, needs, _)| (*object, needs.oid))
        .collect();
    for index in &source.indexes {
        let of = |class, oid| (ObjectId { class, oid }, index.table);
        owners.extend([of(class::RELATION, index.oid)]);
        owners.extend(index.constraint.map(|oid| of(class::CONSTRAINT, oid)));
    }
    owners
}

struct Closure<'a> {
    graph: &'a Graph<'a>,
    excluded: &'a HashMap<ObjectId, u32>,
    barred: &'a HashMap<ObjectId, u32>,
    wanted: HashSet<ObjectId>,
    /// What would have come, but is barred.
    refused: HashSet<ObjectId>,
}

impl<'a> Closure<'a> {
    fn new(
        graph: &'a Graph<'a>,
        excluded: &'a HashMap<ObjectId, u32>,
        barred: &'a HashMap<ObjectId, u32>,
    ) -> Closure<'a> {
        Closure {
            graph,
            excluded,
            barred,
            wanted: HashSet::new(),
            refused: HashSet::new(),
        }
    }

    /// Objects, all that they need, and all that is a part of them with what that needs; but no table only because a foreign
    /// key points there.
    fn add(&mut self, mut open: Vec<ObjectId>) {
        while let Some(object) = open.pop() {
            if self.excluded.contains_key(&object) {
                continue;
            }
            if self.barred.contains_key(&object) {
                self.refused.insert(object);
                continue;
            }
            if !self.wanted.insert(object) {
                continue;
            }
            let needs = self.graph.needs.get(&object).into_iter().flatten();
            open.extend(
                needs
                    .filter(|(n, kind)| !points(object, *n, *kind))
                    .map(|(n, _)| *n),
            );
            if object.class == class::RELATION {
                open.extend(self.graph.parts.get(&object.oid).into_iter().flatten());
            }
            let users = self.graph.users.get(&object).into_iter().flatten();
            open.extend(
                users
                    .filter(|(part, kind)| inside(*part, object, *kind))
                    .map(|(part, _)| *part),
            );
        }
    }

    /// A cast has no schema and nothing names it, yet text that was dumped relies on it: it comes when its types do.
    fn add_casts(&mut self) {
        let casts = self
            .graph
            .needs
            .iter()
            .filter(|(object, _)| object.class == CAST);
        let all_there = |needs: &[(ObjectId, char)]| {
            let mut types = needs
                .iter()
                .filter(|(n, _)| n.class == class::TYPE)
                .peekable();
            types.peek().is_some() && types.all(|(n, _)| self.wanted.contains(n))
        };
        let casts = casts
            .filter(|(_, needs)| all_there(needs))
            .map(|(cast, _)| *cast);
        self.add(casts.collect());
    }
}

/// A part of something that is no relation: the columns of a composite type, the checks of a domain, the members of an
/// operator class, a schema's default privileges.
fn inside(part: ObjectId, whole: ObjectId, kind: char) -> bool {
    match whole.class {
        class::RELATION => false,
        class::TYPE => kind == 'i' || (kind == 'a' && part.class == class::CONSTRAINT),
        class::NAMESPACE => part.class == DEFAULT_ACL,
        _ => kind == 'i',
    }
}
