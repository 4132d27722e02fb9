//! In: both sides. Out: the first relation whose rows differ, with the rows. Each server prints its own rows; vectors are cast to
//! real[] by it. What a column is, is asked of the source's catalog. Views are asked as well: their numbers may differ in the last
//! digits, since PGVecto.rs computes distances in single precision.

use std::collections::HashMap;

use super::common::Pair;
use super::common::db::Session;
use super::database::Database;
use super::hold::Lost;
use super::names::ident;

/// A type as pg_type has it.
struct Type {
    kind: char,
    element: u32,
    base: u32,
    /// Fields of a composite: quoted name and type.
    fields: Vec<(String, u32)>,
    /// vector, halfvec or sparsevec of pgvector.
    vector: Option<String>,
    /// Where pgvector lives, quoted.
    extension: String,
}

struct Types(HashMap<u32, Type>);

/// Where a value is read, and what vectors are there.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Vectors,
    Arrays,
}

struct Relation {
    name: String,
    kind: char,
    /// Has columns that the server computes, of distances perhaps.
    generated: bool,
    /// Quoted name, type, and the type on the target.
    columns: Vec<(String, u32, String)>,
}

pub fn compare(database: &Database, pair: &Pair, lost: &[Lost]) -> Result<(), String> {
    let (source, target) = (sober(pair, true), sober(pair, false));
    let types = types(&source)?;
    for relation in relations(&source, &target)? {
        if left_out(database, lost, &relation.name) {
            continue;
        }
        let view = "vm".contains(relation.kind) || relation.generated;
        let (from, to) = queries(&types, &relation, database.arrays);
        if !view {
            // The usual case in one short answer.
            let hash = |sql: &str| {
                format!(
                    "SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM ({sql}) q(r)"
                )
            };
            if source.try_rows(&hash(&from))? == target.try_rows(&hash(&to)).map_err(at(&to))? {
                continue;
            }
        }
        let cells = |session: &Session, sql: &str| -> Result<Vec<String>, String> {
            let all = format!("SELECT r::text FROM ({sql}) q(r) ORDER BY r::text COLLATE \"C\"");
            session.try_rows(&all).map_err(at(sql))
        };
        let (expected, found) = (cells(&source, &from)?, cells(&target, &to)?);
        if !(view && alike_in_any_order(&expected, &found)) {
            let missing: Vec<&String> = expected.iter().filter(|r| !found.contains(r)).collect();
            let extra: Vec<&String> = found.iter().filter(|r| !expected.contains(r)).collect();
            return Err(format!(
                "{}: {} rows on the source, {} on the target\nonly on the source: {missing:.400?}\nonly on the target: {extra:.400?}\n{from}\n{to}",
                relation.name,
                expected.len(),
                found.len()
            ));
        }
    }
    for query in [SEQUENCES, FLAGS] {
        let (mut expected, found) = (source.try_rows(query)?, target.try_rows(query)?);
        expected
            .retain(|line| !left_out(database, lost, line.split('|').nth(1).unwrap_or_default()));
        if expected != found {
            let missing: Vec<&String> = expected.iter().filter(|r| !found.contains(r)).collect();
            let extra: Vec<&String> = found.iter().filter(|r| !expected.contains(r)).collect();
            return Err(format!(
                "only on the source: {missing:#?}\nonly on the target: {extra:#?}\n{query}"
            ));
        }
    }
    Ok(())
}

/// A relation that the target cannot have, or an index.
fn left_out(database: &Database, lost: &[Lost], relation: &str) -> bool {
    const KINDS: [&str; 4] = ["INDEX", "TABLE", "VIEW", "MATERIALIZED VIEW"];
    let missing = database.decisions.iter().flat_map(|d| &d.missing);
    let mut relations = missing
        .chain(lost)
        .filter(|(kind, _)| KINDS.contains(&kind.as_str()));
    // pg_dump's comments, which some names are from, have no line breaks.
    let flat = |text: &str| text.replace(['\n', '\r'], " ");
    let relation = flat(relation);
    relations.any(|(_, name)| {
        let name = flat(name);
        relation.ends_with(&format!(".{name}")) || relation.ends_with(&format!(".{}", ident(name)))
    })
}

fn at(sql: &str) -> impl Fn(String) -> String + '_ {
    move |error| format!("{error}\n{sql}")
}

