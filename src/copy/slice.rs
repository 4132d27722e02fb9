//! In: how large a table is, and which of its blocks are on the target already. Out: the rest in ranges of blocks of about equal bytes,
//! TOAST counted, each copied by one connection in one transaction.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

/// Less is not worth a transaction of its own.
const SMALLEST: i64 = 8 << 20;
/// More is much to do again after an end that nobody wanted.
const LARGEST: i64 = 256 << 20;
/// Slices of a large table for each job, so that none is idle while another works for long.
const PER_JOB: i64 = 4;

/// Blocks of a table's heap: from `first` up to `end`, which is not in it any more; the last one has no end, since rows may be behind
/// every block that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: i64,
    pub end: Option<i64>,
}

impl Range {
    pub const WHOLE: Range = Range {
        first: 0,
        end: None,
    };

    /// Which rows of `t` are in it; nothing where all are.
    pub fn condition(&self) -> Option<String> {
        let from = (self.first > 0).then(|| format!("t.ctid >= '({},0)'", self.first));
        let to = self.end.map(|end| format!("t.ctid < '({end},0)'"));
        let both: Vec<String> = from.into_iter().chain(to).collect();
        (!both.is_empty()).then(|| both.join(" AND "))
    }
}

/// What a table has on disk.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub blocks: i64,
    /// With TOAST.
    pub bytes: i64,
}

/// Why a table is one slice whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// A tree that is copied through its topmost table.
    Tree,
    /// The server would read all of the table for each slice.
    OldServer,
    /// Its rows have no blocks.
    NoHeap,
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Whole::Tree => "its partitions are copied through it",
            Whole::OldServer => "servers before PostgreSQL 14 read all of a table for each slice",
            Whole::NoHeap => "it is no heap",
        })
    }
}

/// Of each table, where it can be cut, or why it cannot.
pub async fn sizes(
    session: &Session,
    side: Side,
    tables: &[TablePlan],
) -> Result<Vec<std::result::Result<Size, Whole>>> {
    let old = session.version_num < 140_000;
    let sql = "SELECT t.number, pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8, \
        pg_catalog.pg_table_size(c.oid) FROM unnest($1::text[]) WITH ORDINALITY AS t(name, number) \
        JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name) JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE a.amname = 'heap'";
    let names: Vec<String> = tables.iter().map(TablePlan::quoted).collect();
    let rows = session
        .query_typed(sql, &[(&names, Type::TEXT_ARRAY)])
        .await;
    let rows = rows.map_err(Error::on(side, "measuring the tables"))?;
    // NULL of one that is dropped at this moment.
    let size = |row: &Row| {
        let (blocks, bytes) = (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?);
        Some((row.get(0), Size { blocks, bytes }))
    };
    let sizes: HashMap<i64, Size> = rows.iter().filter_map(size).collect();
    let of = |(number, table): (i64, &TablePlan)| match sizes.get(&number) {
        _ if table.tree.is_some() => Err(Whole::Tree),
        _ if old => Err(Whole::OldServer),
        size => size.copied().ok_or(Whole::NoHeap),
    };
    Ok((1..).zip(tables).map(of).collect())
}

/// What is left to copy; `size` is None where the table cannot be cut. `kept` are ranges that are on the target; none of them overlap.
pub fn cut(size: Option<Size>, jobs: usize, kept: &[Range]) -> Vec<Range> {
    let Some(Size { blocks, bytes }) = size.filter(|s| s.blocks > 0) else {
        return gaps(kept);
    };
    let jobs = i64::try_from(jobs).unwrap_or(1).max(1);
    let slice = (bytes / (PER_JOB * jobs)).clamp(SMALLEST, LARGEST);
    let slices = ((bytes + slice - 1) / slice).clamp(1, blocks);
    let step = (blocks + slices - 1) / slices;
    gaps(kept)
        .into_iter()
        .flat_map(|gap| pieces(gap, step, blocks))
        .collect()
}

fn gaps(kept: &[Range]) -> Vec<Range> {
    let mut kept = kept.to_vec();
    kept.sort_by_key(|range| range.first);
    let mut gaps = Vec::new();
    let mut first = Some(0);
    for range in kept {
        if let Some(from) = first.filter(|from| *from < range.first) {
            gaps.push(Range {
                first: from,
                end: Some(range.first),
            });
        }
        first = range.end;
    }
    gaps.extend(first.map(|first| Range { first, end: None }));
    gaps
}

fn pieces(gap: Range, step: i64, blocks: i64) -> Vec<Range> {
    let last = gap.end.unwrap_or(blocks);
    let mut pieces = Vec::new();
    let mut first = gap.first;
    while first + step < last {
        let end = Some(first + step);
        pieces.push(Range { first, end });
        first += step;
    }
    pieces.push(Range {
        first,
        end: gap.end,
    });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    fn of(mib: i64) -> Option<Size> {
        Some(Size {
            blocks: mib * 128,
            bytes: mib * MIB,
        })
    }

    /// Every block is in exactly one of them, also those that nobody has counted.
    fn whole(kept: &[Range], cut: &[Range]) {
        let mut all: Vec<Range> = kept.iter().chain(cut).copied().collect();
        all.sort_by_key(|r| r.first);
        assert_eq!(all[0].first, 0);
        for pair in all.windows(2) {
            assert_eq!(pair[0].end, Some(pair[1].first), "{all:?}");
        }
        assert_eq!(all[all.len() - 1].end, None);
    }

    #[test]
    fn a_small_table_and_one_that_cannot_be_cut_are_one_slice() {
        for size in [None, of(0), of(1), of(8)] {
            assert_eq!(cut(size, 4, &[]), [Range::WHOLE]);
        }
        assert_eq!(Range::WHOLE.condition(), None);
    }

    #[test]
    fn a_large_table_is_cut_into_four_slices_a_job_or_more() {
        for (mib, jobs) in [(100, 1), (460, 1), (460, 3), (3000, 2), (100_000, 8)] {
            let slices = cut(of(mib), jobs, &[]);
            whole(&[], &slices);
            assert!(
                slices.len() >= 4 * jobs,
                "{mib} MiB, {jobs} jobs: {slices:?}"
            );
            let largest = slices.iter().map(|r| r.end.unwrap_or(mib * 128) - r.first);
            assert!(largest.max() <= Some(257 * 128), "{mib} MiB: {slices:?}");
        }
    }

    #[test]
    fn toast_counts() {
        // 3 MiB of heap, 936 MiB of TOAST.
        let size = Some(Size {
            blocks: 3 * 128,
            bytes: 939 * MIB,
        });
        let slices = cut(size, 2, &[]);
        whole(&[], &slices);
        assert!(slices.len() >= 8, "{slices:?}");
    }

    #[test]
    fn what_is_there_already_is_not_copied_again() {
        let all = cut(of(100), 2, &[]);
        for missing in 0..all.len() {
            let mut kept = all.clone();
            let gone = kept.remove(missing);
            let rest = cut(of(100), 2, &kept);
            whole(&kept, &rest);
            assert_eq!(rest, [gone]);
        }
        assert_eq!(cut(of(100), 2, &all), []);
        assert_eq!(cut(None, 2, &[Range::WHOLE]), []);
        // The table has grown tenfold.
        let kept = &all[..all.len() - 1];
        let rest = cut(of(1000), 2, kept);
        whole(kept, &rest);
        assert!(rest.len() > 7, "{rest:?}");
    }
}
