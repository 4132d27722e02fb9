//! Comes in: bytes that are written, and those that go on as they came. Goes out: both in their order. A long run that passes is not
//! copied: its place among the written bytes is remembered, and it stays in the buffer that it was read into.
use std::ops::Range;

use bytes::Bytes;

use crate::buffer::Buffer;

/// From here on a run that passes stays where it is: one or two more messages cost less than to copy it.
pub(super) const LONG_RUN: usize = 64 << 10;

/// What rows became.
pub struct Output {
    written: Buffer,
    passed: Vec<Passed>,
    passed_len: usize,
    passes_from: usize,
}

/// A run that is not copied.
pub struct Passed {
    /// Number of written bytes before it.
    pub at: usize,
    /// As they came.
    pub bytes: Bytes,
}

/// A place in an output, to which it can be taken back.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    written: usize,
    passed: usize,
}

impl Default for Output {
    fn default() -> Self {
        Output::after(Buffer::default())
    }
}

impl Output {
    /// Goes on behind what the buffer holds.
    pub fn after(written: impl Into<Buffer>) -> Self {
        Output::passing(written, LONG_RUN)
    }

    /// The same, with a length of the caller's choice from which a run is not copied.
    pub fn passing(written: impl Into<Buffer>, passes_from: usize) -> Self {
        Output {
            written: written.into(),
            passed: Vec::new(),
            passed_len: 0,
            passes_from,
        }
    }

    /// All in one piece, for tests.
    pub fn to_vec(&self) -> Vec<u8> {
        let start = Mark {
            written: 0,
            passed: 0,
        };
        self.stretches(start).collect::<Vec<_>>().concat()
    }

    /// The buffer with what was written, and what belongs into it, in order.
    pub fn into_parts(self) -> (Buffer, Vec<Passed>) {
        (self.written, self.passed)
    }

    /// Bytes of all.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.written.len() + self.passed_len
    }

    /// Where more is written.
    #[inline]
    pub(super) fn written(&mut self) -> &mut Buffer {
        &mut self.written
    }

    #[inline]
    pub(super) fn pass(&mut self, from: &Bytes, run: Range<usize>) {
        if run.len() < self.passes_from {
            return self.written.extend_from_slice(&from[run]);
        }
        self.passed_len += run.len();
        self.passed.push(Passed {
            at: self.written.len(),
            bytes: from.slice(run),
        });
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark {
            written: self.written.len(),
            passed: self.passed.len(),
        }
    }

    pub(super) fn back_to(&mut self, mark: Mark) {
        self.written.truncate(mark.written);
        for passed in self.passed.drain(mark.passed..) {
            self.passed_len -= passed.bytes.len();
        }
    }

    /// What was written since, where nothing passed.
    #[inline]
    pub(super) fn written_since(&mut self, mark: Mark) -> Option<&mut [u8]> {
        let only = self.passed.len() == mark.passed;
        only.then(|| &mut self.written[mark.written..])
    }

    /// All since, in stretches that lie together.
    pub(super) fn stretches(&self, mark: Mark) -> impl Iterator<Item = &[u8]> {
        let passed = &self.passed[mark.passed..];
        let starts = std::iter::once(mark.written).chain(passed.iter().map(|p| p.at));
        let ends = passed.iter().map(|p| p.at).chain([self.written.len()]);
        let written = starts
            .zip(ends)
            .map(|(start, end)| &self.written[start..end]);
        let passed = passed.iter().map(|p| &p.bytes[..]).chain([&[][..]]);
        written
            .zip(passed)
            .flat_map(|(written, passed)| [written, passed])
    }
}