/// A session that prints alike on both sides, whatever was set for the databases.
pub fn sober(pair: &Pair, source: bool) -> Session {
    let place = if source {
        &pair.source.place
    } else {
        &pair.target.place
    };
    let session = place.session();
    session.exec(
        "SET search_path = pg_catalog; SET row_security = off; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres; SET TimeZone = 'UTC'; \
         SET extra_float_digits = 1; SET bytea_output = hex; SET statement_timeout = 0; SET lock_timeout = 0; \
         SET idle_in_transaction_session_timeout = 0; SET array_nulls = on; SET transform_null_equals = off; SET standard_conforming_strings = on; \
         SET quote_all_identifiers = off; SET client_encoding = 'UTF8'; SET default_transaction_read_only = off; SET lc_monetary = 'C.UTF-8'; SET enable_indexscan = off",
    );
    session
}

/// Two answers, line by line, in which numbers may differ by one part in ten thousand.
pub fn alike(expected: &[String], found: &[String]) -> bool {
    let split = |line: &str| -> Vec<String> {
        line.split([',', '|', '{', '}', '"', '(', ')', '[', ']'])
            .map(String::from)
            .collect()
    };
    let close = |a: &str, b: &str| {
        a == b
            || match (a.trim().parse::<f64>(), b.trim().parse::<f64>()) {
                (Ok(a), Ok(b)) => {
                    (a.is_nan() && b.is_nan())
                        || (a - b).abs() <= 1e-4 * (1.0 + a.abs().max(b.abs()))
                }
                _ => false,
            }
    };
    let same = |a: &String, b: &String| {
        let (a, b) = (split(a), split(b));
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| close(a, b))
    };
    expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| same(a, b))
}

/// The same lines in another order, with numbers at their ends that go up as before: neighbours whose distances differ by less than a
/// `real` can tell. Where all distances are exact on both sides there are no such neighbours.
pub fn alike_but_for_ties(expected: &[String], found: &[String]) -> bool {
    let ends = |lines: &[String]| -> Vec<String> {
        let end = |line: &String| line.rsplit('|').next().unwrap_or_default().to_string();
        lines.iter().map(end).collect()
    };
    let (ends_here, ends_there) = (ends(expected), ends(found));
    let rounded = ends_here.iter().chain(&ends_there).any(|e| e.contains('.'));
    rounded && alike(&ends_here, &ends_there) && alike_in_any_order(expected, found)
}

/// The same lines: as texts, near numbers may stand far from each other.
pub fn alike_in_any_order(expected: &[String], found: &[String]) -> bool {
    let mut left: Vec<&String> = found.iter().collect();
    let taken = |line: &String| {
        let near = |other: &&String| alike(std::slice::from_ref(line), std::slice::from_ref(other));
        let place = left.iter().position(near);
        place.map(|at| left.remove(at)).is_some()
    };
    expected.len() == found.len() && expected.iter().all(taken)
}

/// Each row as an array of texts, one query for a side.
fn queries(types: &Types, relation: &Relation, arrays: bool) -> (String, String) {
    let mut from = Vec::new();
    let mut to = Vec::new();
    for (column, ty, there) in &relation.columns {
        let column = format!("t.{column}");
        let bits = *ty == BIT && ["vectors.bvector", "real[]"].contains(&there.as_str());
        if bits {
            from.push(format!(
                "string_to_array({column}::text, NULL)::real[]::text"
            ));
            to.push(real(&column, there));
        } else if let Some(of) = types.0.get(ty).filter(|t| t.vector.is_some()) {
            from.push(of.real(&column, there));
            to.push(real(&column, there));
        } else {
            let there = match arrays {
                true => Side::Arrays,
                false => Side::Vectors,
            };
            from.push(types.text(&column, *ty, Side::Source, 0));
            to.push(types.text(&column, *ty, there, 0));
        }
    }
    let only = if relation.kind == 'r' { "ONLY " } else { "" };
    let query = |cells: &[String]| {
        format!(
            "SELECT ARRAY[{}]::text[] FROM {only}{} t",
            cells.join(", "),
            relation.name
        )
    };
    (query(&from), query(&to))
}

impl Types {
    fn holds_vector(&self, oid: u32) -> bool {
        self.0.get(&oid).is_some_and(|t| {
            t.vector.is_some()
                || (t.element != 0 && self.holds_vector(t.element))
                || (t.base != 0 && self.holds_vector(t.base))
                || t.fields.iter().any(|(_, f)| self.holds_vector(*f))
        })
    }

