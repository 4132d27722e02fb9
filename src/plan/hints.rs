//! In: a plan's tables, and what --dry-run measured. Out: what would make the run faster, and by how much where that was measured.
//! Nothing of it is done behind anybody's back. Pure.

use dialect::types::{SourceType, TargetType, TypeChange};

use super::TablePlan;
use crate::catalog::ident;
use crate::measure::Measured;

/// Less is copied before anybody has read a hint.
const WORTH_A_HINT: u64 = 256 << 20;

pub fn hints(tables: &[TablePlan], measured: &Measured, jobs: usize) -> Vec<String> {
    let all: u64 = tables.iter().map(|t| t.bytes.unsigned_abs()).sum();
    let tables = tables.iter();
    let mut hints: Vec<String> = tables
        .clone()
        .filter_map(|t| alone(t, measured, all, jobs))
        .collect();
    hints.extend(tables.filter_map(|t| inline(t, measured)));
    hints
}

/// A slice that is more than half of all keeps one job busy while the others have nothing left to do.
fn alone(table: &TablePlan, measured: &Measured, all: u64, jobs: usize) -> Option<String> {
    let slices = measured.tables.get(&table.oid)?.slices?;
    let slice = table.bytes.unsigned_abs() / slices.number.max(1) as u64;
    (jobs > 1 && slice > all / 2 && slice > WORTH_A_HINT).then(|| {
        format!(
            "one slice of {} is {} % of all bytes{}: one of the {jobs} jobs copies it, and the others will have nothing left to do",
            table.display,
            slice * 100 / all.max(1),
            slices.whole.map_or(String::new(), |why| format!(" ({why})"))
        )
    })
}

/// A vector of more than 2,000 bytes goes to TOAST in pieces, unless its column is told otherwise; up to a page it need not.
fn inline(table: &TablePlan, measured: &Measured) -> Option<String> {
    if table.tree.is_some() || table.bytes.unsigned_abs() < WORTH_A_HINT {
        return None;
    }
    let mut long = table.columns.iter().filter_map(|c| {
        let change = c.change.as_ref()?;
        let (bytes, before) = (on_target(change)?, on_source(change)?);
        (bytes > TOASTED_BYTES).then_some((c, bytes, before))
    });
    let (Some((column, bytes, before)), None) = (long.next(), long.next()) else {
        return None;
    };
    // Others take this much at most when they are toasted, or have a fixed length.
    let others = 64 * (table.columns.len() as u64 - 1);
    let plain = measured.plain.contains(&(table.oid, column.name.clone()));
    // What is PLAIN and does not fit a page is refused, on the source too.
    (!plain && bytes.max(before) + others <= PAGE_BYTES).then(|| {
        format!(
            "{column} of {table} goes to TOAST on the target, {bytes} bytes in pieces of 2,000: with ALTER TABLE {table} ALTER COLUMN {column} \
             SET STORAGE PLAIN on the source before the run (no row there is touched, and the setting comes along with the schema; with --schema-source existing on the target too) it stays in the row. \
             With 768 and with 1536 dimensions the copy then took a fifth less time; queries that read the other columns only have more pages to read",
            column = ident(&column.name),
            table = table.display,
        )
    })
}

/// PostgreSQL makes a row shorter that is longer than this.
const TOASTED_BYTES: u64 = 2_000;
/// What a page has for one row.
const PAGE_BYTES: u64 = 8_100;

/// A value of PGVecto.rs, where its length is known.
fn on_target(change: &TypeChange) -> Option<u64> {
    let dims = u64::from(change.dims?);
    match (change.to, change.array) {
        (TargetType::Vector, false) => Some(8 + 4 * dims),
        (TargetType::Vecf16, false) => Some(8 + 2 * dims),
        _ => None,
    }
}

