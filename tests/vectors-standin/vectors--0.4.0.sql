-- In: CREATE EXTENSION vectors. Out: the types, casts, operators, operator classes and the statistics view of PGVecto.rs 0.4.0,
-- under its names, behind the functions of the stand-in. Not here: spheres and range operators, avg and sum of svector,
-- text2vec_*, alter_vector_index, fence_vector_index, pgvectors_upgrade.
\echo Use "CREATE EXTENSION vectors" to load this file. \quit

-- types

CREATE TYPE vector;
CREATE TYPE vecf16;
CREATE TYPE bvector;
CREATE TYPE svector;

CREATE FUNCTION _vectors_typmod_in_65535(list cstring[]) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_typmod_in_dense';
CREATE FUNCTION _vectors_typmod_in_1048575(list cstring[]) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_typmod_in_sparse';
CREATE FUNCTION _vectors_typmod_out(typmod integer) RETURNS cstring IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_typmod_out';

CREATE FUNCTION _vectors_vecf32_in(input cstring, oid oid, typmod integer) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_in';
CREATE FUNCTION _vectors_vecf32_out(vector vector) RETURNS cstring IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_out';
CREATE FUNCTION _vectors_vecf32_recv(internal internal, oid oid, typmod integer) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_recv';
CREATE FUNCTION _vectors_vecf32_send(vector vector) RETURNS bytea IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_send';
CREATE FUNCTION _vectors_vecf32_subscript(internal) RETURNS internal IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_subscript';
CREATE TYPE vector (
    INPUT = _vectors_vecf32_in, OUTPUT = _vectors_vecf32_out, RECEIVE = _vectors_vecf32_recv, SEND = _vectors_vecf32_send,
    SUBSCRIPT = _vectors_vecf32_subscript, TYPMOD_IN = _vectors_typmod_in_65535, TYPMOD_OUT = _vectors_typmod_out,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);

CREATE FUNCTION _vectors_vecf16_in(input cstring, oid oid, typmod integer) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_in';
CREATE FUNCTION _vectors_vecf16_out(vector vecf16) RETURNS cstring IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_out';
CREATE FUNCTION _vectors_vecf16_recv(internal internal, oid oid, typmod integer) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_recv';
CREATE FUNCTION _vectors_vecf16_send(vector vecf16) RETURNS bytea IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_send';
CREATE FUNCTION _vectors_vecf16_subscript(internal) RETURNS internal IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_subscript';
CREATE TYPE vecf16 (
    INPUT = _vectors_vecf16_in, OUTPUT = _vectors_vecf16_out, RECEIVE = _vectors_vecf16_recv, SEND = _vectors_vecf16_send,
    SUBSCRIPT = _vectors_vecf16_subscript, TYPMOD_IN = _vectors_typmod_in_65535, TYPMOD_OUT = _vectors_typmod_out,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);

CREATE FUNCTION _vectors_bvector_in(input cstring, oid oid, typmod integer) RETURNS bvector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_in';
CREATE FUNCTION _vectors_bvector_out(vector bvector) RETURNS cstring IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_out';
CREATE FUNCTION _vectors_bvector_recv(internal internal, oid oid, typmod integer) RETURNS bvector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_recv';
CREATE FUNCTION _vectors_bvector_send(vector bvector) RETURNS bytea IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_send';
CREATE FUNCTION _vectors_bvector_subscript(internal) RETURNS internal IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_subscript';
CREATE TYPE bvector (
    INPUT = _vectors_bvector_in, OUTPUT = _vectors_bvector_out, RECEIVE = _vectors_bvector_recv, SEND = _vectors_bvector_send,
    SUBSCRIPT = _vectors_bvector_subscript, TYPMOD_IN = _vectors_typmod_in_65535, TYPMOD_OUT = _vectors_typmod_out,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);

