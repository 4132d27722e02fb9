//! What hangs on the tables and types of `words.sql`: defaults, checks, generated columns, policies, triggers, rules, privileges.

mod common;

use common::{assert_says, words};
use pgv2rs_dialect::rewrite::{self, Severity};
use pgv2rs_dialect::types::TargetType;

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
                "the {constraint} uses the distance <+> of pgvector, which PGVecto.rs has not; it is left out"
            )]
        );
    }
    assert!(
        words()
            .left_out("CHECK CONSTRAINT", "checks late_taxi")
            .contains("distance <+>")
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

#[test]
fn defaults_that_stand_alone_and_partition_keys_are_said() {
    assert_says(
        "DEFAULT",
        "heir h",
        &["SET DEFAULT '[1,1,1]'::vectors.vecf16"],
    );
    assert_says(
        "DEFAULT",
        "heir s",
        &["SET DEFAULT '{0:1, 2:2.5}/5'::vectors.svector"],
    );
    assert_says(
        "TABLE",
        "by_dims",
        &["PARTITION BY LIST (vectors.vector_dims(v))"],
    );
}

#[test]
fn a_default_takes_the_type_that_the_column_was_mapped_to() {
    let mut source = words();
    for table in ["defaults", "heir"] {
        let table = source.oid("TABLE", table);
        let columns = source
            .context
            .columns
            .get_mut(&table)
            .expect("a table with vectors");
        columns.get_mut("v").expect("a column").to = TargetType::Vecf16;
        columns.get_mut("h").expect("a column").to = TargetType::Vector;
    }
    let table = &source.translate("TABLE", "defaults").statements[0];
    assert!(
        table.contains("v vectors.vecf16(3) DEFAULT '[1,2,3]'::vectors.vector::vectors.vecf16(3),"),
        "{table}"
    );
    let default = &source.translate("DEFAULT", "heir h").statements[0];
    assert!(
        default.ends_with("SET DEFAULT '[1,1,1]'::vectors.vecf16::vectors.vector(3)"),
        "{default}"
    );
}

#[test]
fn a_quoted_schema_of_pgvector_is_known_in_the_name_of_a_privilege() {
    let source = words();
    let mut entry = source
        .entry("ACL", "FUNCTION l2_distance(public.vector, public.vector)")
        .clone();
    entry.name = "FUNCTION l2_distance(\"Ext S\".vector, \"Ext S\".vector)".to_owned();
    entry.schema = Some("Ext S".to_owned());
    let context = rewrite::Context {
        vector_schema: "Ext S".to_owned(),
        ..source.context.clone()
    };
    let translated = rewrite::entry(&entry, &context);
    assert_eq!(
        (translated.statements, translated.left_out),
        (vec![], false)
    );
}

/// The statements of an entry that `words.sql` does not have and that needs these members of pgvector.
fn made(kind: &str, name: &str, statements: &[&str], members: &[&str]) -> Vec<String> {
    let mut source = words();
    let mut entry = source.entry("VIEW", "functions").clone();
    kind.clone_into(&mut entry.kind);
    name.clone_into(&mut entry.name);
    entry.statements = statements.iter().map(|&text| text.to_owned()).collect();
    let object = entry.object.expect("a view has an OID");
    let members = members.iter().map(|&member| member.to_owned()).collect();
    source.context.dependents.insert(object, members);
    let translated = rewrite::entry(&entry, &source.context);
    let decision = translated
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Decision);
    assert_eq!(decision, None);
    translated.statements
}

#[test]
fn a_key_that_is_no_column_and_no_call_stands_in_parentheses() {
    let norm = "function public.vector_norm(public.vector)";
    let dims = "function public.vector_dims(public.vector)";
    for (kind, statement, said) in [
        (
            "INDEX",
            "CREATE INDEX i ON public.items USING btree (public.vector_norm(v) DESC, id)",
            "CREATE INDEX i ON public.items USING btree (((vectors.vector_norm(v))::double precision) DESC, id)",
        ),
        (
            "INDEX",
            "CREATE INDEX i ON public.items USING btree (public.vector_dims(v), ((public.vector_norm(v) + (1)::double precision)))",
            "CREATE INDEX i ON public.items USING btree (vectors.vector_dims(v), (((vectors.vector_norm(v))::double precision + (1)::double precision)))",
        ),
        (
            "INDEX",
            "CREATE INDEX i ON public.items USING btree (b DESC, ((b IS NULL))) WHERE (b IS NOT NULL)",
            "CREATE INDEX i ON public.items USING btree ((pg_catalog.translate((b)::text, '[, ]', '')::\"bit\") DESC, ((b IS NULL))) WHERE (b IS NOT NULL)",
        ),
        (
            "CONSTRAINT",
            "ALTER TABLE ONLY public.items ADD CONSTRAINT c EXCLUDE USING btree (public.vector_norm(v) WITH =)",
            "ALTER TABLE ONLY public.items ADD CONSTRAINT c EXCLUDE USING btree (((vectors.vector_norm(v))::double precision) WITH =)",
        ),
    ] {
        assert_eq!(made(kind, "i", &[statement], &[norm, dims]), [said]);
    }
}

#[test]
fn an_object_may_have_the_name_of_a_member_of_pgvector() {
    let statements = made(
        "VIEW",
        "l2_distance",
        &[
            "CREATE VIEW public.l2_distance AS\n SELECT id,\n    public.l2_distance(v, '[1,2,3]'::public.vector) AS d\n   FROM public.items",
            "ALTER VIEW public.l2_distance OWNER TO postgres",
        ],
        &["function public.l2_distance(public.vector,public.vector)"],
    );
    assert_eq!(
        statements,
        [
            "CREATE VIEW public.l2_distance AS\n SELECT id,\n    pg_catalog.sqrt((v OPERATOR(vectors.<->) '[1,2,3]'::vectors.vector)::double precision) AS d\n   FROM public.items",
            "ALTER VIEW public.l2_distance OWNER TO postgres",
        ]
    );
}

#[test]
fn a_sparse_vector_that_is_null_needs_no_other_text() {
    assert_eq!(
        made(
            "VIEW",
            "nothing",
            &[
                "CREATE VIEW public.nothing AS\n SELECT ROW('[1,2,3]'::public.vector, NULL::public.sparsevec(5)) AS r"
            ],
            &["type public.sparsevec"],
        ),
        [
            "CREATE VIEW public.nothing AS\n SELECT ROW('[1,2,3]'::vectors.vector, NULL::vectors.svector(5)) AS r"
        ]
    );
}
