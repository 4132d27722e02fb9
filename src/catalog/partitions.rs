//! In: a session on the source, and its types. Out: the partitioned tables whose rows may belong to other partitions on another
//! cluster, and why; and what in such a tree takes fewer rows than the tree has. What to do about it is the plan's affair.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use super::Type;
use super::checks::{answer, broken};
use super::portable::{is_oid_alias, type_within};
use super::source::rows;
use crate::error::{Error, Result, Side};

/// One row for each key column: (table, strategy, column or NULL for an expression, its type, an operator class that is not
/// PostgreSQL's own, a collation that takes different texts for one, a collation whose order is a library's affair).
const KEYS: &str = "
SELECT p.partrelid, p.partstrat, a.attname::text, coalesce(a.atttypid, 0::oid), k.class >= 16384,
    NOT coalesce(c.collisdeterministic, true),
    c.oid IS NOT NULL AND NOT CASE WHEN c.collprovider = 'd'
        THEN d.provider = 'b' OR d.provider = 'c' AND d.datcollate IN ('C', 'POSIX')
        ELSE c.collprovider = 'b' OR c.collprovider = 'c' AND c.collcollate IN ('C', 'POSIX') END
FROM pg_catalog.pg_partitioned_table p
CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partclass::oid[], p.partcollation::oid[]) k(number, class, coll)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number AND k.number <> 0
LEFT JOIN pg_catalog.pg_collation c ON c.oid = k.coll
CROSS JOIN (SELECT datcollate, coalesce(to_jsonb(b) ->> 'datlocprovider', 'c') AS provider
    FROM pg_catalog.pg_database b WHERE datname = current_database()) d";

pub async fn rerouted(client: &Client, types: &HashMap<u32, Type>) -> Result<HashMap<u32, String>> {
    let hashed_by_oid = |oid: u32, ty: &Type| ty.kind == 'e' || is_oid_alias(oid);
    let mut found = HashMap::new();
    for row in rows(client, "the keys of partitioned tables", KEYS).await? {
        let hash = row.get::<_, i8>(1) as u8 == b'h';
        let range = row.get::<_, i8>(1) as u8 == b'r';
        let (column, type_oid): (Option<String>, u32) = (row.get(2), row.get(3));
        let (own_class, one_of_many, ordered): (bool, bool, bool) =
            (row.get(4), row.get(5), row.get(6));
        let why = match &column {
            _ if own_class => "an operator class that is not PostgreSQL's own".to_string(),
            _ if one_of_many => "a nondeterministic collation".to_string(),
            None if hash => "the hash of an expression".to_string(),
            Some(_) if hash => match type_within(types, type_oid, &hashed_by_oid) {
                Some(ty) => format!("the hash of type {}, which is that of an OID", ty.name),
                None => continue,
            },
            _ if range && ordered => "the order of texts, which is the collation's".to_string(),
            _ => continue,
        };
        found.entry(row.get(0)).or_insert(why);
    }
    Ok(found)
}

/// What one partition asks of its rows beyond what the table at the top asks: (the constraint, for people; its expression). Not what its
/// bounds ask anyway, as a CHECK does that was made to attach it without a scan; bounds with NOT or OR are not looked into. A constraint
/// that is NOT VALID follows the rows.
const OF_ONE_PARTITION: &str = r"
WITH RECURSIVE below AS (
    SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = $1
    UNION ALL SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid),
asked AS (
    SELECT c.conrelid AS oid, format('constraint %I', c.conname) AS what, pg_get_expr(c.conbin, c.conrelid) AS expression
    FROM below b JOIN pg_catalog.pg_constraint c ON c.conrelid = b.oid
    WHERE c.contype = 'c' AND c.coninhcount = 0 AND c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true)
    UNION ALL SELECT a.attrelid, format('NOT NULL of column %I', a.attname), format('(%I IS NOT NULL)', a.attname)
    FROM below b JOIN pg_catalog.pg_attribute a ON a.attrelid = b.oid
    JOIN pg_catalog.pg_attribute t ON t.attrelid = $1 AND t.attname = a.attname
    WHERE a.attnum > 0 AND a.attnotnull AND NOT t.attnotnull)
