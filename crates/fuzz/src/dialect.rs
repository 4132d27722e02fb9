//! Comes in: any bytes, from libFuzzer or from the committed corpus. Goes out: nothing, or a panic where the dialect broke a promise.
//! `tests/corpus.rs` of the dialect compiles this same file and runs it over the corpus as an ordinary test.

use pgv2rs_dialect::dump::{Entry, ObjectId, parse};
use pgv2rs_dialect::index::IndexDesc;
use pgv2rs_dialect::rewrite::{self, Context, Translated};
use pgv2rs_dialect::types::{SourceType, TypeChange, default_target};

const OBJECT: ObjectId = ObjectId {
    class: 1259,
    oid: 16_400,
};

pub fn names() -> impl Iterator<Item = &'static str> {
    ["dumps", "statements"].into_iter()
}

/// Runs one target. A dump is UTF-8, or it is not read at all.
pub fn run(name: &str, data: &[u8]) {
    match name {
        "dumps" => dump(std::str::from_utf8(data).unwrap_or_default()),
        "statements" => {
            if let [options, statement @ ..] = data
                && let Ok(statement) = std::str::from_utf8(statement)
            {
                wild(*options, statement);
                unchanged(*options, statement);
                only_the_type(statement);
            }
        }
        _ => panic!("no target is called {name}"),
    }
}

/// Every byte of a dump is in a statement, in its order, or is trivia.
fn dump(text: &str) {
    let Ok(dump) = parse(text) else { return };
    // A line may end with it, and pg_dump writes none: names have blanks for it.
    if text.contains('\r') {
        return;
    }
    let mut rest = text.trim_start_matches('\u{feff}');
    for statement in dump.entries.iter().flat_map(|entry| &entry.statements) {
        rest = behind_trivia(rest);
        let behind = rest
            .strip_prefix(statement.as_str())
            .or_else(|| behind_psqls(rest, "\\restrict ")?.strip_prefix(statement.as_str()));
        rest = behind.unwrap_or_else(|| panic!("not the next of {rest:?}: {statement:?}"));
    }
    rest = behind_trivia(rest);
    while let Some(behind) = ["\\restrict ", "\\unrestrict "]
        .iter()
        .find_map(|line| behind_psqls(rest, line))
    {
        rest = behind;
    }
    assert_eq!(rest, "");
}

/// What stands behind a line that is for psql, and trivia.
fn behind_psqls<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    let (_, rest) = text
        .strip_prefix(begin)?
        .split_once('\n')
        .unwrap_or_default();
    Some(behind_trivia(rest.trim_start_matches('\u{feff}')))
}

/// What stands behind blanks, semicolons and comments.
fn behind_trivia(mut text: &str) -> &str {
    loop {
        let behind = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', ';']);
        text = match behind.starts_with("--") {
            true => behind.split_once('\n').map_or("", |(_, rest)| rest),
            false if behind.starts_with("/*") => behind_comment(behind),
            false => return behind,
        };
    }
}

/// Comments within comments count.
fn behind_comment(text: &str) -> &str {
    let mut depth = 0;
    let mut at = 0;
    loop {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return &text[at + 2..],
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
            None => return "",
        }
    }
}

/// Whatever the catalog says of an object, and whatever stands in its statement: it ends, and what is left out is.
fn wild(options: u8, statement: &str) {
    let translated = translated(options, statement, &context(options));
    assert!(!translated.left_out || translated.statements.is_empty());
    // Of words alone, without a string or a comment that may say anything, no type of pgvector passes without a word.
    let passed = translated.statements.concat();
    let plain = !statement.contains(['\'', '"', '$'])
        && !statement.contains("--")
        && !statement.contains("/*");
    assert!(!plain || !passed.contains(" public.vector("), "{passed}");
}

/// Where nothing is pgvector's and the target is as new as the source, every byte stays, unless it is said that nobody can read it.
fn unchanged(options: u8, statement: &str) {
    // A body is a string of words, which are pgvector's by name.
    let body = ["FUNCTION", "PROCEDURE"].contains(&kind(options));
    let lower = statement.to_lowercase();
    if body || lower.contains("nowhere") || lower.contains("depends") {
        return;
    }
    let context = Context {
        target_version: 18,
        vector_schema: "nowhere".to_owned(),
        ..Context {
            source_version: 18,
            ..Context::default()
        }
    };
    let translated = translated(options, statement, &context);
    let unread =
        |finding: &rewrite::Finding| finding.reason.contains("not understood by the parser");
    if !translated.findings.iter().any(unread) {
        assert_eq!(translated.statements, [statement]);
    }
}

