//! In: rows of the same query on both servers, as text. Out: whether they say the same: all but blanks as it is, numbers
//! to five digits, since PGVecto.rs's distances are real where pgvector's are double precision.

use super::Pair;

const TOLERANCE: f64 = 1e-5;

impl Pair {
    /// A query on each side must give rows alike, in the same order, and at least one.
    pub fn alike(&self, on_source: &str, on_target: &str) {
        let expected = self.source.rows(on_source);
        let found = self.target.rows(on_target);
        assert!(!expected.is_empty(), "nothing to compare: {on_source}");
        let first = expected.iter().zip(&found).find(|(e, f)| !alike(e, f));
        assert!(
            expected.len() == found.len() && first.is_none(),
            "{} rows on the source, {} on the target; the first that differs: {first:?}\n{on_source}\n{on_target}",
            expected.len(),
            found.len()
        );
    }
}

pub fn rows_alike(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b))
}

fn alike(one: &str, other: &str) -> bool {
    let (one, other) = (parts(one), parts(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a == b || near(a, b))
}

fn near(one: &str, other: &str) -> bool {
    let (Ok(a), Ok(b)) = (one.parse::<f64>(), other.parse::<f64>()) else {
        return false;
    };
    (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0)
}

/// Numbers, and what stands between them, without blanks. Part of a word, such as `a1`, is no number.
fn parts(text: &str) -> Vec<String> {
    let of_number = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let mut parts: Vec<String> = Vec::new();
    let mut within = None;
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        match parts.last_mut().filter(|_| within == Some(of_number(c))) {
            Some(part) => part.push(c),
            None => parts.push(c.into()),
        }
        within = Some(of_number(c));
    }
    parts
}
