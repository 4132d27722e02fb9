//! In: a unit. Out: the trigger that keeps its new columns in step with every write; and the stamp by which the swap knows that all which was written since a
//! comparison has passed the same one.

use tokio_postgres::Client;

use super::lock::locked;
use super::look::TRIGGER;
use super::statement::run;
use super::unit::{Member, Unit};
use super::{Work, on};
use crate::connect::{Session, literal, quote};
use crate::error::{Error, Result, Side};

/// The trigger that keeps the new columns in step with every write, whoever writes: the function has the rights of the table's owner, since a writer
/// may not be allowed to use the schema `vectors`; and it fires for replicated writes too. Not this program's rights: the owner may make a cast that the
/// function would call.
pub(super) async fn keep(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    members: &[Member],
) -> Result<()> {
    let mut sets = Vec::new();
    for column in &unit.columns {
        let value = work
            .casts
            .forward(&column.change, &format!("NEW.{}", quote(&column.old)));
        let value = value.map_err(Error::on(Side::Internal, "making the trigger"))?;
        sets.push(format!("NEW.{} := {value};", quote(&column.new)));
    }
    let body = format!("BEGIN {} RETURN NEW; END", sets.join(" "));
    function(session, unit, &body).await?;
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

/// The unit's function, with the rights of its table's owner.
pub(super) async fn function(session: &Session, unit: &Unit, body: &str) -> Result<()> {
    let function = unit.function();
    run(
        session,
        &format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {}",
            literal(body)
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
    .await
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
pub(super) async fn new_children(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
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

/// Triggers that fire after this program's before a row is written: they may change the vector once more.
async fn later_triggers(session: &Session, members: &[Member]) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal \
        AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0";
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let rows = session.query(sql, &[&oids]).await;
    let rows = rows.map_err(on("looking at the triggers"))?;
    let names = rows.iter().map(|r| r.get::<_, String>(0));
    Ok(names.filter(|t| t.as_str() > TRIGGER).collect())
}

/// What must not change between the comparison and the swap: the tables and their files, all triggers before their rows as they stand in the catalog, the
/// function, and the columns. Who disables a trigger and enables it again, or rewrites a column, leaves another row behind.
pub(super) async fn stamp(client: &Client, unit: &Unit) -> Result<String> {
    let members: Vec<u32> = unit.members(client).await?.iter().map(|m| m.oid).collect();
    let columns: Vec<&str> = unit
        .columns
        .iter()
        .flat_map(|c| [c.old.as_str(), c.new.as_str()])
        .collect();
    let sql = "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(':', c.oid, c.relfilenode, t.said, a.said), ' ' ORDER BY c.oid), '') \
        FROM pg_catalog.pg_class c \
        LEFT JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', g.oid, g.xmin, g.tgenabled, p.oid, p.xmin), ',' ORDER BY g.oid) AS said \
          FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgtype & 3 = 3) t ON true \
        LEFT JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', b.attnum, b.atttypid, b.atttypmod, b.xmin), ',' ORDER BY b.attnum) AS said \
          FROM pg_catalog.pg_attribute b WHERE b.attrelid = c.oid AND NOT b.attisdropped AND b.attname = ANY ($2)) a ON true \
        WHERE c.oid = ANY ($1)";
    let row = client.query_one(sql, &[&members, &columns]).await;
    Ok(row.map_err(on("looking at the trigger"))?.get(0))
}
