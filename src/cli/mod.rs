//! In: the arguments and two environment variables. Out: `Options`, checked as far as text alone allows. What they mean for
//! a given pair of servers is decided in `plan`.

mod finish;
mod in_place;
mod options;
mod shared;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Result, Side};
use crate::roles::RoleWishes;
pub use options::{
    FinishOptions, Format, InPlaceOptions, LogFormat, Mapping, Method, Options, Output, Overflow,
    RoleMapping, SchemaSource, Scope, SearchPath, Task, Verify, VerifyOptions, Voice,
};
use shared::{Ends, Loudness, Says, TargetArguments, What};
pub use values::names;
use values::{compat_schema, longer_time, mapping, rate, role_mapping, size, time};

/// Moves a database that uses pgvector to a cluster that runs PGVecto.rs: schema, rows, indexes, and the proof that
/// nothing changed on the way.
///
/// The source is only read. The target database must exist and hold none of the tables that come. Everything is
/// planned and rehearsed before the first byte is written; look at the plan first with --dry-run.
///
/// However a run ends, the same command again goes on from there: what is done is noted on the target, in the schema
/// pgv2rs, in the transaction that does it.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    ends: Ends,

    #[command(flatten)]
    what: What,

    /// The type that one column becomes: vector, vecf16, bvector, svector or real[] (repeatable)
    #[arg(
        long,
        value_name = "SCHEMA.TABLE.COLUMN=TYPE",
        help_heading = "What it becomes"
    )]
    map: Vec<String>,

    /// PGVecto.rs's types, or real[] on a target without any extension
    #[arg(long, value_enum, default_value_t = Format::Native, help_heading = "What it becomes")]
    format: Format,

    /// What to do with a number too large for vecf16, where --map asks for vecf16
    #[arg(long, value_enum, default_value_t = Overflow::Error, help_heading = "What it becomes")]
    overflow: Overflow,

    /// Also make pgvector's operators, functions and type names in this schema of the target, so that old queries run and use the index
    #[arg(long, value_name = "SCHEMA", help_heading = "What it becomes")]
    compat_operators: Option<String>,

    /// Make the tables from the source's pg_dump, or take those that are on the target already, empty
    #[arg(long, value_enum, default_value_t = SchemaSource::Dump, help_heading = "What it becomes")]
    schema_source: SchemaSource,

    /// Everything becomes the connecting role's
    #[arg(long, help_heading = "Whose it becomes")]
    no_owner: bool,

    /// No GRANT, REVOKE or default privileges
    #[arg(long, help_heading = "Whose it becomes")]
    no_privileges: bool,

    /// What a role is called on the target, wherever one owns, is granted something or stands in a policy (repeatable)
    #[arg(long, value_name = "OLD=NEW", help_heading = "Whose it becomes")]
    role_map: Vec<String>,

    /// Print the plan and write nothing
    #[arg(long, help_heading = "How it runs")]
    dry_run: bool,

    /// With --dry-run: the plan for a person, one JSON document, or the schema as an SQL script; nothing else on standard output
    #[arg(long, value_enum, default_value_t = Output::Text, requires = "dry_run", help_heading = "How it runs")]
    output: Output,

    /// Go on although the plan has findings that need a decision; those objects are left out and stand in the report
    #[arg(long, help_heading = "How it runs")]
    allow_findings: bool,

    /// Go on without rows that cannot be converted: each is named in pgv2rs.rejected on the target and in the report, and the exit code
    /// is 6; a run that such a row has stopped may go on with it
    #[arg(long, help_heading = "How it runs")]
    reject_table: bool,

    /// Slices of tables copied at a time, each by a connection to either server
    #[arg(short = 'j', long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "How it runs")]
    jobs: u16,

    /// Help a run that another process has begun, perhaps on another machine: copy slices of it under its snapshot, and nothing else
    #[arg(long, conflicts_with = "dry_run", help_heading = "How it runs")]
    join: bool,

    /// Bytes of rows that may be on their way at once, beside the longest row (kB, MB, GB)
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = size, help_heading = "How it runs")]
    memory: usize,

    /// Read no more than this from the source in a second, all jobs together (kB, MB, GB), so that it has time for others
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "How it runs")]
    throttle: Option<usize>,

    /// Stop before the target's disk has less than this free (MB, GB), where it can be seen: on this machine
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "How it runs")]
    min_free: Option<usize>,

    /// How long lost connections, restarts and deadlocks are tried again after the last thing that worked (s, min, h)
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = time, help_heading = "How it runs")]
    retry_for: Duration,

    /// How long a slice may stand still before that is an error, which says what it waits for (s, min, h)
    #[arg(long, value_name = "TIME", default_value = "15min", value_parser = longer_time, help_heading = "How it runs")]
    stall_timeout: Duration,

    /// Ordinary indexes built at a time; vector indexes are built one after another
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "How it runs")]
    index_jobs: u16,

    /// Threads with which PGVecto.rs builds one vector index [default: the cores of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65535), help_heading = "How it runs")]
    index_threads: Option<u32>,

    /// How the copy is proved: every row by digest, row counts only, or not at all
    #[arg(long, value_enum, default_value_t = Verify::Full, help_heading = "How it runs")]
    verify: Verify,

    /// The pg_dump to use; it must be at least as new as the source
    #[arg(
        long,
        env = "PGV2RS_PG_DUMP",
        value_name = "PATH",
        default_value = "pg_dump",
        help_heading = "How it runs"
    )]
    pg_dump: PathBuf,

    #[command(flatten)]
    says: Says,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Compare the rows of both databases, at any time after a move
    ///
    /// Counts, and the servers' own texts of all values: nothing of the copy's code is asked. What each column became is read off the
    /// target. Where rows differ, their primary keys are named. Writes nothing, and looks at the source under one snapshot.
    #[command(
        after_help = "Exit codes: 0 the same, 1 a difference, 2 the command line, 3 the source failed, 4 the target failed, 130 stopped by the user"
    )]
    Verify(VerifyArguments),

    /// Change the columns inside of one database that has both extensions, without the long lock
    ///
    /// The documented way, done by the program: every column of pgvector's types becomes one of PGVecto.rs's, with its indexes, defaults and privileges.
    /// The server's own casts convert. However it ends, the same command again goes on from there; until a table's columns are swapped, --undo leaves
    /// it as it was.
    #[command(
        after_help = "Exit codes: 0 changed and verified, 1 a difference, 2 the command line or the plan, 4 the server failed, 130 stopped by the user"
    )]
    InPlace(in_place::Arguments),

    /// Clean up, when a move or a change in place is done and verified
    ///
    /// Drops the extension vector where it is left; what still hangs on it stops that, and is named. Then the statistics are gathered. On a target of a move
    /// there is no pgvector to drop.
    #[command(
        after_help = "Exit codes: 0 done, 2 the command line or the ledger, 4 the server refused, 130 stopped by the user"
    )]
    Finish(finish::Arguments),

    /// Say how far the runs into a target are
    ///
    /// Reads the ledger that each run keeps on its target, so it can be asked from anywhere, also while the run works. Writes nothing.
    Status(TargetArguments),

    /// Forget all runs into a target: drop their ledger, the schema pgv2rs
    ///
    /// What was copied stays. A run that was not done cannot go on after that, and the list of rejected rows is gone too.
    Clean(TargetArguments),
}

