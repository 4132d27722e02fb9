//! In: the steps that `translate` makes of pg_dump's entries. Out: the schema in the order in which it runs. `rehearse` tries the steps on
//! the target; `apply` does them.

mod apply;
pub mod bodies;
pub mod composites;
pub mod doubtful;
pub mod dump;
pub mod late_checks;
mod rehearse;
pub mod settings;
mod translate;

pub use apply::{before_data, run_step, run_whole};
pub use rehearse::{Refused, Trials, rehearse};
pub use translate::{entries, translate};

use std::borrow::Cow;
use std::collections::HashSet;

use dialect::dump::ObjectId;
use serde::{Deserialize, Serialize};

use crate::connect::literal;
use crate::plan::access::Needs;

/// When a step runs, in this order. pg_dump orders its second section by what depends on what, but for materialized views: it
/// refreshes them last, when their indexes exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    BeforeData,
    /// pg_dump's settings for its second section.
    Session,
    /// Ordinary indexes and the constraints that are indexes.
    Index,
    /// Views, rules and functions that could not be made before a primary key was there.
    Definition,
    /// Ordinary indexes of partitions attached to their parents' indexes.
    Attach,
    /// And checks that may look at other tables.
    ForeignKey,
    /// After the keys, which the server tries against rows that the role must see all of; before the materialized views, which hold
    /// what their owner may see.
    Policy,
    Refresh,
    /// Ordinary indexes of materialized views.
    ViewIndex,
    VectorIndex,
    /// Triggers, publications, statistics, comments, privileges; vector indexes of partitions attached.
    Late,
}

impl Phase {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Phase::BeforeData => "before the data",
            Phase::Session => "after the rows: settings of this session",
            Phase::Index => "ordinary indexes, and constraints that are indexes",
            Phase::Definition => "views, rules and functions that need a primary key",
            Phase::Attach => "indexes of partitions",
            Phase::ForeignKey => "checks that wait for all rows, foreign keys",
            Phase::Policy => "row-level security",
            Phase::Refresh => "materialized views",
            Phase::ViewIndex => "ordinary indexes of materialized views",
            Phase::VectorIndex => "vector indexes (never in a transaction that may roll back)",
            Phase::Late => "triggers, privileges, comments, settings",
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Step {
    pub phase: Phase,
    /// Its place among the steps that a run has recorded.
    pub number: i32,
    /// `INDEX public.items_embedding_idx`
    pub object: String,
    #[serde(skip)]
    pub id: Option<ObjectId>,
    /// The table that an index or constraint belongs to.
    pub table: Option<u32>,
    /// About a vector index: not to be done in a transaction that is rolled back.
    pub vector: bool,
    /// What has to be set for its statements, and no longer.
    pub around: Vec<Around>,
    pub statements: Vec<String>,
    /// A vector index: its schema and name, and the statement in pgvector's words.
    pub index: Option<VectorIndex>,
    /// Its statements hold a value that nobody but the target may see.
    pub secret: bool,
}

/// A setting of the session: as a step needs it, and as all others do.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Around {
    pub set: String,
    pub back: Cow<'static, str>,
}

impl Around {
    /// `tablespace` as pg_dump wrote it.
    pub fn tablespace(tablespace: &str) -> Around {
        Around {
            set: format!("SET default_tablespace = {tablespace}"),
            back: Cow::Borrowed("SET default_tablespace = ''"),
        }
    }

    /// A materialized view holds what its owner may see.
    pub fn policies() -> Around {
        Around {
            set: "SET row_security = on".into(),
            back: Cow::Borrowed("SET row_security = off"),
        }
    }

    /// What is called finds others by name, as it did on the source: its `search_path`. What the statement itself says means what
    /// it does with an empty one: pg_catalog comes first.
    pub fn names(search_path: &str) -> Around {
        let path = ["pg_catalog", search_path];
        let path: Vec<&str> = path.into_iter().filter(|p| !p.is_empty()).collect();
        Around {
            set: format!(
                "SELECT pg_catalog.set_config('search_path', {}, false)",
                literal(&path.join(", "))
            ),
            back: Cow::Borrowed("SET search_path = ''"),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VectorIndex {
    pub schema: String,
    pub name: String,
    pub before: String,
}

impl Step {
    /// A step of this program's own.
    pub fn own(phase: Phase, object: &str, statement: String) -> Step {
        Step {
            phase,
            number: 0,
            object: object.into(),
            id: None,
            table: None,
            vector: false,
            around: Vec::new(),
            statements: vec![statement],
            index: None,
            secret: false,
        }
    }

    /// The statements as far as anybody may read them.
    pub fn shown(&self) -> Vec<String> {
        match self.secret {
            false => self.statements.clone(),
            true => vec![format!("-- {}: not shown", self.object)],
        }
    }

    /// The statements with the settings around them.
    pub fn script(&self) -> Vec<String> {
        self.within(&self.statements)
    }

    /// The same, as far as anybody may read it.
    pub fn shown_script(&self) -> Vec<String> {
        self.within(&self.shown())
    }

    fn within(&self, statements: &[String]) -> Vec<String> {
        let set = self.around.iter().map(|a| a.set.clone());
        let back = self.around.iter().map(|a| a.back.to_string());
        set.chain(statements.iter().cloned()).chain(back).collect()
    }
}

#[derive(Default)]
pub struct Schema {
    pub steps: Vec<Step>,
    /// What the target's role needs for them.
    pub needs: Needs,
}

impl Schema {
    /// Drops what belongs to tables that do not come after all.
    pub fn without(&mut self, tables: &HashSet<u32>) {
        self.steps
            .retain(|s| s.table.is_none_or(|t| !tables.contains(&t)));
    }

    /// Adds a step in its phase's place.
    pub fn add(&mut self, step: Step) {
        let place = self.steps.partition_point(|s| s.phase <= step.phase);
        self.steps.insert(place, step);
    }

    /// Adds steps behind schemas and extensions and before all that the dump defines with them.
    pub fn add_before_definitions(&mut self, steps: Vec<Step>) {
        let container = |s: &Step| {
            s.phase == Phase::BeforeData
                && ["SCHEMA ", "EXTENSION "]
                    .iter()
                    .any(|kind| s.object.starts_with(kind))
        };
        let session = |s: &Step| s.phase == Phase::BeforeData && s.object.starts_with("SESSION");
        let behind = |is: &dyn Fn(&Step) -> bool| self.steps.iter().rposition(is).map(|i| i + 1);
        let place = behind(&container).or_else(|| behind(&session)).unwrap_or(0);
        self.steps.splice(place..place, steps);
    }

    /// Whether a step makes the schema; `name` as pg_dump's comments have it.
    pub fn creates_schema(&self, name: &str) -> bool {
        let object = format!("SCHEMA {name}");
        self.of(Phase::BeforeData).any(|s| s.object == object)
    }

    /// Whether a step makes the extension.
    pub fn creates_vectors(&self) -> bool {
        self.of(Phase::BeforeData)
            .any(|s| s.object == "EXTENSION vector")
    }

    pub fn of(&self, phase: Phase) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |s| s.phase == phase)
    }
}
