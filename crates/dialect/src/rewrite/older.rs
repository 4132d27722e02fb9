//! What a target older than the source cannot read.
//!
//! In: a statement as a newer server's pg_dump wrote it. Out: the same for the target's version, with a note where the meaning
//! moved; a finding where the target has nothing like it. Vectors are no concern of this file.

use super::{Draft, Statement, extension, not_null};
use crate::syntax::{all, child, first, has, name, range};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Session statements: settings that the target does not know are left away, which is their default.
pub(super) fn session(draft: &mut Draft) {
    if draft.context.target_version < 17 {
        draft
            .statements
            .retain(|statement| !statement.starts_with("SET transaction_timeout "));
    }
}

pub(super) fn edit(draft: &mut Draft, statement: &mut Statement) {
    let target = draft.context.target_version;
    refuse(draft, &statement.root, target);
    if target < 18 {
        virtual_columns(draft, statement);
        not_null::edit(draft, statement);
        storage_parameters(draft, statement);
    }
    if target < 17 {
        maintain(draft, statement);
        access_method(draft, statement);
        at_local(statement);
    }
    if target < 15 {
        unlogged_sequences(draft, statement);
    }
}

/// A construct by the kinds of its nodes, the version that brought it, and its name.
type Construct = (u32, &'static [SyntaxKind], &'static str);

const CONSTRUCTS: &[Construct] = &[
    (18, &[SyntaxKind::NOT_ENFORCED], "NOT ENFORCED"),
    (18, &[SyntaxKind::WITHOUT_OVERLAPS], "WITHOUT OVERLAPS"),
    (18, &[SyntaxKind::PERIOD_COLUMN], "PERIOD"),
    (17, &[SyntaxKind::JSON_TABLE], "JSON_TABLE"),
    (17, &[SyntaxKind::JSON_VALUE_FN], "JSON_VALUE"),
    (17, &[SyntaxKind::JSON_QUERY_FN], "JSON_QUERY"),
    (17, &[SyntaxKind::JSON_EXISTS_FN], "JSON_EXISTS"),
    (17, &[SyntaxKind::JSON_SCALAR_FN], "JSON_SCALAR"),
    (17, &[SyntaxKind::JSON_SERIALIZE_FN], "JSON_SERIALIZE"),
    (17, &[SyntaxKind::JSON_FN], "JSON()"),
    (
        17,
        &[SyntaxKind::MERGE_WHEN_NOT_MATCHED_SOURCE],
        "MERGE … BY SOURCE",
    ),
    (
        16,
        &[SyntaxKind::JSON_ARRAY_FN, SyntaxKind::JSON_ARRAY_AGG_FN],
        "JSON_ARRAY or JSON_ARRAYAGG",
    ),
    (
        16,
        &[SyntaxKind::JSON_OBJECT_FN, SyntaxKind::JSON_OBJECT_AGG_FN],
        "JSON_OBJECT or JSON_OBJECTAGG",
    ),
    (16, IS_JSON, "IS JSON"),
    (15, &[SyntaxKind::MERGE], "MERGE"),
    (
        15,
        &[SyntaxKind::NULLS_DISTINCT, SyntaxKind::NULLS_NOT_DISTINCT],
        "NULLS NOT DISTINCT",
    ),
];

const IS_JSON: &[SyntaxKind] = &[
    SyntaxKind::IS_JSON,
    SyntaxKind::IS_NOT_JSON,
    SyntaxKind::IS_JSON_ARRAY,
    SyntaxKind::IS_NOT_JSON_ARRAY,
    SyntaxKind::IS_JSON_OBJECT,
    SyntaxKind::IS_NOT_JSON_OBJECT,
    SyntaxKind::IS_JSON_SCALAR,
    SyntaxKind::IS_NOT_JSON_SCALAR,
    SyntaxKind::IS_JSON_VALUE,
    SyntaxKind::IS_NOT_JSON_VALUE,
];

fn refuse(draft: &mut Draft, root: &SyntaxNode, target: u32) {
    let constructs = CONSTRUCTS
        .iter()
        .filter(|(since, kinds, _)| target < *since && has(root, kinds));
    let options = OPTIONS.iter().filter(|(since, ..)| target < *since).filter(
        |(_, kind, option, value, _)| {
            root.children().any(|statement| statement.kind() == *kind)
                && has_option(root, option, *value)
        },
    );
    let constructs = constructs.map(|(since, _, what)| (*since, *what));
    let options = options.map(|(since, .., what)| (*since, *what));
    let login = is_login_trigger(root)
        .then_some((17, "an event trigger on login"))
        .filter(|(since, _)| target < *since);
    for (since, what) in constructs.chain(options).chain(login) {
        draft.decide(
            format!("{what} needs PostgreSQL {since}, and the target is {target}"),
            extension::BY_HAND,
        );
    }
}

/// Since which version a kind of statement has an option, with this value or any.
const OPTIONS: &[(u32, SyntaxKind, &str, Option<&str>, &str)] = &[
    (
        18,
        SyntaxKind::CREATE_PUBLICATION,
        "publish_generated_columns",
        None,
        "publish_generated_columns",
    ),
    (
        17,
        SyntaxKind::CREATE_COLLATION,
        "provider",
        Some("builtin"),
        "the collation provider builtin",
    ),
    (
        16,
        SyntaxKind::CREATE_COLLATION,
        "rules",
        None,
        "a collation with rules",
    ),
    (
        15,
        SyntaxKind::CREATE_VIEW,
        "security_invoker",
        None,
        "security_invoker",
    ),
];

