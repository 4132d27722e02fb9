//! In: a database whose move, or whose change in place, is done and verified. Out: what comes last, on request only: pgvector dropped where it is left,
//! its names over PGVecto.rs's types, a search_path as the user chooses, fresh statistics. Nothing is dropped that something hangs on.

use crate::cli::{FinishOptions, SearchPath};
use crate::compat;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{self, State};
use crate::ledger::{self, Phase};
use crate::run::warn_of;

fn on(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |e| Error::new(Side::Target, what).because(e)
}

/// Out: what was done, or what would be, in words.
pub async fn run(options: &FinishOptions) -> Result<String> {
    warn_of([&options.target]);
    let session = options.target.connect().await?;
    after_a_verified_move(&session).await?;
    let mut said = Vec::new();
    clean(&session, "BEGIN").await?;
    let dry = options.dry_run;
    let done = in_transaction(options, &session, &mut said).await;
    let end = if done.is_ok() && !dry {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = clean(&session, end).await;
    done.and(ended)?;
    // ALTER SYSTEM is done in no transaction.
    if options.search_path == Some(SearchPath::System) {
        let set = search_path(&session, &SearchPath::System, dry, &mut said).await;
        set.map_err(|e| e.remedy(format!("done before it: {}", said.join("; "))))?;
    }
    if !dry {
        // Tables of others are theirs to analyze: the server says so, and goes on.
        session
            .batch_execute("ANALYZE")
            .await
            .map_err(on("gathering statistics"))?;
    }
    said.push("ANALYZE".into());
    let title = if dry { "would be done" } else { "done" };
    let lines: Vec<String> = said.iter().map(|s| format!("  {s}\n")).collect();
    Ok(format!(
        "{}: {title}\n{}",
        options.target.place(),
        lines.concat()
    ))
}

async fn clean(session: &Session, sql: &str) -> Result<()> {
    session.batch_execute(sql).await.map_err(on("cleaning up"))
}

/// What the ledger must say before anything is dropped.
async fn after_a_verified_move(session: &Session) -> Result<()> {
    let refuse = |why: String, remedy: &str| {
        Err(Error::new(Side::Plan, "cleaning up")
            .because(why)
            .remedy(remedy.to_string()))
    };
    let runs = ledger::readable_runs(session).await?;
    let lines = in_place::lines(session).await?;
    if runs.iter().any(|run| run.phase != Phase::Done) {
        return refuse(
            "a move into this database is not done".into(),
            "end it first, with its own command",
        );
    }
    if let Some(line) = lines.iter().find(|l| l.state != State::Done) {
        return refuse(
            format!("the change of {} in place is not done", line.unit.display()),
            "end it first, with its own command, or take it back with --undo",
        );
    }
    let verified = match runs.first() {
        None => !lines.is_empty(),
        Some(run) => {
            let (_, report) = run.report()?;
            let report: serde_json::Value = serde_json::from_str(&report)
                .map_err(Error::on(Side::Target, "reading the ledger"))?;
            report["verified"] == true
        }
    };
    match verified {
        true => Ok(()),
        false => refuse(
            "the ledger knows of no move into this database, and of no change in it, that was verified in full".into(),
            "move it with --verify full, or change it with pgv2rs-copy in-place, first",
        ),
    }
}

/// pgvector goes, and its names come back over the new types: both, or neither.
async fn in_transaction(
    options: &FinishOptions,
    session: &Session,
    said: &mut Vec<String>,
) -> Result<()> {
    let sql = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vector'";
    let there = session.query_opt(sql, &[]).await;
    let there = there.map_err(on("looking for pgvector"))?;
    match there {
        Some(row) if !options.keep_pgvector => {
            // As it is declared: what hangs on it stops it, and the server names that.
            let dropped = session
                .batch_execute("DROP EXTENSION vector RESTRICT")
                .await;
            dropped.map_err(|e| {
                Error::new(Side::Target, "dropping the extension vector; nothing was changed")
                    .because(e)
                    .remedy("what is named still uses pgvector: change it (pgv2rs-copy in-place), drop it, or leave the extension with --keep-pgvector")
            })?;
            bodies(session, said).await?;
            said.push(format!(
                "DROP EXTENSION vector ({})",
                row.get::<_, String>(0)
            ));
        }
        Some(_) => {}
        None => said.push("the extension vector is not here".into()),
    }
    if let Some(schema) = &options.compat_operators {
        let (made, notes) = compat::make(session, schema).await?;
        said.push(format!(
            "{made} of pgvector's names made in schema {}",
            crate::catalog::ident(schema)
        ));
        said.extend(notes);
    }
    match &options.search_path {
        Some(place) if *place != SearchPath::System => {
            search_path(session, place, false, said).await
        }
        _ => Ok(()),
    }
}

/// Bodies that are strings hang on nothing, as the server sees it.
async fn bodies(session: &Session, said: &mut Vec<String>) -> Result<()> {
    let sql = "SELECT p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
        WHERE l.lanname NOT IN ('c', 'internal') AND p.pronamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pgv2rs')) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e') \
        AND pg_catalog.regexp_replace(p.prosrc, 'vectors\\.\\w+', '', 'g') ~* '\\m(vector|halfvec|sparsevec)\\M|<->|<=>|<#>|<\\+>' ORDER BY 1";
    let rows = session.query(sql, &[]).await;
    let names: Vec<String> = rows
        .map_err(on("reading the functions' bodies"))?
        .iter()
        .map(|r| r.get(0))
        .collect();
    if !names.is_empty() {
        let note = format!(
            "note: bodies that may speak of pgvector, which nothing but a look can tell: {}",
            names.join(", ")
        );
        tracing::warn!("{note}");
        said.push(note);
    }
    Ok(())
}

