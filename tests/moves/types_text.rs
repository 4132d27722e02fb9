//! In: tables with a type that has no binary form, or holds OIDs of its cluster. Out: the same text on both sides, and vectors with the
//! same bits: such a table goes as text.

use crate::common::Pair;

/// A base type of text without send and receive functions, as extensions have them.
const LABEL: &str = "CREATE TYPE label; CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, LIKE = text);";

#[test]
fn every_type_says_in_text_what_it_says_in_binary() {
    let pair = Pair::with(&format!(
        "{LABEL} CREATE TYPE mood AS ENUM ('sad', 'h\\ap\tpy'); CREATE TYPE pair AS (m mood, l label, ls label[]); CREATE DOMAIN labels AS label[];
         CREATE TABLE t (id int PRIMARY KEY, l label, ls label[], ds labels, p pair, pp pair[], tx text, ta text[], f4 real, f8 double precision, n numeric, b boolean,
           d date, ts timestamp, tz timestamptz, iv interval, by bytea, jb jsonb, js json, mo money, ip inet, bits varbit, m mood, r tstzrange, mr int4multirange, pt point, tsv tsvector, e text);
         INSERT INTO t VALUES
          (1, E'a\\tb\\nc\\\\d\\r', E'{{\"a b\",NULL,\"\\\\\"q\\\\\"\",NULL}}', '{{x}}', E'(sad,\"l,\\\\\"\",\"{{a,NULL}}\")', NULL, E'tab\\there\\\\N', E'{{\"\\\\\\\\N\",a\\nb}}', '-0', '1e-300', 'NaN', true,
           '0044-03-15 BC', 'infinity', '2024-02-29 23:59:59.123456+05', '1 year -2 mons 3 days 04:05:06.789', '\\x00ff5c0a', '{{\"a\": 1.10}}', '{{ \"b\": null }}', '-1234.56',
           '192.168.0.1/24', B'101', E'h\\\\ap\\tpy', '[2024-01-01,)', '{{[1,3)}}', '(0.1,-0)', 'fat:2A', E'\\\\.'),
          (2, '', '{{}}', NULL, '(,,)', ARRAY['(sad,,)'::pair, NULL], '', '{{}}', 'Infinity', 3.141592653589793, 1e400, false, '5874897-12-31', '4713-01-01 BC', '-infinity', '-00:00:00.000001', '', '\"\\u00e9\\U0001F600\"', '[]', 
           '0.01', '::1', '', NULL, 'empty', '{{}}', NULL, '', E'\\\\N');
         UPDATE t SET jb = E'\"\\u00e9\\U0001F600\"' WHERE id = 2; INSERT INTO t (id) VALUES (3)"
    ).replace("'\"\\u00e9\\U0001F600\"', '[]'", "'1', '[]'"));
    let outcome = pair.copy(&[]);
    outcome.says(&["the table is copied as text"]);
    for db in [&pair.source, &pair.target] {
        db.exec("SET lc_monetary = 'C'; SET TimeZone = 'UTC'");
    }
    pair.same_answer(
        "SELECT id, ROW(l, ls, ds, p, pp, tx, ta, f4, f8, n, b, d, ts, tz, iv, by, jb, js, mo, ip, bits, m, r, mr, pt, tsv, e)::text FROM t ORDER BY id",
    );
    pair.same_answer("SELECT id, l IS NULL, p IS DISTINCT FROM NULL, encode(convert_to(l::text, 'UTF8'), 'hex') FROM t ORDER BY id");
}

#[test]
fn vectors_beside_such_a_type_keep_every_bit() {
    let pair = Pair::with(&format!(
        "{LABEL} CREATE TABLE t (id int PRIMARY KEY, l label, v vector, h halfvec, s sparsevec, b bit(70), vs vector[], hs halfvec[], plain varbit);
         CREATE INDEX ON t USING hnsw (b bit_hamming_ops);
         INSERT INTO t SELECT i, ('l' || i)::label, ARRAY(SELECT ((random() - 0.5) * 10 ^ (random() * 76 - 38))::real FROM generate_series(1, 20 + i * 0))::vector,
           ARRAY(SELECT ((random() - 0.5) * 10 ^ (random() * 11 - 7))::real FROM generate_series(1, 20 + i * 0))::vector::halfvec,
           ('{{1:' || (random() - 2)::real || ',' || 1000 + i || ':1e-45}}/2000')::sparsevec, (random() * 1e15)::bigint::bit(70), NULL, NULL, i::bit(9)
           FROM generate_series(1, 500) i;
         UPDATE t SET vs = ARRAY[v, NULL, '[1]'], hs = ARRAY[[h], ['[-0,6e-8,65504]'::halfvec]] WHERE id % 3 = 0;
         INSERT INTO t VALUES (0, 'edges', '[-0,1e-45,-1e-45,3.4028235e38,-3.4028235e38,1.17549435e-38,-1.2345679e-38,0.1,16777216,123456790]', '[-0,6e-8,65504,-65504,0.0001]', '{{}}/3', repeat('10', 35)::bit(70), '{{}}', '{{}}', '');
         INSERT INTO t (id) VALUES (1000)"
    ));
    pair.copy(&[]);
    let read = |vector: &str| {
        format!(
            "SELECT id, v::real[]::text, h::{vector}::real[]::text, vs[1]::real[]::text, vs[2] IS NULL, array_dims(vs), hs[2][1]::{vector}::real[]::text, array_dims(hs), plain FROM t ORDER BY id"
        )
    };
    pair.same(&read("vector"), &read("vectors.vector"));
    // Texts of these types differ by their base and their blanks alone.
    pair.same(
        "SELECT id, string_to_array(b::text, NULL)::real[]::text FROM t ORDER BY id",
        "SELECT id, b::vectors.vector::real[]::text FROM t ORDER BY id",
    );
    pair.same(
        "SELECT id, s::vector::real[]::text FROM t WHERE id < 1000 ORDER BY id",
        "SELECT id, s::vectors.vector::real[]::text FROM t WHERE id < 1000 ORDER BY id",
    );
}

