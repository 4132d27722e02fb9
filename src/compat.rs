//! In: the schema of `--compat-operators`, and the target. Out: the steps that make pgvector's names over PGVecto.rs's types in it,
//! without what is there already. They come before whatever the dump defines, so that views and functions can use them. The SQL
//! itself is `dialect::compat`'s.

use std::collections::BTreeMap;

use dialect::compat::{Kind, Object, objects};
use dialect::types::TargetType;

use crate::catalog::{self, dump_name};
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Plan, Severity};
use crate::schema::{Phase, Schema, Step};

/// Adds the steps, and says what they mean.
pub async fn add(
    name: &str,
    source: &Session,
    target: &Session,
    schema: &mut Schema,
    plan: &mut Plan,
) -> Result<()> {
    let wanted = objects(name);
    let there = there(target, name, &wanted).await?;
    if !there.extension && !schema.creates_vectors() {
        let reason = "needs the extension vectors on the target, and nothing that comes brings it";
        let finding = Finding::new(Severity::Problem, "--compat-operators", reason);
        plan.findings
            .push(finding.remedy("as a superuser on the target: CREATE EXTENSION vectors"));
        return Ok(());
    }
    let taken = taken_on_source(source, name).await?;
    let Parted {
        skipped,
        casts,
        new,
    } = parted(wanted, &there, &taken);
    let notes = notes(&skipped, &casts, &new, sparse(plan));
    let object = format!("schema {}", catalog::ident(name));
    let note = |(reason, remedy)| Finding::new(Severity::Note, &object, reason).remedy(remedy);
    plan.findings.extend(notes.into_iter().map(note));
    let make_schema = !there.schema && !schema.creates_schema(&dump_name(name));
    let made = make_schema.then(|| {
        let make = new_schema(name);
        Step::own(Phase::BeforeData, "SCHEMA for --compat-operators", make)
    });
    match make_schema {
        true => schema.needs.in_database.push(format!("SCHEMA {name}")),
        false => schema.needs.schemas.extend([dump_name(name)]),
    }
    let steps = made.into_iter().chain(new.into_iter().map(step));
    schema.add_before_definitions(steps.collect());
    Ok(())
}

/// What is there already, what only the owner of PGVecto.rs's types may make, and what is to be made.
struct Parted {
    skipped: Vec<Object>,
    casts: Vec<Object>,
    new: Vec<Object>,
}

fn parted(wanted: Vec<Object>, there: &There, taken: &[String]) -> Parted {
    let is_there = |o: &Object| there.objects.contains(&o.name) || taken.contains(&o.name);
    let (skipped, new): (Vec<Object>, Vec<Object>) = wanted.into_iter().partition(is_there);
    let (casts, new) = new
        .into_iter()
        .partition(|o| matches!(o.kind, Kind::Cast | Kind::Aggregate) && !there.owns_types);
    Parted {
        skipped,
        casts,
        new,
    }
}

/// Makes them at once, in the caller's transaction. Out: how many, and what there is to say.
pub async fn make(session: &Session, name: &str) -> Result<(usize, Vec<String>)> {
    let wanted = objects(name);
    let there = there(session, name, &wanted).await?;
    let failed = |what: &str| Error::on(Side::Target, format!("making {what}"));
    if !there.extension {
        return Err(Error::new(Side::Plan, "making pgvector's names")
            .because("the extension vectors is not in this database")
            .remedy("as a superuser: CREATE EXTENSION vectors"));
    }
    let taken = taken_on_source(session, name)
        .await
        .map_err(Error::of_one_server)?;
    let Parted {
        skipped,
        casts,
        new,
    } = parted(wanted, &there, &taken);
    if !there.schema {
        let made = session.batch_execute(&new_schema(name)).await;
        made.map_err(failed("the schema for pgvector's names"))?;
    }
    for object in &new {
        let made = session.batch_execute(&object.sql).await;
        made.map_err(failed(&object.name))?;
    }
    let notes = notes(&skipped, &casts, &new, true).into_iter();
    let notes = notes.map(|(reason, remedy)| match remedy.is_empty() {
        true => format!("note: it {reason}"),
        false => format!("note: it {reason}: {remedy}"),
    });
    Ok((new.len(), notes.collect()))
}

fn new_schema(name: &str) -> String {
    "CREATE SCHEMA {0}; GRANT USAGE ON SCHEMA {0} TO PUBLIC".replace("{0}", &quote(name))
}

fn step(object: Object) -> Step {
    let kind = match object.kind {
        Kind::Function => "FUNCTION",
        Kind::Operator => "OPERATOR",
        Kind::Domain => "DOMAIN",
        Kind::Cast => "CAST",
        Kind::Aggregate => "AGGREGATE",
    };
    let name = format!("{kind} {}", object.name);
    Step::own(Phase::BeforeData, &name, object.sql)
}

/// Whether a column of sparse vectors comes.
fn sparse(plan: &Plan) -> bool {
    let changes = plan.context.columns.values().flat_map(BTreeMap::values);
    changes.into_iter().any(|c| c.to == TargetType::Svector)
}

