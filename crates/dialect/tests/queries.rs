//! Views over `words.sql`: each line here is one way to use pgvector, and what says the same.

mod common;

use common::{assert_says, words};
use pgv2rs_dialect::types::TargetType;

#[test]
fn a_distance_that_is_shown_keeps_its_type_and_its_root() {
    assert_says(
        "VIEW",
        "shown",
        &[
            "(pg_catalog.sqrt((v OPERATOR(vectors.<->) '[1,2,3]'::vectors.vector)::double precision)) AS l2,",
            "((v OPERATOR(vectors.<=>) w)::double precision) AS cos,",
            "((v OPERATOR(vectors.<#>) w)::double precision) AS ip,",
            "((1)::double precision - ((v OPERATOR(vectors.<=>) w)::double precision)) AS similarity\n",
        ],
    );
}

#[test]
fn a_distance_that_is_the_whole_sort_key_stays_bare() {
    assert_eq!(
        words().silent("VIEW", "sorted"),
        "CREATE VIEW app.sorted AS\n SELECT id\n   FROM public.items\n  ORDER BY (v OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vector)\n LIMIT 5"
    );
    assert_says(
        "VIEW",
        "sorted_shown",
        &[
            "(pg_catalog.sqrt((v OPERATOR(vectors.<->) w)::double precision)) AS d\n",
            "ORDER BY (v OPERATOR(vectors.<->) w)\n",
        ],
    );
}

#[test]
fn a_sort_key_that_must_be_what_is_shown_is_cast_like_it() {
    assert_says(
        "VIEW",
        "distinct_sorted",
        &["ORDER BY ((v OPERATOR(vectors.<=>) w)::double precision)"],
    );
}

#[test]
fn the_order_of_a_window_stays_bare_too() {
    assert_says(
        "VIEW",
        "windowed",
        &["OVER (ORDER BY (v OPERATOR(vectors.<=>) w)) AS row_number"],
    );
}

#[test]
fn a_threshold_keeps_its_meaning() {
    assert_eq!(
        words()
            .silent("VIEW", "near")
            .split_once("WHERE ")
            .expect("a condition")
            .1,
        "(((pg_catalog.sqrt((v OPERATOR(vectors.<->) '[1,2,3]'::vectors.vector)::double precision)) < (2)::double precision) \
         AND (((h OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vecf16)::double precision) < (0.5)::double precision))"
    );
}

#[test]
fn functions_become_operators_functions_or_formulas() {
    assert_says(
        "VIEW",
        "functions",
        &[
            "pg_catalog.sqrt((v OPERATOR(vectors.<->) w)::double precision) AS a,",
            "(- (v OPERATOR(vectors.<#>) w)::double precision) AS b,",
            "(h OPERATOR(vectors.<=>) h)::double precision AS c,",
            "vectors.vector_dims(v) AS d,",
            "(vectors.vector_norm(v))::double precision AS e,",
            "(vectors.vector_norm(s))::double precision AS f,",
            "vectors.vector_normalize(v) AS g,",
            "((v)[1:3]) AS h,",
            "((v::real[])[((id)::integer):((id)::integer) + (2) - 1])::vectors.vector AS i,",
            "pg_catalog.translate((vectors.binarize(v))::text, '[, ]', '')::\"bit\" AS j,",
            "(b OPERATOR(vectors.<->) '[1, 0, 1]'::vectors.bvector)::double precision AS k,",
            "ELSE 1 - pg_catalog.bit_count(flags & '101'::\"bit\")::double precision / pg_catalog.bit_count(flags | '101'::\"bit\") END) AS l\n",
        ],
    );
}

#[test]
fn bits_are_measured_as_vectors_where_they_became_one_and_counted_where_they_did_not() {
    assert_says(
        "VIEW",
        "bit_measures",
        &[
            "    b,\n",
            "(pg_catalog.translate((b)::text, '[, ]', '')::\"bit\")::text AS t,",
            "((pg_catalog.bit_count(flags # '111'::\"bit\"))::double precision) AS x,",
            "((b OPERATOR(vectors.<~>) '[0, 1, 1]'::vectors.bvector)::double precision) AS y\n",
            "(pg_catalog.translate((b)::text, '[, ]', '')::\"bit\" = '101'::\"bit\")",
            "(b IS NOT NULL)",
            "ORDER BY (b OPERATOR(vectors.<->) '[1, 1, 0]'::vectors.bvector)",
        ],
    );
    assert_says(
        "VIEW",
        "quantized",
        &[
            "ORDER BY ((vectors.binarize(v))::vectors.bvector(3) OPERATOR(vectors.<->) vectors.binarize('[1,-2,3]'::vectors.vector))",
        ],
    );
}

