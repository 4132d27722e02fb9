//! In: a unit and its new table. Out: what SQL calls them: `o` is a row of the old table, `s` one of the new, `l` a noted key. Pure.

use super::super::cast::Casts;
use super::super::unit::{Shadow, Unit};
use crate::connect::{quote, quote_qualified};
use crate::error::{Error, Result, Side};

pub(super) struct Words<'a> {
    pub(super) unit: &'a Unit,
    pub(super) shadow: &'a Shadow,
    /// Names of tables.
    pub(super) old: String,
    pub(super) new: String,
    pub(super) notes: String,
    /// The columns that take values.
    pub(super) columns: String,
    /// Their values in the new types.
    pub(super) values: String,
    /// A row of the old table is not what its row of the new one is; also where it has none.
    pub(super) differs: String,
}

impl<'a> Words<'a> {
    pub(super) fn new(unit: &'a Unit, shadow: &'a Shadow, casts: &Casts) -> Result<Words<'a>> {
        let internal = || Error::on(Side::Internal, "saying the rows of a table");
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        let (mut own, mut theirs, mut differs) = (Vec::new(), Vec::new(), Vec::new());
        for column in &shadow.columns {
            let name = quote(&column.name);
            let (old, new) = (format!("o.{name}"), format!("s.{name}"));
            let vector = unit.columns.iter().find(|c| c.old == column.name);
            if !column.generated {
                columns.push(name);
                values.push(match vector {
                    Some(c) => casts.forward(&c.change, &old).map_err(internal())?,
                    None => old.clone(),
                });
            }
            match vector {
                Some(c) => differs.push(casts.differs(&c.change, &old, &new).map_err(internal())?),
                None => {
                    own.push(old);
                    theirs.push(new);
                }
            }
        }
        // Bytes of values: no type needs an operator.
        differs.push(format!(
            "pg_catalog.record_image_ne(ROW({}), ROW({}))",
            own.join(", "),
            theirs.join(", ")
        ));
        let first = quote(&shadow.key[0].column);
        Ok(Words {
            old: unit.quoted(),
            new: new_table(unit, shadow),
            notes: notes(unit),
            columns: columns.join(", "),
            values: values.join(", "),
            differs: format!("(s.{first} IS NULL OR {})", differs.join(" OR ")),
            unit,
            shadow,
        })
    }

    /// `a."k" OPERATOR("pg_catalog".=) b."k" AND …`
    pub(super) fn same(&self, a: &str, b: &str) -> String {
        let one = |k: &super::super::unit::Key| {
            let name = quote(&k.column);
            format!("{a}.{name} {} {b}.{name}", k.equals)
        };
        let all: Vec<String> = self.shadow.key.iter().map(one).collect();
        all.join(" AND ")
    }

    /// The noted keys, each once.
    pub(super) fn noted(&self) -> String {
        format!("(SELECT DISTINCT {} FROM {})", self.keys(""), self.notes)
    }

    pub(super) fn keys(&self, row: &str) -> String {
        keys(self.shadow, row)
    }
}

/// `"a", "b"`, or those of a row.
pub(super) fn keys(shadow: &Shadow, row: &str) -> String {
    let one = |k: &super::super::unit::Key| format!("{row}{}", quote(&k.column));
    let all: Vec<String> = shadow.key.iter().map(one).collect();
    all.join(", ")
}

pub(super) fn new_table(unit: &Unit, shadow: &Shadow) -> String {
    quote_qualified(&unit.schema, &shadow.name)
}

/// Where the keys of changed rows are noted. A note without a key: the table was emptied.
pub(super) fn notes(unit: &Unit) -> String {
    quote_qualified("pgv2rs", &format!("changed_{}", unit.root))
}

/// The trigger that notes that the table was emptied.
pub(super) fn emptied(unit: &Unit) -> String {
    format!("{} emptied", unit.trigger)
}
