//! In: a unit, and where the ledger says that it stands. Out: its columns in their new type, by new columns beside the old ones: added with a trigger
//! that keeps them in step, filled, indexed, compared, and put in the old ones' place in one short transaction. Until that, `undo` leaves
//! the table as it was.

use super::compare::{compare, stamp};
use super::fill::{Filled, fill};
use super::guard::{as_planned, facts_of, indexes_of, later_triggers, strays};
use super::indexes::{self, Under};
use super::lock::locked;
use super::look::grants;
use super::report::Changed;
use super::unit::{Fact, Index, Member, Unit};
use super::{Work, on, views};
use crate::cli::Method;
use crate::connect::{Session, literal, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, State};
use crate::waiting::PROCESS;

/// So often a trigger may have been touched between a comparison and its swap.
const COMPARED_AGAIN: u32 = 5;

pub(super) async fn change(work: &Work<'_>, unit: &Unit, line: Option<Line>) -> Result<Changed> {
    let session = work.connect().await?;
    let line = match line {
        Some(line) => line,
        None => begin(work, &session, unit).await?,
    };
    crate::fail::point("kept");
    let mut changed = Changed::of(unit, Method::AddColumn);
    if work.options.drop_old_index && !line.drops {
        work.ledger.in_place_drops(line.id).await?;
    }
    if work.options.drop_old_index || line.drops {
        drop_old_indexes(work, &session, unit).await?;
    }
    crate::fail::point("old-index-dropped");
    let mut filled = Filled::default();
    for _ in 0..COMPARED_AGAIN {
        new_children(work, &session, unit).await?;
        tracing::info!("{}: filling the new columns", unit.display());
        fill(work, unit, &mut filled).await?;
        crate::fail::point("filled");
        let looked = looking(&session).await?;
        let built = indexes::build(work, &session, unit, Under::Temporary).await?;
        let weak = indexes::probed(&session, unit, Under::Temporary).await?;
        not_null(work, &session, unit).await?;
        crate::fail::point("not-null");
        tracing::info!("{}: comparing every row", unit.display());
        let stamp = sound_stamp(&session, unit).await?;
        changed.verified_rows = compare(&session, unit, &work.casts).await?;
        work.ledger
            .in_place_verified(line.id, changed.verified_rows)
            .await?;
        crate::fail::point("compared");
        older_snapshots(work, &session, unit, &looked).await?;
        if let Some((held, tries)) = swap(work, &session, unit, &line, &stamp).await? {
            changed.filled = Some(filled);
            changed.indexes = built;
            changed.weak_indexes = weak;
            changed.swap_seconds = held;
            changed.swap_tries = tries;
            crate::fail::point("swapped");
            return Ok(changed);
        }
        tracing::warn!(
            "{}: its trigger, its columns or its partitions have changed since the rows were compared: looked through again",
            unit.display()
        );
    }
    Err(Error::new(
        Side::Target,
        format!("swapping the columns of {}", unit.display()),
    )
    .because("its trigger, columns or partitions change again and again")
    .remedy("let them be, and run the same command again"))
}

/// The new columns, all that stands on the old ones, and the trigger, with the line in the ledger.
async fn begin(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<Line> {
    work.ledger.in_place_tables().await?;
    tracing::info!(
        "{}: adding the new columns and their trigger",
        unit.display()
    );
    let body = async || {
        let members = unit.members(session).await?;
        let add: Vec<String> = unit
            .columns
            .iter()
            .map(|c| format!("ADD COLUMN {} {}", quote(&c.new), c.change.target_sql()))
            .collect();
        run(
            session,
            &format!("ALTER TABLE {} {}", unit.quoted(), add.join(", ")),
        )
        .await?;
        as_planned(session, unit, &members, &work.casts).await?;
        for fact in facts_of(unit, &members) {
            stand(session, unit, fact).await?;
        }
        keep(work, session, unit, &members).await?;
        let line = crate::ledger::in_place::begin(session, Method::AddColumn, unit).await?;
        crate::fail::point("adding");
        Ok(line)
    };
    let (line, _) = locked(work, session, unit, "adding columns to", body).await?;
    Ok(line)
}

pub(super) async fn run(session: &Session, sql: &str) -> Result<()> {
    tracing::debug!("{sql}");
    let done = session.batch_execute(sql).await;
    let attempt = || sql.chars().take(120).collect::<String>();
    done.map_err(|e| Error::new(Side::Target, attempt()).because(e))
}

fn new_name<'a>(unit: &'a Unit, fact: &Fact) -> &'a str {
    let column = unit.columns.iter().find(|c| c.old == fact.column);
    column.map_or("", |c| &c.new)
}

