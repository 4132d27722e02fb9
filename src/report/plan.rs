//! In: a plan, its schema, both servers, and what was measured for --dry-run. Out: the plan as one JSON document, as SQL, and, by `text`,
//! for a person. It decides nothing and holds no secret: a step shows of itself what anybody may read.

use serde::Serialize;

use super::{Column, Server, columns, count_of};
use crate::cli::Options;
use crate::measure::Measured;
use crate::plan::estimate::{self, Estimate};
use crate::plan::hints::hints;
use crate::plan::{Finding, Plan, Severity, TablePlan};
use crate::schema::{Phase, Schema, Step};

/// What stands before the first byte is written.
#[derive(Serialize)]
pub struct PlanReport {
    pub program: &'static str,
    pub source: Server,
    pub target: Server,
    /// Whether the run would go on.
    pub holds: bool,
    pub findings: Vec<Finding>,
    pub tables: Vec<Table>,
    pub indexes: Vec<Index>,
    pub settings: Vec<String>,
    /// Empty where nothing was measured.
    pub estimates: Vec<Estimate>,
    /// What would make the run faster.
    pub hints: Vec<String>,
    pub statements: Vec<Statement>,
}

#[derive(Serialize)]
pub struct Table {
    pub table: String,
    /// None where the table was never analyzed, and not counted.
    pub rows: Option<u64>,
    pub rows_are: &'static str,
    pub bytes: u64,
    pub heap_bytes: Option<u64>,
    pub toast_bytes: Option<u64>,
    pub longest_row_bytes: Option<u64>,
    /// Of a sample only.
    pub longest_row_sampled: bool,
    /// How its rows travel.
    pub way: String,
    /// None where nothing was measured.
    pub slices: Option<usize>,
    /// Why it is one slice whatever its size.
    pub whole_because: Option<String>,
    pub columns: Vec<Column>,
}

#[derive(Serialize)]
pub struct Index {
    pub index: String,
    pub vector: bool,
    /// As on the source; None where it stays as it is.
    pub before: Option<String>,
    pub ddl: Vec<String>,
}

#[derive(Serialize)]
pub struct Statement {
    pub phase: Phase,
    pub object: String,
    pub sql: Vec<String>,
}

impl PlanReport {
    pub fn new(
        plan: &Plan,
        schema: &Schema,
        servers: (Server, Server),
        options: &Options,
        measured: Option<&Measured>,
    ) -> PlanReport {
        let worst = plan.worst();
        let steps = schema.steps.iter();
        let settings = steps.clone().filter(|s| s.object.starts_with("setting "));
        let estimates = measured.map(|m| estimate::estimates(plan, schema, m, options.jobs));
        let tables: Vec<Table> = plan.tables.iter().map(|t| table(t, measured)).collect();
        PlanReport {
            hints: measured.map_or(Vec::new(), |m| hints(&plan.tables, m, options.jobs)),
            program: concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION")),
            source: servers.0,
            target: servers.1,
            holds: worst != Some(Severity::Problem)
                && (worst != Some(Severity::Decision) || options.allow_findings),
            findings: plan.findings.clone(),
            tables,
            indexes: steps.clone().filter_map(index).collect(),
            settings: settings.flat_map(Step::shown).collect(),
            estimates: estimates.unwrap_or_default(),
            statements: steps.map(statement).collect(),
        }
    }

    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A script that makes on an empty database what the run would make, but for rows and sequences' values.
    pub fn sql(&self) -> String {
        let mut out = format!(
            "-- {}: the schema of {} for {}.\n",
            self.program, self.source.place, self.target.place
        );
        if !self.holds {
            out.push_str("-- The plan does not hold: what its findings name is not in here.\n");
        }
        let mut last = None;
        for statement in &self.statements {
            if last != Some(statement.phase) {
                let title = statement.phase.title();
                out.push_str(&format!("\n-- ==== {title} ====\n"));
                last = Some(statement.phase);
            }
            // Comments end with their line, whatever a name holds.
            let object = statement.object.replace(['\n', '\r'], " ");
            out.push_str(&format!("\n-- {object}\n"));
            for sql in &statement.sql {
                match sql.starts_with("--") {
                    true => out.push_str(&format!("{}\n", sql.replace(['\n', '\r'], " "))),
                    false => out.push_str(&format!("{sql};\n")),
                }
            }
        }
        out
    }
}

fn table(table: &TablePlan, measured: Option<&Measured>) -> Table {
    let size = measured.and_then(|m| m.tables.get(&table.oid));
    let counted = size.and_then(|s| s.rows);
    let estimated = u64::try_from(table.rows_estimate).ok();
    Table {
        table: table.display.clone(),
        rows: counted.or(estimated),
        rows_are: match (counted, estimated) {
            (Some(_), _) => "counted",
            (None, Some(_)) => "estimated",
            (None, None) => "unknown",
        },
        bytes: table.bytes.unsigned_abs(),
        heap_bytes: size.map(|s| s.heap),
        toast_bytes: size.map(|s| s.toast),
        longest_row_bytes: size.and_then(|s| s.longest),
        longest_row_sampled: size.is_some_and(|s| s.longest.is_some() && s.rows.is_none()),
        way: way(table),
        slices: size.and_then(|s| s.slices).map(|s| s.number),
        whole_because: size.and_then(|s| s.slices?.whole).map(|w| w.to_string()),
        columns: columns(table),
    }
}

fn way(table: &TablePlan) -> String {
    let form = if table.text() { "text" } else { "binary" };
    match &table.tree {
        None => format!("{form} COPY"),
        Some(tree) => format!(
            "{form} COPY of {} through it",
            count_of(tree.leaves.len(), "partition")
        ),
    }
}

fn index(step: &Step) -> Option<Index> {
    let indexes = [Phase::Index, Phase::ViewIndex, Phase::VectorIndex];
    indexes.contains(&step.phase).then(|| Index {
        index: step.object.clone(),
        vector: step.phase == Phase::VectorIndex,
        before: step.index.as_ref().map(|i| i.before.clone()),
        ddl: step.shown(),
    })
}

fn statement(step: &Step) -> Statement {
    Statement {
        phase: step.phase,
        object: step.object.clone(),
        sql: step.shown_script(),
    }
}
