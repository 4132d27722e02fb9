//! In: a database without types of its own. Out: enums, domains, composites and ranges in it, over each other and over vectors.

use super::database::Database;
use super::names::{ident, literal};
use super::plain::PLAIN;
use super::random::Rng;
use super::types::{Kind, Type, Vector, Words};

pub fn make(database: &mut Database) {
    let mut rng = database.stream("types");
    let makers: [(&str, Maker); 6] = [
        ("enums", enumeration),
        ("domains", domain),
        ("vector domains", vector_domain),
        ("composites", composite),
        ("ranges", range),
        ("domains over domains", domain),
    ];
    for (feature, maker) in makers {
        if database.has(feature) {
            for _ in 0..rng.between(1, 2) {
                maker(database, &mut rng);
            }
        }
    }
}

type Maker = fn(&mut Database, &mut Rng);

/// A fresh name in some schema, as SQL.
pub fn named(database: &mut Database, stem: &str, rng: &mut Rng) -> String {
    let schema = rng.pick(&database.schemas).clone();
    format!("{}.{}", ident(&schema), ident(database.fresh(stem)))
}

/// A vector type that columns can have.
pub fn vector(database: &Database, rng: &mut Rng) -> Type {
    let dims = match rng.below(20) {
        0 => rng.between(60, 70),
        1 => rng.between(1000, 2000),
        2 => 16000,
        _ => rng.between(1, 12),
    };
    let vector = Vector {
        words: *rng.pick(&[
            Words::Vector,
            Words::Vector,
            Words::Halfvec,
            Words::Sparsevec,
        ]),
        dims: (!rng.percent(10)).then_some(dims),
        tame: rng.percent(70),
    };
    Type::vector(&database.extension, vector)
}

/// Any type that a field of a composite or an element of an array may have.
fn part(database: &Database, rng: &mut Rng) -> Type {
    let own: Vec<&Type> = database.types.iter().collect();
    match rng.below(10) {
        0..=3 if !own.is_empty() => (*rng.pick(&own)).clone(),
        4 => vector(database, rng),
        5 => Type::array(plain(rng)),
        _ => plain(rng),
    }
}

pub fn plain(rng: &mut Rng) -> Type {
    Type::plain(rng.pick(&PLAIN))
}

fn enumeration(database: &mut Database, rng: &mut Rng) {
    let sql = named(database, "mood", rng);
    let odd = [
        "sad",
        "o'k",
        "HAPPY",
        "",
        "two words",
        "🦀",
        "a,b",
        "\"q\"",
        "back\\slash",
        "{x}",
    ];
    let count = rng.between(2, 6);
    let labels: Vec<String> = odd.iter().take(count + 3).map(|l| l.to_string()).collect();
    let list: Vec<String> = labels.iter().map(literal).collect();
    database.add(format!("CREATE TYPE {sql} AS ENUM ({})", list.join(", ")));
    database.types.push(Type {
        sql,
        kind: Kind::Enum(labels),
    });
}

fn domain(database: &mut Database, rng: &mut Rng) {
    let base = match rng.below(3) {
        0 => part(database, rng),
        _ => plain(rng),
    };
    let sql = named(database, "dom", rng);
    let check = match rng.percent(40) {
        true => format!(
            " CONSTRAINT {} CHECK (VALUE IS NULL OR length(VALUE::text) >= 0)",
            ident(database.fresh("chk"))
        ),
        false => String::new(),
    };
    let check = if base.holds_vector() {
        "".into()
    } else {
        check
    };
    let default = match rng.percent(30) && !base.holds_vector() {
        true => format!(" DEFAULT {}", base.value(rng)),
        false => String::new(),
    };
    database.add(format!(
        "CREATE DOMAIN {sql} AS {}{default}{check}",
        base.sql
    ));
    database.types.push(Type {
        sql,
        kind: Kind::Domain(Box::new(base)),
    });
}

fn vector_domain(database: &mut Database, rng: &mut Rng) {
    let base = vector(database, rng);
    let sql = named(database, "vdom", rng);
    database.add(format!("CREATE DOMAIN {sql} AS {}", base.sql));
    database.types.push(Type {
        sql,
        kind: Kind::Domain(Box::new(base)),
    });
}