SELECT a.oid, a.oid::regclass::text || ' ' || a.what, a.expression
FROM asked a CROSS JOIN LATERAL (SELECT coalesce(pg_get_partition_constraintdef(a.oid), '') AS bounds) p
WHERE p.bounds LIKE '%NOT (%' OR p.bounds LIKE '% OR %'
    OR position(CASE WHEN a.expression LIKE '((%))' THEN substr(a.expression, 2, length(a.expression) - 2) ELSE a.expression END IN p.bounds) = 0
ORDER BY 2";

/// Tables of the tree that are split by hash and lack some of the remainders.
const INCOMPLETE: &str = r"
WITH RECURSIVE tree AS (
    SELECT $1::oid AS oid
    UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
SELECT t.oid::regclass::text FROM tree t JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.oid
LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid LEFT JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE p.partstrat = 'h' GROUP BY 1
HAVING coalesce(sum(1 / substring(pg_get_expr(c.relpartbound, c.oid) from 'modulus ([0-9]+)')::numeric), 0) < 0.999999999 ORDER BY 1";

/// The tables of the tree, its top first: (OID, parent, for people, partitioned, and all that its bounds and those above ask).
const TREE: &str = r"
WITH RECURSIVE tree AS (
    SELECT $1::oid AS oid, 0::oid AS parent, 0 AS depth
    UNION ALL SELECT i.inhrelid, t.oid, depth + 1 FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
SELECT t.oid, t.parent, t.oid::regclass::text, c.relkind = 'p', coalesce(pg_get_partition_constraintdef(t.oid), '')
FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid ORDER BY t.depth, 3";

/// Indexes of one partition alone that may refuse rows: (OID of the partition, for people, the question that is true if they do, or NULL where
/// no query can ask so). A unique index is asked for rows that are one to it, another one only whether its expressions can be computed. No query
/// compares as an operator class does that is not the type's own, and to ask for each pair of rows would take too long.
const INDEXES_OF_ONE: &str = r"
WITH RECURSIVE below AS (
    SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = $1
    UNION ALL SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid),
alone AS (
    SELECT x.*, coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') AS pred, coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::bool, false) AS one_null
    FROM below b JOIN pg_catalog.pg_index x ON x.indrelid = b.oid
    WHERE x.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = x.indexrelid)
        AND (x.indisunique OR x.indisexclusion OR x.indexprs IS NOT NULL OR x.indpred IS NOT NULL))
SELECT a.indrelid, format('%s index %I', a.indrelid::regclass, i.relname),
    CASE WHEN a.indisexclusion OR a.indisunique AND NOT k.usual THEN NULL
        WHEN a.indisunique THEN format('SELECT EXISTS (SELECT FROM {from} WHERE {reach} AND (%s) AND (%s) GROUP BY %s HAVING count(*) > 1)',
            a.pred, CASE WHEN a.one_null THEN 'true' ELSE k.filled END, k.keys)
        ELSE format('SELECT coalesce(bool_or(%s < 0), false) FROM {from} WHERE {reach} AND (%s)', k.nulls, a.pred) END
FROM alone a JOIN pg_catalog.pg_class i ON i.oid = a.indexrelid CROSS JOIN LATERAL (
    -- Each for itself: two with collations of their own are no arguments of one function.
    SELECT string_agg(key, ', ' ORDER BY n) AS keys, string_agg(format('num_nulls(%s)', key), ' + ' ORDER BY n) AS nulls, string_agg(key || ' IS NOT NULL', ' AND ' ORDER BY n) AS filled, bool_and(usual) AS usual
    FROM (SELECT n, o.opcdefault AS usual, format('(%s)%s', pg_get_indexdef(a.indexrelid, n, false),
            (SELECT format(' COLLATE %I.%I', s.nspname, l.collname) FROM pg_catalog.pg_collation l
             JOIN pg_catalog.pg_namespace s ON s.oid = l.collnamespace WHERE l.oid = a.indcollation[n - 1])) AS key
        FROM generate_series(1, a.indnkeyatts) n JOIN pg_catalog.pg_opclass o ON o.oid = a.indclass[n - 1]) each) k
ORDER BY 2";

/// Foreign keys of one partition alone, and such as refer to one alone, in the same way. Rows that refer to the partition may find theirs in
/// another one on the target.
const KEYS_OF_ONE: &str = r"
WITH RECURSIVE below AS (
    SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = $1
    UNION ALL SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid)
SELECT b.oid, format('%s constraint %I', c.conrelid::regclass, c.conname),
    CASE WHEN c.confrelid = b.oid THEN format('SELECT EXISTS (SELECT FROM %s t WHERE %s)', c.conrelid::regclass, k.filled)
        WHEN coalesce((to_jsonb(c) ->> 'conperiod')::bool, false) THEN NULL
        ELSE format('SELECT EXISTS (SELECT FROM {from} t WHERE {reach} AND (%s AND NOT EXISTS (SELECT FROM %s%s r WHERE %s)%s))', k.filled,
            CASE f.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, c.confrelid::regclass, k.equal,
            CASE c.confmatchtype WHEN 'f' THEN format(' OR num_nulls(%s) > 0 AND num_nonnulls(%1$s) > 0', k.keys) END) END
FROM below b JOIN pg_catalog.pg_constraint c ON b.oid IN (c.conrelid, c.confrelid) JOIN pg_catalog.pg_class f ON f.oid = c.confrelid
CROSS JOIN LATERAL (
    SELECT string_agg(format('t.%I', a.attname), ', ') AS keys, string_agg(format('t.%I IS NOT NULL', a.attname), ' AND ') AS filled,
        string_agg(format('r.%I OPERATOR(%I.%s) t.%I', p.attname, s.nspname, o.oprname, a.attname), ' AND ') AS equal
    FROM unnest(c.conkey, c.confkey, c.conpfeqop) u(here, there, op)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.here
    JOIN pg_catalog.pg_attribute p ON p.attrelid = c.confrelid AND p.attnum = u.there
    JOIN pg_catalog.pg_operator o ON o.oid = u.op JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace) k
WHERE c.contype = 'f' AND c.conparentid = 0 AND c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true) ORDER BY 2";