fn check_name(unit: &Unit, fact: &Fact) -> String {
    let at = unit.columns.iter().position(|c| c.old == fact.column);
    format!("pgv2rs_not_null_{}", at.unwrap_or(0))
}

/// What stands on the old column stands on the new one; NOT NULL comes when all is filled.
async fn stand(session: &Session, unit: &Unit, fact: &Fact) -> Result<()> {
    let name = new_name(unit, fact);
    for statement in standing(fact, name) {
        run(session, &statement).await?;
    }
    default(session, unit, fact, name).await
}

/// The default as a literal of the new type.
pub(super) async fn default(session: &Session, unit: &Unit, fact: &Fact, name: &str) -> Result<()> {
    let column = unit.columns.iter().find(|c| c.old == fact.column);
    let (Some(value), Some(column)) = (&fact.default, column) else {
        return Ok(());
    };
    let sql = format!("SELECT ({value})::pg_catalog.text");
    let row = session.query_one(&sql, &[]).await;
    let value: Option<String> = row.map_err(on("converting a column's default"))?.get(0);
    let Some(value) = value else {
        return Ok(());
    };
    let (value, ty) = (literal(&value), column.change.to.sql_name());
    let (table, name) = (fact.quoted(), quote(name));
    run(
        session,
        &format!("ALTER TABLE ONLY {table} ALTER COLUMN {name} SET DEFAULT {value}::{ty}"),
    )
    .await
}

/// Statements for what stands on a column, under this name, apart from NOT NULL and its default.
pub(super) fn standing(fact: &Fact, name: &str) -> Vec<String> {
    let (table, column) = (fact.quoted(), quote(name));
    let alter = |what: String| format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} {what}");
    let mut statements = Vec::new();
    // Both columns of a row may not fit a page: PLAIN comes when the old one is gone.
    let storage = fact.storage.iter().filter(|s| *s != "PLAIN");
    statements.extend(storage.map(|s| alter(format!("SET STORAGE {s}"))));
    statements.extend(
        fact.statistics
            .iter()
            .map(|n| alter(format!("SET STATISTICS {n}"))),
    );
    if !fact.options.is_empty() {
        statements.push(alter(format!("SET ({})", fact.options.join(", "))));
    }
    statements.extend(
        fact.comment
            .iter()
            .map(|c| format!("COMMENT ON COLUMN {table}.{column} IS {}", literal(c))),
    );
    statements.extend(grants(fact, name));
    statements
}

/// What has to wait for the swap.
pub(super) fn plain(fact: &Fact) -> Option<String> {
    let (table, column) = (fact.quoted(), quote(&fact.column));
    let plain = fact.storage.as_ref().filter(|s| *s == "PLAIN");
    plain.map(|_| format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} SET STORAGE PLAIN"))
}

/// Whether the check for NOT NULL is there, validated, and the table's own.
async fn has_check(session: &Session, unit: &Unit, fact: &Fact) -> Result<Option<(bool, bool)>> {
    let sql = "SELECT k.convalidated, k.coninhcount = 0 FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3";
    let name = check_name(unit, fact);
    let row = session
        .query_opt(sql, &[&fact.schema, &fact.table, &name])
        .await;
    let row = row.map_err(on("looking for the check of a new column"))?;
    Ok(row.map(|r| (r.get(0), r.get(1))))
}

