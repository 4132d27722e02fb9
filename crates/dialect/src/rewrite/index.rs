//! Vector indexes: method, operator class, expression and options.
//!
//! In: an `INDEX` entry and what the catalog says about the index. Out: the same index in PGVecto.rs's words, edited in the tree, so
//! that names, `ON ONLY` and `WHERE` stay as they are. What PGVecto.rs cannot index is a finding with the reason.

use super::expression::{self, Scope, Shape};
use super::words::Place;
use super::{Draft, Statement, extension};
use crate::index::{self, IndexDesc};
use crate::opclass::{self, Opclass};
use crate::syntax::{child, range};
use squawk_syntax::ast::{self, AstNode};

const LEAVE_OUT: &str =
    "run with --allow-findings to leave the index out, or drop it on the source";

pub(super) fn translate(draft: &mut Draft, desc: &IndexDesc) {
    let class = match check(draft, desc) {
        Ok(class) => class,
        Err((reason, remedy)) => return draft.decide(reason, remedy),
    };
    let mut created = false;
    draft.each(|draft, statement| {
        let Some(create) = statement.root.children().find_map(ast::CreateIndex::cast) else {
            return;
        };
        created = true;
        if let Err(reason) = edit(draft, statement, &create, desc, class) {
            draft.decide(reason, extension::BY_HAND);
        }
    });
    if !created && !draft.left_out {
        draft.decide("the statement that makes it is not in the dump", LEAVE_OUT);
    }
}

/// What the catalog alone forbids.
fn check(draft: &Draft, desc: &IndexDesc) -> Result<Opclass, (String, String)> {
    let refuse = |reason: &str, remedy: &str| Err((reason.to_owned(), remedy.to_owned()));
    let class = desc.opclasses.iter().find_map(|name| opclass::find(name));
    if draft.context.real_array {
        return refuse("real[] has no vector index", LEAVE_OUT);
    }
    if !matches!(desc.method.as_str(), "hnsw" | "ivfflat") {
        let reason = opclass::Missing::Measure(opclass::Measure::Order).reason();
        return refuse(&reason, LEAVE_OUT);
    }
    if desc.unlogged {
        return refuse(
            "PGVecto.rs builds no index on an UNLOGGED table",
            "ALTER TABLE … SET LOGGED on the source first, or run with --allow-findings",
        );
    }
    let ([name], class) = (desc.opclasses.as_slice(), class) else {
        return refuse(
            "PGVecto.rs builds no index over several key columns",
            LEAVE_OUT,
        );
    };
    match class {
        Some(class) => Ok(class),
        None => Err((
            format!("its operator class {name} is not one of pgvector's"),
            LEAVE_OUT.to_owned(),
        )),
    }
}

fn edit(
    draft: &mut Draft,
    statement: &mut Statement,
    create: &ast::CreateIndex,
    desc: &IndexDesc,
    class: Opclass,
) -> Result<(), String> {
    let not_understood = "its statement is not one that pg_dump writes for a vector index";
    let method = create
        .using_method()
        .and_then(|using| child::<ast::AccessMethodRef>(using.syntax()))
        .ok_or(not_understood)?;
    let list = create.partition_item_list().ok_or(not_understood)?;
    let mut items = list.partition_items();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err("PGVecto.rs builds no index over several key columns".to_owned());
    };
    if create.index_include_clause().is_some() || create.unique_token().is_some() {
        return Err("PGVecto.rs builds no unique index and none with INCLUDE".to_owned());
    }
    let key = item.expr().ok_or(not_understood)?;
    let context = draft.context;
    let scope = Scope {
        schema: &context.vector_schema,
        columns: context.columns.get(&desc.table),
        over_domains: context.over_domains.get(&desc.table),
    };
    let shape = expression::translate(&key, &scope, &mut statement.edits)?;
    let target = operator_class(class, shape)?;
    let threads = if desc.small { 1 } else { context.index_threads };
    let options = index::options(desc, shape.over, threads)?;
    if let Some(condition) = create.where_clause() {
        let mut words = draft.words(&statement.root, Place::Immutable);
        words.over(desc.table);
        words.edit(condition.syntax(), &mut statement.edits);
        if let Some(problem) = words.problems.iter().chain(&words.unclear).next() {
            return Err(format!("its WHERE {problem}"));
        }
        draft.take(words);
    }

    let edits = &mut statement.edits;
    edits.replace(range(method.syntax()), "vectors");
    match child::<ast::OpClassRef>(item.syntax()) {
        Some(written) => edits.replace(range(written.syntax()), target),
        None => edits.insert(range(key.syntax()).end, format!(" {target}")),
    }
    // The document holds words, numbers and brackets only: no dollar sign can end the quotes early.
    let with = format!("WITH (options = $$\n{}$$)", options.document);
    match child::<ast::WithParams>(create.syntax()) {
        Some(params) => edits.replace(range(params.syntax()), with),
        None => edits.insert(range(list.syntax()).end, format!(" {with}")),
    }
    for change in options.changes {
        draft.note(change, "");
    }
    Ok(())
}

/// The operator class for what the key has become, if PGVecto.rs can index that.
fn operator_class(class: Opclass, shape: Shape) -> Result<&'static str, String> {
    let target = opclass::target(class.measure, shape.over).map_err(opclass::Missing::reason)?;
    let max = shape.over.max_dims().unwrap_or(0);
    match shape.modifier {
        None => Err(format!(
            "its key has no dimensions, and PGVecto.rs needs {}(n) for an index",
            shape.over
        )),
        Some(dims) if dims > max => Err(format!(
            "its key has {dims} dimensions; {} takes at most {max}",
            shape.over
        )),
        Some(_) => Ok(target),
    }
}
