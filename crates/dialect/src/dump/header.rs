//! The comment block that `pg_dump --verbose` writes before an entry.
//!
//! In: text that begins with a comment. Out: an entry without statements, if the comment is such a block; several, if its names can
//! be read in several ways, and `agrees` then tells which of them the statements mean. The caller knows that the comment stands
//! between two statements; here only the lines are read:
//!
//! ```text
//! --
//! -- TOC entry 217 (class 1259 OID 16386)
//! -- Dependencies: 3 5
//! -- Name: t; Type: TABLE; Schema: public; Owner: postgres
//! --
//! ```

use super::{Entry, ObjectId};

/// What the lines at the beginning of a text are.
pub(super) enum Header {
    /// What the block may say, the likeliest first, and its length in bytes.
    Entry(Vec<Entry>, usize),
    /// Another comment.
    Comment,
    /// It begins like a block, and goes on in another way.
    Malformed,
}

pub(super) fn read(text: &str) -> Header {
    let mut length = 0;
    let mut lines = text
        .split_inclusive('\n')
        .inspect(|line| length += line.len());
    if lines.next().map(trimmed) != Some("--") {
        return Header::Comment;
    }
    let Some(toc) = lines
        .next()
        .map(trimmed)
        .and_then(|line| line.strip_prefix("-- TOC entry "))
    else {
        return Header::Comment;
    };
    match readings(toc, &mut lines) {
        Some(readings) => Header::Entry(readings, length),
        None => Header::Malformed,
    }
}

/// The entry, from the lines of the block and no more: a dump may be long.
fn readings<'a>(toc: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Vec<Entry>> {
    let mut entry = Entry::default();
    (entry.dump_id, entry.object) = numbers(toc)?;
    let mut line = trimmed(lines.next()?);
    if let Some(ids) = line.strip_prefix("-- Dependencies: ") {
        let ids = ids.split(' ').map(str::parse);
        entry.dependencies = ids.collect::<Result<_, _>>().ok()?;
        line = trimmed(lines.next()?);
    }
    let readings = names(line.strip_prefix("-- Name: ")?, &entry);
    (trimmed(lines.next()?) == "--" && !readings.is_empty()).then_some(readings)
}

/// `217 (class 1259 OID 16386)`
fn numbers(toc: &str) -> Option<(u32, Option<ObjectId>)> {
    let (dump_id, object) = toc.split_once(" (class ")?;
    let (class, oid) = object.strip_suffix(')')?.split_once(" OID ")?;
    let object = ObjectId {
        class: class.parse().ok()?,
        oid: oid.parse().ok()?,
    };
    Some((dump_id.parse().ok()?, Some(object)))
}

/// `t; Type: TABLE; Schema: public; Owner: postgres`: every way to read it, since a name may hold such words itself. From the end,
/// because that is where the names are that hardly ever do: those of roles and schemas.
fn names(line: &str, entry: &Entry) -> Vec<Entry> {
    let mut readings = Vec::new();
    for (line, owner) in splits(line, "; Owner:") {
        // A tablespace may follow; nobody needs its name.
        let owner = owner.split("; Tablespace: ").next().unwrap_or(owner);
        for (line, schema) in splits(line, "; Schema: ") {
            for (name, kind) in splits(line, "; Type: ") {
                if kind.bytes().all(|b| b.is_ascii_uppercase() || b == b' ') {
                    readings.push(Entry {
                        name: name.to_owned(),
                        kind: kind.to_owned(),
                        schema: present(schema),
                        owner: present(owner.strip_prefix(' ').unwrap_or(owner)),
                        ..entry.clone()
                    });
                }
            }
        }
    }
    readings
}

/// Both sides of each place where the mark stands, the last first.
fn splits<'a>(text: &'a str, mark: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.rmatch_indices(mark)
        .map(move |(at, _)| (&text[..at], &text[at + mark.len()..]))
}

/// Whether the statements speak of the schema that the reading found. The header has blanks for line ends.
pub(super) fn agrees(reading: &Entry, statements: &[String]) -> bool {
    let Some(schema) = &reading.schema else {
        return true;
    };
    let plain = schema
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    let bare = format!(" {schema}.");
    statements.iter().any(|statement| {
        let line = statement.replace(['\n', '\r'], " ");
        line.contains(&quoted) || plain && line.contains(&bare)
    })
}

/// pg_dump writes `-` where there is nothing to say.
fn present(word: &str) -> Option<String> {
    (word != "-" && !word.is_empty()).then(|| word.to_owned())
}

fn trimmed(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}
