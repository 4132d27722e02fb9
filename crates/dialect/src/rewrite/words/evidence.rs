//! What tells whose an operator is that PostgreSQL has for its own types as well, where a person wrote it.
//!
//! In: the operands of `<->`, `+`, `=` … in a body that is a string. Out: whether they are vectors, surely something else, or nothing
//! that the text and the catalog tell. A wrong guess would change a function that works, so that doubt is no evidence.

use super::kinds::{Kind, of_change};
use super::{Words, bare, functions};
use crate::rewrite::ObjectId;
use crate::syntax::name;
use crate::types::TargetType;
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Types that have a `<->` of their own, in PostgreSQL or in an extension, and functions that give them.
const SHAPES: &[&str] = &[
    "point",
    "box",
    "circle",
    "polygon",
    "line",
    "lseg",
    "path",
    "tsquery",
    "to_tsquery",
    "plainto_tsquery",
    "phraseto_tsquery",
    "websearch_to_tsquery",
    "geometry",
    "geography",
    "cube",
];

/// Other types that are no vectors. A type that is not among these may be a domain over one.
const PLAIN: &[&str] = &[
    "smallint",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "bigint",
    "numeric",
    "decimal",
    "real",
    "float",
    "float4",
    "float8",
    "money",
    "boolean",
    "bool",
    "uuid",
    "json",
    "jsonb",
    "bytea",
    "date",
    "timestamptz",
    "timetz",
    "inet",
    "cidr",
    "name",
    "tsvector",
];

/// The class of relations in the catalog.
const RELATION: u32 = 1259;

/// Whether a type is surely none of pgvector's.
pub(super) fn is_plain(parts: &[String]) -> bool {
    match parts {
        [name] => is_built_in(name),
        [schema, name] => schema == "pg_catalog" || SHAPES.contains(&name.as_str()),
        _ => false,
    }
}

fn is_built_in(name: &str) -> bool {
    PLAIN.contains(&name) || SHAPES.contains(&name)
}

/// Whether a text names a type that has operators of pgvector's names.
pub(in super::super) fn names_shapes(text: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| SHAPES.contains(&word.to_ascii_lowercase().as_str()))
}

