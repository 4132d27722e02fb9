//! In: a column and how it travels. Out: expressions for its text, one for each side, that are equal where the values are: the servers'
//! own casts, which share no code with the converter.

use dialect::types::{SourceType, TargetType, TypeChange};

use crate::connect::quote;
use crate::plan::{ColumnPlan, Travel};

/// On the source, and on the target.
pub struct Texts {
    pub here: String,
    pub there: String,
}

/// None: no cast leads to texts that are equal. `vectors` is the schema of pgvector, quoted; the table goes by the name `t`.
pub fn of(column: &ColumnPlan, vectors: &str) -> Option<Texts> {
    let value = format!("t.{}", quote(&column.name));
    let Some(change) = column.travel.vector() else {
        // The type's own words; a composite with a vector inside has others on the target.
        let text = format!("pg_catalog.format('%s', {value})");
        let text = format!("CASE WHEN {value} IS DISTINCT FROM NULL THEN {text} END");
        return (!column.travel.converts()).then(|| Texts {
            here: text.clone(),
            there: text,
        });
    };
    let of = |value: &str| of_vector(&change, value, vectors);
    if !change.array {
        return of(&value);
    }
    let element = of("u.e")?;
    let elements = |text: String| {
        format!(
            "CASE WHEN {value} IS NOT NULL THEN pg_catalog.concat(pg_catalog.array_dims({value}), ' ', (SELECT pg_catalog.string_agg(\
             coalesce({text}, 'NULL'), ';' ORDER BY u.n) FROM pg_catalog.unnest({value}) WITH ORDINALITY u(e, n))) END"
        )
    };
    Some(Texts {
        here: elements(element.here),
        there: elements(element.there),
    })
}

fn of_vector(change: &TypeChange, value: &str, vectors: &str) -> Option<Texts> {
    use {SourceType as From, TargetType as To};
    let real = |value: &str| format!("{value}::pg_catalog.float4[]::pg_catalog.text");
    let bits = format!(
        "pg_catalog.string_to_array({value}::pg_catalog.text, NULL)::pg_catalog.float4[]::pg_catalog.text"
    );
    // One number for each element, 1 where it is above 0: what binarize does.
    let signs = format!(
        "CASE WHEN {value} IS NOT NULL THEN (SELECT pg_catalog.array_agg((s.x > 0)::pg_catalog.int4::pg_catalog.float4 ORDER BY s.i)::pg_catalog.text \
         FROM pg_catalog.unnest({value}::pg_catalog.float4[]) WITH ORDINALITY s(x, i)) END"
    );
    let (here, there) = match (change.from, change.to) {
        (From::Vector | From::Halfvec, To::Vector | To::RealArray) => (real(value), real(value)),
        (From::Halfvec, To::Vecf16) => (real(value), real(&format!("{value}::vectors.vector"))),
        (From::Bit | From::Varbit, To::Bvector) => {
            (bits, real(&format!("{value}::vectors.vector")))
        }
        (From::Bit | From::Varbit, To::RealArray) => (bits, real(value)),
        (From::Vector | From::Halfvec, To::Bvector) => {
            (signs, real(&format!("{value}::vectors.vector")))
        }
        (From::Sparsevec, To::Svector) => (sparse(value, 1), sparse(value, 0)),
        (From::Sparsevec, To::RealArray) => {
            (real(&format!("{value}::{vectors}.vector")), real(value))
        }
        // Rounded on the way, or no conversion at all.
        _ => return None,
    };
    Some(Texts { here, there })
}

/// Dimensions, and each element's place from 0 and number, out of the text of a sparse vector whose places begin at `first`.
fn sparse(value: &str, first: u8) -> String {
    let text = format!("{value}::pg_catalog.text");
    format!(
        "CASE WHEN {value} IS NOT NULL THEN pg_catalog.concat(pg_catalog.split_part({text}, '/', 2), ':', (SELECT pg_catalog.string_agg(\
         (pg_catalog.split_part(s.x, ':', 1)::pg_catalog.int8 - {first})::pg_catalog.text || ' ' || pg_catalog.split_part(s.x, ':', 2)::pg_catalog.float4::pg_catalog.text, \
         ',' ORDER BY s.i) FROM pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.btrim(pg_catalog.split_part({text}, '/', 1), '{{}}'), ',')) \
         WITH ORDINALITY s(x, i))) END"
    )
}

impl ColumnPlan {
    /// Why `of` gives nothing.
    pub fn why_no_texts(&self) -> &'static str {
        match self.travel {
            Travel::Convert(_) => "it was rounded on the way",
            _ => "no cast gives a text that is the same on both sides",
        }
    }
}
