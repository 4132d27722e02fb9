//! Views, rules, policies and their kin over `words.sql`: each line here is one way to use pgvector, and what says the same.

mod common;

use common::words;
use pgv2rs_dialect::rewrite::Severity;

/// The entry is translated without a decision, and its first statement holds these pieces.
fn assert_says(kind: &str, name: &str, pieces: &[&str]) {
    let translated = words().translate(kind, name);
    assert!(
        !translated.left_out,
        "{kind} {name}: {:?}",
        translated.findings
    );
    for piece in pieces {
        assert!(
            translated.statements[0].contains(piece),
            "{piece} is not in {}",
            translated.statements[0]
        );
    }
}

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
    assert_says(
        "VIEW",
        "windowed",
        &["OVER (ORDER BY ((v OPERATOR(vectors.<=>) w)::double precision))"],
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
            "((v::real[] OPERATOR(pg_catalog.||) w::real[])::vectors.vector) AS d,",
            "((h::vectors.vector::real[] OPERATOR(pg_catalog.||) h::vectors.vector::real[])::vectors.vector::vectors.vecf16) AS e,",
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
    assert_eq!(
        source.left_out("VIEW", "taxicab"),
        "uses the taxicab distance <+> of pgvector, which PGVecto.rs has not"
    );
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
fn what_hangs_on_tables_is_said() {
    assert_says(
        "POLICY",
        "items near",
        &[
            "((((v OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vector)::double precision) < (0.5)::double precision))",
            "WITH CHECK ((vectors.vector_dims(v) = 3))",
        ],
    );
    assert_says(
        "TRIGGER",
        "items changed",
        &["WHEN ((new.v OPERATOR(vectors.<>) old.v))"],
    );
    assert_says(
        "RULE",
        "items logged",
        &[
            "(pg_catalog.sqrt((new.v OPERATOR(vectors.<->) old.v)::double precision)) > (1)",
            "VALUES ((new.v OPERATOR(vectors.-) old.v))",
        ],
    );
    assert_says(
        "STATISTICS",
        "stats",
        &["ON id, vectors.vector_dims(v) FROM"],
    );
    assert_says(
        "INDEX",
        "kept_dims",
        &["USING btree (vectors.vector_dims(v))"],
    );
    assert_says(
        "INDEX",
        "kept_near",
        &["(((v OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vector)::double precision) < (0.5)"],
    );
    assert_says(
        "MATERIALIZED VIEW",
        "kept",
        &["((v OPERATOR(vectors.<=>) '[1,2,3]'::vectors.vector)::double precision) AS d\n"],
    );
}

#[test]
fn user_made_objects_over_vectors_get_the_types_of_the_target() {
    assert_says(
        "AGGREGATE",
        "total(public.vector)",
        &[
            "SFUNC = vectors._vectors_vecf32_operator_add,",
            "STYPE = vectors.vector\n",
        ],
    );
    assert_says(
        "OPERATOR",
        "<<>>",
        &["LEFTARG = vectors.vector,", "RIGHTARG = vectors.vector\n"],
    );
    assert_says(
        "CAST",
        "CAST (public.vector AS json)",
        &["CREATE CAST (vectors.vector AS json) WITH FUNCTION app.to_json(vectors.vector)"],
    );
}

#[test]
fn defaults_checks_and_generated_columns_are_said_in_place() {
    assert_says(
        "TABLE",
        "defaults",
        &[
            "v vectors.vector(3) DEFAULT '[1,2,3]'::vectors.vector,",
            "h vectors.vecf16(3) DEFAULT NULL::vectors.vecf16(3),",
            "s vectors.svector(5) DEFAULT '{0:1, 2:2.5}/5'::vectors.svector,",
            "a vectors.vector(2)[] DEFAULT '{\"[1,2]\"}'::vectors.vector[],",
            "f vectors.vector(3) DEFAULT (ARRAY[1, 2, 3])::real[]::vectors.vector\n",
        ],
    );
    assert_says(
        "TABLE",
        "bits",
        &[
            "b vectors.bvector(3) DEFAULT '[1, 0, 1]'::vectors.bvector,",
            "c bit(3) DEFAULT '001'::\"bit\",",
            "CHECK ((c <> '000'::\"bit\")),",
            "CHECK ((pg_catalog.translate((b)::text, '[, ]', '')::\"bit\" <> '000'::\"bit\"))",
        ],
    );
    assert_says(
        "TABLE",
        "generated",
        &[
            "n double precision GENERATED ALWAYS AS ((vectors.vector_norm(v))::double precision) STORED,",
            "q vectors.bvector(3) GENERATED ALWAYS AS ((vectors.binarize(v))::vectors.bvector(3)) STORED,",
            "r bit(3) GENERATED ALWAYS AS (pg_catalog.translate(((vectors.binarize(v))::vectors.bvector(3))::text, '[, ]', '')::\"bit\") STORED,",
            "x vectors.vector(2) GENERATED ALWAYS AS ((((v)[0:2]))::vectors.vector(2)) STORED\n",
        ],
    );
}

#[test]
fn a_check_that_cannot_be_said_is_left_out_and_the_table_comes() {
    for (kind, name, constraint) in [
        ("TABLE", "checks", "CONSTRAINT taxi"),
        ("DOMAIN", "taxi", "CONSTRAINT taxi_near"),
    ] {
        let translated = words().translate(kind, name);
        assert!(!translated.left_out && !translated.statements[0].contains(constraint));
        let decisions = translated
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Decision);
        let reasons: Vec<&str> = decisions.map(|finding| finding.reason.as_str()).collect();
        let constraint = constraint.to_lowercase();
        assert_eq!(
            reasons,
            [format!(
                "the {constraint} uses the taxicab distance <+> of pgvector, which PGVecto.rs has not; it is left out"
            )]
        );
    }
    assert!(
        words()
            .left_out("CHECK CONSTRAINT", "checks late_taxi")
            .contains("taxicab")
    );
    assert_says(
        "TABLE",
        "checks",
        &[
            "CONSTRAINT differs CHECK ((v OPERATOR(vectors.<>) w)),",
            "CONSTRAINT dims CHECK ((vectors.vector_dims(v) = 3)),",
        ],
    );
}

