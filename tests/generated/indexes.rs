//! In: a database with tables and rows. Out: indexes of every method, and vector indexes of every kind that the target can have. Which
//! ones it cannot have is known here, and told as a decision.

use super::database::{Column, Database, Decision, Shape, Table};
use super::names::ident;
use super::random::Rng;
use super::types::{Kind, Vector, Words};

pub fn make(database: &mut Database) {
    let mut rng = database.stream("indexes");
    let tables = std::mem::take(&mut database.tables);
    for table in &tables {
        if database.has("indexes") {
            for _ in 0..rng.below(4) {
                ordinary(database, table, &mut rng);
            }
        }
        if database.has("vector indexes") {
            for column in table
                .columns
                .iter()
                .filter(|_| rng.percent(50))
                .collect::<Vec<_>>()
            {
                vector(database, table, column, &mut rng);
            }
        }
    }
    database.tables = tables;
}

fn ordinary(database: &mut Database, table: &Table, rng: &mut Rng) {
    if table.columns.is_empty() {
        return;
    }
    let column = &table.columns[rng.below(table.columns.len())];
    // 18 has no index over a virtual generated column.
    if !column.written {
        return;
    }
    let name = ident(&column.name);
    let mut shapes: Vec<String> = Vec::new();
    if column.ty.has_order() && !matches!(column.ty.kind, Kind::Array(_)) {
        shapes.push(format!("({name})"));
        shapes.push(format!(
            "USING btree ({name} DESC NULLS LAST) WITH (fillfactor = 60, deduplicate_items = off)"
        ));
        shapes.push(format!(
            "({name}, ({name} IS NULL)) WHERE {name} IS NOT NULL"
        ));
    }
    match column.ty.sql.as_str() {
        "text" | "character varying" => {
            shapes.push(format!(
                "({name} text_pattern_ops, lower({name}) COLLATE \"C\")"
            ));
            shapes.push(format!("USING hash ({name})"));
            shapes.push(format!("USING spgist ({name})"));
        }
        "jsonb" => {
            shapes.push(format!("USING gin ({name})"));
            shapes.push(format!("USING gin ({name} jsonb_path_ops)"));
            shapes.push(format!("(({name} ->> 'a'::text))"));
        }
        "tsvector" => shapes.push(format!("USING gin ({name}) WITH (fastupdate = off)")),
        "integer[]" | "text[]" => shapes.push(format!("USING gin ({name})")),
        "int4range" | "numrange" | "point" | "box" | "inet" => {
            let class = if column.ty.sql == "inet" {
                " inet_ops"
            } else {
                ""
            };
            shapes.push(format!("USING gist ({name}{class})"));
        }
        "integer" | "bigint" | "date" => {
            shapes.push(format!("USING brin ({name}) WITH (pages_per_range = 8)"));
            shapes.push(format!("({name}) INCLUDE ({name})"));
        }
        _ => {}
    }
    if let Some(key) = &table.key {
        let key = ident(key);
        shapes.push(format!("(({key} % 7), {key} DESC) WHERE {key} > 3"));
        if table.shape != Shape::Partitioned && table.shape != Shape::Leaf {
            shapes.push(format!("UNIQUE:({key}) NULLS NOT DISTINCT"));
        }
    }
    if shapes.is_empty() {
        return;
    }
    let shape = &shapes[rng.below(shapes.len())];
    let (unique, shape) = match shape.strip_prefix("UNIQUE:") {
        Some(rest) => ("UNIQUE ", rest),
        None => ("", shape.as_str()),
    };
    let index = database.fresh("idx");
    database.add(format!(
        "CREATE {unique}INDEX {} ON {} {shape}",
        ident(&index),
        table.sql()
    ));
    if shape.starts_with("((") && rng.percent(40) {
        let full = format!("{}.{}", ident(&table.schema), ident(&index));
        database.add(format!(
            "ALTER INDEX {full} ALTER COLUMN 1 SET STATISTICS 77"
        ));
    }
}

fn vector(database: &mut Database, table: &Table, column: &Column, rng: &mut Rng) {
    // PGVecto.rs has none on UNLOGGED tables.
    if table.shape == Shape::Unlogged {
        return;
    }
    let name = ident(&column.name);
    let shape = match &column.ty.kind {
        Kind::Vector(vector) => dense_or_sparse(vector, &name, table.shape, rng),
        Kind::Plain(plain) if plain.sql == "bit(11)" => {
            let class = *rng.pick(&["bit_hamming_ops", "bit_jaccard_ops"]);
            Some(format!("USING hnsw ({name} {class})"))
        }
        _ => None,
    };
    let Some(mut shape) = shape else { return };
    shape.push_str(&options(&shape, rng));
    if let (Some(key), true) = (&table.key, rng.percent(25)) {
        shape.push_str(&format!(" WHERE {} > 2", ident(key)));
    }
    let index = database.fresh("vidx");
    database.add(format!(
        "CREATE INDEX {} ON {} {shape}",
        ident(&index),
        table.sql()
    ));
    if shape.contains("_l1_ops") && !database.arrays {
        database.decisions.push(Decision {
            object: index.clone(),
            asked: true,
            missing: vec![("INDEX".into(), index)],
        });
    }
}

fn dense_or_sparse(vector: &Vector, name: &str, shape: Shape, rng: &mut Rng) -> Option<String> {
    let dims = vector.dims?;
    let words = vector.words.name();
    let limit = match vector.words {
        Words::Vector => 2000,
        Words::Halfvec => 4000,
        Words::Sparsevec => 1_000_000,
    };
    if dims > limit {
        return None;
    }
    let distance = *rng.pick(&["l2", "ip", "cosine"]);
    let plain = format!("USING hnsw ({name} {words}_{distance}_ops)");
    // Casts to half precision and slices want everyday numbers.
    let dense = vector.words == Words::Vector && vector.tame;
    Some(match rng.below(9) {
        // Its cosines want two dimensions at least.
        0 | 1 if vector.words != Words::Sparsevec && dims > 1 => {
            format!("USING ivfflat ({name} {words}_{distance}_ops)")
        }
        2 if dense => format!("USING hnsw (({name}::halfvec({dims})) halfvec_{distance}_ops)"),
        3 if dense => {
            format!("USING hnsw ((binary_quantize({name})::bit({dims})) bit_hamming_ops)")
        }
        4 if dense && dims > 2 => format!(
            "USING hnsw ((subvector({name}, 2, {})::vector({})) vector_{distance}_ops)",
            dims - 1,
            dims - 1
        ),
        // One on a partitioned table is a finding for each partition as well.
        5 if shape != Shape::Partitioned => format!("USING hnsw ({name} {words}_l1_ops)"),
        _ => plain,
    })
}

fn options(shape: &str, rng: &mut Rng) -> String {
    let ivfflat = ["", " WITH (lists = 1)", " WITH (lists = 3)"];
    let hnsw = [
        "",
        "",
        " WITH (m = 2, ef_construction = 4)",
        " WITH (m = 16, ef_construction = 64)",
        " WITH (ef_construction = 100)",
        " WITH (m = 20)",
    ];
    match shape.contains("ivfflat") {
        true => rng.pick(&ivfflat).to_string(),
        false => rng.pick(&hnsw).to_string(),
    }
}
