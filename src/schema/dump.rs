//! In: the source, a snapshot, and a pg_dump. Out: the text of both sections under that snapshot, comments with OIDs included.
//! It reads no line of it: the dialect does.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::cli::Options;
use crate::error::{Error, Result, Side};

pub struct Sections {
    pub before_data: String,
    pub after_data: String,
}

/// Refuses a pg_dump that is missing, or older than the source.
pub async fn check_version(pg_dump: &Path, source_version_num: u32) -> Result<()> {
    let attempt = format!("running {} --version", pg_dump.display());
    let remedy = "install the PostgreSQL client of the source's version or newer, and name it with --pg-dump PATH";
    let output = Command::new(pg_dump)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|e| {
            Error::new(Side::Plan, attempt.clone())
                .because(e)
                .remedy(remedy)
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let major = text
        .split_whitespace()
        .filter_map(|word| word.split(['.', 'b', 'r', 'd']).next()?.parse::<u32>().ok())
        .next();
    let source = source_version_num / 10_000;
    match major {
        Some(major) if major >= source => Ok(()),
        Some(major) => Err(Error::new(Side::Plan, attempt)
            .because(format!(
                "it is pg_dump {major}; the source is PostgreSQL {source}"
            ))
            .remedy(remedy)),
        None => Err(Error::new(Side::Plan, attempt)
            .because("it does not say its version as pg_dump does")
            .remedy(remedy)),
    }
}

/// `unread` are patterns of tables that the role may not read: they do not come.
pub async fn both_sections(
    options: &Options,
    snapshot: &str,
    unread: &[String],
) -> Result<Sections> {
    let (before_data, after_data) = futures::try_join!(
        section(options, snapshot, "pre-data", unread),
        section(options, snapshot, "post-data", unread)
    )?;
    Ok(Sections {
        before_data,
        after_data,
    })
}

/// `--verbose` writes each entry's catalog and OID into the comment above it: identity without guessing from names.
async fn section(
    options: &Options,
    snapshot: &str,
    section: &str,
    unread: &[String],
) -> Result<String> {
    let attempt = format!("running pg_dump --section={section}");
    let mut command = Command::new(&options.pg_dump);
    // What they say is in the endpoint already; as they are they might speak of another server.
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    let output = command
        .args([
            "--verbose",
            "--no-password",
            "--format=plain",
            "--encoding=UTF8",
        ])
        .arg(format!("--section={section}"))
        .arg(format!("--snapshot={snapshot}"))
        .arg("--lock-wait-timeout=60s")
        // The ledger of moves into this database is no part of it.
        .arg("--exclude-schema=pgv2rs")
        .args(unread.iter().map(|t| format!("--exclude-table={t}")))
        .args(options.roles.no_owner.then_some("--no-owner"))
        .args(options.roles.no_privileges.then_some("--no-privileges"))
        .envs(options.source.libpq_environment())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| Error::new(Side::Plan, attempt.clone()).because(e))?;
    if !output.status.success() {
        // Verbose progress goes to standard error too; only what pg_dump calls an error is worth repeating.
        let said = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = said
            .lines()
            .filter(|l| l.contains("error") || l.contains("detail"))
            .collect();
        let errors = errors.join("; ");
        let remedy = match errors.contains("LOCK TABLE") || errors.contains("timeout") {
            true => {
                "someone holds or waits for ACCESS EXCLUSIVE on one of the tables (TRUNCATE, ALTER, VACUUM FULL): let that end first"
            }
            // In SQL_ASCII the server takes any bytes, and gives them as UTF-8 only if they are.
            false if errors.contains("invalid byte sequence") => {
                "a default, comment, view, function or label of the schema holds text that is not UTF-8: write it anew in ASCII or UTF-8 on the source (rows may hold any bytes)"
            }
            false => "the role needs SELECT on every table and sequence of the database",
        };
        return Err(Error::new(Side::Source, attempt)
            .because(errors)
            .remedy(remedy));
    }
    String::from_utf8(output.stdout).map_err(Error::on(Side::Source, attempt))
}
