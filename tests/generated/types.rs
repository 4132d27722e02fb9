//! In: random numbers. Out: types of columns, and values of them as SQL. Built-in types and their edge values stand in `plain`; types
//! made by the database's users are built over them here.

use super::names::{ident, literal};
use super::plain::{PLAIN, Plain};
use super::random::Rng;

#[derive(Clone, Debug)]
pub struct Type {
    /// As a column's type is written.
    pub sql: String,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Plain(&'static Plain),
    Vector(Vector),
    Enum(Vec<String>),
    Domain(Box<Type>),
    Composite(Vec<(String, Type)>),
    Range(Box<Type>),
    Multirange(Box<Type>),
    Array(Box<Type>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    pub words: Words,
    /// None: the column takes vectors of any size.
    pub dims: Option<usize>,
    /// Numbers of everyday size, whose distances say something.
    pub tame: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    Vector,
    Halfvec,
    Sparsevec,
}

impl Words {
    pub const ALL: [Words; 3] = [Words::Vector, Words::Halfvec, Words::Sparsevec];

    pub fn name(self) -> &'static str {
        match self {
            Words::Vector => "vector",
            Words::Halfvec => "halfvec",
            Words::Sparsevec => "sparsevec",
        }
    }
}

impl Type {
    pub fn plain(plain: &'static Plain) -> Type {
        Type {
            sql: plain.sql.into(),
            kind: Kind::Plain(plain),
        }
    }

    /// The built-in type of this name.
    pub fn named(sql: &str) -> Type {
        let found = PLAIN.iter().find(|p| p.sql == sql);
        Type::plain(found.unwrap_or_else(|| panic!("{sql} is not in the list")))
    }

    /// A type of pgvector, which lives in this schema.
    pub fn vector(extension: &str, vector: Vector) -> Type {
        let dims = vector.dims.map(|d| format!("({d})")).unwrap_or_default();
        Type {
            sql: format!("{}.{}{dims}", ident(extension), vector.words.name()),
            kind: Kind::Vector(vector),
        }
    }

    pub fn array(of: Type) -> Type {
        Type {
            sql: format!("{}[]", of.sql),
            kind: Kind::Array(Box::new(of)),
        }
    }

    pub fn holds_vector(&self) -> bool {
        match &self.kind {
            Kind::Vector(_) => true,
            Kind::Plain(_) | Kind::Enum(_) => false,
            Kind::Domain(of) | Kind::Range(of) | Kind::Multirange(of) | Kind::Array(of) => {
                of.holds_vector()
            }
            Kind::Composite(fields) => fields.iter().any(|(_, t)| t.holds_vector()),
        }
    }

    /// Its types, to the innermost.
    fn parts(&self) -> Vec<&Type> {
        let mut parts = vec![self];
        match &self.kind {
            Kind::Vector(_) | Kind::Plain(_) | Kind::Enum(_) => {}
            Kind::Domain(of) | Kind::Range(of) | Kind::Multirange(of) | Kind::Array(of) => {
                parts.extend(of.parts());
            }
            Kind::Composite(fields) => parts.extend(fields.iter().flat_map(|(_, t)| t.parts())),
        }
        parts
    }

    /// A vector inside of a composite travels in binary only, and some types only as text: the program names a table that has both
    /// as one that it cannot move.
    pub fn excludes(&self, other: &Type) -> bool {
        let text = |t: &Type| {
            t.parts()
                .iter()
                .any(|p| ["int2vector", "oidvector", "tsquery"].contains(&p.sql.as_str()))
        };
        let composite = |t: &Type| {
            t.parts()
                .iter()
                .any(|p| matches!(p.kind, Kind::Composite(_)) && p.holds_vector())
        };
        (text(self) && composite(other)) || (composite(self) && text(other))
    }

    /// This server can make no value of it: xml, where libxml is not built in.
    pub fn always_null(&self) -> bool {
        match &self.kind {
            Kind::Plain(plain) => plain.values.is_empty(),
            Kind::Domain(of) => of.always_null(),
            _ => false,
        }
    }

    /// A btree index over it can be made.
    pub fn has_order(&self) -> bool {
        match &self.kind {
            Kind::Vector(_) | Kind::Composite(_) => false,
            Kind::Plain(plain) => plain.order,
            Kind::Enum(_) | Kind::Range(_) | Kind::Multirange(_) => true,
            Kind::Domain(of) | Kind::Array(of) => of.has_order(),
        }
    }

