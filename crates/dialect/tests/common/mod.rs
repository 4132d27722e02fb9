//! Recorded dumps and catalogs for the tests.
//!
//! In: the files of `fixtures/`. Out: the entries of a dump, and a context as the root package would fill it. Nothing here knows
//! how entries are translated.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use pgv2rs_dialect::dump::{Dump, Entry, ObjectId, parse};
use pgv2rs_dialect::index::IndexDesc;
use pgv2rs_dialect::rewrite::{self, Context, Severity, Translated};
use pgv2rs_dialect::types::{SourceType, TargetType, TypeChange, default_target};
use std::fs;
use std::path::Path;

pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Both sections of a dump, one after the other, and the context of its catalog.
pub struct Source {
    pub entries: Vec<Entry>,
    pub context: Context,
}

/// The schema of `shapes.sql`, for a target of version 15.
pub fn shapes() -> Source {
    with_vectors("shapes")
}

/// The schema of `words.sql`, for a target of version 15.
pub fn words() -> Source {
    with_vectors("words")
}

fn with_vectors(name: &str) -> Source {
    let mut context = context();
    for fact in fixture(&format!("{name}.catalog.tsv")).lines() {
        record(&mut context, &fact.split('\t').collect::<Vec<_>>());
    }
    Source {
        entries: entries(name),
        context,
    }
}

/// The schema of `newer.sql`, which has no vectors, for a target of this version.
pub fn newer(target_version: u32) -> Source {
    Source {
        entries: entries("newer"),
        context: Context {
            target_version,
            ..context()
        },
    }
}

pub fn context() -> Context {
    Context {
        target_version: 15,
        source_version: 18,
        vector_schema: "public".to_owned(),
        index_threads: 8,
        ..Context::default()
    }
}

fn entries(name: &str) -> Vec<Entry> {
    let section = |section: &str| {
        parse(&fixture(&format!("{name}.{section}.sql"))).expect("the recorded dump parses")
    };
    let (Dump { entries: mut all }, Dump { entries: post }) = (section("pre"), section("post"));
    all.extend(post);
    all
}

fn record(context: &mut Context, fact: &[&str]) {
    let number = |text: &str| {
        text.parse::<u32>()
            .expect("a number in the recorded catalog")
    };
    match *fact {
        ["column", table, column, ty, dims, array] => {
            context
                .columns
                .entry(number(table))
                .or_default()
                .insert(column.to_owned(), change(ty, dims, array));
        }
        ["domain", oid, ty, dims, array, _] => {
            context.domains.insert(number(oid), change(ty, dims, array));
        }
        ["index", oid, method, opclasses, options, place] => {
            let (unlogged, table) = place.split_once(',').expect("a flag and a table");
            let options = options
                .split(',')
                .filter_map(|option| option.split_once('='));
            let desc = IndexDesc {
                method: method.to_owned(),
                opclasses: opclasses.split(',').map(str::to_owned).collect(),
                options: options
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                unlogged: unlogged == "true",
                table: number(table),
                small: false,
            };
            context.indexes.insert(number(oid), desc);
        }
        ["dependent", class, oid, member, ..] => {
            let object = ObjectId {
                class: number(class),
                oid: number(oid),
            };
            context
                .dependents
                .entry(object)
                .or_default()
                .push(member.to_owned());
        }
        ["attribute", ty, attribute, of, dims, array] => {
            let attributes = context.attributes.entry(number(ty)).or_default();
            attributes.insert(attribute.to_owned(), change(of, dims, array));
        }
        ["relation", oid, schema, name, ..] => {
            let key = (schema.to_owned(), name.to_owned());
            context.relations.insert(key, number(oid));
        }
        ["double", class, oid, double, ..] => {
            let object = ObjectId {
                class: number(class),
                oid: number(oid),
            };
            let doubles = context.doubles.entry(object).or_default();
            doubles.push(double.to_owned());
        }
        ["shared", name, ..] => {
            context.shared_names.insert(name.to_owned());
        }
        _ => panic!("not a fact: {fact:?}"),
    }
}

