//! Bodies of functions that are strings.
//!
//! In: a `CREATE FUNCTION` or `CREATE PROCEDURE` whose body is a string. Out: the string with pgvector's words said in the target's, quoted
//! again. A body in another language, or one that the parser does not know, is only searched: words that are surely pgvector's need a
//! decision, words that might be are noted.

use super::words::{FUNCTIONS, Kind, Words, names_shapes};
use super::{Context, Draft, Statement, binding, whole};
use crate::syntax::{Edits, all, child, name, parse, range};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::BTreeSet;
use std::ops::Range;

pub(super) fn translate<'a>(draft: &mut Draft<'a>, statement: &mut Statement, words: Words<'a>) {
    let Some(literal) = all::<ast::AsDefinition>(&statement.root)
        .next()
        .and_then(|definition| child::<ast::Literal>(definition.syntax()))
    else {
        return;
    };
    let Some(text) = literal.string_value() else {
        return;
    };
    let Some((bound, said)) =
        bound(&statement.root).and_then(|(root, bound)| Some((bound, said(&root, words)?)))
    else {
        return found(draft, &suspicious(&text));
    };
    for note in said.words.notes.iter().chain(&said.words.unclear) {
        draft.note(format!("its body {note}"), "");
    }
    for problem in &said.words.problems {
        draft.lose(
            format!("its body {problem}; it is made as it is"),
            by_hand(draft.context),
        );
    }
    if !said.words.can_be_said() {
        return;
    }
    if said.text != bound {
        statement
            .edits
            .replace(range(literal.syntax()), quoted(&said.text));
    }
    found(draft, &in_strings(&said.text));
}

fn by_hand(context: &Context) -> &'static str {
    match context.real_array {
        true => {
            "change the body by hand: the target has real[] in place of vectors, without operators for distances"
        }
        false => {
            "change the body by hand: names of PGVecto.rs need the schema vectors, and <-> is squared there"
        }
    }
}

/// A body in the target's words.
struct Said<'a> {
    text: String,
    words: Words<'a>,
}

/// The statement with a body whose tree binds as PostgreSQL does, and that body.
fn bound(root: &SyntaxNode) -> Option<(SyntaxNode, String)> {
    let (tree, text, sound) = parsed(root)?;
    let mut edits = Edits::default();
    let mut any = binding::parentheses(&tree, 0, &mut edits);
    if !sound {
        for piece in pieces(&tree, &text)? {
            any |= binding::parentheses(&piece.tree, piece.place.start, &mut edits);
        }
    }
    if !any {
        return Some((root.clone(), text));
    }
    let text = edits.apply(&text);
    let definition = all::<ast::AsDefinition>(root).next()?;
    let literal = child::<ast::Literal>(definition.syntax())?;
    let mut statement = Edits::default();
    statement.replace(range(literal.syntax()), quoted(&text));
    Some((parse(&statement.apply(&root.text().to_string()))?, text))
}

/// The body, if its language is one that is parsed and all of it is understood.
fn said<'a>(root: &SyntaxNode, mut words: Words<'a>) -> Option<Said<'a>> {
    let (tree, text, sound) = parsed(root)?;
    words.among_shapes = names_shapes(&root.text().to_string());
    whole::parameters(&mut words, root);
    words.returns = returned(&words, root);
    variables(&mut words, &tree);
    words.look_around(&tree);
    let mut edits = Edits::default();
    if sound {
        words.edit(&tree, &mut edits);
    } else {
        let pieces = pieces(&tree, &text)?;
        pieces
            .iter()
            .for_each(|piece| words.look_around(&piece.tree));
        words.edit(&tree, &mut edits);
        for piece in &pieces {
            let mut own = Edits::default();
            words.edit(&piece.tree, &mut own);
            edits.replace(piece.place.clone(), own.apply(&text[piece.place.clone()]));
        }
    }
    let text = edits.apply(&text);
    Some(Said { text, words })
}