const AMBIGUOUS: &str = "with vectors on a search_path real[] = real[] is ambiguous (42725), real[] + real[] and avg(real[]) become those of vectors: \
    --compat-operators keeps old queries running without it";

/// Appends the schema `vectors` to the search_path that holds at this level.
async fn search_path(
    session: &Session,
    place: &SearchPath,
    dry: bool,
    said: &mut Vec<String>,
) -> Result<()> {
    tracing::warn!("{AMBIGUOUS}");
    let row = session
        .query_one("SELECT current_database()::text", &[])
        .await;
    let database: String = row.map_err(on("asking for the database's name"))?.get(0);
    let (role, alter) = match place {
        SearchPath::Role(role) => (
            Some(role.as_str()),
            format!(
                "ALTER ROLE {} IN DATABASE {}",
                quote(role),
                quote(&database)
            ),
        ),
        SearchPath::Database => (None, format!("ALTER DATABASE {}", quote(&database))),
        SearchPath::System => (None, "ALTER SYSTEM".to_string()),
    };
    // The nearest that is set: the role's here, the role's, the database's, all roles', the server's.
    let level = match place {
        SearchPath::Role(_) => 4,
        SearchPath::Database => 2,
        SearchPath::System => 0,
    };
    let set = "SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
        LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
        WHERE CASE WHEN r.rolname = $1 AND d.datname = current_database() THEN 4 WHEN r.rolname = $1 AND s.setdatabase = 0 THEN 3 \
          WHEN s.setrole = 0 AND d.datname = current_database() THEN 2 WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 1 END <= $2 \
        ORDER BY CASE WHEN r.rolname = $1 AND d.datname = current_database() THEN 4 WHEN r.rolname = $1 THEN 3 WHEN s.setdatabase <> 0 THEN 2 ELSE 1 END DESC";
    let rows = session.query(set, &[&role, &level]).await;
    let rows = rows.map_err(on("reading the search_path"))?;
    let settings = rows.iter().flat_map(|r| r.get::<_, Vec<String>>(0));
    let own = settings
        .into_iter()
        .find_map(|s| s.strip_prefix("search_path=").map(String::from));
    let path = match own {
        Some(path) => path,
        None => of_server(session).await?,
    };
    let mut names = crate::cli::names(&path).ok_or_else(|| {
        Error::new(Side::Target, "reading the search_path")
            .because("a quoted name in it does not end")
    })?;
    if names.iter().any(|n| n == "vectors") {
        said.push("vectors is on that search_path already".into());
        return Ok(());
    }
    names.retain(|n| !n.is_empty());
    names.push("vectors".into());
    let names: Vec<String> = names.iter().map(|n| quote(n)).collect();
    let statement = format!("{alter} SET search_path = {}", names.join(", "));
    if !dry {
        session
            .batch_execute(&statement)
            .await
            .map_err(on("setting the search_path"))?;
        if matches!(place, SearchPath::System) {
            clean(session, "SELECT pg_catalog.pg_reload_conf()").await?;
        }
    }
    said.push(statement);
    Ok(())
}

/// What the server's configuration says; a role that may not read its files gets PostgreSQL's own default.
async fn of_server(session: &Session) -> Result<String> {
    let files =
        "SELECT setting FROM pg_catalog.pg_file_settings WHERE name = 'search_path' AND applied";
    if let Ok(Some(row)) = session.query_opt(files, &[]).await {
        return Ok(row.get(0));
    }
    let boot = "SELECT boot_val FROM pg_catalog.pg_settings WHERE name = 'search_path'";
    let row = session.query_one(boot, &[]).await;
    Ok(row.map_err(on("reading the search_path"))?.get(0))
}
