//! In: random numbers. Out: names that no other object of the database has, plain or odd. Nothing here knows what they name.

use super::random::Rng;

/// A name as an identifier in SQL.
pub fn ident(name: impl AsRef<str>) -> String {
    format!("\"{}\"", name.as_ref().replace('"', "\"\""))
}

/// A text as a literal in SQL.
pub fn literal(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if text.contains('\\') {
        return format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// `#` stands for the number that makes the name unique.
const ODD: [&str; 28] = [
    "We\"ird \"\"#",
    "sel.ect#",
    "UPPER#",
    "two words #",
    "new\nline#",
    "tab\t#",
    "carriage\rreturn#",
    "crab 🦀#",
    "'; DROP TABLE x; --#",
    "$1_#",
    "per%cent%s#",
    "back\\slash#",
    " leading and trailing # ",
    "Ünïcödé#",
    "\n-- Name: t; Type: TABLE; Schema: public; Owner: -#",
    "/* comment #",
    "$$ dollar $$#",
    "a.b.c#",
    "<->#",
    "::vector(3)#",
    "operator(public.<=>)#",
    "'quoted'#",
    "{brace,#}",
    "(paren#",
    "日本語#",
    "#",
    "\"#\"",
    "\\.#",
];

/// Words that are names only when they are quoted, or that pgvector and PGVecto.rs use.
const WORDS: [&str; 24] = [
    "select",
    "table",
    "user",
    "order",
    "vector",
    "halfvec",
    "sparsevec",
    "bit",
    "group",
    "default",
    "check",
    "null",
    "true",
    "Vector",
    "vecf16",
    "svector",
    "bvector",
    "options",
    "hnsw",
    "embedding",
    "column",
    "constraint",
    "l2_distance",
    "only",
];

/// Stems of columns' names.
const COLUMNS: [&str; 10] = ["c", "id", "f", "g", "v", "k", "late", "ref", "extra", "nn"];

pub struct Names {
    rng: Rng,
    /// Of a hundred names so many are odd.
    odd: usize,
    next: usize,
    words: Vec<&'static str>,
}

impl Names {
    pub fn new(mut rng: Rng) -> Names {
        let odd = *rng.pick(&[0, 15, 60]);
        Names {
            rng,
            odd,
            next: 0,
            words: WORDS.to_vec(),
        }
    }

    /// A new name; a plain one tells by its stem what it names.
    pub fn fresh(&mut self, stem: &str) -> String {
        self.next += 1;
        let number = self.next;
        if !self.rng.percent(self.odd) {
            return format!("{stem}{number}");
        }
        match self.rng.below(10) {
            0 => full_length(stem, number, 'x'),
            1 => full_length(stem, number, 'ß'),
            2 | 3 if !self.words.is_empty() => {
                let at = self.rng.below(self.words.len());
                let word = self.words.swap_remove(at);
                // Beside the extension a table or a type cannot have the name of one of its types.
                match ["vector", "halfvec", "sparsevec", "l2_distance"].contains(&word)
                    && !COLUMNS.contains(&stem)
                {
                    true => format!("{stem}{number}"),
                    false => word.to_string(),
                }
            }
            _ => {
                let name = self.rng.pick(&ODD).replace('#', &number.to_string());
                // pg_dump's comments are ambiguous about such schemas, and the program reads them.
                match stem == "schema" && name.contains("; Schema: ") {
                    true => format!("{stem}{number}"),
                    false => name,
                }
            }
        }
    }
}

/// 63 bytes, the longest that a name can be; or one less, where the last character has two.
fn full_length(stem: &str, number: usize, fill: char) -> String {
    let mut name = format!("{stem}{number}_");
    while name.len() + fill.len_utf8() <= 63 {
        name.push(fill);
    }
    name
}
