//! Index options: pgvector's reloptions in, PGVecto.rs's TOML document out.
//!
//! The document names every parameter that the source had or defaulted to: the defaults of the two systems differ. Values that
//! PGVecto.rs refuses are moved to the nearest that it takes, and that is said. Nothing here reads SQL.

use crate::types::TargetType;

/// What the catalog says about one index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexDesc {
    /// The access method: `hnsw`, `ivfflat`, or one of PostgreSQL's own over a class of pgvector.
    pub method: String,
    /// Names from `pg_index.indclass`, one a key column, without their schemas.
    pub opclasses: Vec<String>,
    /// `pg_class.reloptions` of the index, cut at the equals sign.
    pub options: Vec<(String, String)>,
    /// The table is UNLOGGED.
    pub unlogged: bool,
    /// The `pg_class` OID of the table.
    pub table: u32,
    /// The table is so small that one thread builds the index at once. PGVecto.rs's threads race for the first points of a graph:
    /// of 60 rows, two threads lost 15 in one build of ten, one thread none.
    pub small: bool,
}

/// An options document and what was changed to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub document: String,
    /// Sentences about values that could not be copied, without a full stop.
    pub changes: Vec<String>,
}

/// The largest `optimizing.optimizing_threads` that PGVecto.rs takes.
const MAX_THREADS: u32 = 65_535;

/// The options document alone; see [`options`].
pub fn options_document(
    desc: &IndexDesc,
    over: TargetType,
    threads: u32,
) -> Result<String, String> {
    options(desc, over, threads).map(|options| options.document)
}

/// The options document of an index over a type of the target, built with this many threads.
///
/// The error is the reason why there is none: a method, an option or a value that pgvector does not have.
pub fn options(desc: &IndexDesc, over: TargetType, threads: u32) -> Result<Options, String> {
    let mut changes = Vec::new();
    let algorithm = match desc.method.as_str() {
        "hnsw" => {
            known_options(desc, &["m", "ef_construction"])?;
            hnsw(
                value(desc, "m", 16)?,
                value(desc, "ef_construction", 64)?,
                &mut changes,
            )
        }
        "ivfflat" => {
            known_options(desc, &["lists"])?;
            let lists = value(desc, "lists", 100)?;
            ivfflat(lists, over, &mut changes)
        }
        method => {
            return Err(format!(
                "PGVecto.rs has nothing like the access method {method}"
            ));
        }
    };
    let threads = threads.clamp(1, MAX_THREADS);
    let document = format!("optimizing.optimizing_threads = {threads}\n{algorithm}");
    Ok(Options { document, changes })
}

fn hnsw(m: u32, ef_construction: u32, changes: &mut Vec<String>) -> String {
    let m = within("m", m, 4, 128, changes);
    let ef_construction = within("ef_construction", ef_construction, 10, 2000, changes);
    format!("[indexing.hnsw]\nm = {m}\nef_construction = {ef_construction}\n")
}

/// ivf is for dense types only: over bits PGVecto.rs builds hnsw, here with pgvector's defaults.
fn ivfflat(lists: u32, over: TargetType, changes: &mut Vec<String>) -> String {
    if over.is_dense() {
        let nlist = within("lists", lists, 1, 1_000_000, changes);
        return format!("[indexing.ivf]\nnlist = {nlist}\n");
    }
    changes.push(format!(
        "ivfflat becomes hnsw with m = 16 and ef_construction = 64, since PGVecto.rs has no ivf over {over}"
    ));
    hnsw(16, 64, changes)
}

fn within(name: &str, value: u32, min: u32, max: u32, changes: &mut Vec<String>) -> u32 {
    let taken = value.clamp(min, max);
    if taken != value {
        changes.push(format!(
            "{name} = {value} becomes {taken}: PGVecto.rs takes {min} to {max}"
        ));
    }
    taken
}

fn known_options(desc: &IndexDesc, known: &[&str]) -> Result<(), String> {
    match desc
        .options
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        Some((name, _)) => Err(format!("the option {name} of {} is not known", desc.method)),
        None => Ok(()),
    }
}

fn value(desc: &IndexDesc, name: &str, default: u32) -> Result<u32, String> {
    match desc.options.iter().find(|(option, _)| option == name) {
        Some((_, text)) => text
            .trim()
            .parse()
            .map_err(|_| format!("the value of the option {name} is not a number")),
        None => Ok(default),
    }
}