/// A value of pgvector.
fn on_source(change: &TypeChange) -> Option<u64> {
    let dims = u64::from(change.dims?);
    match change.from {
        SourceType::Vector => Some(8 + 4 * dims),
        SourceType::Halfvec => Some(8 + 2 * dims),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::slice::Whole;
    use crate::measure::{Size, Slices};
    use crate::plan::{ColumnPlan, Travel};

    fn column(name: &str, dims: Option<u32>) -> ColumnPlan {
        let change = dims.map(|dims| TypeChange {
            from: SourceType::Vector,
            to: TargetType::Vector,
            dims: Some(dims),
            array: false,
        });
        ColumnPlan {
            name: name.into(),
            type_oid: 0,
            type_text: String::new(),
            travel: change.map_or(Travel::Pass, Travel::Convert),
            change,
            why: None,
        }
    }

    fn table(oid: u32, gigabytes: i64, columns: Vec<ColumnPlan>) -> TablePlan {
        TablePlan {
            oid,
            file: oid,
            schema: "public".into(),
            name: format!("t{oid}"),
            display: format!("public.t{oid}"),
            primary_key: Vec::new(),
            rows_estimate: 0,
            bytes: gigabytes << 30,
            columns,
            tree: None,
        }
    }

    /// Tables with the number of their slices.
    fn said(tables: Vec<(TablePlan, usize)>, plain: &[(u32, &str)], jobs: usize) -> Vec<String> {
        let mut measured = Measured::default();
        for (table, number) in &tables {
            let whole = (*number == 1).then_some(Whole::NoHeap);
            let slices = Some(Slices {
                number: *number,
                whole,
            });
            let size = Size {
                slices,
                ..Size::default()
            };
            measured.tables.insert(table.oid, size);
        }
        measured.plain = plain.iter().map(|(t, c)| (*t, c.to_string())).collect();
        let tables: Vec<TablePlan> = tables.into_iter().map(|(table, _)| table).collect();
        hints(&tables, &measured, jobs)
    }

    #[test]
    fn a_slice_that_is_most_of_the_run_is_named_where_there_are_several_jobs() {
        let of = |oid, gigabytes, slices| (table(oid, gigabytes, Vec::new()), slices);
        let expected = "one slice of public.t1 is 60 % of all bytes (it is no heap): one of the 2 jobs copies it, and the others will have nothing left to do";
        assert_eq!(said(vec![of(1, 6, 1), of(2, 4, 16)], &[], 2), [expected]);
        assert!(said(vec![of(1, 6, 1), of(2, 4, 16)], &[], 1).is_empty());
        assert!(said(vec![of(1, 4, 1), of(2, 6, 16)], &[], 2).is_empty());
        assert!(said(Vec::new(), &[], 2).is_empty());
    }

    #[test]
    fn a_vector_that_would_go_to_toast_and_need_not_is_named() {
        let of = |dims: &[u32]| {
            let columns = dims.iter().map(|d| column("V", Some(*d)));
            vec![(table(1, 1, columns.collect()), 8)]
        };
        let told = said(of(&[768]), &[], 1);
        assert!(
            told.len() == 1
                && told[0].contains(
                    "ALTER TABLE public.t1 ALTER COLUMN \"V\" SET STORAGE PLAIN on the source"
                ),
            "{told:?}"
        );
        assert_eq!(said(of(&[2000]), &[], 1).len(), 1);
        // Short, longer than a page, two in a row, told already.
        assert!(said(of(&[400]), &[], 1).is_empty());
        assert!(said(of(&[2100]), &[], 1).is_empty());
        assert!(said(of(&[768, 768]), &[], 1).is_empty());
        assert!(said(of(&[768]), &[(1, "V")], 1).is_empty());
        // It would fit the target's page, and every write on the source would be refused.
        let mut rounded = of(&[3072]);
        for column in &mut rounded[0].0.columns {
            column.change = column.change.map(|change| TypeChange {
                to: TargetType::Vecf16,
                ..change
            });
        }
        assert!(said(rounded, &[], 1).is_empty());
        let mut small = of(&[768]);
        small[0].0.bytes = 1 << 20;
        assert!(said(small, &[], 1).is_empty());
    }
}