#[derive(Args, Debug)]
struct VerifyArguments {
    #[command(flatten)]
    ends: Ends,

    #[command(flatten)]
    what: What,

    /// Tables compared at a time
    #[arg(short = 'j', long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "How it runs")]
    jobs: u16,

    #[command(flatten)]
    says: Says,
}

const AFTER_HELP: &str = "\
Exit codes:
  0    moved and verified (with --dry-run: the plan holds)
  1    verification found a difference
  2    the command line, or the plan: nothing was written
  3    the source failed
  4    the target failed, or refused a step after the rows (the report says which)
  5    an error in this program
  6    moved, and verified, but for rejected rows (--reject-table)
  130  stopped by the user

Examples:
  pgv2rs-copy --source postgresql://app@old/shop --target postgresql://postgres@new/shop --dry-run
  pgv2rs-copy --source postgresql://app@old/shop --target postgresql://postgres@new/shop --report move.json
  pgv2rs-copy --source service=old --target 'host=new dbname=shop sslmode=verify-full sslrootcert=ca.crt'
  PGV2RS_SOURCE=… PGV2RS_TARGET=… pgv2rs-copy -t 'public.items' --map public.items.embedding=vecf16";

/// Reads the command line; prints help or a usage error and ends the program itself where clap would.
pub fn parse() -> Result<Task> {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    match arguments.command {
        None => Ok(Task::Move(Box::new(meaning(arguments)?))),
        Some(Command::Status(to)) => {
            nothing_before_the_command(&matches)?;
            Ok(Task::Status(to.target()?))
        }
        Some(Command::Clean(to)) => {
            nothing_before_the_command(&matches)?;
            Ok(Task::Clean(to.target()?))
        }
        Some(Command::InPlace(arguments)) => {
            nothing_before_the_command(&matches)?;
            Ok(Task::InPlace(Box::new(in_place::meaning(arguments)?)))
        }
        Some(Command::Finish(a)) => {
            nothing_before_the_command(&matches)?;
            Ok(Task::Finish(Box::new(finish::meaning(a)?)))
        }
        Some(Command::Verify(verify)) => {
            nothing_before_the_command(&matches)?;
            Ok(Task::Verify(Box::new(VerifyOptions {
                source: verify.ends.source()?,
                target: verify.ends.to.target()?,
                scope: verify.what.scope(),
                jobs: verify.jobs.into(),
                report: verify.says.report.clone(),
                voice: verify.says.voice(),
            })))
        }
    }
}