#[test]
fn a_generated_column_that_cannot_be_said_keeps_the_table_away() {
    assert_eq!(
        words().left_out("TABLE", "digest"),
        "the generated column m uses the text of a vector, which PGVecto.rs writes in another form"
    );
}

#[test]
fn a_domain_says_its_default_and_checks_about_the_value() {
    assert_says(
        "DOMAIN",
        "unit",
        &[
            "AS vectors.vector(3) DEFAULT '[1,0,0]'::vectors.vector\n",
            "CHECK (((pg_catalog.sqrt((VALUE OPERATOR(vectors.<->) '[0,0,0]'::vectors.vector)::double precision)) < (1.5)::double precision))",
            "CHECK ((vectors.vector_dims(VALUE) = 3))",
        ],
    );
}

#[test]
fn privileges_on_members_of_pgvector_are_dropped_and_on_functions_of_users_are_said() {
    let member = words().translate("ACL", "FUNCTION l2_distance(public.vector, public.vector)");
    assert_eq!(member.statements, Vec::<String>::new());
    assert!(!member.left_out && member.findings[0].severity == Severity::Note);
    let name = "FUNCTION match_documents(query_embedding public.vector, match_threshold double precision, match_count integer)";
    assert_says(
        "ACL",
        name,
        &["app.match_documents(query_embedding vectors.vector, match_threshold"],
    );
    assert_says(
        "COMMENT",
        name,
        &["app.match_documents(query_embedding vectors.vector, match_threshold"],
    );
}
