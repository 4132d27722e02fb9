//! In: arguments that several commands have. Out: what they mean: where, what, and how much is said.

use std::path::PathBuf;

use clap::Args;

use super::{LogFormat, Scope, Voice};
use crate::connect::Endpoint;
use crate::error::{Result, Side};

#[derive(Args, Debug)]
pub(super) struct TargetArguments {
    /// The database on the cluster with PGVecto.rs
    #[arg(
        long,
        required = true,
        env = "PGV2RS_TARGET",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Where from, where to"
    )]
    target: Option<String>,
}

// Required where no command stands before them; a command asks for its own.
#[derive(Args, Debug)]
pub(super) struct Ends {
    /// The database with pgvector: postgresql://user@host:port/database, or libpq's key=value form; PG* variables, services and password files fill in the rest
    #[arg(
        long,
        required = true,
        env = "PGV2RS_SOURCE",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Where from, where to"
    )]
    source: Option<String>,

    #[command(flatten)]
    pub(super) to: TargetArguments,
}

#[derive(Args, Debug)]
pub(super) struct What {
    /// Only the objects in matching schemas (pattern as in pg_dump; repeatable)
    #[arg(
        short = 'n',
        long,
        value_name = "PATTERN",
        help_heading = "What to move"
    )]
    pub(super) schema: Vec<String>,

    /// Only matching tables, and what they need (pattern as in pg_dump; repeatable)
    #[arg(
        short = 't',
        long,
        value_name = "PATTERN",
        help_heading = "What to move"
    )]
    pub(super) table: Vec<String>,

    /// All but matching tables (pattern as in pg_dump; repeatable)
    #[arg(
        short = 'T',
        long,
        value_name = "PATTERN",
        help_heading = "What to move"
    )]
    pub(super) exclude_table: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct Says {
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "What it says")]
    pub(super) report: Option<PathBuf>,

    #[command(flatten)]
    loudness: Loudness,
}

#[derive(Args, Debug)]
pub(super) struct Loudness {
    /// Say more (-v: each step and statement; -vv: everything)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "What it says")]
    verbose: u8,

    /// Say nothing but warnings, errors and the report
    #[arg(short, long, conflicts_with = "verbose", help_heading = "What it says")]
    quiet: bool,

    /// The form of log lines on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, help_heading = "What it says")]
    log_format: LogFormat,
}

impl Ends {
    pub(super) fn source(&self) -> Result<Endpoint> {
        Endpoint::parse(Side::Source, self.source.as_deref().unwrap_or_default())
    }
}

impl TargetArguments {
    pub(super) fn target(&self) -> Result<Endpoint> {
        Endpoint::parse(Side::Target, self.target.as_deref().unwrap_or_default())
    }
}

impl What {
    pub(super) fn scope(&self) -> Scope {
        Scope {
            schemas: self.schema.clone(),
            tables: self.table.clone(),
            excluded_tables: self.exclude_table.clone(),
        }
    }
}

impl Says {
    pub(super) fn voice(&self) -> Voice {
        self.loudness.voice()
    }
}

impl Loudness {
    pub(super) fn voice(&self) -> Voice {
        Voice {
            verbose: self.verbose,
            quiet: self.quiet,
            log_format: self.log_format,
        }
    }
}
