//! The syntax tree as the translators use it: parsing, names, edits.
//!
//! In: one statement. Out: a lossless tree, or the knowledge that there is none that can be trusted. Edits are collected as
//! ranges of the statement with their new text and applied from the back, so that every other byte stays.

use squawk_syntax::ast::{AstNode, normalize_name_node};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};
use std::ops::Range;
use std::thread;

/// The tree of a statement, or `None` where the parser does not know all of it. What it thinks of the text inside a string (the
/// body of a function) does not matter: that is not edited.
pub(crate) fn parse(statement: &str) -> Option<SyntaxNode> {
    let parse = SourceFile::parse(statement);
    let root = parse.syntax_node();
    let sound = parse.errors().iter().all(|error| {
        let element = root.covering_element(error.range());
        // An error at the edge of a string is about the statement: it ends there, or the string never does.
        let inside = element.text_range().start() < error.range().start()
            && error.range().end() < element.text_range().end();
        inside
            && matches!(
                element.kind(),
                SyntaxKind::STRING | SyntaxKind::ESC_STRING | SyntaxKind::DOLLAR_QUOTED_STRING
            )
    });
    sound.then_some(root)
}

/// The first node of a kind, in reading order.
pub(crate) fn first<N: AstNode>(root: &SyntaxNode) -> Option<N> {
    root.descendants().find_map(N::cast)
}

/// Every node of a kind, in reading order.
pub(crate) fn all<N: AstNode>(root: &SyntaxNode) -> impl Iterator<Item = N> {
    root.descendants().filter_map(N::cast)
}

pub(crate) fn child<N: AstNode>(node: &SyntaxNode) -> Option<N> {
    node.children().find_map(N::cast)
}

pub(crate) fn has(root: &SyntaxNode, kinds: &[SyntaxKind]) -> bool {
    root.descendants().any(|node| kinds.contains(&node.kind()))
}

pub(crate) fn range(node: &SyntaxNode) -> Range<usize> {
    node.text_range().into()
}

/// The name that a node holds, as the catalog has it: quotes undone, unquoted letters folded.
pub(crate) fn name(node: &SyntaxNode) -> String {
    normalize_name_node(node)
}

/// The parts of a qualified name, be it the name of what a statement makes or of what it refers to.
pub(crate) fn path(path: &SyntaxNode) -> Vec<String> {
    let is_part = |kind| {
        matches!(
            kind,
            SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF
        )
    };
    let parts = path.descendants().filter(|node| is_part(node.kind()));
    parts.map(|part| name(&part)).collect()
}

/// Changes to one statement.
#[derive(Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub(crate) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    pub(crate) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Whether a place lies in something that is replaced.
    pub(crate) fn cover(&self, range: &Range<usize>) -> bool {
        self.0
            .iter()
            .any(|(edited, _)| edited.start <= range.start && range.end <= edited.end)
    }

    /// The statement with all changes. What is inserted at a place stands before what replaces the text there.
    pub(crate) fn apply(mut self, statement: &str) -> String {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(statement.len());
        let mut at = 0;
        for (range, new) in self.0 {
            // An edit inside of a replaced range went with it.
            if range.start < at {
                continue;
            }
            text.push_str(&statement[at..range.start]);
            text.push_str(&new);
            at = range.end;
        }
        text.push_str(&statement[at..]);
        text
    }
}

/// Nesting beyond which a statement is not parsed: PostgreSQL's own parser gives up well before.
const MAX_DEPTH: usize = 5_000;
/// The parser takes this much stack for a level of nesting, measured without optimisation and doubled.
const STACK_A_LEVEL: usize = 16 * 1024;
/// Nesting that fits any thread's own stack.
const SHALLOW: usize = 40;

/// Runs work that parses these statements where the stack is large enough for them: the parser is recursive, and a deep
/// expression would end the process. `None` if they are too deep for any stack.
pub(crate) fn with_stack<T: Send>(
    statements: &[String],
    work: impl FnOnce() -> T + Send,
) -> Option<T> {
    let depth = statements
        .iter()
        .map(|statement| depth(statement))
        .max()
        .unwrap_or(0);
    if depth <= SHALLOW {
        return Some(work());
    }
    if depth > MAX_DEPTH {
        return None;
    }
    thread::scope(|scope| {
        let stack = (depth + SHALLOW) * STACK_A_LEVEL;
        let worker = thread::Builder::new()
            .stack_size(stack)
            .spawn_scoped(scope, work)
            .ok()?;
        worker.join().ok()
    })
}

/// An upper bound of the nesting in a statement, strings included.
fn depth(statement: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in statement.bytes() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest + statement.matches("CASE").count()
}
