//! Old names for new types: what makes `embedding <=> $1` and `cosine_distance(a, b)` work on the target as they were written.
//!
//! In: the schema to put them into. Out: functions, operators, domains, casts and aggregates over PGVecto.rs's types, as SQL, in the order in
//! which they can be made, each with the name by which a server can be asked whether it is there already. Nothing is asked here.
//!
//! An operator must be inlined into the one that the index knows. So its function is one expression, STRICT over a strict
//! operator, and returns real as that operator does: a cast to double precision would hide it from the index. Bodies are
//! `RETURN expression`: resolved once, here, so that neither a search_path nor a missing USAGE on `vectors` changes them.

/// How a server is asked whether the object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By `to_regprocedure`.
    Function,
    /// By `to_regoperator`.
    Operator,
    /// By `to_regtype`.
    Domain,
    /// By `to_regprocedure` as well. Only a superuser may make one over PGVecto.rs's internal state.
    Aggregate,
    /// By the `to_regtype`s of both ends of `name`, `source AS target`. Only the owner of one of them may make it.
    Cast,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub kind: Kind,
    /// `public.<=>(vectors.vector,vectors.vector)`
    pub name: String,
    pub sql: String,
}

const VECTOR: &str = "vectors.vector";
const VECF16: &str = "vectors.vecf16";
const SVECTOR: &str = "vectors.svector";
const BVECTOR: &str = "vectors.bvector";
const BIT: &str = "pg_catalog.\"bit\"";

