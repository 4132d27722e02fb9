//! In: a plan as `plan` holds it, and the width of the terminal. Out: the plan as a person reads it: old and new DDL side by side where there is
//! room, one above the other where there is not.

use super::plan::{Index, PlanReport, Table};
use super::{count_of, findings, line};
use crate::plan::estimate::{Estimate, Unit};
use crate::progress::human_time;
use crate::schema::Phase;

/// From this width on two columns of DDL have room.
const SIDE_BY_SIDE: usize = 100;
/// Where standard output is no terminal.
const USUAL: usize = 100;

/// The terminal's width.
pub fn width() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(USUAL, |(_, columns)| usize::from(columns).max(40))
}

impl PlanReport {
    pub fn text(&self, width: usize) -> String {
        let mut out = String::new();
        line(
            &mut out,
            format_args!("\n{} -> {}", self.source.place, self.target.place),
        );
        line(
            &mut out,
            format_args!("{}", super::servers(&self.source, &self.target)),
        );
        self.tables(&mut out);
        self.indexes(&mut out, width);
        if !self.settings.is_empty() {
            line(&mut out, format_args!("\nSettings"));
        }
        for setting in &self.settings {
            line(&mut out, format_args!("  {setting}"));
        }
        if !self.estimates.is_empty() {
            line(&mut out, format_args!("\nEstimates, for the target"));
        }
        for estimate in &self.estimates {
            let (low, high) = said(estimate);
            let range = if low == high {
                low
            } else {
                format!("{low} to {high}")
            };
            line(&mut out, format_args!("  {}: {range}", estimate.what));
            for text in wrapped(&estimate.rests_on, width.saturating_sub(4)) {
                line(&mut out, format_args!("    {text}"));
            }
        }
        if !self.hints.is_empty() {
            line(&mut out, format_args!("\nHints"));
        }
        for hint in &self.hints {
            for text in wrapped(hint, width.saturating_sub(2)) {
                line(&mut out, format_args!("  {text}"));
            }
        }
        findings::text(&mut out, &self.findings);
        out
    }

    fn tables(&self, out: &mut String) {
        let total = self.tables.iter().map(|t| t.bytes).sum();
        let number = count_of(self.tables.len(), "table");
        line(
            out,
            format_args!("\nTables, the largest first ({number}, {})", size(total)),
        );
        let widest = self.tables.iter().map(|t| t.table.chars().count()).max();
        for table in &self.tables {
            table_lines(out, table, widest.unwrap_or(0).min(40));
        }
    }

    fn indexes(&self, out: &mut String, width: usize) {
        let vector: Vec<&Index> = self.indexes.iter().filter(|i| i.vector).collect();
        if !vector.is_empty() {
            line(
                out,
                format_args!("\nVector indexes, as they are and as they will be"),
            );
        }
        for index in &vector {
            line(out, format_args!("  {}", index.index));
            let old = index.before.as_deref().unwrap_or_default();
            ddl(out, old, &index.ddl.join(";\n"), width);
        }
        let others = self.indexes.len() - vector.len();
        let keys = self
            .statements
            .iter()
            .filter(|s| s.phase == Phase::ForeignKey);
        line(
            out,
            format_args!(
                "\n{others} ordinary indexes and constraints, {} foreign keys as they are; {} in all (--output sql has them)",
                keys.count(),
                count_of(
                    self.statements.iter().map(|s| s.sql.len()).sum(),
                    "statement"
                )
            ),
        );
    }
}

fn said(estimate: &Estimate) -> (String, String) {
    let one = |n: u64| match estimate.unit {
        Unit::Bytes => size(n),
        Unit::Seconds => human_time(std::time::Duration::from_secs(n)),
    };
    (one(estimate.low), one(estimate.high))
}

