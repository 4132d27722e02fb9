//! What an expression is, as far as its text and the catalog's columns tell.
//!
//! In: an expression, the relations that its statement names and the columns that change. Out: the type on the target that matters
//! for the translation, or that it is not known. Nothing is edited here.

use super::super::Context;
use super::super::written::{Written, written_as};
use super::{Words, bare, equality, evidence};
use crate::syntax::{child, name, path};
use crate::types::{SourceType, TargetType, TypeChange, default_target};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A vector, in the type that it has on the target.
    Vector(TargetType),
    /// A string of bits that stays one.
    Bits,
    /// What was a string of bits, and is an array of real on the target.
    BitArray,
    /// An array of vectors, in the type that these have on the target.
    Vectors(TargetType),
    /// A composite with vectors in it.
    Row,
    /// Composites with vectors in them, in an array or a range.
    Rows,
    /// An array of numbers.
    Array,
    Text,
    /// A literal that takes the type of what stands beside it.
    Literal,
    /// Surely none of these.
    Other,
    Unknown,
}

impl Kind {
    /// Whether it is a vector, where that is known.
    pub(super) fn is_vector(self) -> Option<bool> {
        match self {
            Self::Vector(_) => Some(true),
            Self::Literal | Self::Unknown => None,
            _ => Some(false),
        }
    }
}

/// The names that an expression may use.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) relations: BTreeSet<u32>,
    /// Names that are neither columns nor relations.
    pub(super) known: HashMap<String, Kind>,
    pub(super) numbered: Vec<Kind>,
    /// What stands behind a name in FROM; more than one where several queries use the name.
    aliases: HashMap<String, Vec<Source>>,
}

#[derive(Clone)]
enum Source {
    Relation(u32),
    Query(SyntaxNode),
    /// A call that gives rows of one value.
    Call(SyntaxNode),
}

/// How far an expression is followed: through operands, and from a name to what a query shows under it, which may be that name again.
const DEPTH: u32 = 12;

impl Scope {
    pub(super) fn read(&mut self, root: &SyntaxNode, context: &Context, unqualified: bool) {
        for node in root.descendants() {
            match node.kind() {
                SyntaxKind::RELATION_NAME_REF | SyntaxKind::TABLE_NAME_REF => {
                    let parts = path(&node);
                    for oid in relations(&parts, context, unqualified) {
                        self.relations.insert(oid);
                        let alias = alias(&node).or_else(|| parts.last().cloned());
                        if let Some(alias) = alias {
                            self.aliases
                                .entry(alias)
                                .or_default()
                                .push(Source::Relation(oid));
                        }
                    }
                }
                SyntaxKind::PAREN_SELECT => {
                    if let Some(alias) = alias(&node) {
                        self.aliases
                            .entry(alias)
                            .or_default()
                            .push(Source::Query(node));
                    }
                }
                SyntaxKind::FUNCTION_FROM_ITEM => {
                    let call = node.children().next();
                    for (name, call) in named_by(&node).into_iter().zip(call.iter().cycle()) {
                        self.aliases
                            .entry(name)
                            .or_default()
                            .push(Source::Call(call.clone()));
                    }
                }
                SyntaxKind::WITH_TABLE => {
                    let alias = node
                        .children()
                        .find_map(ast::WithTable::cast)
                        .or_else(|| ast::WithTable::cast(node.clone()));
                    if let Some(alias) = alias.and_then(|table| first_name(table.syntax())) {
                        self.aliases
                            .entry(alias)
                            .or_default()
                            .push(Source::Query(node));
                    }
                }
                _ => {}
            }
        }
    }
}

/// The first name that stands in a node, which is the one that it defines.
fn first_name(node: &SyntaxNode) -> Option<String> {
    node.children().next().map(|first| name(&first))
}

/// The alias of a call in FROM, and of its first column.
fn named_by(item: &SyntaxNode) -> Vec<String> {
    let Some(alias) = child::<ast::FromAlias>(item) else {
        return Vec::new();
    };
    let column = alias
        .syntax()
        .descendants()
        .find(|part| part.kind() == SyntaxKind::COLUMN_NAME);
    let names = first_name(alias.syntax()).into_iter();
    names.chain(column.map(|column| name(&column))).collect()
}

fn first_child(node: &SyntaxNode) -> Vec<SyntaxNode> {
    node.children().take(1).collect()
}

/// The alias of what stands in FROM.
fn alias(node: &SyntaxNode) -> Option<String> {
    let alias: ast::FromAlias = child(&node.parent()?)?;
    first_name(alias.syntax())
}

