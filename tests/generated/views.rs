//! In: a database with tables. Out: views and materialized views over them, over each other and over vectors.

use super::database::{Database, Shape, Table};
use super::expressions::tame;
use super::names::ident;
use super::random::Rng;
use super::types::Words;
use super::usertypes::named;

pub fn make(database: &mut Database) {
    let mut rng = database.stream("views");
    let tables = std::mem::take(&mut database.tables);
    let mut made = Vec::new();
    if database.has("views") && !tables.is_empty() {
        for _ in 0..rng.between(1, 4) {
            let table = rng.pick(&tables);
            made.extend(view(database, table, &mut rng));
        }
    }
    if let (true, Some(below)) = (database.has("views over views"), made.first().cloned()) {
        let name = named(database, "over", &mut rng);
        database.add(format!("CREATE VIEW {name} AS SELECT a.*, 1 AS \"extra col\" FROM {below} a WHERE EXISTS (SELECT FROM {below} b)"));
    }
    if database.has("recursive views") {
        let name = named(database, "rec", &mut rng);
        database.add(format!(
            "CREATE VIEW {name} AS WITH RECURSIVE r(n, path) AS (SELECT 1, ARRAY[1] UNION ALL SELECT n + 1, path || n FROM r WHERE n < 5) SELECT n, path, sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, CASE n WHEN 1 THEN 'one' ELSE NULL END AS c FROM r"
        ));
    }
    if database.has("materialized views") && !tables.is_empty() {
        for _ in 0..rng.between(1, 2) {
            let table = rng.pick(&tables);
            materialized(database, table, &mut rng);
        }
    }
    if database.has("distance views") {
        for table in tables
            .iter()
            .filter(|_| rng.percent(60))
            .collect::<Vec<_>>()
        {
            distances(database, table, &mut rng);
        }
    }
    database.tables = tables;
}

fn columns(table: &Table, rng: &mut Rng) -> Vec<String> {
    let some = table.columns.iter().filter(|_| rng.percent(70));
    some.map(|c| format!("t.{}", ident(&c.name))).collect()
}

/// Returns its name, unless it is one that others should not stand on.
fn view(database: &mut Database, table: &Table, rng: &mut Rng) -> Option<String> {
    let name = named(database, "view", rng);
    let columns = columns(table, rng).join(", ");
    let sql = table.sql();
    let query = match (&table.key, rng.below(6)) {
        (Some(key), 0) => {
            let key = ident(key);
            format!(
                "SELECT count(*) AS n, min({key}) AS low, {key} % 3 AS \"the rest\" FROM {sql} GROUP BY {key} % 3 HAVING count(*) > 0"
            )
        }
        (Some(key), 1) => {
            let key = ident(key);
            format!("SELECT a.{key}, b.{key} AS other FROM {sql} a LEFT JOIN {sql} b USING ({key}) WHERE a.{key} IN (SELECT {key} FROM {sql} LIMIT 100)").replace(&format!("a.{key}, b.{key} AS other"), &format!("a.{key}, b.{key} AS other"))
        }
        (Some(key), 2) => {
            let key = ident(key);
            format!(
                "SELECT {key}, row_number() OVER (ORDER BY {key} DESC) AS r FROM {sql} UNION ALL SELECT -1, 0"
            )
        }
        (Some(key), 3) => format!("SELECT {columns} FROM {sql} t WHERE t.{} > 2", ident(key)),
        _ => format!("SELECT {columns} FROM {sql} t"),
    };
    let options = rng.pick(&[
        "",
        "",
        " WITH (security_barrier = true)",
        " WITH (security_invoker = true)",
    ]);
    database.add(format!("CREATE VIEW {name}{options} AS {query}"));
    if rng.percent(30) {
        database.add(format!("COMMENT ON VIEW {name} IS 'a\\b ''view'' '"));
        database.add(format!("GRANT SELECT, DELETE ON {name} TO PUBLIC"));
    }
    if rng.percent(20) {
        let function = named(database, "instead", rng);
        let trigger = ident(database.fresh("trg"));
        database.add(format!("CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"));
        database.add(format!("CREATE TRIGGER {trigger} INSTEAD OF INSERT OR UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()"));
    }
    Some(name)
}