/// A table whose one column of vectors gets its new type: but for that it is byte for byte what it was.
fn only_the_type(default: &str) {
    // Words that might be about vectors, or of which a table does not consist.
    let lower = default.to_lowercase();
    if ["vec", "u&"].iter().any(|word| lower.contains(word)) {
        return;
    }
    let table = |ty: &str| {
        format!("CREATE TABLE public.t (\n    id integer DEFAULT {default},\n    v {ty}\n)")
    };
    let mut context = Context {
        target_version: 18,
        source_version: 18,
        vector_schema: "public".to_owned(),
        ..Context::default()
    };
    // A closing parenthesis may end the table and begin another: then it is not one.
    let without = rewrite::entry(&entry("TABLE", &table("integer")), &context);
    if without.statements != [table("integer")]
        || !without.findings.is_empty()
        || lower.contains(" v ")
    {
        return;
    }
    context
        .columns
        .entry(OBJECT.oid)
        .or_default()
        .insert("v".to_owned(), vector());
    let translated = rewrite::entry(&entry("TABLE", &table("public.vector(3)")), &context);
    if !translated.left_out {
        assert_eq!(translated.statements, [table("vectors.vector(3)")]);
    }
}

fn translated(options: u8, statement: &str, context: &Context) -> Translated {
    rewrite::entry(&entry(kind(options), statement), context)
}

fn kind(options: u8) -> &'static str {
    const KINDS: [&str; 16] = [
        "TABLE",
        "INDEX",
        "DOMAIN",
        "VIEW",
        "FUNCTION",
        "TYPE",
        "CONSTRAINT",
        "POLICY",
        "RULE",
        "TRIGGER",
        "AGGREGATE",
        "DEFAULT",
        "STATISTICS",
        "MATERIALIZED VIEW",
        "PROCEDURE",
        "COMMENT",
    ];
    KINDS[usize::from(options % 16)]
}

fn entry(kind: &str, statement: &str) -> Entry {
    Entry {
        dump_id: 1,
        object: Some(OBJECT),
        name: "t".to_owned(),
        kind: kind.to_owned(),
        schema: Some("public".to_owned()),
        statements: vec![statement.to_owned()],
        ..Entry::default()
    }
}

fn vector() -> TypeChange {
    TypeChange {
        from: SourceType::Vector,
        to: default_target(SourceType::Vector),
        dims: Some(3),
        array: false,
    }
}

/// What the catalog may say of the object: its columns, itself an index or a domain, and members of pgvector in its expressions.
fn context(options: u8) -> Context {
    let mut context = Context {
        target_version: if options & 16 == 0 { 14 } else { 17 },
        source_version: 18,
        vector_schema: "public".to_owned(),
        index_threads: 2,
        real_array: options & 32 != 0,
        ..Context::default()
    };
    let columns = context.columns.entry(OBJECT.oid).or_default();
    columns.insert("v".to_owned(), vector());
    let list = TypeChange {
        array: true,
        ..vector()
    };
    columns.insert("a".to_owned(), list);
    context
        .relations
        .insert(("public".to_owned(), "t".to_owned()), OBJECT.oid);
    if options & 64 != 0 {
        let members = [
            "operator public.<->(public.vector,public.vector)",
            "operator public.<=>(public.vector,public.vector)",
            "operator public.=(public.vector,public.vector)",
            "operator public.+(public.vector,public.vector)",
            "function public.cosine_distance(public.vector,public.vector)",
            "function public.vector_dims(public.vector)",
            "function public.avg(public.vector)",
            "function public.vector(public.vector,integer,boolean)",
            "type public.vector",
        ];
        context
            .dependents
            .insert(OBJECT, members.map(String::from).to_vec());
    }
    match kind(options) {
        "INDEX" => {
            let desc = IndexDesc {
                method: "hnsw".to_owned(),
                opclasses: vec!["vector_l2_ops".to_owned()],
                options: vec![("m".to_owned(), "8".to_owned())],
                unlogged: false,
                table: OBJECT.oid,
                small: false,
            };
            context.indexes.insert(OBJECT.oid, desc);
        }
        "DOMAIN" => {
            context.domains.insert(OBJECT.oid, vector());
        }
        "TYPE" => {
            let attributes = context.attributes.entry(OBJECT.oid).or_default();
            attributes.insert("v".to_owned(), vector());
        }
        _ => {}
    }
    context
}