impl Words<'_> {
    /// Whether an operator over these is pgvector's. `distance`: nothing but the type of the operands tells a wrong use from a right
    /// one, and the name of a column is taken for enough.
    pub(super) fn evidence(&self, operands: [&SyntaxNode; 2], distance: bool) -> Option<bool> {
        let kinds = operands.map(|operand| self.kind(operand));
        let bits = kinds.contains(&Kind::Vector(TargetType::Bvector));
        if bits || operands.iter().any(|operand| self.is_another(operand)) {
            return Some(false);
        }
        let named = || operands.iter().any(|operand| self.is_named_like(operand));
        (kinds.iter().any(|kind| kind.is_vector() == Some(true)) || (distance && named()))
            .then_some(true)
    }

    /// A `<->` that may be pgvector's or PostgreSQL's.
    pub(super) fn unknown_distance(&mut self) {
        if self.among_shapes {
            self.note("uses the operator <-> over operands whose types its text does not tell: it is taken for that of the other types which the body names");
        } else if self.context.shared_names.contains("<->") {
            self.unclear.insert("uses the operator <->, which is not pgvector's alone, and its text does not tell whose it is".to_owned());
        } else {
            self.cannot("uses the operator <-> over operands whose types its text does not tell");
        }
    }

    /// Whether an operand is surely no vector. A bare name may be of a relation that is not known, though others are.
    fn is_another(&self, operand: &SyntaxNode) -> bool {
        let operand = bare(operand);
        let other = self.kind(&operand).is_vector() == Some(false);
        match operand.kind() {
            SyntaxKind::NAME_REF => other && self.scope.known.contains_key(&name(&operand)),
            SyntaxKind::FIELD_EXPR => {
                let parts = names(&operand);
                let column = parts.last().map_or("", String::as_str);
                other && (self.alias_of(&parts).is_some() || self.scope.known.contains_key(column))
            }
            SyntaxKind::CALL_EXPR => {
                other || functions::callee(&operand).is_some_and(|(_, name)| is_built_in(&name))
            }
            _ => other,
        }
    }

    /// Whether an operand has the name of a column of vectors, and may be one.
    fn is_named_like(&self, operand: &SyntaxNode) -> bool {
        let operand = bare(operand);
        if !matches!(
            operand.kind(),
            SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR
        ) {
            return false;
        }
        let parts = names(&operand);
        let (Some(column), Kind::Unknown) = (parts.last(), self.kind(&operand)) else {
            return false;
        };
        let mut relations = match self.alias_of(&parts) {
            Some(relations) => relations.into_iter(),
            None => self
                .scope
                .relations
                .iter()
                .copied()
                .collect::<Vec<_>>()
                .into_iter(),
        };
        let possible = relations.len() == 0 || relations.any(|oid| self.may_hold(oid));
        let dense = |kind| {
            matches!(
                kind,
                Kind::Vector(TargetType::Vector | TargetType::Vecf16 | TargetType::RealArray)
            )
        };
        possible && !self.scope.known.contains_key(column) && dense(self.anywhere(column))
    }

    /// Whether an expression is a whole row with vectors in it: `items.*`, and in a body also `NEW`; any other
    /// name alone may be that of a column.
    pub(super) fn is_row_of_vectors(&self, node: &SyntaxNode) -> bool {
        let node = bare(node);
        let starred = is_starred(&node);
        let parts = names(&node);
        let [row] = parts.as_slice() else {
            return false;
        };
        let of_trigger = matches!(row.to_ascii_lowercase().as_str(), "new" | "old");
        match (starred, self.is_bare()) {
            (_, true) if of_trigger => self.fires_over_vectors,
            (true, false) if of_trigger => {
                let mut relations = self.scope.relations.iter();
                relations.any(|oid| self.may_hold(*oid))
            }
            (true, _) => {
                // What `alias_of` asks for is a column of the row.
                let column = [row.clone(), "*".to_owned()];
                let relations = self.alias_of(&column).unwrap_or_default();
                relations.into_iter().any(|oid| self.may_hold(oid)) || self.query_shows_vectors(row)
            }
            _ => false,
        }
    }

    /// Whether an expression holds vectors that PostgreSQL makes a text or a document of by itself. In a body a whole row may
    /// be called by its name alone.
    pub(super) fn holds_vectors(&self, node: &SyntaxNode) -> bool {
        let inner = bare(node);
        let named = || {
            let row = name(&inner);
            let relations = self.alias_of(&[row.clone(), "*".to_owned()]);
            let relations = relations.unwrap_or_default();
            !self.scope.known.contains_key(&row)
                && (relations.into_iter().any(|oid| self.may_hold(oid))
                    || self.query_shows_vectors(&row))
        };
        match self.kind(&inner) {
            Kind::Vectors(of) => of != TargetType::RealArray,
            Kind::Row | Kind::Rows => true,
            Kind::Vector(_) => false,
            _ if inner.kind() == SyntaxKind::NAME_REF && self.is_bare() && named() => true,
            _ => self.is_row_of_vectors(&inner),
        }
    }

    /// Whether a relation may have vectors: a view has no columns in the context, and needs pgvector's types.
    fn may_hold(&self, oid: u32) -> bool {
        let relation = ObjectId {
            class: RELATION,
            oid,
        };
        self.context.columns.contains_key(&oid)
            || self.context.over_domains.contains_key(&oid)
            || self.context.holders.contains_key(&oid)
            || self.context.dependents.contains_key(&relation)
    }

    /// What the columns of this name that change have become, if that is one type.
    pub(super) fn anywhere(&self, column: &str) -> Kind {
        let context = self.context;
        let mut kinds = [&context.columns, &context.over_domains]
            .into_iter()
            .flat_map(|all| all.values())
            .filter_map(|columns| columns.get(column))
            .map(of_change);
        let first = kinds.next().unwrap_or(Kind::Unknown);
        if kinds.all(|kind| kind == first) {
            first
        } else {
            Kind::Unknown
        }
    }
}

/// `items.*`
pub(super) fn is_starred(node: &SyntaxNode) -> bool {
    let star = |part: squawk_syntax::SyntaxElement| part.kind() == SyntaxKind::STAR;
    node.kind() == SyntaxKind::FIELD_EXPR && node.children_with_tokens().any(star)
}

/// The parts of a name.
pub(super) fn names(node: &SyntaxNode) -> Vec<String> {
    match node.kind() {
        SyntaxKind::NAME_REF => vec![name(node)],
        _ => node
            .children()
            .filter(|part| part.kind() == SyntaxKind::NAME_REF)
            .map(|part| name(&part))
            .collect(),
    }
}
