//! Comes in: rows one after the other, and where arrays lie in them. Goes out: their digest, arrays normalised: the same for what
//! is sent and for what a server stores of it.
use super::output::LONG_RUN;
use super::{Converted, nested};
use crate::buffer::Buffer;
use crate::digest::{Digest, RowHash};

/// The digest of the rows so far, and what hashing the next one may need; kept so that no row allocates.
#[derive(Default)]
pub(super) struct Sum {
    digest: Digest,
    /// `has_null` flags that are set in the row at hand: where they lie and what they hold.
    flags: Vec<(usize, [u8; 4])>,
    /// The row at hand where it may not be changed in place, or is not what is written.
    pub cleared: Buffer,
}

impl Sum {
    /// Remembers the `has_null` flag of an array that begins at byte `at` of the row at hand, if it is set.
    pub fn note_flag(&mut self, array: &[u8], at: usize) {
        if let Some(flag) = array
            .get(nested::HAS_NULL)
            .and_then(|flag| flag.first_chunk())
            && *flag != [0; 4]
        {
            self.flags.push((at + nested::HAS_NULL.start, *flag));
        }
    }

    /// Adds a row, its flags taken as 0.
    #[inline]
    pub fn add(&mut self, row: &[u8]) {
        if self.flags.is_empty() {
            return self.digest.add(row);
        }
        if row.len() >= LONG_RUN {
            return self.add_stretches(std::iter::once(row));
        }
        self.cleared.clear();
        self.cleared.extend_from_slice(row);
        for (at, _) in self.flags.drain(..) {
            self.cleared[at..][..4].fill(0);
        }
        self.digest.add(&self.cleared);
    }

    /// The same for a row that may be changed for a moment.
    #[inline]
    pub fn add_own(&mut self, row: &mut [u8]) {
        for (at, _) in &self.flags {
            row[*at..][..4].fill(0);
        }
        self.digest.add(row);
        for (at, flag) in self.flags.drain(..) {
            row[at..][..4].copy_from_slice(&flag);
        }
    }

    /// The same for a row that does not lie together.
    pub fn add_stretches<'a>(&mut self, stretches: impl Iterator<Item = &'a [u8]>) {
        let flags = std::mem::take(&mut self.flags);
        let mut flags = flags.iter().map(|(at, _)| *at).peekable();
        let mut row = RowHash::default();
        let mut start = 0;
        for stretch in stretches {
            let mut done = 0;
            // What passes ends where a column ends, and so do stretches.
            while let Some(flag) = flags.next_if(|at| at - start < stretch.len()) {
                row.write(&stretch[done..flag - start]);
                row.write(&[0; 4]);
                done = flag - start + 4;
            }
            row.write(&stretch[done..]);
            start += stretch.len();
        }
        self.digest.add_hashed(row);
    }

    /// The row at hand is left out.
    pub fn forget_row(&mut self) {
        self.flags.clear();
    }

    pub fn done(self) -> Converted {
        Converted {
            rows: self.digest.rows(),
            digest: self.digest,
        }
    }
}