#[test]
fn real_arrays_beside_such_a_type_keep_every_bit() {
    let pair = Pair::with(&format!(
        "{LABEL} CREATE TABLE t (id int PRIMARY KEY, l label, v vector(3), s sparsevec(4)); INSERT INTO t VALUES (1, 'a', '[-0,1e-45,3.4028235e38]', '{{3:0.1}}/4'), (2, NULL, NULL, NULL)"
    ));
    pair.copy(&["--format", "real-array"]);
    pair.same(
        "SELECT id, l, v::real[]::text, s::vector::real[]::text FROM t ORDER BY id",
        "SELECT id, l, v::text, s::text FROM t ORDER BY id",
    );
}

/// regclass and its kin: an OID on the wire, a name to everybody else.
#[test]
fn references_to_objects_are_kept_by_name() {
    let pair = Pair::with(
        "CREATE SCHEMA \"S p\"; CREATE TABLE \"S p\".\"T t\" (id int); CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql RETURN $1 * 2; CREATE TYPE mood AS ENUM ('a');
         CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple); CREATE TYPE ref AS (c regclass, n int);
         CREATE TABLE t (id int PRIMARY KEY, v vector(2), c regclass, cs regclass[], p regproc, pr regprocedure, o regoper, op regoperator, ty regtype, ns regnamespace, cfg regconfig, dic regdictionary, ref ref, rr regrole);
         INSERT INTO t VALUES
          (1, '[1,2]', '\"S p\".\"T t\"', '{t,pg_class,NULL}', 'twice', 'twice(int)', NULL, '+(int,int)', 'mood[]', '\"S p\"', 'mine', 'simple', '(pg_type,3)', 'postgres'),
          (2, NULL, NULL, '{}', 'sin', 'abs(int)', NULL, '<(text,text)', 'int', 'pg_catalog', 'english', NULL, NULL, NULL), (3, NULL, 0, NULL, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, 0)",
    );
    pair.copy(&[]);
    pair.same_answer(
        "SELECT id, ROW(c, cs, p, pr, o, op, ty, ns, cfg, dic, ref, rr)::text FROM t ORDER BY id",
    );
    assert_eq!(
        pair.target
            .rows("SELECT c::oid::bigint > 0, v::real[]::text FROM t WHERE id = 1"),
        ["t|{1,2}"]
    );
}

#[test]
fn access_lists_and_partitions_of_such_types_come_too() {
    let pair = Pair::with(
        "CREATE TABLE acls (id int PRIMARY KEY, a aclitem[]); INSERT INTO acls VALUES (1, '{postgres=r/postgres,=U/postgres}');
         CREATE TABLE p (id int, c regtype, v vector(1)) PARTITION BY RANGE (id); CREATE TABLE p1 (v vector(1), c regtype, id int);
         ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'int', '[5]')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, a::text FROM acls");
    pair.same_answer("SELECT id, c, v::real[]::text FROM p1");
}

/// Servers refuse what they send themselves for these when they are empty.
#[test]
fn empty_queries_and_vectors_of_oids_come_as_text() {
    let pair = Pair::with(
        "CREATE TYPE held AS (q tsquery, o oidvector); CREATE TABLE t (id int PRIMARY KEY, q tsquery, qs tsquery[], o oidvector, i int2vector, os oidvector[], h held, v vector(1));
         INSERT INTO t VALUES (1, '', '{\"\",a & b}', '', '', '{\"\",1 2}', ROW('', ''), '[1]'), (2, 'a:*', '{}', '1 2', '-1 0', '{}', ROW('b', '3'), '[2]'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, q, qs, o, i, os, h, v::real[]::text FROM t ORDER BY id");
}
