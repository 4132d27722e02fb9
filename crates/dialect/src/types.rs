//! The vector types of both systems: which becomes which, and how the target's type is written.
//!
//! In: a source type with its dimensions, as `pg_attribute` has them. Out: the target type in SQL, always qualified. What a
//! value of the type looks like is the codec's affair.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A type of the source that holds vectors. `bit` and `bit varying` only where somebody decided that they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum SourceType {
    Vector,
    Halfvec,
    Bit,
    Varbit,
    Sparsevec,
}

impl SourceType {
    /// The type of the extension that has this name. `bit` is not one of them.
    pub(crate) fn of_extension(name: &str) -> Option<Self> {
        match name {
            "vector" => Some(Self::Vector),
            "halfvec" => Some(Self::Halfvec),
            "sparsevec" => Some(Self::Sparsevec),
            _ => None,
        }
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vector => "vector",
            Self::Halfvec => "halfvec",
            Self::Bit => "bit",
            Self::Varbit => "bit varying",
            Self::Sparsevec => "sparsevec",
        })
    }
}

/// A type of the target that holds vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum TargetType {
    Vector,
    Vecf16,
    Bvector,
    Svector,
    RealArray,
}

impl TargetType {
    /// The type in SQL, qualified, without dimensions.
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Vector => "vectors.vector",
            Self::Vecf16 => "vectors.vecf16",
            Self::Bvector => "vectors.bvector",
            Self::Svector => "vectors.svector",
            Self::RealArray => "real[]",
        }
    }

    /// The largest type modifier that the target takes; `None` where there is no type modifier.
    pub fn max_dims(self) -> Option<u32> {
        match self {
            Self::Vector | Self::Vecf16 | Self::Bvector => Some(65_535),
            Self::Svector => Some(1_048_575),
            Self::RealArray => None,
        }
    }

    /// Whether an `ivf` index can be built over it.
    pub fn is_dense(self) -> bool {
        matches!(self, Self::Vector | Self::Vecf16)
    }
}

impl fmt::Display for TargetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql_name())
    }
}

/// A word that names no target type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownType;

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a target type: vector, vecf16, bvector, svector or real[]")
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for TargetType {
    type Err = UnknownType;

    fn from_str(word: &str) -> Result<Self, UnknownType> {
        let word = word.trim().to_ascii_lowercase();
        match word.strip_prefix("vectors.").unwrap_or(&word) {
            "vector" => Ok(Self::Vector),
            "vecf16" => Ok(Self::Vecf16),
            "bvector" => Ok(Self::Bvector),
            "svector" => Ok(Self::Svector),
            "real[]" if word == "real[]" => Ok(Self::RealArray),
            _ => Err(UnknownType),
        }
    }
}

/// What a source type becomes when nobody says otherwise.
pub fn default_target(from: SourceType) -> TargetType {
    match from {
        SourceType::Vector => TargetType::Vector,
        SourceType::Halfvec => TargetType::Vecf16,
        SourceType::Bit | SourceType::Varbit => TargetType::Bvector,
        SourceType::Sparsevec => TargetType::Svector,
    }
}

/// What happens to one column or domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct TypeChange {
    pub from: SourceType,
    pub to: TargetType,
    /// The type modifier, of the element where the type is an array.
    pub dims: Option<u32>,
    /// The column holds an array of vectors.
    pub array: bool,
}

impl TypeChange {
    /// The target type in SQL: `vectors.vector(3)`, `vectors.vecf16`, `real[]`, `vectors.vector(3)[]`.
    ///
    /// An array of vectors that becomes `real[]` is written `real[][]`: the same type to the server, but it says what is in it.
    pub fn target_sql(&self) -> String {
        let mut sql = match (self.to.max_dims(), self.dims) {
            (Some(_), Some(dims)) => format!("{}({dims})", self.to.sql_name()),
            _ => self.to.sql_name().to_owned(),
        };
        if self.array {
            sql.push_str("[]");
        }
        sql
    }

    /// Why the target refuses the type itself, if it does: more dimensions than its modifier takes.
    pub fn refusal(&self) -> Option<String> {
        let (max, dims) = (self.to.max_dims()?, self.dims?);
        (dims > max).then(|| format!("{dims} dimensions; {} takes at most {max}", self.to))
    }
}