    /// An expression for the value's text, the same on both sides.
    fn text(&self, value: &str, oid: u32, side: Side, depth: usize) -> String {
        let Some(ty) = self.0.get(&oid).filter(|_| self.holds_vector(oid)) else {
            return format!("({value})::text");
        };
        if ty.vector.is_some() {
            return match side {
                Side::Source => ty.real(value, ""),
                Side::Vectors => real(value, ""),
                Side::Arrays => real(value, "real[]"),
            };
        }
        if ty.kind == 'd' {
            return self.text(value, ty.base, side, depth);
        }
        if ty.element != 0 {
            return self.array(value, ty.element, side, depth);
        }
        let fields = ty.fields.iter().map(|(name, field)| {
            let field = self.text(&format!("({value}).{name}"), *field, side, depth);
            format!("coalesce({field}, 'NULL')")
        });
        let fields: Vec<String> = fields.collect();
        format!(
            "CASE WHEN ({value}) IS DISTINCT FROM NULL THEN concat_ws(',', 'row', {}) END",
            fields.join(", ")
        )
    }

    /// Its dimensions, and its elements in their order.
    fn array(&self, value: &str, element: u32, side: Side, depth: usize) -> String {
        // Through a domain too.
        let mut of = &self.0[&element];
        while of.kind == 'd' {
            of = &self.0[&of.base];
        }
        let row = format!("u{depth}");
        let (names, one) = match (of.kind, of.fields.len()) {
            // unnest gives a composite's fields as columns.
            ('c', n) => {
                let names: Vec<String> = (0..n).map(|i| format!("f{i}")).collect();
                let fields = of.fields.iter().zip(&names).map(|((_, ty), name)| {
                    let text = self.text(&format!("{row}.{name}"), *ty, side, depth + 1);
                    format!("coalesce({text}, 'NULL')")
                });
                let one = format!("concat_ws(',', {})", fields.collect::<Vec<_>>().join(", "));
                (names.join(", "), one)
            }
            _ => (
                "e".into(),
                self.text(&format!("{row}.e"), element, side, depth + 1),
            ),
        };
        format!(
            "CASE WHEN ({value}) IS DISTINCT FROM NULL THEN concat(array_dims({value}), ' ', (SELECT string_agg(coalesce({one}, 'NULL'), ';' ORDER BY {row}.n) \
             FROM unnest({value}) WITH ORDINALITY {row}({names}, n))) END"
        )
    }
}

impl Type {
    /// By the casts of pgvector; `there` is the type that it became, if it was told to become another than usual.
    fn real(&self, value: &str, there: &str) -> String {
        let x = &self.extension;
        match (self.vector.as_deref(), there) {
            (_, "vectors.bvector") => {
                format!("string_to_array({x}.binary_quantize({value})::text, NULL)::real[]::text")
            }
            (Some("vector"), "vectors.vecf16") => {
                format!("({value})::{x}.halfvec::{x}.vector::real[]::text")
            }
            (Some("vector"), _) => format!("({value})::real[]::text"),
            (Some("sparsevec"), _) => format!(
                "CASE WHEN split_part(({value})::text, '/', 2)::int <= 16000 THEN ({value})::{x}.vector::real[]::text ELSE ({value})::text END"
            ),
            _ => format!("({value})::{x}.vector::real[]::text"),
        }
    }
}

/// The same on the target.
fn real(value: &str, there: &str) -> String {
    match there {
        "real[]" | "vectors.vector" => format!("({value})::real[]::text"),
        _ => format!("({value})::vectors.vector::real[]::text"),
    }
}

fn types(source: &Session) -> Result<Types, String> {
    let mut types = HashMap::new();
    for line in source.try_rows(TYPES)? {
        let cells: Vec<&str> = line.splitn(6, '|').collect();
        let number = |i: usize| cells[i].parse::<u32>().map_err(|e| format!("{e}: {line}"));
        let ty = Type {
            kind: cells[1].chars().next().unwrap_or(' '),
            element: number(2)?,
            base: number(3)?,
            fields: Vec::new(),
            vector: Some(cells[4].to_string()).filter(|v| !v.is_empty()),
            extension: cells[5].to_string(),
        };
        types.insert(number(0)?, ty);
    }
    for line in source.try_rows(FIELDS)? {
        let cells: Vec<&str> = line.splitn(3, '|').collect();
        let number = |i: usize| cells[i].parse::<u32>().map_err(|e| format!("{e}: {line}"));
        if let Some(ty) = types.get_mut(&number(0)?) {
            ty.fields.push((cells[2].to_string(), number(1)?));
        }
    }
    Ok(Types(types))
}