/// An option there is the move's, and would be taken for nothing.
fn nothing_before_the_command(matches: &ArgMatches) -> Result<()> {
    let given =
        |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    match matches.ids().find(given) {
        None => Ok(()),
        Some(id) => Err(Error::new(Side::Plan, "reading the command line")
            .because(format!(
                "--{} stands before the command",
                id.as_str().replace('_', "-")
            ))
            .remedy("options of a command stand behind it")),
    }
}

fn meaning(a: Arguments) -> Result<Options> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let wishes = wishes(&a);
    Ok(Options {
        wishes,
        source: a.ends.source()?,
        target: a.ends.to.target()?,
        scope: a.what.scope(),
        mappings: a.map.iter().map(|m| mapping(m)).collect::<Result<_>>()?,
        format: a.format,
        overflow: a.overflow,
        schema_source: a.schema_source,
        compat_operators: a
            .compat_operators
            .map(|name| compat_schema(&name, a.format))
            .transpose()?,
        roles: RoleWishes {
            no_owner: a.no_owner,
            no_privileges: a.no_privileges,
            mapped: a
                .role_map
                .iter()
                .map(|m| role_mapping(m))
                .collect::<Result<_>>()?,
        },
        dry_run: a.dry_run,
        output: a.output,
        allow_findings: a.allow_findings,
        reject_table: a.reject_table,
        jobs: a.jobs.into(),
        join: a.join,
        memory: a.memory,
        throttle: a.throttle,
        min_free: a.min_free.map(|bytes| bytes as u64),
        retry_for: a.retry_for,
        stall_timeout: a.stall_timeout,
        index_jobs: a.index_jobs.into(),
        index_threads: a.index_threads.unwrap_or(cores.try_into().unwrap_or(1)),
        verify: a.verify,
        pg_dump: a.pg_dump,
        voice: a.says.voice(),
        report: a.says.report,
    })
}

/// The options that decide what is on the target at the end, one form for each way to write them. Not --reject-table: a run that a row
/// has stopped may go on with it; without it, what was rejected is tried again.
fn wishes(a: &Arguments) -> String {
    let several = [
        ("--schema", &a.what.schema),
        ("--table", &a.what.table),
        ("--exclude-table", &a.what.exclude_table),
        ("--map", &a.map),
        ("--role-map", &a.role_map),
    ];
    let mut words = Vec::new();
    for (name, values) in several {
        let mut values = values.clone();
        values.sort();
        words.extend(values.iter().map(|v| format!("{name} {v}")));
    }
    if a.format == Format::RealArray {
        words.push("--format real-array".into());
    }
    if a.overflow != Overflow::Error {
        words.push(format!(
            "--overflow {}",
            format!("{:?}", a.overflow).to_lowercase()
        ));
    }
    words.extend(
        a.compat_operators
            .iter()
            .map(|s| format!("--compat-operators {s}")),
    );
    if a.schema_source == SchemaSource::Existing {
        words.push("--schema-source existing".into());
    }
    let flags = [
        ("--no-owner", a.no_owner),
        ("--no-privileges", a.no_privileges),
        ("--allow-findings", a.allow_findings),
    ];
    words.extend(
        flags
            .iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name.to_string()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
