//! In: a seed. Out: a database as a script of SQL, with what its maker knows of it: which objects the program cannot move, and what
//! to ask both sides. The parts that make the objects are the other files; here is what they share.

use super::names::{Names, ident};
use super::random::Rng;
use super::types::Type;
use super::wishes::Wishes;
use super::{
    bytype, constraints, contrib, expressions, hierarchy, indexes, routines, rules, searches,
    settings, surroundings, tables, usertypes, views, wishes,
};

/// An object that has no counterpart on the target: the plan must name it, and it must be the only thing that is missing there.
#[derive(Debug)]
pub struct Decision {
    /// Stands in the finding's object.
    pub object: String,
    /// Somebody has to decide; else it is a note.
    pub asked: bool,
    /// Types and names of pg_dump's entries that are not on the target.
    pub missing: Vec<(String, String)>,
}

/// A question to both sides, which must give the same answer.
#[derive(Debug)]
pub struct Probe {
    pub source: String,
    pub target: String,
}

pub struct Column {
    pub name: String,
    pub ty: Type,
    pub not_null: bool,
    /// Its values are 1, 2, 3 …
    pub counted: bool,
    /// INSERT may name it.
    pub written: bool,
}

pub struct Table {
    pub schema: String,
    pub name: String,
    pub columns: Vec<Column>,
    /// An integer column without two equal values and without NULL.
    pub key: Option<String>,
    pub rows: usize,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    Unlogged,
    Partitioned,
    Leaf,
    /// Has children or parents by inheritance.
    Inherits,
}

impl Table {
    pub fn sql(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }
}

pub struct Database {
    pub name: String,
    /// What the program is told beside the two servers.
    pub arguments: Vec<String>,
    /// With --format real-array: the target has no vectors.
    pub arrays: bool,
    /// Where pgvector lives.
    pub extension: String,
    pub roles: Vec<String>,
    pub wishes: Wishes,
    pub schemas: Vec<String>,
    pub types: Vec<Type>,
    pub tables: Vec<Table>,
    pub script: Vec<String>,
    pub decisions: Vec<Decision>,
    pub probes: Vec<Probe>,
    /// May stand in nothing that the program says.
    pub secrets: Vec<String>,
    pub names: Names,
    rng: Rng,
    /// Of a hundred features so many are there.
    richness: usize,
}

impl Database {
    /// `unique` makes the names unique that belong to the whole cluster.
    pub fn from_seed(seed: u64, unique: &str) -> Database {
        let rng = Rng::new(seed);
        let mut place = rng.fork("place");
        let mut database = Database {
            name: format!("{unique}{}", place.pick(&PLACES)),
            extension: place
                .pick(&["public", "public", "extensions", "Ext \"x\".y"])
                .to_string(),
            arguments: vec!["--jobs".into(), rng.fork("jobs").between(1, 8).to_string()],
            arrays: rng.fork("format").percent(12),
            roles: Vec::new(),
            wishes: Wishes::default(),
            schemas: vec!["public".into()],
            types: Vec::new(),
            tables: Vec::new(),
            script: Vec::new(),
            decisions: Vec::new(),
            probes: Vec::new(),
            secrets: Vec::new(),
            names: Names::new(rng.fork("names")),
            richness: *rng.fork("richness").pick(&[10, 30, 50, 80]),
            rng,
        };
        if database.arrays {
            let format = ["--format", "real-array"].map(String::from);
            database.arguments.extend(format);
        }
        database.foundations(unique);
        wishes::make(&mut database);
        usertypes::make(&mut database);
        tables::make(&mut database);
        hierarchy::make(&mut database);
        constraints::make(&mut database);
        indexes::make(&mut database);
        views::make(&mut database);
        routines::make(&mut database);
        expressions::make(&mut database);
        searches::make(&mut database);
        bytype::make(&mut database);
        rules::make(&mut database);
        surroundings::make(&mut database);
        surroundings::distant(&mut database);
        usertypes::changed(&mut database);
        tables::large(&mut database);
        hierarchy::diamond(&mut database);
        constraints::over_time(&mut database);
        constraints::unproven(&mut database);
        contrib::make(&mut database);
        wishes::maps(&mut database);
        rules::watch(&mut database);
        settings::make(&mut database);
        database
    }

    /// Whether this database has the feature; always the same answer.
    pub fn has(&self, feature: &str) -> bool {
        self.stream(feature).percent(self.richness)
    }

    /// Random numbers for a part of the generator.
    pub fn stream(&self, part: &str) -> Rng {
        self.rng.fork(part)
    }

    pub fn add(&mut self, sql: impl Into<String>) {
        self.script.push(sql.into());
    }

    pub fn fresh(&mut self, stem: &str) -> String {
        self.names.fresh(stem)
    }

    /// A member of pgvector by its full name.
    pub fn member(&self, name: &str) -> String {
        format!("{}.{name}", ident(&self.extension))
    }

    fn foundations(&mut self, unique: &str) {
        if self.extension != "public" {
            self.add(format!("CREATE SCHEMA {}", ident(&self.extension)));
        }
        self.add(format!(
            "CREATE EXTENSION vector SCHEMA {}",
            ident(&self.extension)
        ));
        // A materialized view that an index answered holds fewer rows than there are.
        self.add("SET enable_indexscan = off");
        // pgvector's words are found, as they are in most databases; everything else is named in full.
        self.add(format!(
            "SET search_path = pg_catalog, {}",
            ident(&self.extension)
        ));
        let mut rng = self.stream("schemas");
        for _ in 0..rng.below(3) {
            let schema = self.fresh("schema");
            self.add(format!("CREATE SCHEMA {}", ident(&schema)));
            self.schemas.push(schema);
        }
        if self.has("roles") {
            for n in 0..rng.between(1, 3) {
                let role = format!("{unique}{}{n}", rng.pick(&PLACES));
                self.roles.push(role);
            }
        }
    }
}

/// Ends of names of databases and roles. pg_dumpall's family refuses line breaks in them.
const PLACES: [&str; 8] = [
    "",
    "",
    "",
    " UP \"q\"",
    "'; --",
    "🦀",
    "\\b=c&d?e#f/g%41",
    "$1 ",
];