    /// A value, as an expression of exactly this type; never NULL as a whole.
    pub fn value(&self, rng: &mut Rng) -> String {
        let sql = &self.sql;
        match &self.kind {
            Kind::Plain(plain) => match rng.below(plain.values.len() + 1) {
                0 => plain.random(rng),
                n => format!("{}::{sql}", literal(plain.values[n - 1])),
            },
            Kind::Vector(vector) => format!("{}::{sql}", literal(vector.text(rng))),
            Kind::Enum(labels) => format!("{}::{sql}", literal(&labels[rng.below(labels.len())])),
            Kind::Domain(of) => format!("({})::{sql}", of.value(rng)),
            Kind::Composite(fields) => {
                let fields: Vec<String> = fields.iter().map(|(_, t)| t.maybe(rng, 25)).collect();
                format!("ROW({})::{sql}", fields.join(", "))
            }
            Kind::Range(of) => range(of, sql, rng),
            Kind::Multirange(of) => match rng.below(4) {
                0 => format!("'{{}}'::{sql}"),
                _ => format!("multirange({})::{sql}", range(of, &of.sql, rng)),
            },
            Kind::Array(of) => array(of, sql, rng),
        }
    }

    /// A value, or NULL with this chance.
    pub fn maybe(&self, rng: &mut Rng, null: usize) -> String {
        match rng.percent(null) {
            true => format!("NULL::{}", self.sql),
            false => self.value(rng),
        }
    }
}

/// `of` is the subtype of the range; for a multirange it is the range, which has its own value.
fn range(of: &Type, sql: &str, rng: &mut Rng) -> String {
    if let Kind::Range(_) = of.kind {
        return of.value(rng);
    }
    let (a, b) = (of.value(rng), of.value(rng));
    let bounds = rng.pick(&["[]", "[)", "(]", "()"]);
    match rng.below(5) {
        0 => format!("'empty'::{sql}"),
        1 => format!("{sql}({a}, NULL, '{bounds}')"),
        2 => format!("{sql}(NULL, {b}, '{bounds}')"),
        _ => format!("{sql}(LEAST({a}, {b}), GREATEST({a}, {b}), '{bounds}')"),
    }
}

fn array(of: &Type, sql: &str, rng: &mut Rng) -> String {
    let row = |rng: &mut Rng, n: usize| {
        let values: Vec<String> = (0..n).map(|_| of.maybe(rng, 20)).collect();
        format!("ARRAY[{}]", values.join(", "))
    };
    match rng.below(6) {
        0 => format!("'{{}}'::{sql}"),
        // Of two dimensions.
        1 => {
            let n = rng.between(1, 3);
            let rows: Vec<String> = (0..rng.between(1, 3)).map(|_| row(rng, n)).collect();
            format!("ARRAY[{}]::{sql}", rows.join(", "))
        }
        // With another lower bound.
        2 => format!(
            "array_fill({}, ARRAY[{}], ARRAY[{}])::{sql}",
            of.maybe(rng, 20),
            rng.between(1, 3),
            rng.between(0, 9) as i64 - 5
        ),
        _ => {
            let n = rng.between(1, 4);
            format!("{}::{sql}", row(rng, n))
        }
    }
}

impl Vector {
    /// In pgvector's text form.
    pub fn text(&self, rng: &mut Rng) -> String {
        let dims = self.dims.unwrap_or_else(|| rng.between(1, 9));
        match self.words {
            Words::Sparsevec => {
                let filled: Vec<usize> = (1..=dims).filter(|_| rng.percent(40)).collect();
                let elements: Vec<String> = filled
                    .iter()
                    .take(900)
                    .map(|i| (i, self.number(rng)))
                    // pgvector drops them; so nothing is compared that never was.
                    .filter(|(_, n)| n.parse::<f32>().is_ok_and(|n| n != 0.0))
                    .map(|(i, n)| format!("{i}:{n}"))
                    .collect();
                format!("{{{}}}/{dims}", elements.join(","))
            }
            Words::Vector | Words::Halfvec => {
                let zero = rng.percent(4);
                let mut number = |_| match zero {
                    true => "0".to_string(),
                    false => self.number(rng),
                };
                let elements: Vec<String> = (0..dims).map(&mut number).collect();
                format!("[{}]", elements.join(","))
            }
        }
    }

    fn number(&self, rng: &mut Rng) -> String {
        const SINGLE: [&str; 8] = [
            "0",
            "-0",
            "3.4028235e38",
            "-3.4028235e38",
            "1e-45",
            "1.17549435e-38",
            "16777217",
            "0.1",
        ];
        const HALF: [&str; 8] = [
            "0", "-0", "65504", "-65504", "5.96e-8", "6.1e-5", "0.333", "-1e-7",
        ];
        if !self.tame && rng.percent(15) {
            let edge = match self.words {
                Words::Halfvec => &HALF,
                Words::Vector | Words::Sparsevec => &SINGLE,
            };
            return rng.pick(edge).to_string();
        }
        let thousandths = rng.below(20_000) as i64 - 10_000;
        format!("{:.3}", thousandths as f64 / 1000.0)
    }
}
