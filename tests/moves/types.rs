//! In: columns whose values are made of other values, or name types that the user made. Out: the same text on both sides, by the
//! servers' own output functions, and no finding that stops a run.

use crate::common::Pair;

/// Every row as text, and what stands in the table on both sides.
fn same_rows(pair: &Pair, table: &str, columns: &str) {
    pair.same_answer(&format!(
        "SELECT id, ROW({columns})::text FROM {table} ORDER BY id"
    ));
}

#[test]
fn arrays_of_enums_domains_and_composites_find_their_types_by_name() {
    let pair = Pair::with(
        "CREATE SCHEMA \"Odd.\"\"Types\"\"\"; CREATE TYPE \"Odd.\"\"Types\"\"\".\"Mood \" AS ENUM ('sad', 'so so', 'h\"appy');
         CREATE TYPE mood AS ENUM ('other'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN codes AS varchar(4)[];
         CREATE TYPE pair AS (m \"Odd.\"\"Types\"\"\".\"Mood \", n positive, ns positive[], c codes);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), ms \"Odd.\"\"Types\"\"\".\"Mood \"[], ps positive[], p pair, pp pair[], ds codes, o mood[], cc codes[]);
         INSERT INTO t VALUES
          (1, '[1]', '{sad,NULL,\"h\\\"appy\"}', '{1,NULL,2}', '(sad,7,\"{1,2}\",\"{ab,NULL}\")', ARRAY['(\"so so\",,,)'::pair, NULL], '{a,b}', '{other}', '{\"{a,NULL}\",NULL}'),
          (2, NULL, '{}', '{}', '(,,,)', '{}', '{}', '{}', '{}'), (3, NULL, '[2:3]={sad,sad}', '{{1},{2}}', NULL, '{{\"(sad,1,,)\"},{NULL}}', NULL, NULL, NULL)",
    );
    pair.copy(&[]);
    same_rows(
        &pair,
        "t",
        "ms, ps, p, pp, ds, o, cc, array_dims(ms), array_dims(pp), (p).c",
    );
}

#[test]
fn composites_of_composites_lose_no_attribute_and_gain_none() {
    let pair = Pair::with(
        "CREATE TYPE a AS (x int, gone text, y numeric[]); CREATE TYPE b AS (one a, many a[], t text); CREATE TYPE nothing AS ();
         CREATE TABLE rows_of (k int, label text, gone int); ALTER TABLE rows_of DROP COLUMN gone;
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), b b, bs b[], n nothing, r rows_of, rs rows_of[]);
         ALTER TYPE a DROP ATTRIBUTE gone CASCADE;
         INSERT INTO t VALUES
          (1, '[1]', ROW(ROW(1, '{1.50,NaN}')::a, ARRAY[ROW(2, NULL)::a, NULL], E'a\\tb(\",)'), '{}', ROW()::nothing, ROW(1, 'x'), ARRAY[ROW(NULL, NULL)::rows_of]),
          (2, NULL, NULL, ARRAY[ROW(NULL, '{}', '')::b, ROW(ROW(NULL, '{}')::a, NULL, NULL)::b], NULL, NULL, NULL), (3, NULL, ROW(NULL, NULL, NULL), NULL, NULL, ROW(NULL, NULL), '{}');
         ALTER TYPE a ADD ATTRIBUTE late interval CASCADE",
    );
    pair.source
        .exec("INSERT INTO t (id, b) VALUES (4, ROW(ROW(1, '{}', '1 day')::a, NULL, NULL))");
    pair.copy(&[]);
    same_rows(&pair, "t", "b, bs, n, r, rs");
    // A NULL and a row of NULLs are not one.
    pair.same_answer("SELECT id, b IS DISTINCT FROM NULL, r IS DISTINCT FROM NULL, num_nonnulls(b, r) FROM t ORDER BY id");
}

#[test]
fn ranges_and_multiranges_of_user_types_are_the_same() {
    let pair = Pair::with(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE TYPE moods AS RANGE (subtype = mood); CREATE TYPE arrays AS RANGE (subtype = int[]);
         CREATE TYPE pair AS (m mood, n int); CREATE TYPE pairs AS RANGE (subtype = pair, multirange_type_name = \"Many\");
         CREATE DOMAIN upto AS moods CHECK (NOT isempty(VALUE)); CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), r moods, rs moods[], m moods_multirange, p pairs, mp \"Many\", mps \"Many\"[], a arrays, u upto, us upto[], f floats);
         INSERT INTO t VALUES
          (1, '[1]', '[a,b)', '{\"(,b]\",NULL,empty}', '{[a,a],[c,)}', '[\"(a,1)\",\"(a,9)\")', '{[\"(a,1)\",\"(a,9)\"),[\"(b,2)\",)}', '{\"{}\",NULL}', '[\"{1,2}\",\"{3}\"]', '[b,c]', '{\"[b,c]\"}', '(-0,Infinity]'),
          (2, NULL, 'empty', '{}', '{}', '(,)', '{}', '{}', '(,\"{}\")', NULL, '{}', '(,)'), (3, NULL, '(,)', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    pair.copy(&[]);
    same_rows(&pair, "t", "r, rs, m, p, mp, mps, a, u, us, f");
}

/// A has_null flag without NULLs is legal, and storing the array clears it.
#[test]
fn an_array_that_once_held_a_null_is_no_difference_anywhere_inside_a_value() {
    let pair = Pair::with(
        "CREATE TYPE held AS (ns int[], t text); CREATE DOMAIN numbers AS int[]; CREATE TYPE spans AS RANGE (subtype = int[]);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), ns int[], h held, hs held[], d numbers, s spans); INSERT INTO t VALUES (1, '[1]', '{1,NULL}');
         UPDATE t SET ns[2] = 2; UPDATE t SET h = ROW(ns, 'x'), hs = ARRAY[ROW(ns, 'y')::held], d = ns, s = spans(ns, '{9}')",
    );
    pair.copy(&[]);
    same_rows(&pair, "t", "ns, h, hs, d, s");
}

/// information_schema's domains have OIDs that initdb gives: other ones in each version.
#[test]
fn types_of_the_system_that_have_other_oids_in_other_versions_are_found_by_name() {
    let pair = Pair::with(
        "CREATE TYPE held AS (n information_schema.sql_identifier, c information_schema.cardinal_number[]);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), s information_schema.sql_identifier[], y information_schema.yes_or_no, h held);
         INSERT INTO t VALUES (1, '[1]', '{a,NULL}', 'YES', '(x,\"{1,2}\")')",
    );
    pair.copy(&[]);
    same_rows(&pair, "t", "s, y, h");
}

#[test]
fn user_made_base_types_with_a_binary_form_travel_by_name() {
    let pair = Pair::with(
        "CREATE TYPE label; CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textin';
         CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
         CREATE FUNCTION label_recv(internal) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textrecv';
         CREATE FUNCTION label_send(label) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'textsend';
         CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, RECEIVE = label_recv, SEND = label_send, LIKE = text);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), l label, ls label[]); INSERT INTO t VALUES (1, '[1]', 'a', '{b,NULL}')",
    );
    let outcome = pair.copy(&[]);
    assert!(!outcome.out.contains("as text"), "{}", outcome.everything());
    same_rows(&pair, "t", "l, ls");
}