fn has_option(root: &SyntaxNode, wanted: &str, value: Option<&str>) -> bool {
    all::<ast::AttributeOption>(root).any(|option| {
        let text = option.syntax().text().to_string();
        let (key, given) = text
            .split_once('=')
            .map_or((text.as_str(), ""), |(key, given)| (key, given));
        key.trim() == wanted && value.is_none_or(|value| given.trim().trim_matches('\'') == value)
    })
}

fn is_login_trigger(root: &SyntaxNode) -> bool {
    first::<ast::EventTriggerEvent>(root).is_some_and(|event| name(event.syntax()) == "login")
}

/// Virtual generated columns are dumped without a word; the target stores them.
fn virtual_columns(draft: &mut Draft, statement: &mut Statement) {
    for generated in all::<ast::GeneratedStored>(&statement.root) {
        let kind = child::<ast::GeneratedKind>(generated.syntax());
        match kind {
            Some(ast::GeneratedKind::Stored(_)) => continue,
            Some(ast::GeneratedKind::Virtual(word)) => {
                statement.edits.replace(range(word.syntax()), "STORED")
            }
            None => statement
                .edits
                .insert(range(generated.syntax()).end, " STORED"),
        }
        let column = generated
            .syntax()
            .ancestors()
            .find_map(ast::Column::cast)
            .and_then(|column| column.name());
        let column = column.map_or_else(String::new, |column| name(column.syntax()));
        draft.note(
            format!("the virtual generated column {column} is stored on the target"),
            "",
        );
    }
}

/// Storage parameters that 18 brought. They tune VACUUM: without them the target's settings hold.
fn storage_parameters(draft: &mut Draft, statement: &mut Statement) {
    const NEW: [&str; 2] = [
        "autovacuum_vacuum_max_threshold",
        "vacuum_max_eager_freeze_failure_rate",
    ];
    for params in all::<ast::WithParams>(&statement.root) {
        let options: Vec<ast::AttributeOption> =
            all::<ast::AttributeOption>(params.syntax()).collect();
        let texts = options
            .iter()
            .map(|option| option.syntax().text().to_string());
        let is_new = |text: &String| {
            NEW.iter()
                .any(|new| text.trim_start_matches("toast.").starts_with(new))
        };
        let kept: Vec<String> = texts.clone().filter(|text| !is_new(text)).collect();
        if kept.len() == options.len() {
            continue;
        }
        let with = if kept.is_empty() {
            String::new()
        } else {
            format!("WITH ({})", kept.join(", "))
        };
        statement.edits.replace(range(params.syntax()), with);
        draft.note(
            "storage parameters that need PostgreSQL 18 are left out",
            "",
        );
    }
}

/// The privilege MAINTAIN came with 17.
fn maintain(draft: &mut Draft, statement: &mut Statement) {
    for list in all::<ast::RevokeCommandList>(&statement.root) {
        let words: Vec<String> = list
            .syntax()
            .children()
            .map(|word| word.text().to_string())
            .collect();
        let kept: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "MAINTAIN")
            .collect();
        if kept.len() == words.len() {
            continue;
        }
        statement.dropped = kept.is_empty();
        statement
            .edits
            .replace(range(list.syntax()), kept.join(","));
        draft.note(
            "the privilege MAINTAIN needs PostgreSQL 17 and is left out",
            "",
        );
    }
}

/// `AT LOCAL` came with 17, for the session's own time zone.
fn at_local(statement: &mut Statement) {
    for at in all::<ast::AtLocal>(&statement.root) {
        let zone = "AT TIME ZONE pg_catalog.current_setting('TimeZone')";
        statement.edits.replace(range(at.syntax()), zone);
    }
}

/// Sequences of their own persistence came with 15: before, all are logged.
fn unlogged_sequences(draft: &mut Draft, statement: &mut Statement) {
    let Some(sequence) = statement.root.children().next() else {
        return;
    };
    let unlogged: Option<ast::Unlogged> = child(&sequence);
    match sequence.kind() {
        SyntaxKind::ALTER_SEQUENCE => {
            statement.dropped |= has(
                &sequence,
                &[SyntaxKind::SET_UNLOGGED, SyntaxKind::SET_LOGGED],
            );
        }
        SyntaxKind::CREATE_SEQUENCE if unlogged.is_some() => {
            let word = unlogged.map_or(0..0, |unlogged| range(unlogged.syntax()));
            statement.edits.replace(word.start..word.end + 1, "");
            draft.note(
                "an UNLOGGED sequence needs PostgreSQL 15: it is logged on the target",
                "",
            );
        }
        _ => {}
    }
}

/// A partitioned table has an access method of its own since 17; before, partitions take the default.
fn access_method(draft: &mut Draft, statement: &mut Statement) {
    let of_partitioned = draft
        .entry
        .statements
        .first()
        .is_some_and(|create| create.contains("\nPARTITION BY "));
    if of_partitioned && has(&statement.root, &[SyntaxKind::SET_ACCESS_METHOD]) {
        statement.dropped = true;
        draft.note(
            "the access method of a partitioned table needs PostgreSQL 17 and is left out",
            "",
        );
    }
}