fn relations(source: &Session, target: &Session) -> Result<Vec<Relation>, String> {
    let there = target.try_rows(TARGET_TYPES)?.into_iter();
    let there: HashMap<String, String> = there
        .filter_map(|line| {
            let (column, ty) = line.rsplit_once('\u{1}')?;
            Some((column.to_string(), ty.to_string()))
        })
        .collect();
    let mut relations: Vec<Relation> = Vec::new();
    for line in source.try_rows(RELATIONS)? {
        let cells: Vec<&str> = line.split('\u{1}').collect();
        let (name, column) = (cells[0], cells[2]);
        if relations.last().is_none_or(|r| r.name != name) {
            relations.push(Relation {
                name: name.into(),
                kind: cells[1].chars().next().unwrap_or(' '),
                generated: false,
                columns: Vec::new(),
            });
        }
        if let (Some(relation), false) = (relations.last_mut(), column.is_empty()) {
            relation.generated |= !cells[4].is_empty();
            let ty = cells[3].parse().map_err(|e| format!("{e}: {line}"))?;
            let there = there.get(&format!("{name}\u{1}{column}"));
            let there = there.cloned().unwrap_or_default();
            relation.columns.push((column.into(), ty, there));
        }
    }
    Ok(relations)
}

const TYPES: &str = "SELECT t.oid, t.typtype, CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem ELSE 0 END, t.typbasetype, \
    CASE WHEN e.oid IS NOT NULL AND t.typcategory <> 'A' THEN t.typname::text ELSE '' END, \
    (SELECT quote_ident(n.nspname) FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname = 'vector') \
    FROM pg_type t LEFT JOIN (pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'vector') \
    ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e' WHERE t.typtype <> 'p'";

const FIELDS: &str = "SELECT t.oid, a.atttypid, quote_ident(a.attname) FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid \
    WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY t.oid, a.attnum";

/// Tables and views that have rows; each column on a line, and a line for a table without columns. By the hash of an enum, which is
/// of its OID, a row belongs to another partition on each cluster: of such trees only the root.
const RELATIONS: &str = "SELECT concat_ws(E'\\x01', c.oid::regclass::text, c.relkind, coalesce(quote_ident(a.attname), ''), coalesce(a.atttypid, 0), coalesce(a.attgenerated, '')) FROM pg_class c \
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relispopulated AND c.oid >= 16384 \
    AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    AND NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) above JOIN pg_partitioned_table p ON p.partrelid = above JOIN pg_attribute k ON k.attrelid = above \
      JOIN pg_type kt ON kt.oid = k.atttypid WHERE above <> c.oid AND p.partstrat = 'h' AND k.attnum = ANY (p.partattrs) AND kt.typtype = 'e') ORDER BY c.oid, a.attnum";

const TARGET_TYPES: &str = "SELECT concat_ws(E'\\x01', a.attrelid::regclass::text, quote_ident(a.attname), a.atttypid::regtype::text) FROM pg_attribute a \
    JOIN pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm')";

const BIT: u32 = 1560;

const SEQUENCES: &str =
    "SELECT s.schemaname, s.sequencename, s.last_value FROM pg_sequences s ORDER BY 1, 2";

/// What pg_dump says in other words on each side, or not at all: NOT NULL that is proven, whether a materialized view is filled, valid indexes.
const FLAGS: &str = "SELECT 'not null', attrelid::regclass::text, attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid \
      WHERE attnotnull AND attnum > 0 AND NOT attisdropped AND c.oid >= 16384 AND relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND contype = 'n' AND NOT convalidated AND conkey[1] = attnum) \
    UNION ALL SELECT 'filled', c.oid::regclass::text, relispopulated::text FROM pg_class c WHERE relkind = 'm' \
    UNION ALL SELECT 'index', indexrelid::regclass::text, indisvalid::text FROM pg_index WHERE indexrelid >= 16384 AND indrelid >= 16384 AND NOT EXISTS (SELECT FROM pg_class c, pg_namespace n WHERE c.oid = indrelid AND n.oid = relnamespace AND nspname = 'pg_toast') \
    ORDER BY 1, 2, 3";