CREATE FUNCTION _vectors_svecf32_in(input cstring, oid oid, typmod integer) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_in';
CREATE FUNCTION _vectors_svecf32_out(vector svector) RETURNS cstring IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_out';
CREATE FUNCTION _vectors_svecf32_recv(internal internal, oid oid, typmod integer) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_recv';
CREATE FUNCTION _vectors_svecf32_send(vector svector) RETURNS bytea IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_send';
CREATE FUNCTION _vectors_svecf32_subscript(internal) RETURNS internal IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_subscript';
CREATE TYPE svector (
    INPUT = _vectors_svecf32_in, OUTPUT = _vectors_svecf32_out, RECEIVE = _vectors_svecf32_recv, SEND = _vectors_svecf32_send,
    SUBSCRIPT = _vectors_svecf32_subscript, TYPMOD_IN = _vectors_typmod_in_1048575, TYPMOD_OUT = _vectors_typmod_out,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);

-- casts: the type modifier is taken and ignored

CREATE FUNCTION _vectors_cast_array_to_vecf32(real[], integer, boolean) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_array_to_vector';
CREATE CAST (real[] AS vector) WITH FUNCTION _vectors_cast_array_to_vecf32(real[], integer, boolean) AS IMPLICIT;
CREATE FUNCTION _vectors_cast_vecf32_to_array(vector, integer, boolean) RETURNS real[] IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_to_array';
CREATE CAST (vector AS real[]) WITH FUNCTION _vectors_cast_vecf32_to_array(vector, integer, boolean) AS IMPLICIT;
CREATE FUNCTION _vectors_cast_vecf32_to_vecf16(vector, integer, boolean) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_to_vecf16';
CREATE CAST (vector AS vecf16) WITH FUNCTION _vectors_cast_vecf32_to_vecf16(vector, integer, boolean);
CREATE FUNCTION _vectors_cast_vecf16_to_vecf32(vecf16, integer, boolean) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_to_vector';
CREATE CAST (vecf16 AS vector) WITH FUNCTION _vectors_cast_vecf16_to_vecf32(vecf16, integer, boolean);
CREATE FUNCTION _vectors_cast_vecf32_to_bvector(vector, integer, boolean) RETURNS bvector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_to_bvector';
CREATE CAST (vector AS bvector) WITH FUNCTION _vectors_cast_vecf32_to_bvector(vector, integer, boolean);
CREATE FUNCTION _vectors_cast_bvector_to_vecf32(bvector, integer, boolean) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_to_vector';
CREATE CAST (bvector AS vector) WITH FUNCTION _vectors_cast_bvector_to_vecf32(bvector, integer, boolean);
CREATE FUNCTION _vectors_cast_vecf32_to_svecf32(vector, integer, boolean) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_to_svector';
CREATE CAST (vector AS svector) WITH FUNCTION _vectors_cast_vecf32_to_svecf32(vector, integer, boolean);
CREATE FUNCTION _vectors_cast_svecf32_to_vecf32(svector, integer, boolean) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_to_vector';
CREATE CAST (svector AS vector) WITH FUNCTION _vectors_cast_svecf32_to_vecf32(svector, integer, boolean);

-- distances: `<->` is squared on floats, Hamming on bits