#[test]
fn a_column_is_followed_through_queries_to_its_table() {
    assert_says(
        "VIEW",
        "subquery",
        &[
            "((q.bb OPERATOR(vectors.<->) '[1, 0, 1]'::vectors.bvector)::double precision) AS d\n",
            "ORDER BY (x.iv OPERATOR(vectors.<=>) q.v)",
        ],
    );
}

#[test]
fn arithmetic_goes_through_arrays_where_the_target_has_no_operator() {
    assert_says(
        "VIEW",
        "arithmetic",
        &[
            "(v OPERATOR(vectors.+) w) AS a,",
            "((CASE WHEN v IS NULL OR w IS NULL THEN NULL ELSE (v::real[] OPERATOR(pg_catalog.||) w::real[]) END)::vectors.vector) AS d,",
            "((CASE WHEN h IS NULL OR h IS NULL THEN NULL ELSE (h::vectors.vector::real[] OPERATOR(pg_catalog.||) h::vectors.vector::real[]) END)::vectors.vector::vectors.vecf16) AS e,",
            "(v OPERATOR(vectors.=) w) AS f,",
        ],
    );
}

#[test]
fn casts_take_the_steps_that_the_target_has() {
    assert_says(
        "VIEW",
        "casts",
        &[
            "(v)::vectors.vecf16(3) AS a,",
            "(h)::vectors.vector(3) AS b,",
            "(h)::vectors.vector::vectors.svector(3) AS c,",
            "(v)::real[] AS d,",
            "(h)::vectors.vector::real[]::real[] AS e,",
            "(nums)::real[]::vectors.vector(3) AS f,",
            "(ARRAY[1.5, (2)::numeric])::real[]::vectors.vector AS g,",
            "pg_catalog.translate(((v)::real[])::text, '{}', '[]')::text AS h,",
            "pg_catalog.translate(((h)::vectors.vector::real[])::text, '{}', '[]')::text AS i\n",
        ],
    );
    assert_says("VIEW", "text_dense", &["(name)::vectors.vector(3) AS a"]);
}

#[test]
fn sparse_literals_count_from_zero_and_sparse_text_is_said() {
    assert_says(
        "VIEW",
        "sparse",
        &[
            "'{0:1, 9:2}/10'::vectors.svector",
            "'{1:1}/3'::vectors.svector AS b",
        ],
    );
    let (_, notes) = words().noted("VIEW", "sparse_text");
    assert_eq!(
        notes,
        ["shows a sparse vector as text, which counts from 1 in pgvector and from 0 in PGVecto.rs"]
    );
    assert!(
        words()
            .left_out("VIEW", "text_sparse")
            .starts_with("casts something to sparsevec")
    );
}

#[test]
fn averages_of_half_vectors_go_through_vectors() {
    assert_says(
        "VIEW",
        "aggregates",
        &[
            "vectors.avg(v) AS a,",
            "vectors.sum(v) FILTER (WHERE (id > 1)) AS b,",
            "(vectors.avg(h::vectors.vector))::vectors.vecf16 AS c,",
            "    avg(d) AS d\n",
        ],
    );
}

#[test]
fn an_operator_of_another_extension_is_not_touched() {
    let source = words();
    let trigrams = source.translate("VIEW", "trigrams");
    assert_eq!(
        trigrams.statements,
        source.entry("VIEW", "trigrams").statements
    );
    assert_says(
        "VIEW",
        "both",
        &[
            "(name OPERATOR(public.<->) 'x'::text) AS t,",
            "(v OPERATOR(vectors.<->) '[1,2,3]'::vectors.vector)",
        ],
    );
}

#[test]
fn an_operator_whose_owner_the_text_does_not_tell_is_a_finding() {
    let mut source = words();
    let table = source.oid("TABLE", "items");
    source.context.columns.remove(&table);
    let views = source
        .entries
        .iter_mut()
        .filter(|entry| entry.name == "both");
    for view in views {
        view.statements[0] = view.statements[0].replace("'x'::text", "name");
    }
    assert_eq!(
        source.left_out("VIEW", "both"),
        "uses the operator <->, which is not pgvector's alone, and its text does not tell whose it is"
    );
}

#[test]
fn what_the_target_has_not_is_named() {
    let source = words();
    for name in ["grouped", "united"] {
        assert!(
            source
                .left_out("VIEW", name)
                .starts_with("groups, sorts or merges rows by whole vectors")
        );
    }
    assert_eq!(
        source.left_out("AGGREGATE", "mean(public.vector)"),
        "is made of public.vector_accum of pgvector, which PGVecto.rs has not"
    );
    assert!(
        source
            .left_out("TYPE", "span")
            .starts_with("is a range of vectors")
    );
    assert!(
        source
            .left_out("OPERATOR CLASS", "vector_by_value")
            .starts_with("is made for a type of pgvector")
    );
}

