//! In: what was planned and what was done in place. Out: both for a person, and the report as JSON. No value of any row is in it.

use serde::Serialize;

use super::estimate::Estimate;
use super::fill::Filled;
use super::unit::Unit;
use crate::after_data::Built;
use crate::cli::Method;
use crate::plan::Finding;
use crate::progress::{human_time, megabytes};
use crate::report::{Column, Server, count_of, findings, line};

/// One table, changed.
#[derive(Serialize)]
pub struct Changed {
    pub table: String,
    pub method: Method,
    pub columns: Vec<Column>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled: Option<Filled>,
    /// Compared after the last of them was filled; with alter-type, before and after the rewrite.
    pub verified_rows: u64,
    /// With a shadow: rows that changed meanwhile and were taken over again, each compared as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_rows: Option<u64>,
    /// How long the table was locked for the last step, and how often its lock was asked for.
    pub swap_seconds: f64,
    pub swap_tries: u32,
    pub indexes: Vec<Built>,
    /// Vector indexes that find less of the table's first vectors than they should.
    pub weak_indexes: Vec<String>,
}

impl Changed {
    pub fn of(unit: &Unit, method: Method) -> Changed {
        Changed {
            table: unit.display(),
            method,
            columns: columns(unit),
            filled: None,
            verified_rows: 0,
            applied_rows: None,
            swap_seconds: 0.0,
            swap_tries: 0,
            indexes: Vec::new(),
            weak_indexes: Vec::new(),
        }
    }
}

fn columns(unit: &Unit) -> Vec<Column> {
    let columns = unit.columns.iter();
    columns
        .map(|c| Column {
            column: c.display(),
            from: c.from.clone(),
            to: c.change.target_sql(),
            why: c.why.clone(),
        })
        .collect()
}

#[derive(Serialize)]
pub struct Report {
    pub program: String,
    pub target: Server,
    pub tables: Vec<Changed>,
    pub findings: Vec<Finding>,
    pub seconds: f64,
    /// Every changed row was compared.
    pub verified: bool,
}

fn heading(target: &Server) -> String {
    let mut out = String::new();
    line(
        &mut out,
        format_args!(
            "\n{}: PostgreSQL {}, {}",
            target.place, target.postgres, target.extension
        ),
    );
    out
}

impl Report {
    pub fn text(&self) -> String {
        let mut out = heading(&self.target);
        line(
            &mut out,
            format_args!(
                "\nChanged in place ({})",
                count_of(self.tables.len(), "table")
            ),
        );
        for table in &self.tables {
            changed(&mut out, table);
        }
        findings::text(&mut out, &self.findings);
        let rows: u64 = self.tables.iter().map(|t| t.verified_rows).sum();
        let time = human_time(std::time::Duration::from_secs_f64(self.seconds));
        line(
            &mut out,
            format_args!(
                "\nVerification: {rows} rows in {}, each new value is what the old one was. {time} in all.",
                count_of(self.tables.len(), "table")
            ),
        );
        out
    }
}

fn changed(out: &mut String, table: &Changed) {
    line(
        out,
        format_args!(
            "  {}  {} rows verified, by {}",
            table.table,
            table.verified_rows,
            table.method.text()
        ),
    );
    for c in &table.columns {
        line(
            out,
            format_args!("    {}: {} -> {}", c.column, c.from, c.to),
        );
    }
    if let Some(filled) = &table.filled {
        line(
            out,
            format_args!(
                "    {} rows filled in {} ({:.1} s), the longest {:.0} ms",
                filled.rows,
                count_of(
                    usize::try_from(filled.batches).unwrap_or(usize::MAX),
                    "batch"
                ),
                filled.seconds,
                filled.longest_batch_seconds * 1e3
            ),
        );
    }
    if let Some(applied) = table.applied_rows {
        line(
            out,
            format_args!(
                "    {applied} rows that changed meanwhile taken over again, each compared"
            ),
        );
    }
    for index in &table.indexes {
        line(
            out,
            format_args!("    {}  {:.1} s", index.index, index.seconds),
        );
    }
    for weak in &table.weak_indexes {
        line(out, format_args!("    WEAK: {weak}"));
    }
    if table.swap_tries > 0 {
        line(
            out,
            format_args!(
                "    locked for {:.0} ms in the last step (its lock was asked for {})",
                table.swap_seconds * 1e3,
                match table.swap_tries {
                    1 => "once".to_string(),
                    n => format!("{n} times"),
                }
            ),
        );
    }
}