fn table_lines(out: &mut String, table: &Table, width: usize) {
    let rows = |n: u64| count_of(usize::try_from(n).unwrap_or(usize::MAX), "row");
    let rows = match (table.rows, table.rows_are) {
        (Some(n), "counted") => rows(n),
        (Some(n), _) => format!("about {}", rows(n)),
        (None, _) => "rows not known (never analyzed)".into(),
    };
    let parts = match (table.heap_bytes, table.toast_bytes) {
        (Some(heap), Some(toast)) if toast > 0 => {
            format!(" (heap {}, TOAST {})", size(heap), size(toast))
        }
        _ => String::new(),
    };
    let longest = match (table.longest_row_bytes, table.longest_row_sampled) {
        (None | Some(0), _) => String::new(),
        (Some(n), false) => format!(", longest row {n} bytes as stored"),
        (Some(n), true) => format!(", longest row of a sample {n} bytes as stored"),
    };
    let slices = match (table.slices, &table.whole_because) {
        (Some(1), Some(why)) => format!(" in one slice, since {why}"),
        (Some(n), _) => format!(" in {}", count_of(n, "slice")),
        (None, _) => String::new(),
    };
    let (name, bytes) = (&table.table, size(table.bytes));
    line(
        out,
        format_args!(
            "  {name:width$}  {rows}, {bytes}{parts}{longest}; {}{slices}",
            table.way
        ),
    );
    for c in &table.columns {
        let why = c.why.as_ref().map_or(String::new(), |w| format!("  ({w})"));
        match c.from == c.to {
            true => line(out, format_args!("    {}: {}{why}", c.column, c.from)),
            false => line(
                out,
                format_args!("    {}: {} -> {}{why}", c.column, c.from, c.to),
            ),
        }
    }
}

/// `812 bytes`, `3.4 kB`, `12.0 MB`, `1.7 GB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Old and new DDL.
fn ddl(out: &mut String, old: &str, new: &str, width: usize) {
    if width < SIDE_BY_SIDE {
        for (title, text) in [("old", old), ("new", new)] {
            for (n, text) in wrapped(text, width.saturating_sub(9)).iter().enumerate() {
                let title = if n == 0 { title } else { "" };
                line(out, format_args!("    {title:3}  {text}"));
            }
        }
        return;
    }
    let half = (width - 7) / 2;
    let (left, right) = (wrapped(old, half), wrapped(new, half));
    for n in 0..left.len().max(right.len()) {
        let cell = |side: &[String]| side.get(n).cloned().unwrap_or_default();
        let (left, right) = (cell(&left), cell(&right));
        let text = format!("    {left:half$} | {right}");
        line(out, format_args!("{}", text.trim_end()));
    }
}

/// Lines of at most this width, broken at blanks. A word that is longer keeps its line to itself: a name cut in two is no name.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for whole in text.lines() {
        let mut line = String::new();
        for word in whole.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > width {
                lines.push(std::mem::take(&mut line));
                line.push_str("  ");
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "CREATE INDEX near ON public.items USING hnsw (embedding public.vector_cosine_ops) WITH (m='24', ef_construction='100')";
    const NEW: &str = "CREATE INDEX near ON public.items USING vectors (embedding vectors.vector_cos_ops) WITH (options = $$\n[indexing.hnsw]\nm = 24\n$$)";

    #[test]
    fn ddl_stands_side_by_side_where_there_is_room_and_keeps_to_the_width() {
        for width in [80, 100, 160] {
            let mut out = String::new();
            ddl(&mut out, OLD, NEW, width);
            assert!(
                out.lines().all(|l| l.chars().count() <= width),
                "{width}\n{out}"
            );
            let both = out
                .lines()
                .next()
                .is_some_and(|l| l.matches("CREATE INDEX").count() == 2);
            assert_eq!(both, width >= 100, "{out}");
            let words = |text: &str| -> Vec<String> {
                let mut words: Vec<String> = text.split_whitespace().map(String::from).collect();
                words.retain(|w| !["|", "old", "new"].contains(&w.as_str()));
                words.sort();
                words
            };
            assert_eq!(
                words(&out),
                words(&format!("{OLD} {NEW}")),
                "no word is lost"
            );
        }
    }
}
