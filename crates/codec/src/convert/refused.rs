//! Comes in: a row with a value that cannot be converted. Goes out: the row as it came, for a caller who goes on without it.
use std::fmt;

use bytes::Bytes;

use crate::batch::row_fields;
use crate::error::Error;

/// A row that was left out.
#[derive(Clone)]
pub struct Refused {
    /// The first value of it that cannot be converted, and why.
    pub error: Error,
    pub(super) row: Bytes,
}

impl Refused {
    /// Its fields as they came: for messages. They hold on to the whole piece that the row came in.
    pub fn fields(&self) -> Vec<Option<Bytes>> {
        row_fields(&self.row, 0).map_or(Vec::new(), |(fields, _)| fields)
    }
}

/// Values stay out of logs: sizes only.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("error", &self.error)
            .field("bytes", &self.row.len())
            .finish()
    }
}
