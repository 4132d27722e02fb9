//! A plain dump cut into entries.
//!
//! In: what `pg_dump --verbose --schema-only` wrote. Out: its entries in order, each with the identity that its header gives
//! (catalog class and OID) and its statements, byte for byte. Nothing is parsed beyond tokens here, so a statement that the
//! syntax tree does not know still arrives whole.

mod cut;
mod header;

use crate::Error;
use cut::{Piece, cut};

/// What pg_dump calls a session statement; ours for the statements between entries.
pub const SESSION: &str = "SESSION";

/// An object by its place in the catalog: the OID of the catalog and the OID of the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ObjectId {
    pub class: u32,
    pub oid: u32,
}

/// The entries of a dump, in the order in which they have to run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump {
    pub entries: Vec<Entry>,
}

/// One object, or the session statements between two objects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// pg_dump's own number; 0 for session statements.
    pub dump_id: u32,
    /// `None` for session statements; class and OID are 0 for comments, privileges and attachments.
    pub object: Option<ObjectId>,
    /// Numbers of the entries that this one needs. A plain dump names them for comments and privileges only.
    pub dependencies: Vec<u32>,
    /// As the header says it: not quoted, and with the table before it where the object belongs to one.
    pub name: String,
    /// `TABLE`, `INDEX`, `EXTENSION` and so on; [`SESSION`] for session statements.
    pub kind: String,
    pub schema: Option<String>,
    pub owner: Option<String>,
    /// Each as pg_dump wrote it, without the closing semicolon.
    pub statements: Vec<String>,
}

/// Cuts the text of a dump into its entries.
///
/// Session statements (`SET …`, `SELECT pg_catalog.set_config(…)`) stand before the header of the entry that they serve and
/// stay in force: they become entries of the kind [`SESSION`] in their place. The `\restrict` lines are left away.
pub fn parse(sql: &str) -> Result<Dump, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    // Where names could be read in several ways: which entry, and the ways.
    let mut doubtful: Vec<(usize, Vec<Entry>)> = Vec::new();
    for piece in cut(sql)? {
        match piece {
            Piece::Header { readings } => {
                let place = entries.len();
                entries.extend(readings.first().cloned());
                if readings.len() > 1 {
                    doubtful.push((place, readings));
                }
            }
            Piece::Statement { text, .. } if is_session(text) => {
                session_entry(&mut entries).push(text.to_owned())
            }
            Piece::Statement { text, at } => {
                match entries.last_mut().filter(|last| last.kind != SESSION) {
                    Some(entry) => entry.statements.push(text.to_owned()),
                    None => {
                        return Err(Error::StatementWithoutHeader {
                            line: cut::line(sql, at),
                        });
                    }
                }
            }
        }
    }
    for (place, mut readings) in doubtful {
        let statements = std::mem::take(&mut entries[place].statements);
        let agreeing = readings.iter().position(|r| header::agrees(r, &statements));
        let reading = readings.swap_remove(agreeing.unwrap_or(0));
        entries[place] = Entry {
            statements,
            ..reading
        };
    }
    Ok(Dump { entries })
}

/// The statements of the session entry at the end, which is made where there is none.
fn session_entry(entries: &mut Vec<Entry>) -> &mut Vec<String> {
    if entries.last().is_none_or(|last| last.kind != SESSION) {
        entries.push(Entry {
            kind: SESSION.to_owned(),
            ..Entry::default()
        });
    }
    let last = entries.len() - 1;
    &mut entries[last].statements
}

/// `SET SESSION AUTHORIZATION` belongs to the privilege after it: somebody else than the owner granted that.
fn is_session(statement: &str) -> bool {
    (statement.starts_with("SET ") && !statement.starts_with("SET SESSION AUTHORIZATION "))
        || statement.starts_with("SELECT pg_catalog.set_config(")
}
