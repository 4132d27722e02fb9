//! Expressions and queries in PGVecto.rs's words.
//!
//! In: a tree (of a view, a check, a default, a policy, a function's body …), and whose names it may hold. Out: edits that say every
//! use of pgvector in it with the same meaning and type, and reasons where that cannot be done. Nothing else is touched.
//!
//! The text of pg_dump qualifies every name, and `pg_depend` has listed the members of pgvector that the object needs. A body that
//! is a string qualifies nothing and no catalog knows it: there a word is pgvector's unless something else has its name.

mod arrays;
mod casts;
mod columns;
mod equality;
mod evidence;
mod functions;
mod kinds;
mod literals;
mod operators;
mod settings;
mod sorting;
mod sums;

use super::{Context, mention};
use crate::syntax::{Edits, first, parse, range};
pub(super) use evidence::names_shapes;
pub(super) use functions::{AGGREGATES, FUNCTIONS};
pub(super) use kinds::Kind;
use kinds::Scope;
pub(super) use operators::DISTANCES;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// What may stand in the place of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A query: anything.
    Query,
    /// A check: no subquery, but anything that reads no table.
    Check,
    /// A generated column, or a key of an index: immutable.
    Immutable,
}

/// The translator of one tree, with what it found.
pub(super) struct Words<'a> {
    context: &'a Context,
    names: Names<'a>,
    scope: Scope,
    /// How deep the question is what something is.
    depth: Cell<u32>,
    /// The names of which it is being asked.
    asked: RefCell<Vec<Vec<String>>>,
    /// Operators of whole vectors that were said: what the catalog lists besides is used without being named.
    compared: bool,
    place: Place,
    /// NEW and OLD in a body are rows with vectors in them.
    pub(super) fires_over_vectors: bool,
    /// The expression that is the whole value of a column that became a bvector.
    pub(super) result: Option<SyntaxNode>,
    /// What the routine returns whose body is said.
    pub(super) returns: Kind,
    /// Why something cannot be said, as the end of a sentence that begins with what holds it: `uses …`.
    pub(super) problems: BTreeSet<String>,
    /// What may be pgvector's or somebody else's; nothing is said then.
    pub(super) unclear: BTreeSet<String>,
    /// What is said, and means a little less or more.
    pub(super) notes: BTreeSet<String>,
    /// A distance is shown, not only used.
    pub(super) shows_distance: bool,
    /// The text names types that have operators of pgvector's names.
    pub(super) among_shapes: bool,
}

/// Whose a name is.
#[derive(Clone, Copy)]
enum Names<'a> {
    /// As pg_dump writes: qualified, with the members of pgvector that the catalog lists, and its doubles.
    Listed {
        members: &'a [String],
        doubles: &'a [String],
    },
    /// As a person writes.
    Bare,
}

/// Whether a name in the text is one of pgvector's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Pgvector,
    Another,
    Unclear,
}

impl<'a> Words<'a> {
    /// For a statement of pg_dump.
    pub(super) fn listed(
        context: &'a Context,
        members: &'a [String],
        doubles: &'a [String],
        place: Place,
    ) -> Self {
        Self::new(context, Names::Listed { members, doubles }, place)
    }

    /// For a body that is a string.
    pub(super) fn bare(context: &'a Context) -> Self {
        Self::new(context, Names::Bare, Place::Query)
    }

    fn new(context: &'a Context, names: Names<'a>, place: Place) -> Self {
        Self {
            context,
            names,
            scope: Scope::default(),
            depth: Cell::new(0),
            asked: RefCell::default(),
            compared: false,
            place,
            fires_over_vectors: false,
            result: None,
            returns: Kind::Unknown,
            problems: BTreeSet::new(),
            unclear: BTreeSet::new(),
            notes: BTreeSet::new(),
            shows_distance: false,
            among_shapes: false,
        }
    }

    /// Lets names be those of the columns of a relation.
    pub(super) fn over(&mut self, relation: u32) {
        self.scope.relations.insert(relation);
    }

