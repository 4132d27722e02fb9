//! In: the arguments of `pgv2rs-copy finish`. Out: its options.

use clap::Args;

use super::values::{compat_schema, search_path};
use super::{FinishOptions, Format, Loudness, TargetArguments};
use crate::error::Result;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    to: TargetArguments,

    /// Leave the extension vector where it is
    #[arg(long, help_heading = "What is done")]
    keep_pgvector: bool,

    /// Make pgvector's operators, functions and type names in this schema, so that old queries run and use the index
    #[arg(long, value_name = "SCHEMA", help_heading = "What is done")]
    compat_operators: Option<String>,

    /// Put the schema vectors behind a search_path: role=NAME, database or system. Better not: real[] = real[] is ambiguous then
    #[arg(long, value_name = "PLACE", help_heading = "What is done")]
    search_path: Option<String>,

    /// Say what would be done, and do nothing
    #[arg(long, help_heading = "What is done")]
    dry_run: bool,

    #[command(flatten)]
    says: Loudness,
}

pub fn meaning(a: Arguments) -> Result<FinishOptions> {
    Ok(FinishOptions {
        target: a.to.target()?,
        keep_pgvector: a.keep_pgvector,
        compat_operators: a
            .compat_operators
            .map(|name| compat_schema(&name, Format::Native))
            .transpose()?,
        search_path: a.search_path.map(|place| search_path(&place)).transpose()?,
        dry_run: a.dry_run,
        voice: a.says.voice(),
    })
}
