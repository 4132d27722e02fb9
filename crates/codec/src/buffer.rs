//! Comes in: bytes, one after the other. Goes out: the same, and the memory to be used again. What was written before stays in it until
//! it is written over: to make room costs nothing then, where a `Vec` would set it to zero first, a fifth of a batch's time.
use std::io;
use std::ops::{Deref, DerefMut};

/// What room holds where assertions are on: a byte that nobody wrote does not pass a test by being zero.
const ANYTHING: u8 = 0xa5;

/// Written bytes, and room for more.
#[derive(Default)]
pub struct Buffer {
    /// The written bytes, and what earlier uses left behind them.
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// Takes everything out and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes that it occupies, written or not.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    /// Appends `len` bytes that hold anything, to be written by the caller, all of them.
    #[inline]
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        let start = self.len;
        let end = start + len;
        if end > self.bytes.len() {
            self.grow(end);
        }
        self.len = end;
        let room = &mut self.bytes[start..end];
        if cfg!(debug_assertions) {
            room.fill(ANYTHING);
        }
        room
    }

    /// Makes sure that so many more can be written without moving what is there.
    pub(crate) fn reserve(&mut self, more: usize) {
        let lacking = (self.len + more).saturating_sub(self.bytes.len());
        self.bytes.reserve(lacking);
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize(len, 0);
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Buffer { bytes, len }
    }
}

impl From<Buffer> for Vec<u8> {
    fn from(mut buffer: Buffer) -> Self {
        buffer.bytes.truncate(buffer.len);
        buffer.bytes
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Does not fail.
impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_out_is_not_written_and_its_room_is_used_again() {
        let mut buffer = Buffer::from(b"a longer one".to_vec());
        let place = buffer.as_ptr();
        buffer.clear();
        assert!(buffer.is_empty());
        buffer.extend_from_slice(b"short");
        buffer.truncate(100);
        assert_eq!((&buffer[..], buffer.as_ptr()), (&b"short"[..], place));
        buffer.truncate(2);
        buffer.push(b'!');
        assert_eq!(Vec::from(buffer), b"sh!");
    }
}
