//! In: what every step found. Out: the report, as text for a person and as JSON for a program. It holds no password and no value
//! of any row. The plan's own report is in `plan`, `text` and `findings`.

pub mod findings;
pub mod plan;
pub mod text;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::after_data::{Built, Failed};
use crate::cli::Verify;
use crate::copy::Copied;
use crate::error::{Error, Result, Side};
use crate::ledger::Rejected;
use crate::plan::{Finding, TablePlan};
use crate::progress::{human_time, megabytes};
use crate::run::Ended;
use crate::verify::Verdict;
use crate::verify::cutover::Cutover;

#[derive(Serialize)]
pub struct Report {
    pub program: String,
    pub source: Server,
    pub target: Server,
    pub snapshot: String,
    pub verify: Verify,
    pub tables: Vec<Table>,
    /// Rows of all tables that could not be converted and are only in `pgv2rs.rejected`, by their keys.
    pub rejected: u64,
    /// Tables made on the source since the snapshot; null where that could not be asked.
    pub new_tables: Option<Vec<String>>,
    pub indexes: Vec<Built>,
    pub sequences: usize,
    pub broken_indexes: Vec<String>,
    /// What could not be done after the rows were committed.
    pub failed: Vec<Failed>,
    /// What the target refused and nobody needs.
    pub optional: Vec<Failed>,
    pub findings: Vec<Finding>,
    /// Objects that needed a decision and were left out.
    pub left_out: usize,
    pub seconds: Seconds,
    /// Every row is there and as on the source.
    pub verified: bool,
}

#[derive(Serialize)]
pub struct Server {
    pub place: String,
    pub postgres: u32,
    pub extension: String,
}

#[derive(Default, Serialize)]
pub struct Seconds {
    /// From the first COPY to the last commit.
    pub copy: f64,
    /// What claiming and noting slices has taken of it, of all jobs together.
    pub ledger: f64,
    pub verify: f64,
    pub after_data: f64,
    pub total: f64,
}

#[derive(Serialize)]
pub struct Table {
    pub table: String,
    pub columns: Vec<Column>,
    /// Read, converted and taken by the target: one number, or its slice was not committed.
    pub rows: u64,
    /// Rows of the source that are not among them.
    pub rejected: u64,
    /// The first of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<Rejected>,
    pub slices: u64,
    pub bytes: u64,
    pub seconds: f64,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub cutover: Cutover,
}

#[derive(Serialize)]
pub struct Column {
    pub column: String,
    pub from: String,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The columns of a table that change, or that need a word.
pub fn columns(table: &TablePlan) -> Vec<Column> {
    let spoken = table
        .columns
        .iter()
        .filter(|c| c.travel.converts() || c.why.is_some());
    spoken
        .map(|c| Column {
            column: crate::catalog::ident(&c.name),
            from: c.type_text.clone(),
            to: c.target_text(),
            why: c.why.clone(),
        })
        .collect()
}

/// So many rejected rows of each table are named.
pub const REJECTED_SHOWN: i64 = 20;

/// The file that the report goes to. What it held stays until there is a new report; a run that ends without one leaves
/// no empty file behind.
pub struct ReportFile {
    file: File,
    /// Made by this run, and still empty.
    fresh: Option<PathBuf>,
}

impl ReportFile {
    /// Opens the file before anything is done: hours later would be a bad time to learn that it cannot be written.
    pub fn open(path: &Path) -> Result<ReportFile> {
        let fresh = (!path.exists()).then(|| path.to_path_buf());
        let mut open = File::options();
        let file = open.write(true).create(true).truncate(false).open(path);
        let file = file.map_err(Error::on(
            Side::Plan,
            format!("making the report file {}", path.display()),
        ))?;
        Ok(ReportFile { file, fresh })
    }

    pub fn write(self, report: &impl Serialize) -> Result<()> {
        self.write_text(&json(report)?)
    }

