//! `pgv2rs-copy verify`. In: two databases, at any time. Out: for each table of the source whether the target holds the same rows, by
//! the servers' own texts, and the keys of those that differ. What a column became is read off the target; nothing is written.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::differ::{self, Compared, Sides};
use super::generated;
use crate::catalog::target::Target;
use crate::catalog::{self, Source};
use crate::cli::{Format, Mapping, SchemaSource, VerifyOptions};
use crate::connect::{Endpoint, Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{self, TablePlan, Wishes};
use crate::report::{ReportFile, count_of, line};
use crate::run::{Ended, say, warn_of};
use crate::select::{self, Selection};
use crate::snapshot::{self, Readers};

#[derive(Serialize)]
struct Report {
    program: String,
    source: String,
    target: String,
    /// Of the source.
    snapshot: String,
    same: bool,
    tables: Vec<Table>,
}

#[derive(Serialize)]
struct Table {
    table: String,
    /// Why its rows were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(flatten)]
    compared: Compared,
}

impl Table {
    fn differs(&self) -> bool {
        self.missing.is_some() || self.compared.differs()
    }
}

pub async fn run(options: &VerifyOptions) -> Result<Ended> {
    let report_file = options
        .report
        .as_deref()
        .map(ReportFile::open)
        .transpose()?;
    warn_of([&options.source, &options.target]);
    let target = options.target.connect().await?;
    let described = catalog::target::read(&target).await?;
    let session = options.source.connect().await?;
    let patterns = select::patterns(&session, &options.scope).await?;
    let holder = snapshot::hold(&options.source).await?;
    let readers = Readers::open(&options.source, &holder, options.jobs).await?;
    let source = catalog::read(&holder.session).await?;
    let selection = select::close(&source, &patterns);
    let tables = tables(&source, &described, &selection)?;
    tracing::info!("comparing {}", count_of(tables.len(), "table"));
    let one = |table: &TablePlan| {
        one(
            &options.target,
            &readers,
            &source,
            &described,
            table.clone(),
        )
    };
    let tables: Vec<Table> = stream::iter(tables.iter().map(one))
        .buffered(options.jobs)
        .try_collect()
        .await?;
    let report = Report {
        program: concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION")).into(),
        source: options.source.place(),
        target: options.target.place(),
        snapshot: holder.visible.clone(),
        same: !tables.is_empty() && !tables.iter().any(Table::differs),
        tables,
    };
    say(&report.text());
    if let Some(file) = report_file
        && let Err(error) = file.write(&report)
    {
        tracing::error!("the comparison is complete, but {}", error.chain());
        return Ok(Ended::Unreported);
    }
    Ok(match report.same {
        true => Ended::Well,
        false => Ended::Differing,
    })
}

/// The tables that come, with their columns as the target has them.
fn tables(source: &Source, target: &Target, selection: &Selection) -> Result<Vec<TablePlan>> {
    let mappings = mappings(source, target);
    let wishes = Wishes {
        mappings: &mappings,
        format: match target.vectors_installed {
            Some(_) => Format::Native,
            None => Format::RealArray,
        },
        schema_source: SchemaSource::Existing,
        index_threads: 1,
        jobs: 1,
        index_jobs: 1,
    };
    let lacking = plan::access::source(source, &selection.relations);
    if let Some(finding) = lacking.first() {
        return Err(
            Error::new(Side::Source, format!("reading {}", finding.object))
                .because(finding.reason.clone())
                .remedy(finding.remedy.clone()),
        );
    }
    Ok(plan::decide(source, target, &selection.relations, &wishes).tables)
}

/// What `--map` would have to say to make of each vector what the target has.
fn mappings(source: &Source, target: &Target) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    for relation in source.relations.iter().filter(|r| "rp".contains(r.kind)) {
        let Some(there) = target.relations.get(&relation.place()) else {
            continue;
        };
        for column in &relation.columns {
            let ty = source.types.get(&column.type_oid);
            let element = ty.and_then(|t| source.types.get(&t.element));
            let is_vector = [ty, element].iter().flatten().any(|t| t.vector.is_some());
            let found = there.columns.iter().find(|(name, _)| *name == column.name);
            let found = found.filter(|_| is_vector).map(|(_, ty)| ty.as_str());
            // `vectors.vector(3)[]`; real[] is a type of its own.
            let name = found.map(|ty| match ty {
                "real[]" => ty,
                ty => ty.split(['(', '[']).next().unwrap_or(ty),
            });
            if let Some(to) = name.and_then(|name| name.parse().ok()) {
                mappings.push(Mapping {
                    schema: relation.schema.clone(),
                    table: relation.name.clone(),
                    column: column.name.clone(),
                    to,
                });
            }
        }
    }
    mappings
}

