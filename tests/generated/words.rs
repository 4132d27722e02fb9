//! In: SQL as pg_dump writes it, of a database with pgvector or with PGVecto.rs. Out: its tokens in words that both sides share, so
//! that two statements which mean the same are equal. This is the generator's own table of what becomes what.

use super::{indexwords, versions};

pub enum Dialect {
    /// In this schema; the target has its vectors as real[].
    Pgvector(String, bool),
    Pgvectors,
}

impl Dialect {
    /// pg_dump's entries of the extension itself, by their headers.
    pub fn is_the_extension(&self, header: &str) -> bool {
        let its = |name: &str| {
            header.starts_with(&format!("{name}; Type: EXTENSION"))
                || header.starts_with(&format!("EXTENSION {name}; Type: COMMENT"))
        };
        match self {
            Dialect::Pgvector(..) => its("vector"),
            Dialect::Pgvectors => {
                its("vectors")
                    || header.starts_with("vectors; Type: SCHEMA")
                    || header.starts_with("SCHEMA vectors; Type: ACL")
            }
        }
    }

    fn schema(&self) -> &str {
        match self {
            Dialect::Pgvector(schema, _) => schema,
            Dialect::Pgvectors => "vectors",
        }
    }
}

pub fn normal(text: &str, dialect: &Dialect) -> Vec<String> {
    let tokens = tokens(text);
    let mut words = members(&tokens, dialect);
    versions::normal(&mut words, dialect);
    indexwords::normal(words)
}

/// A header of pg_dump: names of functions hold the types of their arguments, among names that may hold anything.
pub fn header(text: &str, dialect: &Dialect) -> String {
    let own = dialect.schema();
    let quoted = format!("\"{}\"", own.replace('"', "\"\""));
    let types = MEMBERS[..3].iter();
    types.fold(text.to_string(), |text, (theirs, ours)| {
        let word = match dialect {
            Dialect::Pgvector(..) => ours,
            Dialect::Pgvectors => theirs,
        };
        [
            format!("{own}.{word}"),
            format!("{quoted}.{word}"),
            format!("{quoted}.\"{word}\""),
        ]
        .iter()
        .fold(text, |text, written| match dialect {
            Dialect::Pgvector(_, true) => text.replace(written, "real[]"),
            _ => text.replace(written, ours),
        })
    })
}

/// Whether an expression over vectors is among these words.
pub fn computes(words: &[String]) -> bool {
    let operators = ["<->", "<=>", "<#>", "<~>", "<%>", "<+>"];
    let vector = |w: &String| w.starts_with("'[") || w.starts_with("'{");
    let has = |w: &String| {
        operators.contains(&w.as_str()) || FUNCTIONS.contains(&w.as_str()) || vector(w)
    };
    words
        .iter()
        .any(|w| has(w) || body(w).is_some_and(|b| computes(&b)))
}

/// PGVecto.rs has no such distance: a sum over arrays stands in its place, which only its answers can be compared by.
pub fn has_taxicab(word: &str) -> bool {
    word.contains("<+>") || word.contains("l1_distance")
}

/// The tokens of a function's body, which is a string in dollars.
fn body(word: &str) -> Option<Vec<String>> {
    let tag = &word[..word.strip_prefix('$')?.find('$')? + 2];
    Some(tokens(word.strip_prefix(tag)?.strip_suffix(tag)?))
}

const FUNCTIONS: [&str; 13] = [
    "l2_distance",
    "inner_product",
    "cosine_distance",
    "vector_dims",
    "vector_norm",
    "l2_norm",
    "l2_normalize",
    "binary_quantize",
    "subvector",
    "avg",
    "sum",
    "hamming_distance",
    "jaccard_distance",
];

/// The words of a statement over vectors without those that its translation may add, drop or move. What the statement means is asked
/// of both sides by rows and probes; here is seen that it is there, on the same columns and with the same numbers.
pub fn loose(words: &[String]) -> Vec<String> {
    let moves = |word: &String| {
        let vector = word.starts_with("'[") || word.starts_with("'{");
        vector || MOVES.contains(&word.as_str()) || FUNCTIONS.contains(&word.as_str())
    };
    const MOVES: [&str; 31] = [
        "AS",
        "(",
        ")",
        "[",
        "]",
        ":",
        ".",
        ",",
        "<->",
        "<=>",
        "<#>",
        "<~>",
        "<%>",
        "-",
        "+",
        "*",
        "/",
        "OPERATOR",
        "sqrt",
        "double",
        "precision",
        "real",
        "pg_catalog",
        "public",
        "vectors",
        "vector",
        "halfvec",
        "sparsevec",
        "float8",
        "float4",
        "0.0",
    ];
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if let Some(body) = body(word) {
            kept.extend(loose(&body));
        } else if !moves(word) {
            kept.push(word.clone());
        }
    }
    kept.sort();
    kept
}

