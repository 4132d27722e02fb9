//! In: both sides. Out: the entries of pg_dump's schema that are on one side only, or differ. What a difference between pgvector and
//! PGVecto.rs, or between the servers' versions, looks like is said in `words`; everything else must be the same.

use std::collections::BTreeMap;
use std::process::Command;

use super::common::run::pg_dump;
use super::common::{Pair, Place};
use super::database::Database;
use super::hold::Lost;
use super::wishes::Wishes;
use super::words::{self, Dialect, computes, loose, normal};

/// The entries by their header; several may have the same.
type Entries = BTreeMap<String, Vec<Entry>>;

#[derive(Debug)]
struct Entry {
    header: String,
    normal: Vec<String>,
    text: String,
}

pub fn compare(database: &Database, pair: &Pair, lost: &[Lost]) -> Result<(), String> {
    let pgvector = Dialect::Pgvector(database.extension.clone(), database.arrays);
    // With what the target lacks the privileges on its members are away.
    let missing = database.decisions.iter().flat_map(|d| &d.missing);
    let lacking = missing.filter(|(kind, _)| kind == "EXTENSION");
    let without: Vec<String> = lacking
        .map(|(_, name)| format!("--exclude-extension={name}"))
        .collect();
    let (user, here) = (&pair.target.place.user, &database.wishes);
    let dump = dumped(&pair.source.place, &without)?;
    let mut source = entries(&dump, &pgvector, here, user);
    let dump = dumped(&pair.target.place, &[])?;
    let target = entries(&dump, &Dialect::Pgvectors, &Wishes::default(), user);
    if source.is_empty() {
        return Err("pg_dump's output has no entries".into());
    }
    for (kind, name) in lost {
        let over_vectors = |e: &Entry| computes(&e.normal) || searches(&e.text);
        let start = format!("{name}; Type: {kind};");
        let attached = format!("{name}; Type: INDEX ATTACH;");
        let about = format!(" {}", name.replace('"', ""));
        let mut said = false;
        for entries in source.values_mut() {
            entries.retain(|e| {
                let its = e.header.starts_with(&start);
                said |= its && over_vectors(e);
                // With it goes what is about it.
                let (of, rest) = e.header.split_once("; Type: ").unwrap_or_default();
                let hangs = match rest.split(';').next() {
                    Some("ACL" | "COMMENT") => of.replace('"', "").ends_with(&about),
                    _ => e.header.starts_with(&attached),
                };
                !(its || hangs)
            });
        }
        source.retain(|_, entries| !entries.is_empty());
        if !said {
            return Err(format!("real[] could have {kind} {name}"));
        }
    }
    for (kind, name) in database.decisions.iter().flat_map(|d| &d.missing) {
        // pg_dump's comments have no line breaks.
        let start = format!("{}; Type: {kind};", name.replace(['\n', '\r'], " "));
        for entries in source.values_mut() {
            entries.retain(|e| !e.header.starts_with(&start));
        }
        source.retain(|_, entries| !entries.is_empty());
    }
    let mut wrong = Vec::new();
    for (header, expected) in &source {
        match target.get(header) {
            None => wrong.push(format!(
                "missing on the target: {header}\n{}",
                texts(expected)
            )),
            // Distances between arrays are sums over them, which only their answers can be compared by.
            Some(_) if database.arrays && expected.iter().any(|e| computes(&e.normal)) => {}
            Some(found) => wrong.extend(differ(header, expected, found)),
        }
    }
    let extra = target
        .iter()
        .filter(|(header, _)| !source.contains_key(*header));
    wrong.extend(extra.map(|(header, e)| format!("only on the target: {header}\n{}", texts(e))));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n\n")),
    }
}

fn differ(header: &str, expected: &[Entry], found: &[Entry]) -> Option<String> {
    let sorted = |entries: &[Entry]| {
        let mut all: Vec<Vec<String>> = entries.iter().map(|e| e.normal.clone()).collect();
        all.sort();
        all
    };
    let (left, right) = (sorted(expected).concat(), sorted(found).concat());
    let summed = header.contains("VIEW; Schema: ") && left.iter().any(|w| words::has_taxicab(w));
    if left == right || summed || (computes(&left) && loose(&left) == loose(&right)) {
        return None;
    }
    let at = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let near = |words: &[String]| {
        let from = at.saturating_sub(8);
        words[from.min(words.len())..words.len().min(at + 12)].join(" ")
    };
    Some(format!(
        "differs: {header}\nsource: {}\ntarget: {}\n{}\n{}",
        near(&left),
        near(&right),
        texts(expected),
        texts(found)
    ))
}

/// Whether it is an index over vectors.
fn searches(text: &str) -> bool {
    let text = text.replace('"', "");
    let methods = [" USING hnsw (", " USING ivfflat ("];
    methods.iter().any(|method| text.contains(method))
}

fn texts(entries: &[Entry]) -> String {
    let texts: Vec<&str> = entries.iter().map(|e| e.text.as_str()).collect();
    texts.join("\n")
}

fn dumped(place: &Place, more: &[String]) -> Result<String, String> {
    let output = Command::new(pg_dump())
        .args(["--schema-only", "--encoding=UTF8"])
        .args(more)
        .args(["--dbname", &place.connection_string()])
        .output()
        .map_err(|e| format!("starting pg_dump: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Cuts at headers: a line `--`, a line `-- Name: …`, a line `--`.
fn entries(dump: &str, dialect: &Dialect, wishes: &Wishes, user: &str) -> Entries {
    let end = dump.rfind("\n--\n-- PostgreSQL database dump complete");
    let dump = &dump[..end.unwrap_or(dump.len())];
    let mut pieces = dump.split("\n--\n-- Name: ");
    // Settings of the session that loads the dump.
    pieces.next();
    let mut entries = Entries::new();
    for piece in pieces {
        let (header, text) = piece.split_once("\n--\n").unwrap_or((piece, ""));
        if dialect.is_the_extension(header) {
            continue;
        }
        let kept = text
            .lines()
            .filter(|l| !l.starts_with("SET default_table"))
            .collect::<Vec<_>>()
            .join("\n");
        let Some(header) = wishes.header(header, user) else {
            continue;
        };
        let mut normal = normal(&kept, dialect);
        wishes.words(&mut normal, &header, user);
        let entry = Entry {
            header: header.clone(),
            normal,
            text: kept.trim().to_string(),
        };
        let header = words::header(&header, dialect);
        // One that says NOT NULL is no check on 18.
        let header = match entry
            .normal
            .windows(4)
            .any(|w| w[0] == "ADD" && w[3] == "CHECK")
        {
            true => header.replace("; Type: CONSTRAINT; ", "; Type: CHECK CONSTRAINT; "),
            false => header,
        };
        entries.entry(header).or_default().push(entry);
    }
    entries
}
