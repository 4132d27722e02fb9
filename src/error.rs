//! In: whatever went wrong, and on which side. Out: one error type that carries the exit code, a chain of causes
//! with the server's SQLSTATE, detail and hint, a remedy, and whether the same may go well a little later.

use std::error::Error as StdError;
use std::fmt;

/// Where a failure belongs; it decides the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rows on the target are not those of the source.
    Verification,
    /// The command line, or a plan that cannot be carried out.
    Plan,
    Source,
    Target,
    /// A broken promise inside the program.
    Internal,
    /// The user stopped the run.
    Interrupted,
}

impl Side {
    pub fn exit_code(self) -> u8 {
        match self {
            Side::Verification => 1,
            Side::Plan => 2,
            Side::Source => 3,
            Side::Target => 4,
            Side::Internal => 5,
            Side::Interrupted => 130,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
            Side::Plan => "plan",
            Side::Verification => "verification",
            Side::Internal => "internal",
            Side::Interrupted => "interrupted",
        })
    }
}

type Cause = Box<dyn StdError + Send + Sync + 'static>;

pub type Result<T> = std::result::Result<T, Error>;

/// What was attempted, on which side; the cause stays in `source()`.
#[derive(Debug)]
pub struct Error {
    side: Side,
    attempt: String,
    cause: Option<Cause>,
    remedy: Option<String>,
    passing: bool,
    from_the_start: bool,
}

/// What a server answers when the same may go well a little later: connections that break (08), a deadlock, too many connections, a
/// shutdown or a start.
const PASSING: [&str; 10] = [
    "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03", "57P04", "57P05", "25P03",
];

impl Error {
    pub fn new(side: Side, attempt: impl Into<String>) -> Error {
        Error {
            side,
            attempt: attempt.into(),
            cause: None,
            remedy: None,
            passing: false,
            from_the_start: false,
        }
    }

    pub fn because(mut self, cause: impl Into<Cause>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Error {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same may go well a little later.
    pub fn passing(mut self) -> Error {
        self.passing = true;
        self
    }

    /// The snapshot, or the server itself, is not what it was: a run has to take a new one and go on from its ledger.
    pub fn from_the_start(mut self) -> Error {
        self.from_the_start = true;
        self
    }

    /// Whether a run may go well that starts over from its ledger.
    pub fn may_start_over(&self) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            let own = error.downcast_ref::<Error>();
            if own.is_some_and(|own| own.from_the_start) {
                return true;
            }
            cause = error.source();
        }
        self.may_pass()
    }

    /// Whether the same may go well a little later: a connection was lost, or a server said so.
    pub fn may_pass(&self) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(own) = error.downcast_ref::<Error>() {
                if own.passing {
                    return true;
                }
            } else if let Some(pg) = error.downcast_ref::<tokio_postgres::Error>() {
                if let Some(code) = pg.code().map(|c| c.code()) {
                    return code.starts_with("08") || PASSING.contains(&code);
                }
                if pg.is_closed() {
                    return true;
                }
            } else if error.is::<std::io::Error>() {
                return matches!(self.side, Side::Source | Side::Target);
            }
            cause = error.source();
        }
        false
    }

    /// A closure for `map_err`: the attempt is named where it is made.
    pub fn on<E: Into<Cause>>(side: Side, attempt: impl Into<String>) -> impl FnOnce(E) -> Error {
        move |cause| Error::new(side, attempt).because(cause)
    }

    /// Says of an error what larger step it broke; the side stays the one that failed.
    pub fn during(self, attempt: impl Into<String>) -> Error {
        Error::new(self.side, attempt).because(self)
    }

    /// In place there is one server, which is both.
    pub fn of_one_server(mut self) -> Error {
        if self.side == Side::Source {
            self.side = Side::Target;
        }
        self
    }

    pub fn side(&self) -> Side {
        self.side
    }

    pub fn exit_code(&self) -> u8 {
        self.side.exit_code()
    }

    /// The SQLSTATE of the server's answer, if a server's answer is the root of the matter.
    pub fn sqlstate(&self) -> Option<String> {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(pg) = error.downcast_ref::<tokio_postgres::Error>() {
                return pg.code().map(|c| c.code().to_string());
            }
            cause = error.source();
        }
        None
    }

    /// What the server said, in one line; the attempt itself where no server is the cause.
    pub fn server_says(&self) -> String {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(pg) = error.downcast_ref::<tokio_postgres::Error>() {
                return server_message(pg);
            }
            cause = error.source();
        }
        self.attempt.clone()
    }

    /// The chain, printed once: the attempt, each cause on a line of its own, the server's detail and hint, the remedy.
    pub fn chain(&self) -> String {
        let mut lines = vec![format!("error: {}: {}", self.side, self.attempt)];
        let mut remedies: Vec<&str> = self.remedy.as_deref().into_iter().collect();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            if let Some(own) = error.downcast_ref::<Error>() {
                lines.push(format!("  because: {}", own.attempt));
                remedies.extend(own.remedy.as_deref());
            } else if let Some(pg) = error.downcast_ref::<tokio_postgres::Error>() {
                lines.extend(server_lines(pg));
                if pg.as_db_error().is_some() {
                    break;
                }
            } else {
                lines.push(format!("  because: {error}"));
            }
            cause = error.source();
        }
        lines.extend(remedies.iter().map(|r| format!("  remedy: {r}")));
        lines.join("\n")
    }
}

/// What the server said, in its own words; a plain "db error" helps nobody. Its DETAIL is left out where it may hold
/// the values of a row.
fn server_lines(error: &tokio_postgres::Error) -> Vec<String> {
    let Some(db) = error.as_db_error() else {
        return vec![format!("  because: {error}")];
    };
    let mut lines = vec![format!(
        "  because: {} {}: {}",
        db.severity(),
        db.code().code(),
        db.message()
    )];
    if let Some(detail) = db.detail().filter(|_| !detail_holds_values(db.code())) {
        lines.push(format!("  detail: {detail}"));
    }
    if let Some(hint) = db.hint() {
        lines.push(format!("  hint: {hint}"));
    }
    // A COPY's context names the line, and sometimes the value of a column after a colon.
    if let Some(place) = db.where_().and_then(|w| w.lines().next()) {
        let place = place.split(':').next().unwrap_or(place);
        lines.push(format!("  context: {place}"));
    }
    lines
}

/// Class 23 (a constraint refused a row) prints the whole failing row, except for unique keys.
fn detail_holds_values(code: &tokio_postgres::error::SqlState) -> bool {
    let code = code.code();
    code.starts_with("23") && code != "23505" && code != "23503"
}

/// The server's message in one line, for findings.
pub fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message().replace('\n', " ")),
        None => match StdError::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.side, self.attempt)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause
            .as_ref()
            .map(|c| c.as_ref() as &(dyn StdError + 'static))
    }
}