/// Names of the extensions' members: PGVecto.rs's, and pgvector's.
const MEMBERS: [(&str, &str); 19] = [
    ("vector", "vector"),
    ("vecf16", "halfvec"),
    ("svector", "sparsevec"),
    ("bvector", "bit"),
    ("vector_l2_ops", "vector_l2_ops"),
    ("vector_dot_ops", "vector_ip_ops"),
    ("vector_cos_ops", "vector_cosine_ops"),
    ("vecf16_l2_ops", "halfvec_l2_ops"),
    ("vecf16_dot_ops", "halfvec_ip_ops"),
    ("vecf16_cos_ops", "halfvec_cosine_ops"),
    ("svector_l2_ops", "sparsevec_l2_ops"),
    ("svector_dot_ops", "sparsevec_ip_ops"),
    ("svector_cos_ops", "sparsevec_cosine_ops"),
    ("bvector_hamming_ops", "bit_hamming_ops"),
    ("bvector_jaccard_ops", "bit_jaccard_ops"),
    ("binarize", "binary_quantize"),
    ("subvector", "subvector"),
    ("vector_dims", "vector_dims"),
    ("vector_norm", "vector_norm"),
];

/// `schema.member` becomes the member in pgvector's words, `OPERATOR(schema.<->)` the operator.
fn members(tokens: &[String], dialect: &Dialect) -> Vec<String> {
    let own = dialect.schema();
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is = |i: usize, word: &str| tokens.get(at + i).is_some_and(|t| t == word);
        let owned = |i: usize| tokens.get(at + i).is_some_and(|t| unquoted(t) == own);
        if token == "OPERATOR" && is(1, "(") && owned(2) && is(3, ".") && is(5, ")") {
            words.push(tokens[at + 4].clone());
            at += 6;
        } else if let (true, Some(member)) = (owned(0) && is(1, "."), tokens.get(at + 2)) {
            match theirs(&unquoted(member), dialect) {
                Some("vector" | "halfvec" | "sparsevec")
                    if matches!(dialect, Dialect::Pgvector(_, true)) =>
                {
                    words.extend(["real", "[", "]"].map(String::from));
                    // Dimensions are not kept.
                    if is(3, "(") && is(5, ")") {
                        at += 3;
                    }
                }
                Some(word) => {
                    bits(&mut words, word);
                    words.push(word.to_string());
                }
                None => words.extend_from_slice(&tokens[at..at + 3]),
            }
            at += 3;
        } else {
            words.push(token.clone());
            at += 1;
        }
    }
    words
}

/// A member of the extension, in pgvector's words.
fn theirs(member: &str, dialect: &Dialect) -> Option<&'static str> {
    let known = MEMBERS.iter().find(|(theirs, ours)| match dialect {
        // pgvector has no bit of its own.
        Dialect::Pgvector(..) => *ours == member && member != "bit",
        Dialect::Pgvectors => *theirs == member,
    });
    let function = FUNCTIONS.iter().find(|f| **f == member);
    known.map(|(_, ours)| *ours).or(function.copied())
}

/// A literal of bits before its type, `'[1, 0]'::vectors.bvector`, is '10' in pgvector's words.
fn bits(words: &mut [String], member: &str) {
    let literal = words
        .len()
        .checked_sub(3)
        .filter(|i| words[*i].starts_with("'["));
    if let (Some(i), "bit") = (literal, member) {
        words[i].retain(|c| c == '\'' || c == '0' || c == '1');
    }
}

pub fn unquoted(token: &str) -> String {
    match token.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => token.to_string(),
    }
}

/// Words, quoted names, strings, dollar-quoted strings, operators, and single characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            '$' => dollar(rest).unwrap_or(1),
            c if is_word(c) => span(rest, |c| is_word(c) || c == '$'),
            c if is_operator(c) => span(rest, is_operator),
            c => c.len_utf8(),
        };
        tokens.push(bare(&rest[..length]));
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Names are quoted more often where quote_all_identifiers is on.
pub fn bare(token: &str) -> String {
    let inner = unquoted(token);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match inner.starts_with(|c: char| c.is_ascii_lowercase()) && inner.chars().all(plain) {
        true => inner,
        false => token.to_string(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

fn span(text: &str, part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !part(c)).unwrap_or(text.len())
}

/// Up to the quote that ends it; two of them stand for one.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn dollar(text: &str) -> Option<usize> {
    let end = text[1..].find(|c: char| !is_word(c))? + 1;
    let tag = text[..=end].strip_suffix('$').map(|_| &text[..=end])?;
    let close = text[tag.len()..].find(tag)?;
    Some(tag.len() * 2 + close)
}