/// What will be done, before anything is.
#[derive(Serialize)]
pub struct PlanReport {
    pub program: String,
    pub target: Server,
    pub method: Method,
    pub tables: Vec<Planned>,
    pub findings: Vec<Finding>,
}

#[derive(Serialize)]
pub struct Planned {
    pub table: String,
    pub bytes: i64,
    pub rows_estimate: i64,
    pub columns: Vec<Column>,
    pub indexes: Vec<PlannedIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// Begun by an earlier process: it goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
}

#[derive(Serialize)]
pub struct PlannedIndex {
    pub index: String,
    pub before: String,
    pub ddl: String,
}

impl Planned {
    pub fn new(unit: &Unit, method: Method) -> Planned {
        let indexes = unit.indexes.iter();
        Planned {
            table: unit.display(),
            bytes: 0,
            rows_estimate: 0,
            columns: columns(unit),
            indexes: indexes
                .map(|i| PlannedIndex {
                    index: i.display(),
                    before: i.before.clone(),
                    ddl: match method {
                        Method::AddColumn | Method::Shadow => i.beside.clone(),
                        Method::AlterType => i.instead.clone(),
                    },
                })
                .collect(),
            estimate: None,
            begun: None,
        }
    }
}

impl PlanReport {
    pub fn text(&self) -> String {
        let mut out = heading(&self.target);
        line(
            &mut out,
            format_args!(
                "\nTo be changed in place by {} ({})",
                self.method.text(),
                count_of(self.tables.len(), "table")
            ),
        );
        for table in &self.tables {
            let size = megabytes(u64::try_from(table.bytes).unwrap_or(0));
            let rows = match table.rows_estimate {
                n if n < 0 => "rows not known (never analyzed)".to_string(),
                n => format!("about {n} rows"),
            };
            line(&mut out, format_args!("  {}  {rows}, {size}", table.table));
            if let Some(begun) = &table.begun {
                line(&mut out, format_args!("    {begun}"));
            }
            for c in &table.columns {
                let why = c.why.as_ref().map_or(String::new(), |w| format!("  ({w})"));
                line(
                    &mut out,
                    format_args!("    {}: {} -> {}{why}", c.column, c.from, c.to),
                );
            }
            for index in &table.indexes {
                line(&mut out, format_args!("    {}", index.before));
                line(
                    &mut out,
                    format_args!("      -> {}", index.ddl.replace('\n', " ")),
                );
            }
            if let Some(estimate) = &table.estimate {
                line(&mut out, format_args!("    {}", estimate.text()));
            }
        }
        if !self.tables.is_empty() {
            line(&mut out, format_args!("\n{}", how(self.method)));
        }
        findings::text(&mut out, &self.findings);
        out
    }
}

fn how(method: Method) -> &'static str {
    match method {
        Method::AddColumn => {
            "How: a new column beside each old one, kept in step by a trigger and filled in short transactions while the table is in use; its indexes are built\n\
     CONCURRENTLY; every row is compared; then one short transaction puts it in the old one's place. Until then --undo leaves the table as it was.\n\
     Meanwhile SELECT * shows the new column too, and a COPY … FROM without a list of columns expects it. The column ends as the table's last: INSERT and\n\
     COPY without a list of columns have to be changed, and statements of SELECT * prepared anew. The table grows by the new column; the old one's\n\
     room is free for new rows as the rows are written again."
        }
        Method::AlterType => {
            "How: one rewrite of each table under an ACCESS EXCLUSIVE lock: nobody reads or writes it meanwhile. It is summed up before and after. Then the indexes\n\
     are built CONCURRENTLY; until each is there, searches scan the whole table. Once a table is rewritten there is no --undo."
        }
        Method::Shadow => {
            "How: a new table beside each old one, filled in short transactions while that is in use, which is only read: its indexes serve searches until the swap.\n\
     A trigger notes the keys of rows that change, which are then taken over again. Keys and indexes are built on the new table, every row is compared, and one\n\
     short transaction gives it the old one's name with all that stands on that: foreign keys, triggers, rules, policies, privileges, sequences, comments.\n\
     Until then --undo drops it. It needs room for a second table; the columns keep their order."
        }
    }
}
