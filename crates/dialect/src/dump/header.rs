//! The comment block that `pg_dump --verbose` writes before an entry.
//!
//! In: text that begins with a comment. Out: an entry without statements, if the comment is such a block. The caller knows
//! that the comment stands between two statements; here only the lines are read:
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
    /// The block, and its length in bytes.
    Entry(Entry, usize),
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
    match entry(toc, &mut lines) {
        Some(entry) => Header::Entry(entry, length),
        None => Header::Malformed,
    }
}

/// The entry, from the lines of the block and no more: a dump may be long.
fn entry<'a>(toc: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Entry> {
    let mut entry = Entry::default();
    (entry.dump_id, entry.object) = numbers(toc)?;
    let mut line = trimmed(lines.next()?);
    if let Some(ids) = line.strip_prefix("-- Dependencies: ") {
        let ids = ids.split(' ').map(str::parse);
        entry.dependencies = ids.collect::<Result<_, _>>().ok()?;
        line = trimmed(lines.next()?);
    }
    names(line.strip_prefix("-- Name: ")?, &mut entry)?;
    (trimmed(lines.next()?) == "--").then_some(entry)
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

/// `t; Type: TABLE; Schema: public; Owner: postgres`, read from the end: a name may hold anything, a kind may not.
fn names(line: &str, entry: &mut Entry) -> Option<()> {
    let line = line
        .rsplit_once("; Tablespace: ")
        .map_or(line, |(line, _)| line);
    let (line, owner) = line
        .rsplit_once("; Owner: ")
        .or_else(|| Some((line.strip_suffix("; Owner:")?, "")))?;
    let (line, schema) = line.rsplit_once("; Schema: ")?;
    let (name, kind) = line.rsplit_once("; Type: ")?;
    name.clone_into(&mut entry.name);
    kind.clone_into(&mut entry.kind);
    entry.schema = present(schema);
    entry.owner = present(owner);
    Some(())
}

/// pg_dump writes `-` where there is nothing to say.
fn present(word: &str) -> Option<String> {
    (word != "-" && !word.is_empty()).then(|| word.to_owned())
}

fn trimmed(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}
