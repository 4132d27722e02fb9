//! In: the composite types that copied values are made of, and the target with the schema before the data. Out: a finding for each
//! column whose values have other attributes there, or the same in another order. Neither the bytes nor the text of a composite
//! name its attributes: two of one type would change places in silence, and no digest would see it.
//!
//! The user's own types come as they are. But the row type of an inheriting table begins with its parent's columns there, whatever
//! the order was; those of PostgreSQL's own views grow with its versions, those of extensions with theirs.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::rehearse::Refused;
use crate::catalog::target::Types;
use crate::catalog::{Type, ident};
use crate::error::{Error, Result, Side};
use crate::plan::travel::{Named, OnTarget, Travel, TypeName, name};
use crate::plan::{Finding, Severity, TablePlan};

/// A composite type in a column.
pub struct Composite {
    table: u32,
    object: String,
    type_text: String,
    on_target: TypeName,
    attributes: Vec<Attribute>,
}

/// Its name, and its type where the bytes say that.
type Attribute = (String, Option<OnTarget>);

/// All that the values of these tables are made of.
pub fn within(types: &HashMap<u32, Type>, tables: &[TablePlan]) -> Vec<Composite> {
    let mut all = Vec::new();
    for table in tables {
        for column in &table.columns {
            let mut found = HashMap::new();
            walk(types, column.type_oid, &column.travel, &mut found);
            all.extend(found.into_iter().map(|(oid, attributes)| Composite {
                table: table.oid,
                object: format!("column {}.{}", table.display, ident(&column.name)),
                type_text: types[&oid].name.clone(),
                on_target: name(&types[&oid]),
                attributes,
            }));
        }
    }
    all
}

/// Each composite type once.
fn walk(
    types: &HashMap<u32, Type>,
    oid: u32,
    travel: &Travel,
    found: &mut HashMap<u32, Vec<Attribute>>,
) {
    let Some(ty) = types.get(&oid) else { return };
    let inner = match travel {
        Travel::Array { of, .. } | Travel::Range(of) | Travel::Multirange(of) => of,
        same => same,
    };
    match [ty.element, ty.bound].into_iter().find(|part| *part != 0) {
        Some(part) => walk(types, part, inner, found),
        None if ty.kind == 'd' => walk(types, ty.base, travel, found),
        None if ty.kind == 'c' && !found.contains_key(&oid) => {
            let parts: Vec<(Option<OnTarget>, &Travel)> = match travel {
                Travel::Composite(parts) => parts.iter().map(said).collect(),
                _ => {
                    let passes = *travel == Travel::Pass;
                    let own = |a: u32| passes.then_some(OnTarget::Oid(a));
                    let each = ty.attributes.iter().map(|a| a.type_oid);
                    each.map(|oid| (own(oid), travel)).collect()
                }
            };
            let named = ty.attributes.iter().zip(&parts);
            let attributes = named.map(|(a, (target, _))| (a.name.clone(), target.clone()));
            found.insert(oid, attributes.collect());
            for (attribute, (_, part)) in ty.attributes.iter().zip(parts) {
                walk(types, attribute.type_oid, part, found);
            }
        }
        None => {}
    }
}

fn said((named, travel): &(Named, Travel)) -> (Option<OnTarget>, &Travel) {
    (Some(named.target.clone()), travel)
}

/// To be asked when the schema before the data is there. What a type that is not there means is said elsewhere.
pub async fn changed(client: &Client, composites: &[Composite]) -> Result<Vec<Refused>> {
    if composites.is_empty() {
        return Ok(Vec::new());
    }
    let types = crate::catalog::target::types(client).await?;
    let oids: Vec<u32> = composites
        .iter()
        .filter_map(|c| types.oid(&c.on_target))
        .collect();
    let there = attributes(client, &oids).await?;
    let none = Vec::new();
    let refused = composites.iter().filter_map(|composite| {
        let oid = types.oid(&composite.on_target)?;
        composite.refused(&types, there.get(&oid).unwrap_or(&none))
    });
    Ok(refused.collect())
}

/// Names and types, in order, by the type that has them.
async fn attributes(client: &Client, oids: &[u32]) -> Result<HashMap<u32, Vec<(String, u32)>>> {
    let sql = "SELECT c.reltype, a.attname::text, a.atttypid FROM pg_catalog.pg_attribute a \
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.reltype = ANY ($1) ORDER BY c.reltype, a.attnum";
    let attempt = "reading the attributes of composite types";
    let rows = client.query(sql, &[&oids]).await;
    let mut found: HashMap<u32, Vec<(String, u32)>> = HashMap::new();
    for row in rows.map_err(Error::on(Side::Target, attempt))? {
        let attribute = (row.get(1), row.get(2));
        found.entry(row.get(0)).or_default().push(attribute);
    }
    Ok(found)
}

impl Composite {
    fn refused(&self, types: &Types, there: &[(String, u32)]) -> Option<Refused> {
        let same = |((name, ty), (other, oid)): (&Attribute, &(String, u32))| {
            let expected = match ty {
                None => return name == other,
                Some(OnTarget::Oid(oid)) => Some(*oid),
                Some(OnTarget::Name(ty)) => types.oid(ty),
            };
            name == other && expected == Some(*oid)
        };
        let place = self
            .attributes
            .iter()
            .zip(there)
            .take_while(|pair| same(*pair))
            .count();
        if place == self.attributes.len() && place == there.len() {
            return None;
        }
        let nothing = || "nothing".to_string();
        let here = self
            .attributes
            .get(place)
            .map_or_else(nothing, |(name, _)| ident(name));
        let on_target = there
            .get(place)
            .map_or_else(nothing, |(name, _)| ident(name));
        let differs = match here == on_target {
            true => format!("{here} has another type there"),
            false => format!(
                "attribute {} is {here} here and {on_target} there",
                place + 1
            ),
        };
        let reason = format!(
            "the values of {} do not name their attributes, and the target has others, or another order: {differs}",
            self.type_text
        );
        let finding = Finding::new(Severity::Decision, &self.object, reason).remedy(
            "give the column a composite type of its own (CREATE TYPE) before the move; with --allow-findings the table is left out",
        );
        Some(Refused {
            finding,
            relation: Some(self.table),
        })
    }
}
