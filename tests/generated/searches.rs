//! In: a database with tables over vectors. Out: the functions that applications call to find what is near, and the calls, which must
//! give the same answer on both sides.

use super::database::{Database, Probe, Shape};
use super::expressions::tame;
use super::names::ident;
use super::random::Rng;
use super::types::Words;
use super::usertypes::named;

pub fn make(database: &mut Database) {
    let mut rng = database.stream("searches");
    if !database.has("searches") {
        return;
    }
    let places: Vec<(String, String, String, Words, String)> = database
        .tables
        .iter()
        .filter(|t| t.shape != Shape::Leaf)
        .filter_map(|t| {
            let column = t.columns.iter().find(|c| tame(c).is_some())?;
            let vector = tame(column)?;
            Some((
                t.sql(),
                ident(t.key.as_ref()?),
                ident(&column.name),
                vector.words,
                vector.text(&mut rng),
            ))
        })
        .collect();
    for (sql, key, column, words, point) in places {
        if rng.percent(60) {
            search(database, [&sql, &key, &column, &point], words, &mut rng);
        }
    }
}

fn search(
    database: &mut Database,
    [sql, key, column, point]: [&str; 4],
    words: Words,
    rng: &mut Rng,
) {
    let ours = database.member(words.name());
    let theirs = match words {
        Words::Vector => "vectors.vector",
        Words::Halfvec => "vectors.vecf16",
        Words::Sparsevec => "vectors.svector",
    };
    let name = named(database, "match", rng);
    let operator = *rng.pick(&["<->", "<=>", "<#>"]);
    let only = ["", "ONLY "][usize::from(rng.percent(50))];
    let query = rng
        .pick(&[
            "SELECT t.§1::bigint, (t.§2 §3 query) AS d FROM §4 t WHERE t.§1 > low AND t.§2 IS NOT NULL ORDER BY t.§2 §3 query, t.§1 LIMIT count",
            "SELECT t.§1::bigint, 1 - (t.§2 §3 query) FROM §4 t WHERE (t.§2 <-> query) < 15.5 ORDER BY t.§1, t.§2 <-> query LIMIT count",
            "SELECT n.k, n.d FROM (SELECT t.§1::bigint AS k, t.§2 §3 query AS d FROM §4 t WHERE t.§2 IS NOT NULL) n WHERE n.d > -1e30 ORDER BY n.d, n.k LIMIT count",
            "WITH near AS (SELECT t.§1, l2_distance(t.§2, query) AS d FROM §4 t) SELECT near.§1::bigint, min(near.d) FROM near GROUP BY near.§1 ORDER BY 1",
        ])
        .replace("§1", key)
        .replace("§2", column)
        .replace("§3", operator)
        .replace("§4", &format!("{only}{sql}"));
    let body = match rng.below(3) {
        0 => format!("LANGUAGE sql STABLE AS $tag$ {query}; $tag$"),
        1 => format!("LANGUAGE plpgsql STABLE AS $tag$ BEGIN RETURN QUERY {query}; END $tag$"),
        _ => format!("LANGUAGE plpgsql AS $tag$ DECLARE r record; BEGIN FOR r IN {query} LOOP id := r.column1; RETURN NEXT; END LOOP; END $tag$")
            .replace("DECLARE r record; BEGIN FOR r IN", "BEGIN FOR id, d IN")
            .replace("id := r.column1; ", ""),
    };
    database.add(format!(
        "CREATE FUNCTION {name}(query {ours}, count integer DEFAULT 3, low bigint DEFAULT -1000) RETURNS TABLE (id bigint, d double precision) {body}"
    ));
    database.add(format!(
        "COMMENT ON FUNCTION {name}({ours}, integer, bigint) IS 'near'"
    ));
    if let Some(role) = database.roles.first() {
        let role = ident(role);
        database.add(format!(
            "GRANT EXECUTE ON FUNCTION {name}({ours}, integer, bigint) TO {role}"
        ));
        database.add(format!(
            "ALTER FUNCTION {name}({ours}, integer, bigint) OWNER TO {role}"
        ));
    }
    // Sparse vectors count from 0 there.
    let point_there = match point.split_once('/') {
        None => point.to_string(),
        Some((elements, dims)) => {
            let shifted = elements
                .trim_matches(['{', '}'])
                .split(',')
                .filter(|e| !e.is_empty())
                .map(|e| {
                    let (at, number) = e.split_once(':').unwrap_or((e, ""));
                    format!("{}:{number}", at.parse::<usize>().unwrap_or(1) - 1)
                });
            format!("{{{}}}/{dims}", shifted.collect::<Vec<_>>().join(","))
        }
    };
    // As its owner, who may be kept out by row-level security on one side as on the other. All rows: which of two equally near ones is
    // the last is up to the last digit of a distance.
    database.probes.push(Probe {
        source: format!("SELECT * FROM {name}('{point}'::{ours}, 1000000)"),
        target: format!("SELECT * FROM {name}('{point_there}'::{theirs}, 1000000)"),
    });
}