/// The relations that a path may mean.
fn relations(parts: &[String], context: &Context, unqualified: bool) -> Vec<u32> {
    match parts {
        [schema, relation] => {
            let key = (schema.clone(), relation.clone());
            context.relations.get(&key).copied().into_iter().collect()
        }
        [relation] if unqualified => {
            let named = context
                .relations
                .iter()
                .filter(|((_, name), _)| name == relation);
            let mut oids: Vec<u32> = named.map(|(_, oid)| *oid).collect();
            oids.sort_unstable();
            oids
        }
        _ => Vec::new(),
    }
}

impl Words<'_> {
    pub(in super::super) fn kind(&self, node: &SyntaxNode) -> Kind {
        let depth = self.depth.get();
        if depth == DEPTH {
            return Kind::Unknown;
        }
        self.depth.set(depth + 1);
        let kind = self.kind_here(&bare(node));
        self.depth.set(depth);
        kind
    }

    fn kind_here(&self, node: &SyntaxNode) -> Kind {
        match node.kind() {
            SyntaxKind::LITERAL => self.literal(node),
            // The name before it is that of a relation, though a column may have it too.
            SyntaxKind::FIELD_EXPR if evidence::is_starred(node) => Kind::Unknown,
            SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR => self.named(&evidence::names(node)),
            SyntaxKind::CAST_EXPR => self.cast_kind(node),
            SyntaxKind::ARRAY_EXPR => self.array_kind(node),
            SyntaxKind::CALL_EXPR => self.call_kind(node),
            SyntaxKind::BIN_EXPR => self.operation_kind(node),
            SyntaxKind::CASE_EXPR => self.first_vector(&results(node)),
            SyntaxKind::INDEX_EXPR => self.element_kind(node),
            SyntaxKind::SLICE_EXPR => self.first_vector(&first_child(node)),
            SyntaxKind::SELECT | SyntaxKind::PAREN_SELECT => self.shown_kind(node),
            _ => Kind::Unknown,
        }
    }

    /// What can be one of these is a vector, or an array of them, if one of them is.
    pub(super) fn first_vector(&self, nodes: &[SyntaxNode]) -> Kind {
        let mut kinds = nodes.iter().map(|node| self.kind(node));
        kinds
            .find(|kind| {
                matches!(
                    kind,
                    Kind::Vector(_) | Kind::Vectors(_) | Kind::Row | Kind::Rows
                )
            })
            .unwrap_or(Kind::Unknown)
    }

    /// Of a query that stands for a value: its only column.
    fn shown_kind(&self, query: &SyntaxNode) -> Kind {
        let target = query.descendants().find_map(ast::Target::cast);
        let shown = target.and_then(|target| target.syntax().children().next());
        shown.map_or(Kind::Unknown, |shown| self.kind(&shown))
    }

    fn literal(&self, node: &SyntaxNode) -> Kind {
        let text = node.text().to_string();
        if text.starts_with('$') && !text.contains('\'') && !text.ends_with('$') {
            return self.parameter(&text);
        }
        match text.bytes().next() {
            Some(b'0'..=b'9' | b'.') => Kind::Other,
            Some(b'b' | b'B' | b'x' | b'X') => Kind::Bits,
            _ => Kind::Literal,
        }
    }

    /// Of `$1`, or of a name.
    pub(in super::super) fn parameter(&self, text: &str) -> Kind {
        let Some(number) = text.strip_prefix('$') else {
            return self.named(&[text.trim_matches('"').to_owned()]);
        };
        let at = number.parse().ok().and_then(|n: usize| n.checked_sub(1));
        let kind = at.and_then(|at| self.scope.numbered.get(at));
        kind.copied().unwrap_or(Kind::Unknown)
    }

    pub(super) fn named(&self, parts: &[String]) -> Kind {
        // Queries that show `id` as `id` say nothing of it; followed from each to each, a dozen of them would take for ever.
        if self.asked.borrow().iter().any(|asked| asked == parts) {
            return Kind::Unknown;
        }
        self.asked.borrow_mut().push(parts.to_vec());
        let kind = self.named_here(parts);
        self.asked.borrow_mut().pop();
        kind
    }

    fn named_here(&self, parts: &[String]) -> Kind {
        match parts {
            [column] => self.scope.known.get(column).copied().unwrap_or_else(|| {
                let oids = self.scope.relations.iter();
                let calls = self.scope.aliases.get(column).into_iter().flatten();
                let calls = calls.filter(|source| matches!(source, Source::Call(_)));
                let queries = self.scope.aliases.values().flatten();
                let queries = queries.filter(|source| matches!(source, Source::Query(_)));
                one(oids.map(|oid| self.column(*oid, column)).chain(
                    calls
                        .chain(queries)
                        .map(|source| self.of_source(source, column)),
                ))
            }),
            [qualifier, column] => match self.scope.aliases.get(qualifier) {
                Some(sources) => one(sources.iter().map(|source| self.of_source(source, column))),
                // NEW and OLD, and the name of a function before that of its parameter.
                None => match self.named(std::slice::from_ref(column)) {
                    Kind::Unknown
                        if self.is_bare() && matches!(qualifier.as_str(), "new" | "old") =>
                    {
                        self.anywhere(column)
                    }
                    kind => kind,
                },
            },
            [.., relation, column] => self.named(&[relation.clone(), column.clone()]),
            [] => Kind::Unknown,
        }
    }

    /// Whether what a query in FROM shows under this name has vectors.
    pub(super) fn query_shows_vectors(&self, alias: &str) -> bool {
        let shows = |source: &Source| match source {
            Source::Query(query) => query
                .descendants()
                .find_map(ast::SelectClause::cast)
                .is_some_and(|clause| equality::shows_vector(self, clause.syntax())),
            _ => false,
        };
        let sources = self.scope.aliases.get(alias);
        sources.is_some_and(|sources| sources.iter().any(shows))
    }

    /// The relations behind the qualifier of a name, if it is one that stands in FROM.
    pub(super) fn alias_of(&self, parts: &[String]) -> Option<Vec<u32>> {
        let [.., qualifier, _] = parts else {
            return None;
        };
        let relation = |source: &Source| match source {
            Source::Relation(oid) => Some(*oid),
            Source::Query(_) | Source::Call(_) => None,
        };
        let sources = self.scope.aliases.get(qualifier)?;
        Some(sources.iter().filter_map(relation).collect())
    }

    fn of_source(&self, source: &Source, column: &str) -> Kind {
        match source {
            Source::Relation(oid) => self.column(*oid, column),
            Source::Call(call) => match self.kind(call) {
                vector @ Kind::Vector(_) if !is_ordinality(call, column) => vector,
                _ => Kind::Unknown,
            },
            Source::Query(query) => {
                let mut targets = query.descendants().filter_map(ast::Target::cast);
                let target =
                    targets.find(|target| shown_as(target.syntax()).as_deref() == Some(column));
                let shown = target.and_then(|target| target.syntax().children().next());
                shown.map_or(Kind::Unknown, |shown| self.kind(&shown))
            }
        }
    }

    fn column(&self, relation: u32, column: &str) -> Kind {
        let context = self.context;
        let of = [&context.columns, &context.over_domains].map(|all| all.get(&relation));
        let found = of.into_iter().flatten().find_map(|c| c.get(column));
        let holder = context.holders.get(&relation).and_then(|c| c.get(column));
        match (found, of) {
            (Some(change), _) => of_change(change),
            _ if holder.is_some() && !self.real_array() => {
                if holder == Some(&true) {
                    Kind::Row
                } else {
                    Kind::Rows
                }
            }
            // A relation with vectors is a table or a materialized view, and all of its vectors are known.
            (None, [Some(_), _] | [_, Some(_)]) => Kind::Other,
            (None, [None, None]) => Kind::Unknown,
        }
    }

    fn cast_kind(&self, node: &SyntaxNode) -> Kind {
        let Some(ty) = child::<ast::Type>(node) else {
            return Kind::Unknown;
        };
        // A cast gives bits their length, and what they are stays.
        let inner = node
            .children()
            .find(|child| ast::Expr::can_cast(child.kind()));
        match (self.type_kind(&ty), inner.map(|inner| self.kind(&inner))) {
            (Kind::Bits, Some(bits @ Kind::Vector(TargetType::Bvector))) => bits,
            (kind, _) => kind,
        }
    }

    /// What a value of a type is.
    pub(in super::super) fn type_kind(&self, ty: &ast::Type) -> Kind {
        match self.written(ty) {
            Some(found)
                if found.array && !matches!(found.from, SourceType::Bit | SourceType::Varbit) =>
            {
                Kind::Vectors(self.usual(found.from))
            }
            Some(found) if found.array => Kind::Other,
            Some(found) if matches!(found.from, SourceType::Bit | SourceType::Varbit) => Kind::Bits,
            Some(found) => Kind::Vector(self.usual(found.from)),
            None if self.is_row_type(ty) => match ty {
                ast::Type::ArrayType(_) => Kind::Rows,
                _ => Kind::Row,
            },
            None => match unset(&ty.syntax().text().to_string()) {
                "bit" => Kind::Bits,
                "text" | "character varying" | "varchar" => Kind::Text,
                text if text.ends_with("[]") => Kind::Array,
                _ if self.is_bare() => self.unqualified(ty),
                _ => Kind::Other,
            },
        }
    }

    /// The type of rows with vectors in them, or an array of it.
    fn is_row_type(&self, ty: &ast::Type) -> bool {
        if self.real_array() || self.context.row_types.is_empty() {
            return false;
        }
        let named = ty.syntax().descendants().find_map(ast::PathRef::cast);
        let parts = named.map(|named| path(named.syntax())).unwrap_or_default();
        let types = &self.context.row_types;
        match parts.as_slice() {
            [schema, name] => types.contains(&(schema.clone(), name.clone())),
            [one] if self.is_bare() => types.iter().any(|(_, name)| name == one),
            _ => false,
        }
    }

    /// A type in a string body that is none of pgvector's: one of PostgreSQL's, or perhaps a domain.
    fn unqualified(&self, ty: &ast::Type) -> Kind {
        let ast::Type::PathType(named) = ty else {
            return Kind::Other;
        };
        if evidence::is_plain(&path(named.syntax())) {
            Kind::Other
        } else {
            Kind::Unknown
        }
    }

    /// `items.v%TYPE`, or `variable%TYPE`.
    pub(in super::super) fn copied_kind(&self, ty: &ast::PercentType) -> Kind {
        let parts = path(ty.syntax());
        match parts.as_slice() {
            [variable] => self.named(std::slice::from_ref(variable)),
            [relation @ .., column] => {
                let oids = relations(relation, self.context, true).into_iter();
                one(oids.map(|oid| self.column(oid, column)))
            }
            [] => Kind::Unknown,
        }
    }

    /// What a type of pgvector becomes where no column decides.
    pub(super) fn usual(&self, from: SourceType) -> TargetType {
        match self.real_array() {
            true => TargetType::RealArray,
            false => default_target(from),
        }
    }

    /// A type as it is written here: qualified, or in a string body also bare.
    pub(super) fn written(&self, ty: &ast::Type) -> Option<Written> {
        written_as(ty, &|parts| self.of_extension(parts))
    }

    pub(super) fn of_extension(&self, parts: &[String]) -> Option<SourceType> {
        match parts {
            [schema, name] if *schema == self.context.vector_schema => {
                SourceType::of_extension(name)
            }
            [name] if self.is_bare() && !self.context.shared_names.contains(name) => {
                SourceType::of_extension(name)
            }
            _ => None,
        }
    }

    pub(super) fn is_bare(&self) -> bool {
        matches!(self.names, super::Names::Bare)
    }
}

