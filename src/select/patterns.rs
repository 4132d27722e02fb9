//! In: --schema, --table, --exclude-table. Out: the schemas and relations of the source whose names they match. What else comes
//! because of them is the matter of `closure`.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use crate::cli::Scope;
use crate::error::{Error, Result, Side};

/// What the user's patterns match on the source.
#[derive(Debug, Default)]
pub struct Patterns {
    /// By name, with the OID.
    pub schemas: Option<HashMap<String, u32>>,
    pub tables: Option<HashSet<u32>>,
    pub excluded: HashSet<u32>,
}

/// Evaluates the patterns on the server: they are its regular expressions in disguise. One that matches nothing is a mistake.
pub async fn patterns(client: &Client, scope: &Scope) -> Result<Patterns> {
    let mut found = Patterns::default();
    if !scope.schemas.is_empty() {
        let mut names = HashMap::new();
        for pattern in &scope.schemas {
            let name = schema_pattern(pattern)?;
            let sql = "SELECT nspname::text, oid FROM pg_catalog.pg_namespace \
                WHERE nspname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default";
            names.extend(rows(client, sql, &[&name], "--schema", pattern).await?);
        }
        found.schemas = Some(names);
    }
    if !scope.tables.is_empty() {
        found.tables = Some(relations(client, &scope.tables, "--table").await?);
    }
    found.excluded = relations(client, &scope.excluded_tables, "--exclude-table").await?;
    Ok(found)
}

async fn relations(client: &Client, patterns: &[String], option: &str) -> Result<HashSet<u32>> {
    // Without a schema a pattern means what the role's own search_path shows, as in pg_dump.
    let visible = "SELECT c.relname::text, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default \
        AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) AND n.nspname NOT LIKE 'pg\\_%' \
        ELSE n.nspname OPERATOR(pg_catalog.~) $2 COLLATE pg_catalog.default END";
    let mut found = HashSet::new();
    for pattern in patterns {
        let Pattern { schema, name } = pattern_of(pattern)?;
        let schema = schema.unwrap_or_default();
        found.extend(
            rows(client, visible, &[&name, &schema], option, pattern)
                .await?
                .into_iter()
                .map(|r| r.1),
        );
    }
    Ok(found)
}

async fn rows(
    client: &Client,
    sql: &str,
    params: &[&(dyn postgres_types::ToSql + Sync)],
    option: &str,
    pattern: &str,
) -> Result<Vec<(String, u32)>> {
    let attempt = format!("looking for {option} {pattern}");
    let on = |attempt: String| Error::on::<tokio_postgres::Error>(Side::Source, attempt);
    client
        .batch_execute("RESET search_path")
        .await
        .map_err(on(attempt.clone()))?;
    let found = client.query(sql, params).await;
    client
        .batch_execute("SET search_path = ''")
        .await
        .map_err(on(attempt.clone()))?;
    let found = found.map_err(on(attempt.clone()))?;
    if found.is_empty() {
        return Err(Error::new(Side::Plan, attempt)
            .because("nothing on the source matches")
            .remedy("check the pattern's spelling; quote mixed case: '\"Items\"'"));
    }
    Ok(found.iter().map(|r| (r.get(0), r.get(1))).collect())
}

#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    schema: Option<String>,
    name: String,
}

/// psql's rules: `*` and `?` are wild, letters fold to lower case outside double quotes, the dot parts schema and name.
fn pattern_of(text: &str) -> Result<Pattern> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        let part = &mut parts[last];
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            '*' if !quoted => part.push_str(".*"),
            '?' if !quoted => part.push('.'),
            '$' => part.push_str("\\$"),
            _ if quoted && "|*+?()[]{}.^\\".contains(c) => part.extend(['\\', c]),
            _ if quoted => part.push(c),
            // As the server and pg_dump do: only ASCII folds.
            _ => part.push(c.to_ascii_lowercase()),
        }
    }
    let whole = |part: String| format!("^({part})$");
    let mut parts = parts.into_iter().map(whole);
    match (parts.next(), parts.next(), parts.next(), quoted) {
        (Some(name), None, None, false) => Ok(Pattern { schema: None, name }),
        (Some(schema), Some(name), None, false) => Ok(Pattern {
            schema: Some(schema),
            name,
        }),
        _ => Err(
            Error::new(Side::Plan, format!("reading the pattern {text}"))
                .because("it is not name or schema.name")
                .remedy("close the quotes; leave the database's name away"),
        ),
    }
}

/// A schema stands in nothing: a dot outside quotes is a mistake, as in pg_dump.
fn schema_pattern(text: &str) -> Result<String> {
    match pattern_of(text)? {
        Pattern { schema: None, name } => Ok(name),
        _ => Err(
            Error::new(Side::Plan, format!("reading the pattern --schema {text}"))
                .because("a schema's name has no dot")
                .remedy("name tables with --table schema.name; quote a dot that belongs to the name: '\"a.b\"'"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_folded_and_anchored_like_psqls() {
        let pattern = |schema: Option<&str>, name: &str| Pattern {
            schema: schema.map(Into::into),
            name: name.into(),
        };
        assert_eq!(pattern_of("Items*").unwrap(), pattern(None, "^(items.*)$"));
        assert_eq!(
            pattern_of("app.\"A.b*\"").unwrap(),
            pattern(Some("^(app)$"), "^(A\\.b\\*)$")
        );
        assert!(pattern_of("a.b.c").is_err());
        assert!(pattern_of("\"a").is_err());
    }

    #[test]
    fn refuses_a_schema_pattern_with_a_dot_outside_quotes() {
        let refused = schema_pattern("a.b").unwrap_err();
        assert!(refused.to_string().contains("--schema a.b"), "{refused}");
        assert_eq!(schema_pattern("\"a.b\"").unwrap(), "^(a\\.b)$");
        assert_eq!(schema_pattern("App*").unwrap(), "^(app.*)$");
    }
}