#[test]
fn vectors_that_are_compared_without_an_operator_are_compared_as_arrays() {
    assert_says(
        "VIEW",
        "unnamed",
        &[
            "(v::real[] IS DISTINCT FROM w::real[]) AS a,",
            "CASE v::real[]\n            WHEN '[1,2,3]'::vectors.vector::real[] THEN 1\n            WHEN w::real[] THEN 2\n",
            "OVER (PARTITION BY v::real[] ORDER BY h::vectors.vector::real[] DESC, id) AS c,",
            "(NOT (s::text IS DISTINCT FROM '{0:1}/10'::vectors.svector::text)) AS d\n",
            "ORDER BY v::real[] DESC, id",
        ],
    );
    assert_says(
        "VIEW",
        "first_of_each",
        &[
            "SELECT DISTINCT ON (v::real[]) id\n",
            "ORDER BY v::real[], id",
        ],
    );
    assert_says(
        "VIEW",
        "counted",
        &["count(DISTINCT v::real[]) AS n,", "count(v) AS m\n"],
    );
    assert_says(
        "TRIGGER",
        "items moved",
        &["WHEN ((new.v::real[] IS DISTINCT FROM old.v::real[]))"],
    );
}

#[test]
fn a_column_that_was_mapped_decides_the_type_of_what_it_is_measured_against() {
    let mut source = words();
    let table = source.oid("TABLE", "items");
    let columns = source
        .context
        .columns
        .get_mut(&table)
        .expect("a table with vectors");
    columns.get_mut("v").expect("a column").to = TargetType::Vecf16;
    let view = &source.translate("VIEW", "sorted").statements[0];
    assert!(
        view.contains(
            "ORDER BY (v OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vector::vectors.vecf16)"
        ),
        "{view}"
    );
}

#[test]
fn a_distance_without_an_operator_is_summed_up_and_said() {
    let (statements, notes) = words().noted("VIEW", "taxicab");
    assert!(statements[0].contains(
        "(SELECT pg_catalog.sum(pg_catalog.abs(e.x::double precision - e.y)) \
         FROM ROWS FROM (pg_catalog.unnest(v::real[]), pg_catalog.unnest(w::real[])) AS e(x, y))) AS d\n"
    ), "{}", statements[0]);
    assert_eq!(
        notes,
        ["measures with <+> over arrays of the numbers, since the target has no operator for it"]
    );
}

#[test]
fn over_arrays_nothing_of_pgvecto_rs_is_said() {
    let mut source = words();
    source.context.real_array = true;
    let columns = source
        .context
        .columns
        .values_mut()
        .chain(source.context.attributes.values_mut());
    columns
        .flat_map(|columns| columns.values_mut())
        .for_each(|change| change.to = TargetType::RealArray);
    source
        .context
        .domains
        .values_mut()
        .for_each(|change| change.to = TargetType::RealArray);
    for entry in &source.entries {
        let translated = pgv2rs_dialect::rewrite::entry(entry, &source.context);
        let text = translated.statements.concat();
        assert!(!text.contains("vectors."), "{text}");
    }
    let near = source.noted("VIEW", "shown").0;
    assert!(
        near[0].contains(
            "(SELECT pg_catalog.sqrt(pg_catalog.sum((e.x::double precision - e.y) ^ 2)) \
         FROM ROWS FROM (pg_catalog.unnest(v), pg_catalog.unnest('{1,2,3}'::real[])) AS e(x, y))"
        ),
        "{}",
        near[0]
    );
}

#[test]
fn the_greatest_of_vectors_is_named_though_the_catalog_does_not_know_that_it_compares() {
    let mut source = words();
    let found =
        |entry: &&mut pgv2rs_dialect::dump::Entry| entry.kind == "VIEW" && entry.name == "sorted";
    let view = source.entries.iter_mut().find(found).expect("the view");
    view.statements[0] = view.statements[0].replace("SELECT id", "SELECT GREATEST(v, v)");
    assert!(
        source
            .left_out("VIEW", "sorted")
            .contains("compares whole vectors")
    );
}

#[test]
fn a_document_of_whole_rows_is_said() {
    let mut source = words();
    let found =
        |entry: &&mut pgv2rs_dialect::dump::Entry| entry.kind == "VIEW" && entry.name == "sorted";
    let view = source.entries.iter_mut().find(found).expect("the view");
    view.statements[0] = view.statements[0].replace("SELECT id", "SELECT row_to_json(items.*)");
    let (statements, notes) = source.noted("VIEW", "sorted");
    assert!(statements[0].contains("SELECT row_to_json(items.*)\n"));
    assert!(notes[0].contains("whole rows with vectors"), "{notes:?}");
}