/// The trigger that keeps the new columns in step with every write, whoever writes: the function has the rights of the table's owner, since a writer
/// may not be allowed to use the schema `vectors`; and it fires for replicated writes too. Not this program's rights: the owner may make a cast that the
/// function would call.
async fn keep(work: &Work<'_>, session: &Session, unit: &Unit, members: &[Member]) -> Result<()> {
    let mut sets = Vec::new();
    for column in &unit.columns {
        let value = work
            .casts
            .forward(&column.change, &format!("NEW.{}", quote(&column.old)));
        let value = value.map_err(Error::on(Side::Internal, "making the trigger"))?;
        sets.push(format!("NEW.{} := {value};", quote(&column.new)));
    }
    let body = format!("BEGIN {} RETURN NEW; END", sets.join(" "));
    let function = unit.function();
    run(
        session,
        &format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {}",
            literal(&body)
        ),
    )
    .await?;
    let sql = "SELECT pg_catalog.pg_get_userbyid(relowner)::text, relowner = current_user::pg_catalog.regrole FROM pg_catalog.pg_class WHERE oid = $1";
    let row = session.query_one(sql, &[&unit.root]).await;
    let row = row.map_err(on("asking whose the table is"))?;
    if !row.get::<_, bool>(1) {
        let owner: String = row.get(0);
        let sql = "SELECT pg_catalog.has_schema_privilege($1, 'pgv2rs', 'CREATE')";
        let may = session.query_one(sql, &[&owner]).await;
        let may: bool = may.map_err(on("asking what the owner may do"))?.get(0);
        let owner = quote(&owner);
        if !may {
            run(
                session,
                &format!("GRANT CREATE ON SCHEMA pgv2rs TO {owner}"),
            )
            .await?;
        }
        run(session, &format!("GRANT USAGE ON SCHEMA pgv2rs TO {owner}")).await?;
        run(
            session,
            &format!("ALTER FUNCTION {function}() OWNER TO {owner}"),
        )
        .await?;
        if !may {
            run(
                session,
                &format!("REVOKE CREATE ON SCHEMA pgv2rs FROM {owner}"),
            )
            .await?;
        }
    }
    run(
        session,
        &format!("REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC"),
    )
    .await?;
    // Partitions have it from what they are partitions of, later ones too; children that inherit have not.
    let own = members
        .iter()
        .filter(|m| m.oid == unit.root || !m.is_partition);
    for member in own {
        trigger(session, unit, member).await?;
    }
    for member in members {
        always(session, unit, member).await?;
    }
    Ok(())
}

async fn trigger(session: &Session, unit: &Unit, member: &Member) -> Result<()> {
    run(
        session,
        &format!(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
            quote(&unit.trigger),
            member.quoted(),
            unit.function()
        ),
    )
    .await
}

async fn always(session: &Session, unit: &Unit, member: &Member) -> Result<()> {
    let (table, trigger) = (member.quoted(), quote(&unit.trigger));
    run(
        session,
        &format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"),
    )
    .await
}

/// A table that inherits from one of the unit's since it was begun has no trigger yet.
async fn new_children(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) AND NOT c.relispartition \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $2)";
    let without = async || {
        let members = unit.members(session).await?;
        let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
        let rows = session.query(sql, &[&oids, &unit.trigger]).await;
        let rows = rows.map_err(on("looking at the triggers"))?;
        let oids: Vec<u32> = rows.iter().map(|r| r.get(0)).collect();
        let is = |m: &Member| m.oid != unit.root && oids.contains(&m.oid);
        Ok::<_, Error>(members.into_iter().filter(is).collect::<Vec<Member>>())
    };
    if without().await?.is_empty() {
        return Ok(());
    }
    let body = async || {
        for member in without().await? {
            trigger(session, unit, &member).await?;
            always(session, unit, &member).await?;
        }
        Ok(())
    };
    let done = locked(work, session, unit, "adding triggers to children of", body).await;
    done.map(drop)
}