/// The tree of the body, its text, and whether it has no errors.
fn parsed(root: &SyntaxNode) -> Option<(SyntaxNode, String, bool)> {
    let routine = root.children().find(|node| {
        matches!(
            node.kind(),
            SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE
        )
    })?;
    let function = ast::CreateFunction::cast(routine.clone());
    let procedure = ast::CreateProcedure::cast(routine.clone());
    let sql = function
        .as_ref()
        .and_then(ast::CreateFunction::sql_body)
        .or_else(|| procedure.as_ref()?.sql_body());
    if let Some(body) = sql {
        // A body of SQL with errors is not understood at all.
        return body
            .errors()
            .is_empty()
            .then(|| (body.syntax(), body.text().to_owned(), true));
    }
    let body = function
        .as_ref()
        .and_then(ast::CreateFunction::plpgsql)
        .or_else(|| procedure.as_ref()?.plpgsql())?;
    Some((
        body.syntax(),
        body.text().to_owned(),
        body.errors().is_empty(),
    ))
}

/// What a routine returns.
fn returned(words: &Words, root: &SyntaxNode) -> Kind {
    let ty = all::<ast::RetType>(root)
        .next()
        .and_then(|returned| child::<ast::Type>(returned.syntax()));
    ty.map_or(Kind::Unknown, |ty| words.type_kind(&ty))
}

/// The variables that a PL/pgSQL body declares, and its other names of parameters.
fn variables(words: &mut Words, tree: &SyntaxNode) {
    for alias in all::<ast::PlpgsqlAliasDecl>(tree) {
        let variable: Option<ast::PlpgsqlVarName> = child(alias.syntax());
        let of: Option<ast::PlpgsqlAliasTarget> = child(alias.syntax());
        if let (Some(variable), Some(of)) = (variable, of) {
            let kind = words.parameter(&of.syntax().text().to_string());
            words.know(&name(variable.syntax()), kind);
        }
    }
    for declared in all::<ast::PlpgsqlVarDecl>(tree) {
        let variable: Option<ast::PlpgsqlVarName> = child(declared.syntax());
        let kind = child::<ast::Type>(declared.syntax()).map(|ty| words.type_kind(&ty));
        let copied = || Some(words.copied_kind(&child(declared.syntax())?));
        let kind = kind.or_else(copied).unwrap_or(Kind::Unknown);
        if let Some(variable) = variable {
            words.know(&name(variable.syntax()), kind);
        }
    }
}

/// A statement that the parser does not know as one of PL/pgSQL, but as SQL without its INTO.
struct Piece {
    place: Range<usize>,
    tree: SyntaxNode,
}

fn pieces(tree: &SyntaxNode, text: &str) -> Option<Vec<Piece>> {
    let errors = tree
        .descendants()
        .filter(|node| node.kind() == SyntaxKind::ERROR);
    errors
        .map(|error| {
            let place = range(&error);
            let tree = parse(&without_into(&error, &text[place.clone()]))?;
            Some(Piece { place, tree })
        })
        .collect()
}

