//! Comes in: whole rows, as they are sent to or read from a server. Goes out: a sum that is equal for equal multisets of
//! rows, whatever their order and however they were cut. It is no defence against someone who crafts rows to collide.
use std::fmt;

use twox_hash::XxHash3_128;

/// 128-bit wrapping sum of the XXH3 hashes of rows, with their count. Sums commute, so slices and batches merge in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    sum: u128,
    rows: u64,
}

impl Digest {
    /// Adds one row: its field count and all its fields with their lengths.
    #[inline]
    pub fn add(&mut self, row: &[u8]) {
        self.sum = self.sum.wrapping_add(XxHash3_128::oneshot(row));
        self.rows += 1;
    }

    /// Adds one row that was hashed in stretches.
    pub(crate) fn add_hashed(&mut self, row: RowHash) {
        self.sum = self.sum.wrapping_add(row.0.finish_128());
        self.rows += 1;
    }

    /// Adds all rows of another digest.
    pub fn merge(&mut self, other: Digest) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.rows += other.rows;
    }

    /// A digest as it was printed, of so many rows.
    pub fn parse(text: &str, rows: u64) -> Option<Digest> {
        let sum = u128::from_str_radix(text, 16).ok()?;
        Some(Digest { sum, rows })
    }

    /// Rows added so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// The hash of one row that does not lie together. It allocates, so it is for long rows.
#[derive(Default)]
pub(crate) struct RowHash(XxHash3_128);

impl RowHash {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}