/// All objects, for a schema of this name (as the catalog has it).
pub fn objects(schema: &str) -> Vec<Object> {
    let mut made = Made {
        schema: format!("\"{}\"", schema.replace('"', "\"\"")),
        objects: Vec::new(),
    };
    for of in [VECTOR, VECF16, SVECTOR] {
        made.distances(of);
        made.lengths(of);
    }
    made.parts(VECTOR, "$1");
    made.parts(VECF16, "$1::vectors.vector");
    made.bits();
    // There is no domain sparsevec: its text counts from 1, svector's from 0, and the same literal would mean another vector.
    // And an adapter that finds the name sends binary, where 0.4.0 believes the count before it looks at the bytes: 64 entries in
    // pgvector's byte order are 2^30, and the backend crashes.
    made.domain("vector", VECTOR);
    made.domain("halfvec", VECF16);
    made.casts();
    made.aggregate("avg");
    made.aggregate("sum");
    made.objects
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

struct Made {
    schema: String,
    objects: Vec<Object>,
}

impl Made {
    /// Operators over a dense or sparse type, and the functions that say the same in pgvector's numbers.
    fn distances(&mut self, of: &str) {
        let (one, two) = (of, format!("{of},{of}"));
        for (operator, function, note) in [
            (
                "<->",
                "compat_l2_squared",
                "the squared Euclidean distance, as PGVecto.rs has it; l2_distance() is the distance",
            ),
            (
                "<#>",
                "compat_negative_inner_product",
                "the negative inner product",
            ),
            ("<=>", "compat_cosine_distance", "the cosine distance"),
        ] {
            self.function(
                function,
                &two,
                "real",
                &format!("$1 OPERATOR(vectors.{operator}) $2"),
            );
            self.operator(operator, one, one, function, true, note);
        }
        let to = |value: &str| match of {
            VECTOR => format!("{value}::real[]"),
            _ => format!("{value}::vectors.vector::real[]"),
        };
        let double = "double precision";
        self.function(
            "l2_distance",
            &two,
            double,
            "pg_catalog.sqrt(($1 OPERATOR(vectors.<->) $2)::double precision)",
        );
        self.function(
            "inner_product",
            &two,
            double,
            "-($1 OPERATOR(vectors.<#>) $2)::double precision",
        );
        self.function(
            "cosine_distance",
            &two,
            double,
            "($1 OPERATOR(vectors.<=>) $2)::double precision",
        );
        // The comparison is there for its error: vectors of different dimensions are refused by it.
        let l1 = format!(
            "CASE WHEN ($1 OPERATOR(vectors.<->) $2) IS NULL THEN NULL ELSE (SELECT pg_catalog.sum(pg_catalog.abs(a::double precision - b)) \
             FROM ROWS FROM (pg_catalog.unnest({}), pg_catalog.unnest({})) AS p(a, b)) END",
            to("$1"),
            to("$2")
        );
        self.function("l1_distance", &two, double, &l1);
        self.operator(
            "<+>",
            one,
            one,
            "l1_distance",
            true,
            "the taxicab distance; no index of PGVecto.rs knows it",
        );
    }

    fn lengths(&mut self, of: &str) {
        let norm = "vectors.vector_norm($1)::double precision";
        self.function("l2_norm", of, "double precision", norm);
        if of != SVECTOR {
            self.function("vector_norm", of, "double precision", norm);
            self.function("vector_dims", of, "integer", "vectors.vector_dims($1)");
        }
        // PGVecto.rs makes NaN of a vector of zeros; pgvector leaves it.
        let normalize =
            "CASE WHEN vectors.vector_norm($1) = 0 THEN $1 ELSE vectors.vector_normalize($1) END";
        self.function("l2_normalize", of, of, normalize);
    }

    /// `dense` is `$1` as `vectors.vector`.
    fn parts(&mut self, of: &str, dense: &str) {
        self.function(
            "binary_quantize",
            of,
            BVECTOR,
            &format!("vectors.binarize({dense})"),
        );
        // From 1, and cut at the end, where PGVecto.rs's slices are from 0 and NULL beyond the end.
        let slice = "$1[GREATEST($2, 1) - 1 : LEAST($2 - 1 + $3, vectors.vector_dims($1))]";
        self.function("subvector", &format!("{of},integer,integer"), of, slice);
    }

    /// Bit strings, whether they stayed such or became `bvector`. There is no operator over two `bvector`s on purpose: with it,
    /// the literal in `embedding <~> '101'` would be taken for PGVecto.rs's text form; so it is a bit string as before, and a `bvector`
    /// on the right side becomes one by a cast. The left side is what an index stands on, and is never cast.
    fn bits(&mut self) {
        let bits = "pg_catalog.translate($1::text, '[], ', '')::varbit";
        self.function("bvector_to_bit", BVECTOR, BIT, bits);
        // string_to_array is not strict, so this must not be either, or it would not be inlined.
        let bvector =
            "pg_catalog.string_to_array($1::text, NULL)::real[]::vectors.vector::vectors.bvector";
        self.called_on_null("bit_to_bvector", BIT, BVECTOR, bvector);
        self.cast(BVECTOR, BIT, "bvector_to_bit", BVECTOR, "IMPLICIT");
        self.cast(BIT, BVECTOR, "bit_to_bvector", BIT, "ASSIGNMENT");
        let schema = self.schema.clone();
        for (operator, theirs, distance, compat, over_bits, note) in [
            (
                "<~>",
                "<->",
                "hamming_distance",
                "compat_hamming_distance",
                "pg_catalog.bit_count($1 # $2)::double precision",
                "the Hamming distance",
            ),
            (
                "<%>",
                "<~>",
                "jaccard_distance",
                "compat_jaccard_distance",
                "CASE WHEN pg_catalog.bit_count($1 & $2) = 0 THEN 1 ELSE 1 - pg_catalog.bit_count($1 & $2)::double precision / pg_catalog.bit_count($1 | $2) END",
                "the Jaccard distance",
            ),
        ] {
            self.function(
                distance,
                &format!("{BIT},{BIT}"),
                "double precision",
                over_bits,
            );
            self.operator(operator, BIT, BIT, distance, true, note);
            let right = format!("{schema}.bit_to_bvector($2)");
            self.called_on_null(
                compat,
                &format!("{BVECTOR},{BIT}"),
                "real",
                &format!("$1 OPERATOR(vectors.{theirs}) {right}"),
            );
            self.operator(operator, BVECTOR, BIT, compat, false, note);
        }
    }

    /// pgvector's casts from and to arrays that PGVecto.rs lacks.
    fn casts(&mut self) {
        for array in ["integer[]", "double precision[]", "numeric[]"] {
            self.function(
                "array_to_vector",
                array,
                VECTOR,
                "$1::real[]::vectors.vector",
            );
            self.cast(array, VECTOR, "array_to_vector", array, "ASSIGNMENT");
        }
        for array in ["integer[]", "real[]", "double precision[]", "numeric[]"] {
            self.function(
                "array_to_halfvec",
                array,
                VECF16,
                "$1::real[]::vectors.vector::vectors.vecf16",
            );
            self.cast(array, VECF16, "array_to_halfvec", array, "ASSIGNMENT");
        }
        self.function(
            "halfvec_to_float4",
            VECF16,
            "real[]",
            "$1::vectors.vector::real[]",
        );
        self.cast(VECF16, "real[]", "halfvec_to_float4", VECF16, "ASSIGNMENT");
    }

    /// PGVecto.rs's own aggregate under another name, as it is defined on the server. With one difference: its final function changes
    /// the state, and says so here. Where it does not, avg and sum of one column in one query share a state, and one of them is wrong.
    fn aggregate(&mut self, name: &str) {
        let ours = format!("{}.{name}({VECTOR})", self.schema);
        let create = format!(
            "CREATE AGGREGATE {} (SFUNC = %s, STYPE = %s%s%s%s, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = SAFE)",
            ours.replace('%', "%%")
        );
        let optional = |clause: &str, column: &str| {
            format!("CASE WHEN a.{column} <> 0 THEN ', {clause} = ' || a.{column} ELSE '' END")
        };
        let body = format!(
            "BEGIN EXECUTE (SELECT pg_catalog.format({}, a.aggtransfn, pg_catalog.format_type(a.aggtranstype, NULL), {}, {}, \
             CASE WHEN a.agginitval IS NOT NULL THEN ', INITCOND = ' || pg_catalog.quote_literal(a.agginitval) ELSE '' END) \
             FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = pg_catalog.to_regprocedure('vectors.{name}({VECTOR})')); END",
            literal(&create),
            optional("FINALFUNC", "aggfinalfn"),
            optional("COMBINEFUNC", "aggcombinefn"),
        );
        self.add(Kind::Aggregate, ours, format!("DO {}", literal(&body)));
    }

    fn function(&mut self, name: &str, arguments: &str, returns: &str, body: &str) {
        self.define(name, arguments, returns, "STRICT ", body);
    }

    fn called_on_null(&mut self, name: &str, arguments: &str, returns: &str, body: &str) {
        self.define(name, arguments, returns, "", body);
    }

    fn define(&mut self, name: &str, arguments: &str, returns: &str, strict: &str, body: &str) {
        let name = format!("{}.{name}({arguments})", self.schema);
        let sql = format!(
            "CREATE FUNCTION {name} RETURNS {returns} LANGUAGE sql IMMUTABLE {strict}PARALLEL SAFE RETURN {body}"
        );
        self.add(Kind::Function, name, sql);
    }

    fn operator(
        &mut self,
        operator: &str,
        left: &str,
        right: &str,
        function: &str,
        commutes: bool,
        note: &str,
    ) {
        let schema = &self.schema;
        let commutator = match commutes {
            true => format!(", COMMUTATOR = OPERATOR({schema}.{operator})"),
            false => String::new(),
        };
        let place = format!("{schema}.{operator}");
        let sql = format!(
            "CREATE OPERATOR {place} (FUNCTION = {schema}.{function}, LEFTARG = {left}, RIGHTARG = {right}{commutator});\n\
             COMMENT ON OPERATOR {place} ({left}, {right}) IS '{note}'"
        );
        self.add(Kind::Operator, format!("{place}({left},{right})"), sql);
    }

    fn domain(&mut self, name: &str, over: &str) {
        let name = format!("{}.{name}", self.schema);
        let sql = format!("CREATE DOMAIN {name} AS {over}");
        self.add(Kind::Domain, name, sql);
    }

    fn cast(&mut self, from: &str, to: &str, function: &str, argument: &str, context: &str) {
        let name = format!("{from} AS {to}");
        let sql = format!(
            "CREATE CAST ({name}) WITH FUNCTION {}.{function}({argument}) AS {context}",
            self.schema
        );
        self.add(Kind::Cast, name, sql);
    }

    fn add(&mut self, kind: Kind, name: String, sql: String) {
        self.objects.push(Object { kind, name, sql });
    }
}