fn materialized(database: &mut Database, table: &Table, rng: &mut Rng) {
    let name = named(database, "mat", rng);
    let columns = columns(table, rng).join(", ");
    let filled = *rng.pick(&["", "", " WITH NO DATA"]);
    database.add(format!(
        "CREATE MATERIALIZED VIEW {name} AS SELECT {columns} FROM {} t{filled}",
        table.sql()
    ));
    let vector = table.columns.iter().find(|c| tame(c).is_some());
    if let Some(column) = vector.filter(|_| rng.percent(50) && database.has("vector indexes")) {
        let (column, vector) = (ident(&column.name), tame(column));
        if let (Some(vector), true) = (vector, columns.contains(&format!("t.{column}"))) {
            let index = ident(database.fresh("mvidx"));
            let words = vector.words.name();
            database.add(format!(
                "CREATE INDEX {index} ON {name} USING hnsw ({column} {words}_l2_ops)"
            ));
        }
    }
    if let Some(key) = &table.key {
        let key = ident(key);
        if columns.contains(&format!("t.{key}")) {
            let index = ident(database.fresh("matidx"));
            database.add(format!("CREATE INDEX {index} ON {name} ({key})"));
        }
    }
}

/// Nearest neighbours, thresholds, and whatever else applications ask of vectors.
fn distances(database: &mut Database, table: &Table, rng: &mut Rng) {
    let Some(column) = table.columns.iter().find(|c| tame(c).is_some()) else {
        return;
    };
    let (Some(key), Some(vector)) = (&table.key, tame(column)) else {
        return;
    };
    let (key, v, sql) = (ident(key), ident(&column.name), table.sql());
    let only = if table.shape == Shape::Inherits {
        "ONLY "
    } else {
        ""
    };
    let point = format!("'{}'::{}", vector.text(rng), column.ty.sql);
    let operator = *rng.pick(&["<->", "<=>", "<#>", "<+>"]);
    let function = *rng.pick(&[
        "l2_distance",
        "cosine_distance",
        "inner_product",
        "l1_distance",
    ]);
    let norm = match vector.words {
        Words::Vector => format!("vector_norm({v})"),
        Words::Halfvec | Words::Sparsevec => format!("l2_norm({v})"),
    };
    // Of the nearest only how far they are: which of two as good as equally near ones comes first is up to the last digit.
    let query = match rng.below(6) {
        0 => format!(
            "SELECT {v} {operator} {point} AS d FROM {only}{sql} ORDER BY {v} {operator} {point}, {key} LIMIT 5"
        ),
        1 => format!("SELECT {key} FROM {only}{sql} WHERE {v} <-> {point} < 9.5"),
        2 => format!(
            "SELECT {key}, {function}({v}, {point}) AS d, 1 - ({v} <=> {point}) AS similarity FROM {only}{sql}"
        ),
        3 if vector.words == Words::Vector => {
            format!("SELECT avg({v}) AS a, sum({v}) AS s, count(*) AS n FROM {only}{sql}")
        }
        4 => {
            format!("SELECT {key}, {norm} AS n FROM {only}{sql} WHERE {v} IS NOT NULL")
        }
        _ => format!(
            "SELECT a.{key}, (SELECT b.{v} {operator} a.{v} FROM {only}{sql} b WHERE b.{key} <> a.{key} ORDER BY b.{v} {operator} a.{v}, b.{key} LIMIT 1) AS near FROM {only}{sql} a"
        ),
    };
    let name = named(database, "near", rng);
    let kind = *rng.pick(&["VIEW", "VIEW", "MATERIALIZED VIEW"]);
    database.add(format!("CREATE {kind} {name} AS {query}"));
}