struct Part {
    oid: u32,
    parent: u32,
    display: String,
    partitioned: bool,
    /// What its bounds ask of a row that has come to its parent.
    bounds: String,
}

/// The tables of a tree, its top first.
struct Parts<'a> {
    parts: Vec<Part>,
    rerouted: &'a HashMap<u32, String>,
}

impl Parts<'_> {
    /// What a row that comes to this table must be, for a partition to be there for it wherever the rerouted tables may put it; None, where all
    /// have one.
    fn taken(&self, table: &Part) -> Option<String> {
        if !table.partitioned {
            return None;
        }
        let below = self.parts.iter().filter(|p| p.parent == table.oid);
        if self.rerouted.contains_key(&table.oid) {
            let all: Vec<String> = below.filter_map(|p| self.taken(p)).collect();
            return (!all.is_empty()).then(|| all.join(" AND "));
        }
        let one = |p: &Part| match self.taken(p) {
            Some(taken) => format!("{} AND {taken}", p.bounds),
            None => p.bounds.clone(),
        };
        let any: Vec<String> = ["false".to_string()]
            .into_iter()
            .chain(below.map(one))
            .collect();
        Some(format!("(({}) IS TRUE)", any.join(" OR ")))
    }

    /// What a row of the whole tree must be to come to this table, where the rerouted tables put it there.
    fn reach(&self, table: u32) -> String {
        let mut reach = "true".to_string();
        let mut at = self.parts.iter().find(|p| p.oid == table);
        while let Some(part) = at.filter(|p| p.parent != 0) {
            if !self.rerouted.contains_key(&part.parent) {
                reach = format!("{reach} AND {}", part.bounds);
            }
            at = self.parts.iter().find(|p| p.oid == part.parent);
        }
        format!("(({reach}) IS TRUE)")
    }
}