fn composite(database: &mut Database, rng: &mut Rng) {
    let sql = named(database, "comp", rng);
    let mut fields = Vec::new();
    for _ in 0..rng.between(1, 5) {
        let ty = part(database, rng);
        fields.push((database.fresh("f"), ty));
    }
    let list: Vec<String> = fields
        .iter()
        .map(|(name, ty)| format!("{} {}", ident(name), ty.sql))
        .collect();
    database.add(format!("CREATE TYPE {sql} AS ({})", list.join(", ")));
    if rng.percent(30) {
        database.add(format!("ALTER TYPE {sql} ADD ATTRIBUTE gone integer"));
        database.add(format!("ALTER TYPE {sql} DROP ATTRIBUTE gone"));
    }
    database.types.push(Type {
        sql,
        kind: Kind::Composite(fields),
    });
}

fn range(database: &mut Database, rng: &mut Rng) {
    let enums: Vec<Type> = database
        .types
        .iter()
        .filter(|t| matches!(t.kind, Kind::Enum(_)))
        .cloned()
        .collect();
    let of = match rng.percent(30) && !enums.is_empty() {
        true => rng.pick(&enums).clone(),
        false => Type::named(["double precision", "text", "inet", "uuid"][rng.below(4)]),
    };
    let sql = named(database, "span", rng);
    let many = named(database, "spans", rng);
    database.add(format!(
        "CREATE TYPE {sql} AS RANGE (SUBTYPE = {}, MULTIRANGE_TYPE_NAME = {many})",
        of.sql
    ));
    let range = Type {
        sql,
        kind: Kind::Range(Box::new(of)),
    };
    database.types.push(range.clone());
    database.types.push(Type {
        sql: many,
        kind: Kind::Multirange(Box::new(range)),
    });
}

/// Composites that lost and gained attributes while values of them were stored: those keep the fields that they were written with.
pub fn changed(database: &mut Database) {
    if !database.has("changed composites") {
        return;
    }
    let mut rng = database.stream("changed composites");
    let sql = named(database, "worn", &mut rng);
    let table = named(database, "worns", &mut rng);
    let mut next = 0;
    let mut field = |rng: &mut Rng, database: &Database| {
        next += 1;
        let ty = match rng.below(3) {
            0 => vector(database, rng),
            _ => plain_with_values(rng),
        };
        (format!("a{next}"), ty)
    };
    let mut fields: Vec<(String, Type)> = (0..4).map(|_| field(&mut rng, database)).collect();
    let list: Vec<String> = fields
        .iter()
        .map(|(n, t)| format!("{n} {}", t.sql))
        .collect();
    database.add(format!("CREATE TYPE {sql} AS ({})", list.join(", ")));
    database.add(format!(
        "CREATE TABLE {table} (id integer, one {sql}, many {sql}[])"
    ));
    for id in 1..=4 {
        let ty = Type {
            sql: sql.clone(),
            kind: Kind::Composite(fields.clone()),
        };
        let many = Type::array(ty.clone()).maybe(&mut rng, 10);
        let one = ty.maybe(&mut rng, 10);
        database.add(format!("INSERT INTO {table} VALUES ({id}, {one}, {many})"));
        let gone = fields.remove(rng.below(fields.len()));
        database.add(format!("ALTER TYPE {sql} DROP ATTRIBUTE {}", gone.0));
        let came = field(&mut rng, database);
        database.add(format!(
            "ALTER TYPE {sql} ADD ATTRIBUTE {} {}",
            came.0, came.1.sql
        ));
        fields.push(came);
    }
}

/// One that goes in binary: see `Type::excludes`.
fn plain_with_values(rng: &mut Rng) -> Type {
    loop {
        let ty = plain(rng);
        let beside = ["int2vector", "oidvector", "tsquery"].contains(&ty.sql.as_str());
        if !beside && !ty.always_null() {
            return ty;
        }
    }
}
