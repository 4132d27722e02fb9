//! In: what a column becomes. Out: the server's own casts, as expressions: the value in its new type, and whether a new value is what an old one
//! was. Pure. The chain is the documentation's; for sparse vectors, which it has none for, it goes by text, with every place one lower.

use dialect::types::{SourceType, TargetType, TypeChange};

use crate::connect::quote;

/// The casts of one database.
pub struct Casts<'a> {
    /// Where pgvector lives.
    pub vector_schema: &'a str,
    /// pgvector has it since 0.7.
    pub halfvec: bool,
}

/// pgvector's own casts to and from vector end here.
const DENSE_DIMS: u32 = 16_000;

impl Casts<'_> {
    /// The value in its new type; NULL stays NULL. Or why there is none.
    pub fn forward(&self, change: &TypeChange, value: &str) -> Result<String, String> {
        use {SourceType as From, TargetType as To};
        if change.array {
            return Err(
                "it holds arrays of vectors, which no cast of the server converts".to_string(),
            );
        }
        let dense = |real: String| format!("{real}::vectors.vector");
        let real = || self.real(change.from, value);
        match (change.from, change.to) {
            (From::Vector | From::Halfvec, To::Vector) => Ok(dense(real())),
            (From::Halfvec, To::Vecf16) => Ok(format!("{}::vectors.vecf16", dense(real()))),
            // By way of halfvec, which refuses what is too large: PGVecto.rs makes infinity of it.
            (From::Vector, To::Vecf16) if self.halfvec => {
                let half = format!("{value}::{}.halfvec", quote(self.vector_schema));
                let real = self.real(From::Halfvec, &half);
                Ok(format!("{}::vectors.vecf16", dense(real)))
            }
            (From::Vector, To::Vecf16) => Err(
                "pgvector is older than 0.7, so nothing would refuse numbers that are too large for vecf16"
                    .to_string(),
            ),
            (From::Bit | From::Varbit, To::Bvector) => {
                Ok(format!("{}::vectors.bvector", dense(real())))
            }
            (From::Vector | From::Halfvec, To::Bvector) => {
                Ok(format!("vectors.binarize({})", dense(real())))
            }
            (From::Sparsevec, To::Svector) => Ok(sparse(value)),
            (From::Sparsevec, To::RealArray) if change.dims.is_none_or(|d| d > DENSE_DIMS) => {
                Err(format!("pgvector casts sparsevec only up to {DENSE_DIMS} dimensions"))
            }
            (_, To::RealArray) => Ok(real()),
            (from, to) => Err(format!("there is no conversion from {from} to {to}")),
        }
    }

    /// Whether a new value is anything but what the old one was, bit for bit. Where there is a way back, by that: what is compared then is not
    /// what was done.
    pub fn differs(&self, change: &TypeChange, old: &str, new: &str) -> Result<String, String> {
        use {SourceType as From, TargetType as To};
        let back = || format!("{new}::vectors.vector::pg_catalog.float4[]");
        let (here, there) = match (change.from, change.to) {
            (From::Vector | From::Halfvec, To::Vector) => (
                self.real(change.from, old),
                format!("{new}::pg_catalog.float4[]"),
            ),
            (From::Halfvec, To::Vecf16) | (From::Bit | From::Varbit, To::Bvector) => {
                (self.real(change.from, old), back())
            }
            (From::Sparsevec, To::Svector) if change.dims.is_some_and(|d| d <= DENSE_DIMS) => {
                (self.real(change.from, old), back())
            }
            _ => (self.forward(change, old)?, new.to_string()),
        };
        // Of records the bytes can be compared: -0 is not 0, and vectors need no operator.
        Ok(format!(
            "pg_catalog.record_image_ne(ROW({there}), ROW({here}))"
        ))
    }

    pub(super) fn real(&self, from: SourceType, value: &str) -> String {
        match from {
            SourceType::Vector => format!("{value}::pg_catalog.float4[]"),
            SourceType::Halfvec | SourceType::Sparsevec => format!(
                "{value}::{}.vector::pg_catalog.float4[]",
                quote(self.vector_schema)
            ),
            SourceType::Bit | SourceType::Varbit => format!(
                "pg_catalog.string_to_array({value}::pg_catalog.text, NULL)::pg_catalog.float4[]"
            ),
        }
    }
}

/// `{1:1.5,3:2}/5` becomes `{0:1.5,2:2}/5`.
fn sparse(value: &str) -> String {
    let text = format!("{value}::pg_catalog.text");
    format!(
        "(CASE WHEN {value} IS NOT NULL THEN pg_catalog.concat('{{', (SELECT pg_catalog.string_agg(\
         (pg_catalog.split_part(s.x, ':', 1)::pg_catalog.int8 - 1)::pg_catalog.text || ':' || pg_catalog.split_part(s.x, ':', 2), ',' ORDER BY s.i) \
         FROM pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.btrim(pg_catalog.split_part({text}, '/', 1), '{{}}'), ',')) \
         WITH ORDINALITY s(x, i)), '}}/', pg_catalog.split_part({text}, '/', 2)) END)::vectors.svector"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: SourceType, to: TargetType, dims: Option<u32>, array: bool) -> TypeChange {
        TypeChange {
            from,
            to,
            dims,
            array,
        }
    }

    #[test]
    fn says_why_a_value_has_no_way() {
        let casts = Casts {
            vector_schema: "public",
            halfvec: false,
        };
        let why = |c: TypeChange| casts.forward(&c, "v").unwrap_err();
        use {SourceType as From, TargetType as To};
        let array = change(From::Vector, To::Vector, Some(3), true);
        assert!(why(array).contains("arrays of vectors"));
        let half = change(From::Vector, To::Vecf16, Some(3), false);
        assert!(why(half).contains("older than 0.7"));
        let wide = change(From::Sparsevec, To::RealArray, Some(20_000), false);
        assert!(why(wide).contains("16000"));
        let none = change(From::Bit, To::Svector, Some(8), false);
        assert!(why(none).contains("no conversion"));
    }
}