async fn one(
    target: &Endpoint,
    readers: &Readers,
    source: &Source,
    described: &Target,
    table: TablePlan,
) -> Result<Table> {
    let missing = missing(described, &table);
    let compared = match missing {
        Some(_) => Compared::default(),
        None => {
            let target = in_one_look(target, &table).await?;
            let reader = readers.lease().await?;
            let sides = Sides {
                source: &reader,
                target: &target,
                vectors: quote(&source.vector_schema),
            };
            let compared = differ::compare(&sides, &table).await;
            let mut compared = compared.map_err(|e| match e.sqlstate().as_deref() {
                Some("42501") => e.remedy("GRANT SELECT on the table and USAGE on the schema vectors to the role; where policies may hide rows from it, ALTER ROLE … BYPASSRLS"),
                _ => e,
            })?;
            for column in generated::columns(&reader, &target, &table, 0).await? {
                let name = column.column;
                match column.note {
                    Some(note) if column.differs => {
                        compared
                            .differences
                            .push(format!("generated column {name}: {note}"));
                    }
                    Some(note) => {
                        let why = note.strip_prefix("not compared: ").unwrap_or(&note);
                        compared.not_compared.push(format!("{name}: {why}"));
                    }
                    None => {}
                }
            }
            compared
        }
    };
    Ok(Table {
        table: table.display,
        missing,
        compared,
    })
}

/// The target may be in use: each table is looked at as it is at one moment.
async fn in_one_look(target: &Endpoint, table: &TablePlan) -> Result<Session> {
    let session = target.connect().await?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session
        .batch_execute(begin)
        .await
        .map_err(Error::on(Side::Target, "beginning to read the target"))?;
    let name = (0, table.schema.clone(), table.name.clone());
    snapshot::lock(&session, Side::Target, &[name]).await?;
    Ok(session)
}

fn missing(target: &Target, table: &TablePlan) -> Option<String> {
    let place = (table.schema.clone(), table.name.clone());
    let Some(there) = target.relations.get(&place) else {
        return Some("it is not on the target".into());
    };
    table.columns.iter().find_map(|column| {
        let found = there.columns.iter().find(|(name, _)| *name == column.name);
        let name = catalog::ident(&column.name);
        match found {
            None => Some(format!("column {name} is not on the target")),
            Some((_, ty)) if *ty == column.target_text() => None,
            Some((_, ty)) => Some(format!(
                "column {name} is {ty} on the target, not {}",
                column.target_text()
            )),
        }
    })
}

impl Report {
    fn text(&self) -> String {
        let mut out = String::new();
        line(
            &mut out,
            format_args!("\n{} -> {}", self.source, self.target),
        );
        let widths = self.tables.iter().map(|t| t.table.chars().count());
        let width = widths.max().unwrap_or(0).min(60);
        let rows = |n: u64| count_of(usize::try_from(n).unwrap_or(usize::MAX), "row");
        for table in &self.tables {
            let Compared {
                source_rows: here,
                target_rows: there,
                ..
            } = table.compared;
            let said = match (&table.missing, table.differs()) {
                (Some(why), _) => format!("not compared: {why}"),
                (None, true) if here != there => {
                    format!(
                        "DIFFERS: {} on the source, {there} on the target",
                        rows(here)
                    )
                }
                (None, true) => format!("DIFFERS, of {}", rows(here)),
                (None, false) => format!("the same {}", rows(here)),
            };
            line(&mut out, format_args!("  {:width$}  {said}", table.table));
            let keys = table.compared.rows.iter().flat_map(differ::Rows::said);
            let differences = table.compared.differences.iter().cloned().chain(keys);
            for difference in differences {
                line(&mut out, format_args!("    {difference}"));
            }
            for column in &table.compared.not_compared {
                line(&mut out, format_args!("    not compared: column {column}"));
            }
        }
        let differing = self.tables.iter().filter(|t| t.differs()).count();
        let tables = count_of(self.tables.len(), "table");
        match (self.tables.len(), differing) {
            (0, _) => line(&mut out, format_args!("\nThere is no table to compare.")),
            (_, 0) => line(
                &mut out,
                format_args!("\nThe same rows in {tables}, by the servers' own texts."),
            ),
            _ => line(
                &mut out,
                format_args!("\nNot the same: {differing} of {tables}."),
            ),
        }
        out
    }
}