fn change(ty: &str, dims: &str, array: &str) -> TypeChange {
    let from = match ty {
        "vector" => SourceType::Vector,
        "halfvec" => SourceType::Halfvec,
        "sparsevec" => SourceType::Sparsevec,
        "bit" => SourceType::Bit,
        "varbit" => SourceType::Varbit,
        _ => panic!("not a type: {ty}"),
    };
    TypeChange {
        from,
        to: default_target(from),
        dims: dims.parse().ok(),
        array: array == "true",
    }
}

impl Source {
    pub fn entry(&self, kind: &str, name: &str) -> &Entry {
        let mut found = self
            .entries
            .iter()
            .filter(|entry| entry.kind == kind && entry.name == name);
        let entry = found
            .next()
            .unwrap_or_else(|| panic!("no {kind} {name} in the dump"));
        assert!(found.next().is_none(), "more than one {kind} {name}");
        entry
    }

    pub fn oid(&self, kind: &str, name: &str) -> u32 {
        self.entry(kind, name)
            .object
            .expect("an object with an OID")
            .oid
    }

    pub fn translate(&self, kind: &str, name: &str) -> Translated {
        rewrite::entry(self.entry(kind, name), &self.context)
    }

    /// The first statement of an entry that is translated without a word.
    pub fn silent(&self, kind: &str, name: &str) -> String {
        let translated = self.translate(kind, name);
        assert_eq!(translated.findings, [], "{kind} {name}");
        translated.statements[0].clone()
    }

    /// The reason of the only finding of an entry that is left out.
    pub fn left_out(&self, kind: &str, name: &str) -> String {
        let translated = self.translate(kind, name);
        assert!(
            translated.left_out,
            "{kind} {name} is not left out: {translated:?}"
        );
        assert_eq!(translated.statements, Vec::<String>::new());
        let [finding] = translated.findings.as_slice() else {
            panic!("not one finding: {:?}", translated.findings)
        };
        assert_eq!(finding.severity, Severity::Decision);
        assert!(
            !finding.remedy.is_empty(),
            "a decision without a remedy: {finding:?}"
        );
        finding.reason.clone()
    }

    /// The statements and the notes of an entry that is translated.
    pub fn noted(&self, kind: &str, name: &str) -> (Vec<String>, Vec<String>) {
        let translated = self.translate(kind, name);
        assert!(
            !translated.left_out,
            "{kind} {name} is left out: {:?}",
            translated.findings
        );
        assert!(
            translated
                .findings
                .iter()
                .all(|finding| finding.severity == Severity::Note)
        );
        (
            translated.statements,
            translated
                .findings
                .into_iter()
                .map(|finding| finding.reason)
                .collect(),
        )
    }
}

/// The source with a column of `public.ix` mapped to another type.
pub fn mapped_index_column(column: &str, to: TargetType) -> Source {
    let mut source = shapes();
    let table = source.oid("TABLE", "ix");
    source
        .context
        .columns
        .get_mut(&table)
        .and_then(|columns| columns.get_mut(column))
        .expect("a vector column")
        .to = to;
    source
}

/// The source with the text of one index changed.
pub fn edited_index(name: &str, old: &str, new: &str) -> Source {
    let mut source = shapes();
    let entry = source
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "INDEX" && entry.name == name)
        .expect("the index");
    assert!(entry.statements[0].contains(old));
    entry.statements[0] = entry.statements[0].replace(old, new);
    source
}

/// The entry of `words.sql` is translated without a decision, and its first statement holds these pieces.
pub fn assert_says(kind: &str, name: &str, pieces: &[&str]) {
    let translated = words().translate(kind, name);
    assert!(
        !translated.left_out,
        "{kind} {name}: {:?}",
        translated.findings
    );
    for piece in pieces {
        assert!(
            translated.statements[0].contains(piece),
            "{piece} is not in {}",
            translated.statements[0]
        );
    }
}