/// Bounds without what those above ask, which stand first: `(above AND own)`, where `above` has no parentheses of its own if it is several.
fn without_above(whole: &str, above: &str) -> String {
    if above.is_empty() && !whole.is_empty() {
        return format!("({whole})");
    }
    if whole == above {
        return "true".into();
    }
    let inside = |text: &str| Some(text.strip_prefix('(')?.strip_suffix(')')?.to_string());
    let own = inside(whole).and_then(|all| {
        let above = [Some(above.to_string()), inside(above)];
        let mut rest = above
            .iter()
            .flatten()
            .filter_map(|a| all.strip_prefix(a.as_str())?.strip_prefix(" AND "));
        rest.next().map(|own| format!("({own})"))
    });
    own.unwrap_or_else(|| format!("({whole})"))
}

async fn parts<'a>(
    client: &Client,
    top: u32,
    rerouted: &'a HashMap<u32, String>,
) -> std::result::Result<Parts<'a>, tokio_postgres::Error> {
    let rows = client.query(TREE, &[&top]).await?;
    let whole: HashMap<u32, String> = rows.iter().map(|r| (r.get(0), r.get(4))).collect();
    let part = |r: &Row| Part {
        oid: r.get(0),
        parent: r.get(1),
        display: r.get(2),
        partitioned: r.get(3),
        bounds: without_above(r.get(4), whole.get(&r.get(1)).map_or("", String::as_str)),
    };
    let parts = rows.iter().map(part).collect();
    Ok(Parts { parts, rerouted })
}

/// What may refuse a row of the tree that is copied through this table (its OID, and as it stands after FROM) when the target puts it into
/// another partition. The rows are asked, so what none of them can break, wherever it comes to lie, is not found.
pub async fn narrower(
    client: &Client,
    search_path: &str,
    rerouted: &HashMap<u32, String>,
    (top, from): (u32, &str),
) -> Result<Vec<String>> {
    let what = "what partitions ask of their rows";
    let failed = || Error::on(Side::Source, format!("reading {what} in {from}"));
    let mut found = Vec::new();
    for row in client.query(INCOMPLETE, &[&top]).await.map_err(failed())? {
        let table: String = row.get(0);
        found.push(format!(
            "{table} has no partition for some remainders of its hash"
        ));
    }
    let tree = parts(client, top, rerouted).await.map_err(failed())?;
    let mut asked: Vec<(String, String)> = Vec::new();
    for part in tree.parts.iter().filter(|p| p.parent == top) {
        let missing = format!(
            "{} has no partition for some rows of the others",
            part.display
        );
        asked.extend(tree.taken(part).map(|taken| (missing, taken)));
    }
    let alone = |what: &str| {
        format!("{what} holds for that partition alone, and other rows of the tree break it")
    };
    for row in client
        .query(OF_ONE_PARTITION, &[&top])
        .await
        .map_err(failed())?
    {
        let (what, expression): (&str, &str) = (row.get(1), row.get(2));
        let expression = format!("NOT {} OR ({expression})", tree.reach(row.get(0)));
        asked.push((alone(what), expression));
    }
    let expressions: Vec<String> = asked.iter().map(|(_, e)| e.clone()).collect();
    let refused = broken(client, search_path, from, &expressions).await?;
    let refusing = asked
        .into_iter()
        .zip(refused)
        .filter(|(_, refused)| *refused);
    found.extend(refusing.map(|((reason, _), _)| reason));
    for sql in [INDEXES_OF_ONE, KEYS_OF_ONE] {
        for row in client.query(sql, &[&top]).await.map_err(failed())? {
            let question: Option<&str> = row.get(2);
            let refused = match question {
                Some(question) => {
                    let question = question
                        .replace("{from}", from)
                        .replace("{reach}", &tree.reach(row.get(0)));
                    let answer = answer(client, search_path, from, &question).await?;
                    answer.is_none_or(|row| row.get(0))
                }
                None => true,
            };
            if refused {
                let what: &str = row.get(1);
                found.push(format!("{what} is about that partition alone, and where the rows of the tree come to lie may break it"));
            }
        }
    }
    Ok(found)
}