/// `SELECT a INTO b FROM c` as `SELECT a        FROM c`: every other byte keeps its place.
fn without_into(error: &SyntaxNode, text: &str) -> String {
    let start = range(error).start;
    let tokens: Vec<_> = error
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
        .collect();
    let mut plain = text.as_bytes().to_vec();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind() {
            SyntaxKind::L_PAREN => depth += 1,
            SyntaxKind::R_PAREN => depth = depth.saturating_sub(1),
            // INSERT INTO and MERGE INTO keep theirs.
            SyntaxKind::INTO_KW
                if depth == 0
                    && at > 0
                    && !matches!(
                        tokens[at - 1].kind(),
                        SyntaxKind::INSERT_KW | SyntaxKind::MERGE_KW
                    ) =>
            {
                let end = targets_end(&tokens[at + 1..]);
                let from = usize::from(token.text_range().start()) - start;
                let to = end.unwrap_or(usize::from(token.text_range().end())) - start;
                plain[from..to].fill(b' ');
            }
            _ => {}
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

/// Where the variables after INTO end: names and dots, parted by commas, after STRICT.
fn targets_end(tokens: &[squawk_syntax::SyntaxToken]) -> Option<usize> {
    let mut end = None;
    let mut expects_name = true;
    for token in tokens {
        let text = token.text();
        match token.kind() {
            SyntaxKind::COMMA | SyntaxKind::DOT => expects_name = true,
            _ if text.eq_ignore_ascii_case("strict") && end.is_none() => {}
            _ if expects_name => expects_name = false,
            _ => return end,
        }
        end = Some(usize::from(token.text_range().end()));
    }
    end
}

/// In dollar quotes that the text cannot end.
fn quoted(text: &str) -> String {
    let mut tag = String::from("$$");
    let mut number = 0;
    while text.contains(&tag) || (number == 0 && text.ends_with('$')) {
        number += 1;
        tag = format!("$body{number}$");
    }
    format!("{tag}{text}{tag}")
}

fn found(draft: &mut Draft, words: &BTreeSet<&'static str>) {
    if words.is_empty() {
        return;
    }
    // PostgreSQL has <-> as well, for shapes: a routine that takes or gives vectors means theirs.
    let over_vectors =
        draft.members().is_some() && !draft.entry.statements.iter().any(|text| names_shapes(text));
    let is_sure = |word: &&str| SURE.contains(word) || (over_vectors && *word == "<->");
    let sure: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| is_sure(word) && !draft.context.shared_names.contains(*word))
        .collect();
    let list: Vec<&str> = words.iter().copied().collect();
    let by_compat = draft.context.compat_schema.as_ref().map(|schema| {
        format!(
            "put {schema} on its search_path: --compat-operators installs pgvector's words there"
        )
    });
    if sure.is_empty() || by_compat.is_some() {
        draft.note(
            format!("its body may use pgvector: {}", list.join(", ")),
            by_compat.unwrap_or_else(|| by_hand(draft.context).to_owned()),
        );
    } else {
        draft.lose(
            format!(
                "its body uses pgvector in a way that is not translated: {}; it is made as it is",
                sure.join(", ")
            ),
            by_hand(draft.context),
        );
    }
}

/// What pgvector has besides functions and operators.
const TYPES_AND_METHODS: &[&str] = &["vector", "halfvec", "sparsevec", "hnsw", "ivfflat"];
const OPERATORS: &[&str] = &["<->", "<=>", "<#>", "<+>", "<~>", "<%>"];
/// Those that mean pgvector wherever they stand.
const SURE: &[&str] = &[
    "<=>",
    "<#>",
    "halfvec",
    "sparsevec",
    "cosine_distance",
    "l2_distance",
    "binary_quantize",
];

/// Words in a body that pgvector also has.
fn suspicious(body: &str) -> BTreeSet<&'static str> {
    let identifiers: BTreeSet<String> = body
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map(str::to_lowercase)
        .collect();
    let operators: BTreeSet<&str> = body
        .split(|letter: char| !"<>=~#%+-*/!@&|^?".contains(letter))
        .collect();
    let words = TYPES_AND_METHODS.iter().chain(FUNCTIONS);
    let named = words.filter(|word| identifiers.contains(**word));
    let operated = OPERATORS
        .iter()
        .filter(|operator| operators.contains(**operator));
    named.chain(operated).copied().collect()
}

/// Words of pgvector in the strings of a body: queries that it puts together when it runs.
fn in_strings(body: &str) -> BTreeSet<&'static str> {
    let mut words = BTreeSet::new();
    let mut at = 0;
    for token in squawk_lexer::tokenize(body) {
        let end = at + token.len as usize;
        if let squawk_lexer::TokenKind::Literal { .. } = token.kind {
            words.extend(suspicious(&body[at..end]));
        }
        at = end;
    }
    words
}