/// Who looks through a snapshot now: by process, and since when its transaction runs.
async fn looking(session: &Session) -> Result<Vec<(i32, String)>> {
    let sql = "SELECT pid, pg_catalog.concat(backend_start, ' ', xact_start) FROM pg_catalog.pg_stat_activity \
        WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend'";
    let rows = session.query(sql, &[]).await;
    let rows = rows.map_err(on("asking for snapshots"))?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// Whoever looks through a snapshot that is older than the end of the fill would see the rows as they were before it: without a value in the new columns.
async fn older_snapshots(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    then: &[(i32, String)],
) -> Result<()> {
    let since = std::time::Instant::now();
    let mut said = false;
    loop {
        let now = looking(session).await?;
        let left: Vec<i32> = then
            .iter()
            .filter(|t| now.contains(t))
            .map(|(pid, _)| *pid)
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT coalesce(pg_catalog.string_agg({PROCESS}, ', '), 'processes that have just ended') FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY ($1)"
        );
        let row = session.query_one(&sql, &[&left]).await;
        let holders: String = row.map_err(on("asking for old snapshots"))?.get(0);
        if since.elapsed() >= work.options.retry_for {
            return Err(Error::new(
                Side::Target,
                format!("swapping the columns of {}", unit.display()),
            )
            .because(format!(
                "somebody looks through a snapshot that is older than the fill, and would see no vectors after it: {holders}"
            ))
            .remedy("end that, or give it more time with --retry-for, and run the same command again: it goes on from here"));
        }
        if !said {
            tracing::info!(
                "{}: the swap waits for older snapshots: {holders}",
                unit.display()
            );
            said = true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Indexes of pgvector would take every row of the fill in once more.
async fn drop_old_indexes(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
    // What is a part of another goes with it.
    for index in unit
        .indexes
        .iter()
        .filter(|i| i.of_pgvector && i.parent.is_none())
    {
        indexes::drop_known(work, session, unit, index).await?;
    }
    Ok(())
}

/// A check that is validated while others write, and then the column's own NOT NULL, which it proves at once: no long lock. Late, since a partition that
/// is detached keeps it without the trigger.
async fn not_null(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
    let members = unit.members(session).await?;
    let facts: Vec<&Fact> = facts_of(unit, &members).filter(|f| f.not_null).collect();
    let mut missing = Vec::new();
    for fact in &facts {
        if !is_not_null(session, unit, fact).await?
            && has_check(session, unit, fact).await?.is_none()
        {
            missing.push(*fact);
        }
    }
    if !missing.is_empty() {
        let body = async || {
            for fact in &missing {
                // That of its parent may have come to it.
                if has_check(session, unit, fact).await?.is_none() {
                    let (table, check) = (fact.quoted(), check_name(unit, fact));
                    let column = quote(new_name(unit, fact));
                    run(
                        session,
                        &format!("ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"),
                    )
                    .await?;
                }
            }
            Ok(())
        };
        locked(work, session, unit, "adding checks to", body).await?;
    }
    let mut any = false;
    for fact in facts {
        let Some((validated, _)) = has_check(session, unit, fact).await? else {
            continue;
        };
        any = true;
        if !validated {
            let (table, check) = (fact.quoted(), check_name(unit, fact));
            run(
                session,
                &format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check}"),
            )
            .await?;
        }
    }
    if !any {
        return Ok(());
    }
    let body = async || {
        let members = unit.members(session).await?;
        for fact in facts_of(unit, &members).filter(|f| f.not_null) {
            let column = quote(new_name(unit, fact));
            let set = format!(
                "ALTER TABLE {} ALTER COLUMN {column} SET NOT NULL",
                fact.quoted()
            );
            run(session, &set).await?;
        }
        for fact in facts_of(unit, &members).filter(|f| f.not_null) {
            if let Some((_, true)) = has_check(session, unit, fact).await? {
                let (table, check) = (fact.quoted(), check_name(unit, fact));
                run(
                    session,
                    &format!("ALTER TABLE {table} DROP CONSTRAINT {check}"),
                )
                .await?;
            }
        }
        Ok(())
    };
    let done = locked(work, session, unit, "setting NOT NULL in", body).await;
    done.map(drop)
}

async fn is_not_null(session: &Session, unit: &Unit, fact: &Fact) -> Result<bool> {
    let sql = "SELECT attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped";
    let row = session
        .query_one(sql, &[&fact.oid, &new_name(unit, fact)])
        .await;
    Ok(row.map_err(on("looking at a new column"))?.get(0))
}

/// The stamp, if the trigger stands on every table of the unit and fires for everybody.
pub(super) async fn sound_stamp(session: &Session, unit: &Unit) -> Result<String> {
    let stamp = stamp(session, unit).await?;
    let members = unit.members(session).await?;
    let sql = "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t \
        WHERE t.tgrelid = c.oid AND t.tgname = $2 AND t.tgenabled = 'A') ORDER BY 1";
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let rows = session.query(sql, &[&oids, &unit.trigger]).await;
    let without: Vec<String> = rows
        .map_err(on("looking at the trigger"))?
        .iter()
        .map(|r| r.get(0))
        .collect();
    let later = later_triggers(session, &members).await?;
    if !later.is_empty() {
        return Err(Error::new(
            Side::Target,
            format!("looking at the triggers of {}", unit.display()),
        )
        .because(format!(
            "one fires after this program's and may change the vector once more: {}",
            later.join(", ")
        ))
        .remedy("rename it so that it sorts before ~pgv2rs, and run the same command again"));
    }
    if without.is_empty() {
        return Ok(stamp);
    }
    Err(Error::new(Side::Target, format!("looking at the trigger of {}", unit.display()))
        .because(format!(
            "it does not stand on all tables, or not ENABLE ALWAYS: {}",
            without.join(", ")
        ))
        .remedy("somebody has dropped or disabled it, so writes since then may be missing: pgv2rs-copy in-place --undo, and begin again"))
}

/// One short transaction. None: something has changed since the comparison.
async fn swap(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    line: &Line,
    compared: &str,
) -> Result<Option<(f64, u32)>> {
    let body = async || {
        if stamp(session, unit).await? != compared {
            return Ok(false);
        }
        let members = unit.members(session).await?;
        new_indexes(session, unit, &members).await?;
        as_planned(session, unit, &members, &work.casts).await?;
        strays(session, unit, &members).await?;
        views::drop_all(session, unit, &members).await?;
        let (function, trigger) = (unit.function(), quote(&unit.trigger));
        for member in members
            .iter()
            .filter(|m| m.oid == unit.root || !m.is_partition)
        {
            run(
                session,
                &format!("DROP TRIGGER {trigger} ON {}", member.quoted()),
            )
            .await?;
        }
        run(session, &format!("DROP FUNCTION {function}()")).await?;
        for column in &unit.columns {
            let old = quote(&column.old);
            run(
                session,
                &format!("ALTER TABLE {} DROP COLUMN {old}", unit.quoted()),
            )
            .await?;
            // A child that has it from itself as well keeps it.
            for member in members.iter().filter(|m| m.oid != unit.root) {
                let table = member.quoted();
                run(
                    session,
                    &format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {old}"),
                )
                .await?;
            }
            let new = quote(&column.new);
            run(
                session,
                &format!("ALTER TABLE {} RENAME COLUMN {new} TO {old}", unit.quoted()),
            )
            .await?;
        }
        for statement in facts_of(unit, &members).filter_map(plain) {
            run(session, &statement).await?;
        }
        for index in indexes_of(unit, &members) {
            let temporary = quote_qualified(&index.schema, &index.temporary);
            run(
                session,
                &format!("ALTER INDEX {temporary} RENAME TO {}", quote(&index.name)),
            )
            .await?;
            key_names(session, unit, index).await?;
        }
        views::make_all(session, unit).await?;
        crate::ledger::in_place::moved(session, line.id, State::Swapped).await?;
        crate::fail::point("swapping");
        Ok(true)
    };
    let (done, held) = locked(work, session, unit, "swapping the columns of", body).await?;
    Ok(done.then_some((held.seconds, held.tries)))
}

/// An index remembers what its columns were called when it was made. Of its parts too.
async fn key_names(session: &Session, unit: &Unit, index: &Index) -> Result<()> {
    let name = quote_qualified(&index.schema, &index.name);
    for column in &unit.columns {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::pg_catalog.text::pg_catalog.regclass AND attname = $2)";
        let row = session.query_one(sql, &[&name, &column.new]).await;
        if row.map_err(on("looking at an index"))?.get(0) {
            let (old, new) = (quote(&column.old), quote(&column.new));
            run(
                session,
                &format!("ALTER TABLE {name} RENAME COLUMN {new} TO {old}"),
            )
            .await?;
        }
    }
    Ok(())
}

/// An index that somebody has made on an old column since the plan would be lost without a word.
async fn new_indexes(session: &Session, unit: &Unit, members: &[Member]) -> Result<()> {
    let known: Vec<u32> = unit.indexes.iter().map(|i| i.oid).collect();
    let parents: Vec<u32> = unit
        .indexes
        .iter()
        .filter(|i| i.partitioned)
        .map(|i| i.oid)
        .collect();
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let sql = "SELECT DISTINCT x.indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = x.indexrelid \
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = x.indrelid \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
        WHERE x.indrelid = ANY ($1) AND a.attname = ANY ($2) AND x.indexrelid <> ALL ($3) \
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(x.indexrelid) i WHERE i.relid = ANY ($4)) \
          AND x.indexrelid <> ALL ($5) ORDER BY 1";
    let left_out = &unit.left_out;
    let rows = session
        .query(sql, &[&oids, &names, &known, &parents, left_out])
        .await;
    let new: Vec<String> = rows
        .map_err(on("looking for new indexes"))?
        .iter()
        .map(|r| r.get(0))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Side::Target,
        format!("swapping the columns of {}", unit.display()),
    )
    .because(format!(
        "an index was made on an old column since the plan, and would be lost: {}",
        new.join(", ")
    ))
    .remedy("drop it, run the same command again, and make it anew on the new column"))
}
