//! Operator classes: what pgvector's measure, and what PGVecto.rs calls the same measure over a given type.
//!
//! In: the name of a class from `pg_index.indclass` (never from the text of the index, which omits ivfflat's default class).
//! Out: the qualified name on the target, or why there is none.

use crate::types::{SourceType, TargetType};

/// What an operator class orders by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    L2,
    InnerProduct,
    Cosine,
    L1,
    Hamming,
    Jaccard,
    /// btree order and equality of whole vectors.
    Order,
}

/// An operator class of pgvector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opclass {
    pub over: SourceType,
    pub measure: Measure,
}

/// Why a measure has no operator class over a type of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// PGVecto.rs does not know the measure at all.
    Measure(Measure),
    /// It knows the measure, but not over this type.
    Type(Measure, TargetType),
}

impl Missing {
    /// The reason as a sentence without a full stop.
    pub fn reason(self) -> String {
        match self {
            Self::Measure(Measure::L1) => "PGVecto.rs has no taxicab (L1) distance".to_owned(),
            Self::Measure(_) => "PGVecto.rs has no order or equality of vectors, so no btree or hash index over them".to_owned(),
            Self::Type(_, TargetType::RealArray) => "real[] has no vector index".to_owned(),
            Self::Type(measure, to) => {
                format!("PGVecto.rs has no operator class for {} over {to}", measure.words())
            }
        }
    }
}

impl Measure {
    fn words(self) -> &'static str {
        match self {
            Self::L2 => "Euclidean distance",
            Self::InnerProduct => "the inner product",
            Self::Cosine => "cosine distance",
            Self::L1 => "taxicab distance",
            Self::Hamming => "Hamming distance",
            Self::Jaccard => "Jaccard distance",
            Self::Order => "order",
        }
    }
}

/// The operator class of pgvector that has this name (without its schema).
pub fn find(name: &str) -> Option<Opclass> {
    use Measure::{Cosine, Hamming, InnerProduct, Jaccard, L1, L2, Order};
    if let Some(measure) = match name {
        "bit_hamming_ops" => Some(Hamming),
        "bit_jaccard_ops" => Some(Jaccard),
        _ => None,
    } {
        return Some(Opclass {
            over: SourceType::Bit,
            measure,
        });
    }
    let (word, rest) = name.split_once('_')?;
    let over = SourceType::of_extension(word)?;
    let measure = match rest {
        "l2_ops" => L2,
        "ip_ops" => InnerProduct,
        "cosine_ops" => Cosine,
        // pgvector has no taxicab class for bits; its three float types do.
        "l1_ops" => L1,
        "ops" => Order,
        _ => return None,
    };
    Some(Opclass { over, measure })
}

/// The operator class of PGVecto.rs for a measure over a type of the target, qualified.
pub fn target(measure: Measure, over: TargetType) -> Result<&'static str, Missing> {
    use Measure::{Cosine, Hamming, InnerProduct, Jaccard, L1, L2, Order};
    use TargetType::{Bvector, Svector, Vecf16, Vector};
    match (measure, over) {
        (L2, Vector) => Ok("vectors.vector_l2_ops"),
        (InnerProduct, Vector) => Ok("vectors.vector_dot_ops"),
        (Cosine, Vector) => Ok("vectors.vector_cos_ops"),
        (L2, Vecf16) => Ok("vectors.vecf16_l2_ops"),
        (InnerProduct, Vecf16) => Ok("vectors.vecf16_dot_ops"),
        (Cosine, Vecf16) => Ok("vectors.vecf16_cos_ops"),
        (L2, Svector) => Ok("vectors.svector_l2_ops"),
        (InnerProduct, Svector) => Ok("vectors.svector_dot_ops"),
        (Cosine, Svector) => Ok("vectors.svector_cos_ops"),
        (Hamming, Bvector) => Ok("vectors.bvector_hamming_ops"),
        (Jaccard, Bvector) => Ok("vectors.bvector_jaccard_ops"),
        (L1 | Order, _) => Err(Missing::Measure(measure)),
        _ => Err(Missing::Type(measure, over)),
    }
}