/// After a first run all of them are there; a few names tell.
const NAMED: usize = 5;

/// What there is to say, each with what to do.
fn notes(
    skipped: &[Object],
    casts: &[Object],
    new: &[Object],
    sparse: bool,
) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    if !new.is_empty() {
        let reason = "gets pgvector's operators, functions and type names over PGVecto.rs's types; <-> is the squared distance there, in the same order";
        let remedy = "where the number counts, as in a threshold, write l2_distance(a, b); README, \"What an application has to change\"";
        notes.push((reason.to_string(), remedy.to_string()));
    }
    if sparse {
        let reason = "cannot keep the text form of sparsevec: svector counts from 0, so an old literal is taken for another vector";
        let remedy =
            "subtract 1 from every index that the application writes, add 1 to what it reads";
        notes.push((reason.to_string(), remedy.to_string()));
    }
    if !casts.is_empty() {
        let reason = "gets no casts from and to arrays and bit strings, and no avg and sum: only the owner of PGVecto.rs's types may make them";
        let sql: Vec<&str> = casts.iter().map(|o| o.sql.as_str()).collect();
        notes.push((
            reason.to_string(),
            format!("as a superuser, after the run: {}", sql.join("; ")),
        ));
    }
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped
            .iter()
            .take(NAMED)
            .map(|o| o.name.as_str())
            .collect();
        let more = match skipped.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let reason = "has names of pgvector already, or gets them from the source; they are left as they are";
        notes.push((
            format!("{reason}: {}{more}", names.join("; ")),
            String::new(),
        ));
    }
    notes
}

struct There {
    extension: bool,
    schema: bool,
    /// Whether this role may make casts of PGVecto.rs's types: it owns them, or will.
    owns_types: bool,
    /// Names of objects that stand already.
    objects: Vec<String>,
}

async fn there(target: &Session, name: &str, wanted: &[Object]) -> Result<There> {
    let on = || Error::on(Side::Target, "looking for pgvector's names on the target");
    let sql = "SELECT e.oid IS NOT NULL, pg_catalog.to_regnamespace($1) IS NOT NULL, \
        coalesce((SELECT pg_catalog.pg_has_role(t.typowner, 'USAGE') FROM pg_catalog.pg_type t \
          JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'vectors' AND t.typname = 'vector'), true) \
        FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'vectors'";
    let row = target.query_one(sql, &[&quote(name)]).await.map_err(on())?;
    let mut there = There {
        extension: row.get(0),
        schema: row.get(1),
        owns_types: row.get(2),
        objects: Vec::new(),
    };
    // Without the extension's types there is nothing over them, and their names would not be understood.
    if !there.extension {
        return Ok(there);
    }
    let asked = |kind: Kind, sql: &'static str| async move {
        let names: Vec<&str> = wanted
            .iter()
            .filter(|o| o.kind == kind)
            .map(|o| o.name.as_str())
            .collect();
        let rows = target.query(sql, &[&names]).await.map_err(on())?;
        Ok::<_, Error>(
            rows.iter()
                .map(|r| r.get::<_, String>(0))
                .collect::<Vec<_>>(),
        )
    };
    for (kind, sql) in [
        (
            Kind::Function,
            "SELECT n FROM unnest($1::text[]) AS n WHERE pg_catalog.to_regprocedure(n) IS NOT NULL",
        ),
        (
            Kind::Aggregate,
            "SELECT n FROM unnest($1::text[]) AS n WHERE pg_catalog.to_regprocedure(n) IS NOT NULL",
        ),
        (
            Kind::Operator,
            "SELECT n FROM unnest($1::text[]) AS n WHERE pg_catalog.to_regoperator(n) IS NOT NULL",
        ),
        (
            Kind::Domain,
            "SELECT n FROM unnest($1::text[]) AS n WHERE pg_catalog.to_regtype(n) IS NOT NULL",
        ),
        (
            Kind::Cast,
            "SELECT n FROM unnest($1::text[]) AS n JOIN pg_catalog.pg_cast c \
             ON c.castsource = pg_catalog.to_regtype(pg_catalog.split_part(n, ' AS ', 1)) \
             AND c.casttarget = pg_catalog.to_regtype(pg_catalog.split_part(n, ' AS ', 2))",
        ),
    ] {
        there.objects.extend(asked(kind, sql).await?);
    }
    Ok(there)
}

/// Type names that objects of the source's own take in that schema: a table has its type's name too.
async fn taken_on_source(source: &Session, name: &str) -> Result<Vec<String>> {
    let sql = "SELECT t.typname::text FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
        WHERE n.nspname = $1 AND t.typname IN ('vector', 'halfvec') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
          JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'vector' \
          WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')";
    let attempt = "looking for pgvector's names on the source";
    let rows = source
        .query(sql, &[&name])
        .await
        .map_err(Error::on(Side::Source, attempt))?;
    Ok(rows
        .iter()
        .map(|r| format!("{}.{}", quote(name), r.get::<_, &str>(0)))
        .collect())
}
