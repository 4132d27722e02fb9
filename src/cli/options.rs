//! In: nothing. Out: the words for what is asked for: a move, a comparison, and the choices in them. How they are written on the command line is
//! their parent's matter.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::connect::Endpoint;
use crate::roles::RoleWishes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Native,
    RealArray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
    Sql,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overflow {
    /// Stop, naming the row
    Error,
    /// The largest number that vecf16 holds
    Saturate,
    /// Infinity
    Infinity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaSource {
    Dump,
    Existing,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    ValueEnum,
    serde::Deserialize,
    serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    None,
    Counts,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// `--map schema.table.column=type`, names as the catalog has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub schema: String,
    pub table: String,
    pub column: String,
    pub to: dialect::types::TargetType,
}

/// `--role-map old=new`, names as the catalogs have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMapping {
    pub from: String,
    pub to: String,
}

/// Patterns as in pg_dump.
#[derive(Clone, Default)]
pub struct Scope {
    pub schemas: Vec<String>,
    pub tables: Vec<String>,
    pub excluded_tables: Vec<String>,
}

impl Scope {
    /// But for what is excluded.
    pub fn is_whole(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }
}

/// How much is said, and where to.
#[derive(Clone, Copy)]
pub struct Voice {
    pub verbose: u8,
    pub quiet: bool,
    pub log_format: LogFormat,
}

impl Voice {
    /// Of a command that has no options for it.
    pub fn plain() -> Voice {
        Voice {
            verbose: 0,
            quiet: false,
            log_format: LogFormat::Text,
        }
    }
}

/// What the program is to do.
pub enum Task {
    Move(Box<Options>),
    Verify(Box<VerifyOptions>),
    InPlace(Box<InPlaceOptions>),
    Finish(Box<FinishOptions>),
    Status(Endpoint),
    Clean(Endpoint),
}

/// A comparison, as the user asked for it.
pub struct VerifyOptions {
    pub source: Endpoint,
    pub target: Endpoint,
    pub scope: Scope,
    pub jobs: usize,
    pub report: Option<PathBuf>,
    pub voice: Voice,
}

/// How columns change where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A new column beside the old one, filled while the table is in use, and swapped
    AddColumn,
    /// One rewrite of the table while nobody else uses it
    AlterType,
    /// A new table beside the old one, filled and kept in step while that is in use, and swapped
    Shadow,
}

impl Method {
    pub fn text(self) -> &'static str {
        match self {
            Method::AddColumn => "add-column",
            Method::AlterType => "alter-type",
            Method::Shadow => "shadow",
        }
    }

    pub fn of(text: &str) -> Option<Method> {
        let all = [Method::AddColumn, Method::AlterType, Method::Shadow];
        all.into_iter().find(|m| m.text() == text)
    }
}

/// A change in place, as the user asked for it.
pub struct InPlaceOptions {
    pub target: Endpoint,
    pub scope: Scope,
    pub method: Method,
    pub mappings: Vec<Mapping>,
    pub undo: bool,
    pub yes: bool,
    pub drop_old_index: bool,
    pub recreate_views: bool,
    pub dry_run: bool,
    pub output: Output,
    pub allow_findings: bool,
    pub batch_rows: u32,
    pub throttle: Option<usize>,
    pub lock_timeout: Duration,
    pub retry_for: Duration,
    pub index_threads: u32,
    pub report: Option<PathBuf>,
    pub voice: Voice,
}

/// Whose search_path gets the schema `vectors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPath {
    /// In this database.
    Role(String),
    Database,
    System,
}

/// What comes last, as the user asked for it.
pub struct FinishOptions {
    pub target: Endpoint,
    pub keep_pgvector: bool,
    pub compat_operators: Option<String>,
    pub search_path: Option<SearchPath>,
    pub dry_run: bool,
    pub voice: Voice,
}

/// A move, as the user asked for it.
pub struct Options {
    pub source: Endpoint,
    pub target: Endpoint,
    pub scope: Scope,
    pub mappings: Vec<Mapping>,
    pub format: Format,
    pub overflow: Overflow,
    pub schema_source: SchemaSource,
    /// The schema for pgvector's names, as the catalog has it.
    pub compat_operators: Option<String>,
    pub roles: RoleWishes,
    pub dry_run: bool,
    pub output: Output,
    pub allow_findings: bool,
    pub reject_table: bool,
    pub join: bool,
    pub jobs: usize,
    pub memory: usize,
    pub throttle: Option<usize>,
    pub min_free: Option<u64>,
    pub retry_for: Duration,
    pub stall_timeout: Duration,
    pub index_jobs: usize,
    pub index_threads: u32,
    pub verify: Verify,
    pub pg_dump: PathBuf,
    pub report: Option<PathBuf>,
    pub voice: Voice,
    /// What of the command line decides what is on the target at the end, as it was written: a run goes on with the same only.
    pub wishes: String,
}
