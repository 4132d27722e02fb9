//! What can be wrong with a dump as a whole. What can be wrong with one object is a finding, not an error.
//!
//! A message names lines, never their text: the text of a statement may hold values.

use std::fmt;

/// The text is not what `pg_dump --verbose --schema-only` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A statement that is neither a session statement nor under a header that says which object it makes.
    StatementWithoutHeader { line: usize },
    /// A header whose lines are not the ones that pg_dump writes.
    MalformedHeader { line: usize },
    /// A string, quoted name or comment that is never closed: the dump was cut.
    Unterminated { line: usize },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatementWithoutHeader { line } => write!(
                f,
                "line {line} of the dump: a statement that no header names; pg_dump must run with --verbose"
            ),
            Self::MalformedHeader { line } => {
                write!(
                    f,
                    "line {line} of the dump: the header of an entry is not understood"
                )
            }
            Self::Unterminated { line } => write!(
                f,
                "line {line} of the dump: a string, name or comment that starts here is never closed; the dump is cut short"
            ),
        }
    }
}

impl std::error::Error for Error {}