    pub fn write_text(mut self, text: &str) -> Result<()> {
        let attempt = "writing the report";
        // /dev/stdout and its kin have no length.
        let _ = self.file.set_len(0);
        self.fresh = None;
        writeln!(self.file, "{text}").map_err(Error::on(Side::Internal, attempt))
    }
}

pub fn json(report: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(report).map_err(Error::on(Side::Internal, "writing the report"))
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if let Some(path) = &self.fresh {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// How the run of a report ended that is given again: it was done.
pub fn ended_again(report: &str) -> Ended {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    match report["rejected"].as_u64() {
        None | Some(0) => Ended::Well,
        Some(_) => Ended::Rejecting,
    }
}

impl Table {
    pub fn new(
        table: &TablePlan,
        copied: &Copied,
        rejections: Vec<Rejected>,
        verdict: Verdict,
        cutover: Cutover,
    ) -> Table {
        Table {
            table: table.display.clone(),
            columns: columns(table),
            rows: copied.rows,
            rejected: copied.rejected,
            rejections,
            slices: copied.slices,
            bytes: copied.bytes,
            seconds: copied.seconds,
            verdict,
            cutover,
        }
    }
}

impl Report {
    pub fn text(&self) -> String {
        let mut out = String::new();
        let rows: u64 = self.tables.iter().map(|t| t.rows).sum();
        let bytes = self.tables.iter().map(|t| t.bytes).sum();
        line(
            &mut out,
            format_args!("\n{} -> {}", self.source.place, self.target.place),
        );
        line(
            &mut out,
            format_args!("{}", servers(&self.source, &self.target)),
        );
        line(
            &mut out,
            format_args!("\nTables ({rows} rows, {})", megabytes(bytes)),
        );
        let width = self
            .tables
            .iter()
            .map(|t| t.table.chars().count())
            .max()
            .unwrap_or(0);
        for table in &self.tables {
            table_lines(&mut out, table, self.verify, width);
        }
        if !self.indexes.is_empty() {
            line(&mut out, format_args!("\nIndexes"));
        }
        for index in &self.indexes {
            line(
                &mut out,
                format_args!("  {}  {:.1} s", index.index, index.seconds),
            );
        }
        for broken in &self.broken_indexes {
            line(&mut out, format_args!("  BROKEN: {broken}"));
        }
        if !self.failed.is_empty() {
            line(&mut out, format_args!("\nNot done"));
        }
        for f in &self.failed {
            line(&mut out, format_args!("  {}: {}", f.object, f.reason));
            if !f.ddl.is_empty() {
                let ddl = f.ddl.join("; ").replace('\n', "\n      ");
                line(&mut out, format_args!("    by hand: {ddl};"));
            }
        }
        if !self.optional.is_empty() {
            line(&mut out, format_args!("\nNot done, and not needed"));
        }
        for f in &self.optional {
            line(&mut out, format_args!("  {}: {}", f.object, f.reason));
        }
        findings::text(&mut out, &self.findings);
        self.summary(&mut out, rows);
        out
    }

    fn summary(&self, out: &mut String, rows: u64) {
        let s = &self.seconds;
        let span = |x: f64| human_time(std::time::Duration::from_secs_f64(x.max(0.0)));
        line(
            out,
            format_args!(
                "\n{}, {rows} rows, {}, {} in {}: copy {:.2} s, verification {:.2} s, indexes and the rest {:.2} s",
                count_of(self.tables.len(), "table"),
                count_of(self.indexes.len(), "index"),
                count_of(self.sequences, "sequence"),
                span(s.total),
                s.copy,
                s.verify,
                s.after_data
            ),
        );
        let differing = self
            .tables
            .iter()
            .filter(|t| !t.verdict.differences.is_empty())
            .count();
        let verdict = match (self.verify, differing, self.broken_indexes.len()) {
            (_, 0, broken) if broken > 0 => format!("Verification: {} broken.", count_of(broken, "index")),
            (Verify::None, ..) => "Verification: none was asked for (--verify none). Nothing is proved.".into(),
            (Verify::Counts, 0, _) if self.rejected > 0 => "Verification: all row counts agree, with the rejected rows; the values were not compared (--verify counts).".into(),
            (Verify::Counts, 0, _) => "Verification: all row counts agree; the values were not compared (--verify counts).".into(),
            (Verify::Full, ..) if self.tables.is_empty() => "Verification: no table came, so nothing is proved.".into(),
            (Verify::Full, 0, _) if self.rejected > 0 => "Verification: every row on the target was read back and is as on the source; the rejected ones are not there.".into(),
            (Verify::Full, 0, _) => "Verification: every row of every table was read back and is the same.".into(),
            (_, n, _) => format!("Verification: {} not as on the source. Do not switch.", count_of(n, "table")),
        };
        line(out, format_args!("{verdict}"));
        if self.rejected > 0 {
            line(
                out,
                format_args!(
                    "Rejected: {} could not be converted and {} NOT on the target; pgv2rs.rejected there names each.",
                    count_of(usize::try_from(self.rejected).unwrap_or(usize::MAX), "row"),
                    if self.rejected == 1 { "is" } else { "are" }
                ),
            );
        }
        if self.verify == Verify::Full {
            self.not_compared(out);
        }
        self.cutover(out);
    }

    /// Generated columns are computed by the target: no digest covers them.
    fn not_compared(&self, out: &mut String) {
        for table in &self.tables {
            let notes = table.verdict.generated.iter();
            for (g, note) in notes.filter_map(|g| Some((g, g.note.as_ref()?))) {
                let name = format!("{}.{}", table.table, g.column);
                line(out, format_args!("  but generated column {name}: {note}"));
            }
        }
    }

    fn cutover(&self, out: &mut String) {
        let changed = self
            .tables
            .iter()
            .filter(|t| t.cutover != Cutover::Unchanged)
            .count();
        let new = self.new_tables.as_deref().unwrap_or_default();
        if !new.is_empty() {
            line(
                out,
                format_args!("Tables made since the snapshot: {}", new.join(", ")),
            );
        }
        let differs = self
            .tables
            .iter()
            .any(|t| !t.verdict.differences.is_empty());
        let whole = !differs
            && self.rejected == 0
            && self.broken_indexes.is_empty()
            && self.failed.is_empty();
        let sound =
            whole && self.verify == Verify::Full && self.left_out == 0 && !self.tables.is_empty();
        let answer = match (changed, &self.new_tables) {
            (0, Some(new)) if new.is_empty() && !sound => "no copied table has changed since the snapshot; but what is said above comes first.".to_string(),
            (0, Some(new)) if new.is_empty() => "no table has changed since the snapshot. If the writers are stopped, it is safe to switch.".to_string(),
            (0, Some(_)) => "no copied table has changed, but there are new ones: they are NOT on the target.".to_string(),
            (0, None) => "no copied table has changed; whether there are new ones could not be asked.".to_string(),
            (n, _) => format!("{} not known to be as copied: what was written since the snapshot is NOT on the target.", count_of(n, "table")),
        };
        if self.left_out > 0 {
            line(
                out,
                format_args!(
                    "Left out: {}, named above.",
                    count_of(self.left_out, "object")
                ),
            );
        }
        line(out, format_args!("Cutover: {answer}"));
    }
}

fn table_lines(out: &mut String, table: &Table, verify: Verify, width: usize) {
    let verdict = match (verify, table.verdict.differences.is_empty()) {
        (_, false) => "DIFFERS",
        (Verify::None, _) => "not verified",
        (Verify::Counts, _) => "counts agree",
        (Verify::Full, _) => "verified",
    };
    let cutover = match &table.cutover {
        Cutover::Unchanged => "unchanged since the snapshot".to_string(),
        Cutover::Changed(why) => format!("changed: {why}"),
        Cutover::Unknown(why) => format!("not known whether it has changed: {why}"),
    };
    let but = match (table.rejected, verdict) {
        (0, _) => String::new(),
        (n, "verified") => format!(" but for {n} rejected"),
        (n, _) => format!(", {n} rejected"),
    };
    line(
        out,
        format_args!(
            "  {:width$}  {:>10} rows  {:>10}  {:>7.2} s  {verdict}{but}; {cutover}",
            table.table,
            table.rows,
            megabytes(table.bytes),
            table.seconds
        ),
    );
    for c in table.columns.iter().filter(|c| c.from != c.to) {
        line(
            out,
            format_args!("  {:width$}    {}: {} -> {}", "", c.column, c.from, c.to),
        );
    }
    for r in &table.rejections {
        line(
            out,
            format_args!(
                "  {:width$}    REJECTED: {}, column {}: {}",
                "", r.key, r.column, r.reason
            ),
        );
    }
    let shown = table.rejections.len() as u64;
    if table.rejected > shown {
        let more = table.rejected - shown;
        line(
            out,
            format_args!("  {:width$}    REJECTED: {more} more", ""),
        );
    }
    for s in table.verdict.samples.iter().filter(|s| s.note.is_some()) {
        line(
            out,
            format_args!(
                "  {:width$}    {}: {}",
                "",
                s.column,
                s.note.as_deref().unwrap_or_default()
            ),
        );
    }
    for difference in &table.verdict.differences {
        line(
            out,
            format_args!("  {:width$}    DIFFERENCE: {difference}", ""),
        );
    }
}

fn servers(source: &Server, target: &Server) -> String {
    format!(
        "PostgreSQL {}, pgvector {} -> PostgreSQL {}, {}",
        source.postgres, source.extension, target.postgres, target.extension
    )
}

/// `1 table`, `3 tables`, `2 indexes`.
pub fn count_of(number: usize, what: &str) -> String {
    match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "index" | "batch") => format!("{number} {what}es"),
        _ => format!("{number} {what}s"),
    }
}

pub fn line(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
