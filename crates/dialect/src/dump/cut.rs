//! Headers and statements out of the tokens of a dump.
//!
//! In: the text. Out: pieces in order. A header counts only between two statements, so that text which resembles one inside a
//! string or a function body stays what it is. A statement ends at a semicolon outside of parentheses and outside of
//! `BEGIN ATOMIC … END`. No tree is built: this is linear in the text, however deep its expressions are.

use super::Entry;
use super::header::{self, Header};
use crate::Error;
use squawk_lexer::{LiteralKind, Token, TokenKind, tokenize};
use std::ops::Range;

/// A part of the dump that is not trivia.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// Its entry, as many times as its names can be read.
    Header { readings: Vec<Entry> },
    /// Without its semicolon, and where it begins.
    Statement { text: &'a str, at: usize },
}

pub(crate) fn cut(sql: &str) -> Result<Vec<Piece<'_>>, Error> {
    let body = without_restrict(sql);
    let mut cutter = Cutter {
        sql,
        pieces: Vec::new(),
        statement: None,
        parens: 0,
        atomic: Atomic::Outside,
        skip_to: 0,
    };
    let mut at = body.start;
    for token in tokenize(&sql[body.clone()]) {
        let range = at..at + token.len as usize;
        at = range.end;
        // The lines of a header were read at its first token.
        if range.start >= cutter.skip_to {
            cutter.token(token, range)?;
        }
    }
    cutter.end_statement(body.end);
    Ok(cutter.pieces)
}

/// Where the words of a SQL-standard function body stand. Only there do semicolons not end the statement.
enum Atomic {
    Outside,
    /// After `BEGIN`, which is a body only if `ATOMIC` follows.
    AfterBegin,
    /// Inside, with the number of `END`s to come: `CASE` has one too.
    Inside(u32),
}

struct Cutter<'a> {
    sql: &'a str,
    pieces: Vec<Piece<'a>>,
    /// First byte of the statement that is being read.
    statement: Option<usize>,
    parens: u32,
    atomic: Atomic,
    skip_to: usize,
}

impl Cutter<'_> {
    fn token(&mut self, token: Token, range: Range<usize>) -> Result<(), Error> {
        if !terminated(token.kind) {
            return Err(Error::Unterminated {
                line: line(self.sql, range.start),
            });
        }
        match token.kind {
            TokenKind::Whitespace => Ok(()),
            TokenKind::LineComment if self.statement.is_none() => self.comment(range.start),
            TokenKind::LineComment | TokenKind::BlockComment { .. } => Ok(()),
            TokenKind::Semi if self.parens == 0 && !matches!(self.atomic, Atomic::Inside(_)) => {
                self.end_statement(range.start);
                Ok(())
            }
            kind => {
                self.statement.get_or_insert(range.start);
                self.significant(kind, range);
                Ok(())
            }
        }
    }

    fn significant(&mut self, kind: TokenKind, range: Range<usize>) {
        match kind {
            TokenKind::OpenParen => self.parens += 1,
            TokenKind::CloseParen => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        let word = if kind == TokenKind::Ident {
            &self.sql[range]
        } else {
            ""
        };
        self.atomic = match self.atomic {
            Atomic::Outside if word.eq_ignore_ascii_case("begin") => Atomic::AfterBegin,
            Atomic::AfterBegin if word.eq_ignore_ascii_case("atomic") => Atomic::Inside(1),
            Atomic::Outside | Atomic::AfterBegin => Atomic::Outside,
            Atomic::Inside(depth) if word.eq_ignore_ascii_case("case") => Atomic::Inside(depth + 1),
            Atomic::Inside(depth) if word.eq_ignore_ascii_case("end") => match depth {
                1 => Atomic::Outside,
                _ => Atomic::Inside(depth - 1),
            },
            Atomic::Inside(depth) => Atomic::Inside(depth),
        };
    }

    fn comment(&mut self, start: usize) -> Result<(), Error> {
        match header::read(&self.sql[start..]) {
            Header::Entry(readings, len) => {
                self.pieces.push(Piece::Header { readings });
                self.skip_to = start + len;
                Ok(())
            }
            Header::Comment => Ok(()),
            Header::Malformed => Err(Error::MalformedHeader {
                line: line(self.sql, start),
            }),
        }
    }

    fn end_statement(&mut self, end: usize) {
        (self.parens, self.atomic) = (0, Atomic::Outside);
        if let Some(start) = self.statement.take() {
            // Other blanks than the server's are letters of a name.
            let blanks = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];
            let text = self.sql[start..end].trim_end_matches(blanks);
            self.pieces.push(Piece::Statement { text, at: start });
        }
    }
}

/// Lines count from one.
pub(super) fn line(sql: &str, at: usize) -> usize {
    sql[..at].matches('\n').count() + 1
}

/// The text between the `\restrict` and `\unrestrict` lines, which are for psql. Only the first and the last line that is
/// neither empty nor a comment can be one: anywhere else such a line is text.
fn without_restrict(sql: &str) -> Range<usize> {
    let first: usize = sql
        .split_inclusive('\n')
        .take_while(|line| is_filler(line))
        .map(str::len)
        .sum();
    let last: usize = sql
        .split_inclusive('\n')
        .rev()
        .take_while(|line| is_filler(line))
        .map(str::len)
        .sum();
    let start = match sql[first..].split_inclusive('\n').next() {
        Some(line) if line.starts_with("\\restrict ") => first + line.len(),
        _ => 0,
    };
    let end = match sql[..sql.len() - last].split_inclusive('\n').next_back() {
        Some(line) if line.starts_with("\\unrestrict ") => sql.len() - last - line.len(),
        _ => sql.len(),
    };
    start..end.max(start)
}

fn is_filler(line: &str) -> bool {
    let line = line.trim_end();
    line.is_empty() || line.starts_with("--")
}

fn terminated(kind: TokenKind) -> bool {
    match kind {
        TokenKind::BlockComment { terminated } | TokenKind::QuotedIdent { terminated, .. } => {
            terminated
        }
        TokenKind::Literal { kind } => match kind {
            LiteralKind::Str { terminated }
            | LiteralKind::NationalStr { terminated }
            | LiteralKind::ByteStr { terminated }
            | LiteralKind::BitStr { terminated }
            | LiteralKind::DollarQuotedString { terminated }
            | LiteralKind::UnicodeEscStr { terminated }
            | LiteralKind::EscStr { terminated } => terminated,
            LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => true,
        },
        _ => true,
    }
}