CREATE FUNCTION _vectors_vecf32_operator_l2(vector, vector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_l2';
CREATE OPERATOR <-> (PROCEDURE = _vectors_vecf32_operator_l2, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <->);
CREATE FUNCTION _vectors_vecf32_operator_dot(vector, vector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_dot';
CREATE OPERATOR <#> (PROCEDURE = _vectors_vecf32_operator_dot, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <#>);
CREATE FUNCTION _vectors_vecf32_operator_cos(vector, vector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_cos';
CREATE OPERATOR <=> (PROCEDURE = _vectors_vecf32_operator_cos, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <=>);
CREATE FUNCTION _vectors_vecf16_operator_l2(vecf16, vecf16) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_l2';
CREATE OPERATOR <-> (PROCEDURE = _vectors_vecf16_operator_l2, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <->);
CREATE FUNCTION _vectors_vecf16_operator_dot(vecf16, vecf16) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_dot';
CREATE OPERATOR <#> (PROCEDURE = _vectors_vecf16_operator_dot, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <#>);
CREATE FUNCTION _vectors_vecf16_operator_cos(vecf16, vecf16) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_cos';
CREATE OPERATOR <=> (PROCEDURE = _vectors_vecf16_operator_cos, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <=>);
CREATE FUNCTION _vectors_bvector_operator_hamming(bvector, bvector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_hamming';
CREATE OPERATOR <-> (PROCEDURE = _vectors_bvector_operator_hamming, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <->);
CREATE FUNCTION _vectors_bvector_operator_dot(bvector, bvector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_dot';
CREATE OPERATOR <#> (PROCEDURE = _vectors_bvector_operator_dot, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <#>);
CREATE FUNCTION _vectors_bvector_operator_jaccard(bvector, bvector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_jaccard';
CREATE OPERATOR <~> (PROCEDURE = _vectors_bvector_operator_jaccard, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <~>);
CREATE FUNCTION _vectors_svecf32_operator_l2(svector, svector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_l2';
CREATE OPERATOR <-> (PROCEDURE = _vectors_svecf32_operator_l2, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <->);
CREATE FUNCTION _vectors_svecf32_operator_dot(svector, svector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_dot';
CREATE OPERATOR <#> (PROCEDURE = _vectors_svecf32_operator_dot, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <#>);
CREATE FUNCTION _vectors_svecf32_operator_cos(svector, svector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_cos';
CREATE OPERATOR <=> (PROCEDURE = _vectors_svecf32_operator_cos, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <=>);

-- comparisons, without a btree operator class

CREATE FUNCTION _vectors_vecf32_operator_lt(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_lt';
CREATE OPERATOR < (PROCEDURE = _vectors_vecf32_operator_lt, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = >, NEGATOR = >=);
CREATE FUNCTION _vectors_vecf32_operator_lte(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_lte';
CREATE OPERATOR <= (PROCEDURE = _vectors_vecf32_operator_lte, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = >=, NEGATOR = >);
CREATE FUNCTION _vectors_vecf32_operator_eq(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_eq';
CREATE OPERATOR = (PROCEDURE = _vectors_vecf32_operator_eq, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = =, NEGATOR = <>);
CREATE FUNCTION _vectors_vecf32_operator_neq(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_neq';
CREATE OPERATOR <> (PROCEDURE = _vectors_vecf32_operator_neq, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <>, NEGATOR = =);
CREATE FUNCTION _vectors_vecf32_operator_gte(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_gte';
CREATE OPERATOR >= (PROCEDURE = _vectors_vecf32_operator_gte, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <=, NEGATOR = <);
CREATE FUNCTION _vectors_vecf32_operator_gt(vector, vector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_gt';
CREATE OPERATOR > (PROCEDURE = _vectors_vecf32_operator_gt, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = <, NEGATOR = <=);
CREATE FUNCTION _vectors_vecf16_operator_lt(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_lt';
CREATE OPERATOR < (PROCEDURE = _vectors_vecf16_operator_lt, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = >, NEGATOR = >=);
CREATE FUNCTION _vectors_vecf16_operator_lte(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_lte';
CREATE OPERATOR <= (PROCEDURE = _vectors_vecf16_operator_lte, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = >=, NEGATOR = >);
CREATE FUNCTION _vectors_vecf16_operator_eq(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_eq';
CREATE OPERATOR = (PROCEDURE = _vectors_vecf16_operator_eq, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = =, NEGATOR = <>);
CREATE FUNCTION _vectors_vecf16_operator_neq(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_neq';
CREATE OPERATOR <> (PROCEDURE = _vectors_vecf16_operator_neq, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <>, NEGATOR = =);
CREATE FUNCTION _vectors_vecf16_operator_gte(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_gte';
CREATE OPERATOR >= (PROCEDURE = _vectors_vecf16_operator_gte, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <=, NEGATOR = <);
CREATE FUNCTION _vectors_vecf16_operator_gt(vecf16, vecf16) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_gt';
CREATE OPERATOR > (PROCEDURE = _vectors_vecf16_operator_gt, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = <, NEGATOR = <=);
CREATE FUNCTION _vectors_bvector_operator_lt(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_lt';
CREATE OPERATOR < (PROCEDURE = _vectors_bvector_operator_lt, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = >, NEGATOR = >=);
CREATE FUNCTION _vectors_bvector_operator_lte(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_lte';
CREATE OPERATOR <= (PROCEDURE = _vectors_bvector_operator_lte, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = >=, NEGATOR = >);
CREATE FUNCTION _vectors_bvector_operator_eq(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_eq';
CREATE OPERATOR = (PROCEDURE = _vectors_bvector_operator_eq, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = =, NEGATOR = <>);
CREATE FUNCTION _vectors_bvector_operator_neq(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_neq';
CREATE OPERATOR <> (PROCEDURE = _vectors_bvector_operator_neq, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <>, NEGATOR = =);
CREATE FUNCTION _vectors_bvector_operator_gte(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_gte';
CREATE OPERATOR >= (PROCEDURE = _vectors_bvector_operator_gte, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <=, NEGATOR = <);
CREATE FUNCTION _vectors_bvector_operator_gt(bvector, bvector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_gt';
CREATE OPERATOR > (PROCEDURE = _vectors_bvector_operator_gt, LEFTARG = bvector, RIGHTARG = bvector, COMMUTATOR = <, NEGATOR = <=);
CREATE FUNCTION _vectors_svecf32_operator_lt(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_lt';
CREATE OPERATOR < (PROCEDURE = _vectors_svecf32_operator_lt, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = >, NEGATOR = >=);
CREATE FUNCTION _vectors_svecf32_operator_lte(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_lte';
CREATE OPERATOR <= (PROCEDURE = _vectors_svecf32_operator_lte, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = >=, NEGATOR = >);
CREATE FUNCTION _vectors_svecf32_operator_eq(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_eq';
CREATE OPERATOR = (PROCEDURE = _vectors_svecf32_operator_eq, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = =, NEGATOR = <>);
CREATE FUNCTION _vectors_svecf32_operator_neq(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_neq';
CREATE OPERATOR <> (PROCEDURE = _vectors_svecf32_operator_neq, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <>, NEGATOR = =);
CREATE FUNCTION _vectors_svecf32_operator_gte(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_gte';
CREATE OPERATOR >= (PROCEDURE = _vectors_svecf32_operator_gte, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <=, NEGATOR = <);
CREATE FUNCTION _vectors_svecf32_operator_gt(svector, svector) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_gt';
CREATE OPERATOR > (PROCEDURE = _vectors_svecf32_operator_gt, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = <, NEGATOR = <=);

-- arithmetic of vector

CREATE FUNCTION _vectors_vecf32_operator_add(vector, vector) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_add';
CREATE OPERATOR + (PROCEDURE = _vectors_vecf32_operator_add, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = +);
CREATE FUNCTION _vectors_vecf32_operator_sub(vector, vector) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_sub';
CREATE OPERATOR - (PROCEDURE = _vectors_vecf32_operator_sub, LEFTARG = vector, RIGHTARG = vector);
CREATE FUNCTION _vectors_vecf32_operator_mul(vector, vector) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_mul';
CREATE OPERATOR * (PROCEDURE = _vectors_vecf32_operator_mul, LEFTARG = vector, RIGHTARG = vector, COMMUTATOR = *);
CREATE AGGREGATE sum(vector) (SFUNC = _vectors_vecf32_operator_add, STYPE = vector, PARALLEL = SAFE);

-- arithmetic of the other types and the averages, by way of vector: SQL is fast enough for a stand-in

CREATE FUNCTION _vectors_vecf16_operator_add(a vecf16, b vecf16) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.+) b::vectors.vector)::vectors.vecf16 $$;
CREATE OPERATOR + (PROCEDURE = _vectors_vecf16_operator_add, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = +);
CREATE FUNCTION _vectors_vecf16_operator_sub(a vecf16, b vecf16) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.-) b::vectors.vector)::vectors.vecf16 $$;
CREATE OPERATOR - (PROCEDURE = _vectors_vecf16_operator_sub, LEFTARG = vecf16, RIGHTARG = vecf16);
CREATE FUNCTION _vectors_vecf16_operator_mul(a vecf16, b vecf16) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.*) b::vectors.vector)::vectors.vecf16 $$;
CREATE OPERATOR * (PROCEDURE = _vectors_vecf16_operator_mul, LEFTARG = vecf16, RIGHTARG = vecf16, COMMUTATOR = *);
CREATE FUNCTION _vectors_svecf32_operator_add(a svector, b svector) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.+) b::vectors.vector)::vectors.svector $$;
CREATE OPERATOR + (PROCEDURE = _vectors_svecf32_operator_add, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = +);
CREATE FUNCTION _vectors_svecf32_operator_sub(a svector, b svector) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.-) b::vectors.vector)::vectors.svector $$;
CREATE OPERATOR - (PROCEDURE = _vectors_svecf32_operator_sub, LEFTARG = svector, RIGHTARG = svector);
CREATE FUNCTION _vectors_svecf32_operator_mul(a svector, b svector) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$ SELECT (a::vectors.vector OPERATOR(vectors.*) b::vectors.vector)::vectors.svector $$;
CREATE OPERATOR * (PROCEDURE = _vectors_svecf32_operator_mul, LEFTARG = svector, RIGHTARG = svector, COMMUTATOR = *);
CREATE AGGREGATE sum(svector) (SFUNC = _vectors_svecf32_operator_add, STYPE = svector, PARALLEL = SAFE);

-- The state: the count, then a sum for each dimension.
CREATE FUNCTION _vectors_avg_step(state double precision[], v vector) RETURNS double precision[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN v IS NULL THEN state WHEN state IS NULL THEN 1::double precision || v::real[]::double precision[]
    ELSE ARRAY(SELECT s.n + s.x FROM unnest(state, 1::double precision || v::real[]::double precision[]) AS s(n, x)) END $$;
CREATE FUNCTION _vectors_avg_step(state double precision[], v svector) RETURNS double precision[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT vectors._vectors_avg_step(state, v::vectors.vector) $$;
CREATE FUNCTION _vectors_avg_dense(state double precision[]) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT ARRAY(SELECT (x / state[1])::real FROM unnest(state[2:]) AS x)::vectors.vector $$;
CREATE FUNCTION _vectors_avg_sparse(state double precision[]) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT vectors._vectors_avg_dense(state)::vectors.svector $$;
CREATE AGGREGATE avg(vector) (SFUNC = _vectors_avg_step, STYPE = double precision[], FINALFUNC = _vectors_avg_dense, PARALLEL = SAFE);
CREATE AGGREGATE avg(svector) (SFUNC = _vectors_avg_step, STYPE = double precision[], FINALFUNC = _vectors_avg_sparse, PARALLEL = SAFE);

-- functions

CREATE FUNCTION vector_dims(vector) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_dims_dense';
CREATE FUNCTION vector_norm(vector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_norm';
CREATE FUNCTION vector_normalize(vector) RETURNS vector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vector_normalize';
CREATE FUNCTION vector_dims(vecf16) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_dims_dense';
CREATE FUNCTION vector_norm(vecf16) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_norm';
CREATE FUNCTION vector_normalize(vecf16) RETURNS vecf16 IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_vecf16_normalize';
CREATE FUNCTION vector_dims(bvector) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_dims_dense';
CREATE FUNCTION vector_norm(bvector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_bvector_norm';
CREATE FUNCTION vector_dims(svector) RETURNS integer IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_dims_sparse';
CREATE FUNCTION vector_norm(svector) RETURNS real IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_norm';
CREATE FUNCTION vector_normalize(svector) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_svector_normalize';
CREATE FUNCTION binarize(vector vector) RETURNS bvector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_binarize';
CREATE FUNCTION to_svector(dims integer, indexes integer[], "values" real[]) RETURNS svector IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'standin_to_svector';

-- access method and operator classes, none of them a default

CREATE FUNCTION _vectors_amhandler(internal) RETURNS index_am_handler STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'standin_amhandler';
CREATE ACCESS METHOD vectors TYPE INDEX HANDLER _vectors_amhandler;

CREATE OPERATOR FAMILY vector_l2_ops USING vectors;
CREATE OPERATOR CLASS vector_l2_ops FOR TYPE vector USING vectors FAMILY vector_l2_ops AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY vector_dot_ops USING vectors;
CREATE OPERATOR CLASS vector_dot_ops FOR TYPE vector USING vectors FAMILY vector_dot_ops AS OPERATOR 1 <#> (vector, vector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY vector_cos_ops USING vectors;
CREATE OPERATOR CLASS vector_cos_ops FOR TYPE vector USING vectors FAMILY vector_cos_ops AS OPERATOR 1 <=> (vector, vector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY vecf16_l2_ops USING vectors;
CREATE OPERATOR CLASS vecf16_l2_ops FOR TYPE vecf16 USING vectors FAMILY vecf16_l2_ops AS OPERATOR 1 <-> (vecf16, vecf16) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY vecf16_dot_ops USING vectors;
CREATE OPERATOR CLASS vecf16_dot_ops FOR TYPE vecf16 USING vectors FAMILY vecf16_dot_ops AS OPERATOR 1 <#> (vecf16, vecf16) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY vecf16_cos_ops USING vectors;
CREATE OPERATOR CLASS vecf16_cos_ops FOR TYPE vecf16 USING vectors FAMILY vecf16_cos_ops AS OPERATOR 1 <=> (vecf16, vecf16) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY bvector_hamming_ops USING vectors;
CREATE OPERATOR CLASS bvector_hamming_ops FOR TYPE bvector USING vectors FAMILY bvector_hamming_ops AS OPERATOR 1 <-> (bvector, bvector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY bvector_dot_ops USING vectors;
CREATE OPERATOR CLASS bvector_dot_ops FOR TYPE bvector USING vectors FAMILY bvector_dot_ops AS OPERATOR 1 <#> (bvector, bvector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY bvector_jaccard_ops USING vectors;
CREATE OPERATOR CLASS bvector_jaccard_ops FOR TYPE bvector USING vectors FAMILY bvector_jaccard_ops AS OPERATOR 1 <~> (bvector, bvector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY svector_l2_ops USING vectors;
CREATE OPERATOR CLASS svector_l2_ops FOR TYPE svector USING vectors FAMILY svector_l2_ops AS OPERATOR 1 <-> (svector, svector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY svector_dot_ops USING vectors;
CREATE OPERATOR CLASS svector_dot_ops FOR TYPE svector USING vectors FAMILY svector_dot_ops AS OPERATOR 1 <#> (svector, svector) FOR ORDER BY pg_catalog.float_ops;
CREATE OPERATOR FAMILY svector_cos_ops USING vectors;
CREATE OPERATOR CLASS svector_cos_ops FOR TYPE svector USING vectors FAMILY svector_cos_ops AS OPERATOR 1 <=> (svector, svector) FOR ORDER BY pg_catalog.float_ops;

-- statistics
CREATE TYPE vector_index_stat AS (
    idx_status text, idx_indexing boolean, idx_tuples bigint, idx_sealed bigint[], idx_growing bigint[],
    idx_write bigint, idx_size bigint, idx_options text
);
CREATE FUNCTION _vectors_index_stat(oid oid) RETURNS vector_index_stat VOLATILE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'standin_index_stat';
-- One call a row where the real view makes eight: here each call counts the table.
CREATE VIEW pg_vector_index_stat AS
    SELECT c.oid AS tablerelid, i.oid AS indexrelid, c.relname AS tablename, i.relname AS indexname, s.*
    FROM pg_class c
    JOIN pg_index x ON c.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am a ON a.oid = i.relam
    CROSS JOIN LATERAL _vectors_index_stat(i.oid) s
    WHERE a.amname = 'vectors' AND c.relkind = 'r';