    /// Gives a name that is no column its kind: a parameter, a variable, `VALUE` in the check of a domain.
    pub(super) fn know(&mut self, name: &str, kind: Kind) {
        self.scope.known.insert(name.to_owned(), kind);
    }

    /// Gives `$1`, `$2` … their kinds.
    pub(super) fn number(&mut self, kinds: Vec<Kind>) {
        self.scope.numbered = kinds;
    }

    /// Reads which relations a tree names, before something in it is said.
    pub(super) fn look_around(&mut self, root: &SyntaxNode) {
        self.scope
            .read(root, self.context, matches!(self.names, Names::Bare));
    }

    /// Says everything under a node.
    pub(super) fn edit(&mut self, node: &SyntaxNode, edits: &mut Edits) {
        match self.special(node) {
            Some(text) => {
                if node.text() != text.as_str() {
                    edits.replace(range(node), text);
                }
            }
            None => node.children().for_each(|child| self.edit(&child, edits)),
        }
    }

    /// A node as the target says it.
    fn say(&mut self, node: &SyntaxNode) -> String {
        match self.special(node) {
            Some(text) => text,
            None => self.say_children(node),
        }
    }

    fn say_children(&mut self, node: &SyntaxNode) -> String {
        let mut text = String::new();
        for element in node.children_with_tokens() {
            match element {
                squawk_syntax::SyntaxElement::Node(child) => text.push_str(&self.say(&child)),
                squawk_syntax::SyntaxElement::Token(token) => text.push_str(token.text()),
            }
        }
        text
    }

    /// A node as the target says it, if it is one of those that may have to be said in another way.
    fn special(&mut self, node: &SyntaxNode) -> Option<String> {
        equality::look(self, node);
        arrays::look(self, node);
        let text = match node.kind() {
            SyntaxKind::BIN_EXPR => equality::rows(self, node)
                .or_else(|| equality::tuples(self, node))
                .or_else(|| arrays::say(self, node))
                .or_else(|| operators::say(self, node))
                .or_else(|| equality::distinct_from(self, node)),
            SyntaxKind::CASE_EXPR => equality::case(self, node),
            SyntaxKind::PARTITION_BY_CLAUSE | SyntaxKind::DISTINCT_ON => equality::list(self, node),
            SyntaxKind::CONFIG_PARAMETER_REF => settings::say(self, node),
            SyntaxKind::PLPGSQL_EXPR => casts::assigned(self, node),
            SyntaxKind::CALL_EXPR => functions::say(self, node),
            SyntaxKind::CAST_EXPR => casts::say(self, node),
            SyntaxKind::PATH_TYPE | SyntaxKind::ARRAY_TYPE => casts::say_type(self, node),
            SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR => columns::say(self, node),
            SyntaxKind::SORT_BY => {
                sorting::say(self, node).or_else(|| equality::sorted(self, node))
            }
            SyntaxKind::ATTRIBUTE_VALUE => functions::say_implementation(self, node),
            _ => None,
        };
        text.map(|text| as_key(node, text))
    }

    /// A node with some parts of it said in a way of their own.
    fn say_with(&mut self, node: &SyntaxNode, parts: &[(SyntaxNode, String)]) -> String {
        if let Some((_, text)) = parts.iter().find(|(part, _)| part == node) {
            return text.clone();
        }
        let mut said = String::new();
        for element in node.children_with_tokens() {
            match element.as_node() {
                Some(child)
                    if parts
                        .iter()
                        .any(|(part, _)| child.text_range().contains_range(part.text_range())) =>
                {
                    said.push_str(&self.say_with(child, parts));
                }
                Some(child) => said.push_str(&self.say(child)),
                None => said.push_str(&element.to_string()),
            }
        }
        said
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.insert(note.into());
    }

