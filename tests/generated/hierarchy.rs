//! In: a database with tables. Out: partition trees of several levels and schemas, and inheritance, with rows in them.

use super::database::{Column, Database, Shape, Table};
use super::names::ident;
use super::random::Rng;
use super::tables::fill;
use super::types::{Kind, Type};
use super::usertypes::{self, named};

pub fn make(database: &mut Database) {
    let mut rng = database.stream("hierarchy");
    if database.has("partitions") {
        for _ in 0..rng.between(1, 2) {
            tree(database, &mut rng);
        }
    }
    if database.has("inheritance") {
        for _ in 0..rng.between(1, 2) {
            inherited(database, &mut rng);
        }
    }
}

/// How a level is cut: the words of PARTITION BY, and those of each partition.
struct Cut {
    by: String,
    bounds: Vec<String>,
}

/// `id` is an integer, `other` of the type.
fn cut(id: &str, other: &str, ty: &Type, rng: &mut Rng) -> Cut {
    let hash = |of: &str, modulus: usize| Cut {
        by: format!("HASH ({of})"),
        bounds: (0..modulus)
            .map(|r| format!("FOR VALUES WITH (MODULUS {modulus}, REMAINDER {r})"))
            .collect(),
    };
    let list = |by: String, bounds: &[&str]| Cut {
        by,
        bounds: bounds.iter().map(|b| b.to_string()).collect(),
    };
    match (&ty.kind, rng.below(5)) {
        (Kind::Enum(labels), 0 | 1) => {
            let first = super::names::literal(&labels[0]);
            let in_first = format!("FOR VALUES IN ({first}, NULL)");
            list(format!("LIST ({other})"), &[&in_first, "DEFAULT"])
        }
        (Kind::Enum(_), 2) => hash(id, 2),
        (_, 0) => hash(other, 3),
        (_, 1) => hash(&format!("{id}, {other}"), 2),
        (_, 2) => list(
            format!("RANGE ({id})"),
            &[
                "FOR VALUES FROM (MINVALUE) TO (5)",
                "FOR VALUES FROM (5) TO (12)",
                "DEFAULT",
            ],
        ),
        (_, 3) => list(
            format!("LIST ((({id} % 3)))"),
            &["FOR VALUES IN (0)", "FOR VALUES IN (1, 2)", "DEFAULT"],
        ),
        _ => list(
            format!("RANGE ({id}, {other})"),
            &[
                "FOR VALUES FROM (MINVALUE, MINVALUE) TO (7, MINVALUE)",
                "FOR VALUES FROM (7, MINVALUE) TO (MAXVALUE, MAXVALUE)",
            ],
        ),
    }
}

fn tree(database: &mut Database, rng: &mut Rng) {
    let enums = database
        .types
        .iter()
        .filter(|t| matches!(t.kind, Kind::Enum(_)));
    let mut types: Vec<Type> = enums.cloned().collect();
    types.extend(["text", "uuid", "date", "integer"].map(Type::named));
    let ty = types[rng.below(types.len())].clone();
    let mut columns = Vec::new();
    for (stem, ty) in [
        ("id", Type::named("integer")),
        ("k", ty),
        ("v", usertypes::vector(database, rng)),
    ] {
        columns.push(Column {
            name: database.fresh(stem),
            ty,
            not_null: stem != "v",
            counted: stem == "id",
            written: true,
        });
    }
    for _ in 0..rng.below(3) {
        columns.push(Column {
            name: database.fresh("c"),
            ty: usertypes::plain(rng),
            not_null: false,
            counted: false,
            written: true,
        });
    }
    let root = Table {
        schema: rng.pick(&database.schemas).clone(),
        name: database.fresh("tree"),
        key: Some(columns[0].name.clone()),
        columns,
        rows: 0,
        shape: Shape::Partitioned,
    };
    let cut = cut(
        &ident(&root.columns[0].name),
        &ident(&root.columns[1].name),
        &root.columns[1].ty,
        rng,
    );
    database.add(format!(
        "CREATE TABLE {} ({}) PARTITION BY {}",
        root.sql(),
        columns_of(&root),
        cut.by
    ));
    let mut leaves = Vec::new();
    level(database, &root, &root.sql(), &cut, 1, rng, &mut leaves);
    let mut root = root;
    let count = rng.between(1, 30);
    fill(database, &mut root, count, rng);
    database.tables.push(root);
    database.tables.extend(leaves);
}

fn columns_of(table: &Table) -> String {
    let columns = table.columns.iter().map(|c| {
        let null = if c.not_null { " NOT NULL" } else { "" };
        format!("{} {}{null}", ident(&c.name), c.ty.sql)
    });
    columns.collect::<Vec<_>>().join(", ")
}

fn level(
    database: &mut Database,
    root: &Table,
    above: &str,
    cuts: &Cut,
    depth: usize,
    rng: &mut Rng,
    leaves: &mut Vec<Table>,
) {
    for bound in &cuts.bounds {
        let table = Table {
            schema: rng.pick(&database.schemas).clone(),
            name: database.fresh("part"),
            columns: root.columns.iter().map(copied).collect(),
            key: root.key.clone(),
            rows: 0,
            shape: Shape::Leaf,
        };
        let name = table.sql();
        if depth < 3 && rng.percent(25) {
            let next = cut(
                &ident(&root.columns[0].name),
                &ident(&root.columns[1].name),
                &root.columns[1].ty,
                rng,
            );
            database.add(format!(
                "CREATE TABLE {name} PARTITION OF {above} {bound} PARTITION BY {}",
                next.by
            ));
            level(database, root, &name, &next, depth + 1, rng, leaves);
        } else if rng.percent(25) {
            attached(database, &table, above, bound);
            leaves.push(table);
        } else {
            database.add(format!("CREATE TABLE {name} PARTITION OF {above} {bound}"));
            leaves.push(table);
        }
    }
}