/// Whether a name is that of the number beside what a call gives.
fn is_ordinality(call: &SyntaxNode, column: &str) -> bool {
    let item = call.parent();
    let mut columns = item.iter().flat_map(|item| item.descendants());
    column == "ordinality"
        || columns
            .by_ref()
            .filter(|part| part.kind() == SyntaxKind::COLUMN_NAME)
            .skip(1)
            .any(|part| name(&part) == column)
}

/// The name of a type, of which there may be a set.
fn unset(ty: &str) -> &str {
    let set = ty.get(..6).filter(|set| set.eq_ignore_ascii_case("setof "));
    set.map_or(ty, |_| ty[6..].trim_start()).trim_matches('"')
}

/// The kind that all agree on; where one knows and others do not, that one's.
fn one(kinds: impl Iterator<Item = Kind>) -> Kind {
    let mut found = Kind::Unknown;
    for kind in kinds {
        match (found, kind) {
            (Kind::Unknown | Kind::Other, kind) if kind != Kind::Unknown => found = kind,
            _ => {}
        }
    }
    found
}

pub(super) fn of_change(change: &TypeChange) -> Kind {
    let of_bits = matches!(change.from, SourceType::Bit | SourceType::Varbit);
    match change.to {
        to if change.array => Kind::Vectors(to),
        TargetType::RealArray if of_bits => Kind::BitArray,
        to => Kind::Vector(to),
    }
}

/// The name under which a query shows an element of its list.
pub(super) fn shown_as(target: &SyntaxNode) -> Option<String> {
    if let Some(name) = child::<ast::AsName>(target) {
        return first_name(name.syntax());
    }
    let shown = target.children().next()?;
    match shown.kind() {
        SyntaxKind::NAME_REF => Some(name(&shown)),
        SyntaxKind::FIELD_EXPR => shown.children().last().map(|column| name(&column)),
        _ => None,
    }
}

/// The results of a CASE.
fn results(case: &SyntaxNode) -> Vec<SyntaxNode> {
    // Not those of a CASE inside.
    let own = case.children();
    let lists = case
        .children()
        .filter(|part| part.kind() == SyntaxKind::WHEN_CLAUSE_LIST)
        .flat_map(|list| list.children());
    let clauses = own.chain(lists).filter(|node| {
        matches!(
            node.kind(),
            SyntaxKind::WHEN_CLAUSE | SyntaxKind::ELSE_CLAUSE
        )
    });
    let result = |clause: SyntaxNode| {
        clause
            .children()
            .filter(|node| ast::Expr::can_cast(node.kind()))
            .last()
    };
    clauses.filter_map(result).collect()
}