    /// The members of pgvector that the catalog lists.
    fn members(&self) -> &'a [String] {
        match self.names {
            Names::Listed { members, .. } => members,
            Names::Bare => &[],
        }
    }

    pub(super) fn can_be_said(&self) -> bool {
        self.problems.is_empty() && self.unclear.is_empty()
    }

    fn cannot(&mut self, problem: impl Into<String>) {
        self.problems.insert(problem.into());
    }

    /// Whose an operator or function is. `known` says that its operands are vectors, or that they are not.
    fn owner(&self, schema: Option<&str>, name: &str, known: Option<bool>) -> Owner {
        let ours = schema == Some(self.context.vector_schema.as_str());
        let unclear = match self.names {
            Names::Listed { members, doubles } => {
                if !ours || !members.iter().any(|member| mention::is_named(member, name)) {
                    return Owner::Another;
                }
                let schema = &self.context.vector_schema;
                doubles.iter().any(|double| {
                    mention::is_named(double, name) && mention::is_in(double, name, schema)
                })
            }
            Names::Bare => {
                if schema.is_some() && !ours {
                    return Owner::Another;
                }
                self.context.shared_names.contains(name)
            }
        };
        match (unclear, known) {
            (_, Some(false)) if unclear => Owner::Another,
            (false, _) | (true, Some(true)) => Owner::Pgvector,
            _ => Owner::Unclear,
        }
    }

    /// GROUP BY, DISTINCT, UNION, PARTITION BY and kin compare whole vectors without an operator in the text; only the catalog tells.
    pub(super) fn unnamed_order(&mut self) {
        let order = ["=", "<", ">"];
        let listed = |operator: &&str| {
            self.members().iter().any(|member| {
                member.starts_with("operator ") && mention::is_named(member, operator)
            })
        };
        if !self.compared && !self.real_array() && order.iter().any(listed) {
            self.cannot(equality::UNNAMED);
        }
    }

    /// The words of PGVecto.rs are not there.
    fn real_array(&self) -> bool {
        self.context.real_array
    }
}

/// An expression as an operand: in parentheses, unless it binds tightly by itself.
fn operand(node: &SyntaxNode, text: String) -> String {
    let tight = matches!(
        node.kind(),
        SyntaxKind::NAME_REF
            | SyntaxKind::FIELD_EXPR
            | SyntaxKind::PAREN_EXPR
            | SyntaxKind::LITERAL
            | SyntaxKind::CALL_EXPR
            | SyntaxKind::CAST_EXPR
            | SyntaxKind::INDEX_EXPR
            | SyntaxKind::ARRAY_EXPR
            | SyntaxKind::SLICE_EXPR
    );
    if tight { text } else { format!("({text})") }
}

/// A key of an index, of a partition or of an exclusion constraint needs parentheses, unless it is a column or a call.
fn as_key(node: &SyntaxNode, text: String) -> String {
    let is_key = node.parent().is_some_and(|above| {
        matches!(
            above.kind(),
            SyntaxKind::PARTITION_ITEM | SyntaxKind::CONSTRAINT_EXCLUSION
        )
    });
    let is_expression = is_key && ast::Expr::can_cast(node.kind());
    if !is_expression || node.text() == text.as_str() {
        return text;
    }
    let said = parse(&format!("SELECT {text}")).and_then(|query| first::<ast::Target>(&query));
    let kind = said.and_then(|target| Some(target.syntax().children().next()?.kind()));
    match kind {
        Some(SyntaxKind::NAME_REF | SyntaxKind::CALL_EXPR | SyntaxKind::PAREN_EXPR) => text,
        _ => format!("({text})"),
    }
}

/// What stands inside of parentheses.
fn bare(node: &SyntaxNode) -> SyntaxNode {
    let mut node = node.clone();
    while node.kind() == SyntaxKind::PAREN_EXPR {
        match node.children().next() {
            Some(inner) => node = inner,
            None => break,
        }
    }
    node
}

/// The first node above one that is not a pair of parentheses.
fn above(node: &SyntaxNode) -> Option<SyntaxNode> {
    node.ancestors()
        .skip(1)
        .find(|above| above.kind() != SyntaxKind::PAREN_EXPR)
}