fn copied(column: &Column) -> Column {
    Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        ..*column
    }
}

/// Its columns stand in another order, and one was dropped before.
fn attached(database: &mut Database, table: &Table, above: &str, bound: &str) {
    let turned = Table {
        schema: table.schema.clone(),
        name: table.name.clone(),
        columns: table.columns.iter().rev().map(copied).collect(),
        key: None,
        rows: 0,
        shape: Shape::Leaf,
    };
    let name = table.sql();
    database.add(format!(
        "CREATE TABLE {name} (gone text, {})",
        columns_of(&turned)
    ));
    database.add(format!("ALTER TABLE {name} DROP COLUMN gone"));
    database.add(format!(
        "ALTER TABLE {above} ATTACH PARTITION {name} {bound}"
    ));
}

fn inherited(database: &mut Database, rng: &mut Rng) {
    let plain = |t: &&Table| t.shape == Shape::Plain || t.shape == Shape::Inherits;
    let parents: Vec<&Table> = database.tables.iter().filter(plain).collect();
    if parents.is_empty() {
        return;
    }
    let first = rng.below(parents.len());
    let mut of = vec![parents[first]];
    if rng.percent(25) && first + 1 < parents.len() {
        of.push(parents[first + 1]);
    }
    let names: Vec<String> = of.iter().map(|t| t.sql()).collect();
    let columns: Vec<Column> = of
        .iter()
        .flat_map(|t| t.columns.iter().map(copied))
        .collect();
    // A child may inherit a column by two ways: too intricate for INSERT's list of columns.
    let mut seen: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|w| w[0] == w[1]) {
        return;
    }
    let key = of[0].key.clone();
    let mut child = Table {
        schema: rng.pick(&database.schemas).clone(),
        name: database.fresh("child"),
        columns,
        key,
        rows: 0,
        shape: Shape::Inherits,
    };
    let extra = database.fresh("extra");
    database.add(format!(
        "CREATE TABLE {} ({} text DEFAULT 'x') INHERITS ({})",
        child.sql(),
        ident(&extra),
        names.join(", ")
    ));
    let count = rng.between(1, 10);
    fill(database, &mut child, count, rng);
    for table in &mut database.tables {
        if names.contains(&table.sql()) {
            table.shape = Shape::Inherits;
        }
    }
    database.tables.push(child);
    if database.has("typed tables") {
        let name = named(database, "typed", rng);
        let ty = named(database, "shape", rng);
        database.add(format!("CREATE TYPE {ty} AS (a integer, b text)"));
        database.add(format!(
            "CREATE TABLE {name} OF {ty} (a NOT NULL, b DEFAULT 'd')"
        ));
        database.add(format!("INSERT INTO {name} VALUES (1, 'x'), (2, DEFAULT)"));
    }
}

/// A diamond: columns of the same name are one, from several parents and the child's own list, and stand in another order there.
pub fn diamond(database: &mut Database) {
    if !database.has("many parents") {
        return;
    }
    let mut rng = database.stream("many parents");
    let [top, left, right, bottom, late] =
        ["top", "left", "right", "bottom", "diamond"].map(|stem| named(database, stem, &mut rng));
    let vector = |rng: &mut Rng| usertypes::vector(database, rng);
    let (v, w) = (vector(&mut rng), vector(&mut rng));
    let (vt, wt) = (&v.sql, &w.sql);
    let statements = [
        format!(
            "CREATE TABLE {top} (id integer NOT NULL, gone text, v {vt}, note text DEFAULT 'top')"
        ),
        format!("ALTER TABLE {top} DROP COLUMN gone"),
        format!("CREATE TABLE {left} (w {wt}, own integer CHECK (own > 0)) INHERITS ({top})"),
        format!(
            "CREATE TABLE {right} (note text DEFAULT 'right', more text[], v {vt}) INHERITS ({top})"
        ),
        format!(
            "CREATE TABLE {bottom} (own integer DEFAULT 5, w {wt}, note text DEFAULT 'bottom') INHERITS ({left}, {right})"
        ),
        format!(
            "CREATE TABLE {late} (more text[], v {vt}, x bytea, note text, id integer NOT NULL)"
        ),
        format!("ALTER TABLE {late} DROP COLUMN x"),
        format!("ALTER TABLE {late} INHERIT {right}"),
        format!("ALTER TABLE {top} ADD COLUMN since date DEFAULT '2024-02-29'"),
    ];
    for statement in statements {
        database.add(statement);
    }
    for (table, has_w) in [
        (&top, false),
        (&left, true),
        (&right, false),
        (&bottom, true),
        (&late, false),
    ] {
        for id in 0..rng.below(4) {
            let (column, value) = match has_w {
                true => (", w", format!(", {}", w.maybe(&mut rng, 20))),
                false => ("", String::new()),
            };
            let v = v.maybe(&mut rng, 20);
            database.add(format!(
                "INSERT INTO {table} (id, v{column}) VALUES ({id}, {v}{value})"
            ));
        }
    }
    if rng.percent(30) {
        database.add(format!("ALTER TABLE {bottom} NO INHERIT {right}"));
    }
}
