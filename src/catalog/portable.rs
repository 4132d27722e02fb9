//! In: a column's type. Out: what its values are made of, down to the parts whose bytes mean the same on both servers, to vectors,
//! and to parts that have no bytes to send. It knows nothing of the target's types.

use std::collections::{HashMap, HashSet};

use dialect::types::SourceType;

use super::Type;

/// What a value is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Its bytes mean the same on both servers.
    Plain,
    Interval,
    /// A vector of pgvector, or bits that may be one.
    Vector {
        from: SourceType,
        dims: Option<u32>,
    },
    Array {
        element: u32,
        of: Box<Shape>,
    },
    Composite(Vec<Part>),
    Range(Box<Shape>),
    Multirange(Box<Shape>),
    /// It has no binary form that every server takes, or an OID of its cluster in it: its text says what it is. The name of the type.
    Text(String),
    /// No rows can hold it.
    Nothing(String),
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// The table whose column it is, of a row type.
    pub table: Option<u32>,
    pub type_oid: u32,
    pub shape: Shape,
}

/// OIDs below this are PostgreSQL's own and the same on every cluster (FirstGenbkiObjectId).
pub const FIRST_OWN_OID: u32 = 10_000;

const INTERVAL: u32 = 1186;

/// `regclass` and its kin: an OID that belongs to one cluster.
pub const OID_ALIASES: [u32; 12] = [
    24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, 8326,
];

/// int2vector, oidvector and tsquery: their own receive functions refuse what their send functions write for an empty value.
const EMPTY_REFUSED: [u32; 3] = [22, 30, 3615];

pub fn is_oid_alias(oid: u32) -> bool {
    OID_ALIASES.contains(&oid)
}

/// The type, or the first of those that its values are made of, for which `is` holds.
pub fn type_within<'a>(
    types: &'a HashMap<u32, Type>,
    oid: u32,
    is: &dyn Fn(u32, &Type) -> bool,
) -> Option<&'a Type> {
    let mut seen = HashSet::from([oid]);
    let mut next = vec![oid];
    while let Some(oid) = next.pop() {
        let Some(ty) = types.get(&oid) else { continue };
        if is(oid, ty) {
            return Some(ty);
        }
        let attributes = ty.attributes.iter().rev().map(|a| a.type_oid);
        let parts = attributes.chain([ty.bound, ty.base, ty.element]);
        next.extend(parts.filter(|part| *part != 0 && seen.insert(*part)));
    }
    None
}

/// Types of composites can be nested without end, and one of twice the one below doubles with each level.
const MOST_LEVELS: usize = 64;
const MOST_PARTS: usize = 20_000;

pub fn shape(types: &HashMap<u32, Type>, oid: u32, typmod: i32) -> Shape {
    let mut parts = 0;
    let found = part_of(types, oid, typmod, 0, &mut parts);
    match parts > MOST_PARTS {
        true => Shape::Nothing(format!("its values have more than {MOST_PARTS} parts")),
        false => found,
    }
}

fn part_of(
    types: &HashMap<u32, Type>,
    oid: u32,
    typmod: i32,
    level: usize,
    parts: &mut usize,
) -> Shape {
    *parts += 1;
    if level > MOST_LEVELS || *parts > MOST_PARTS {
        return Shape::Nothing(format!(
            "its values are nested more than {MOST_LEVELS} levels deep"
        ));
    }
    let mut shape = |oid, typmod| part_of(types, oid, typmod, level + 1, parts);
    let Some(ty) = types.get(&oid) else {
        return Shape::Nothing("its type is not in pg_type".into());
    };
    if let Some(from) = ty.vector {
        // A bit varying's modifier is a bound, not the number of bits of each value.
        let exact = from != SourceType::Varbit;
        let dims = u32::try_from(typmod).ok().filter(|d| exact && *d > 0);
        return Shape::Vector { from, dims };
    }
    match ty.kind {
        // COPY sends a domain as its base type.
        'd' => shape(ty.base, ty.typmod),
        'p' => Shape::Nothing(format!("pseudo-type {} holds no rows", ty.name)),
        'c' => {
            let mut part = |a: &super::Attribute| Part {
                name: a.name.clone(),
                table: ty.of_table,
                type_oid: a.type_oid,
                shape: shape(a.type_oid, a.typmod),
            };
            Shape::Composite(ty.attributes.iter().map(&mut part).collect())
        }
        'r' => Shape::Range(Box::new(shape(ty.bound, -1))),
        'm' => Shape::Multirange(Box::new(shape(ty.bound, -1))),
        _ if EMPTY_REFUSED.contains(&oid) => Shape::Text(ty.name.clone()),
        // The modifier of an array is that of its elements.
        _ if ty.element != 0 => Shape::Array {
            element: ty.element,
            of: Box::new(shape(ty.element, typmod)),
        },
        _ if !ty.has_binary || is_oid_alias(oid) => Shape::Text(ty.name.clone()),
        _ if oid == INTERVAL => Shape::Interval,
        _ => Shape::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Attribute;

    fn ty(kind: char) -> Type {
        Type {
            name: "t".into(),
            kind,
            typmod: -1,
            has_binary: true,
            ..Type::default()
        }
    }

    fn types() -> HashMap<u32, Type> {
        let attribute = |type_oid| Attribute {
            name: "a".into(),
            type_oid,
            typmod: 5,
        };
        let of = |element| Type { element, ..ty('b') };
        HashMap::from([
            (23, ty('b')),
            (1007, of(23)),
            (INTERVAL, ty('b')),
            (2205, ty('b')),
            (
                20001,
                Type {
                    vector: Some(SourceType::Vector),
                    ..ty('b')
                },
            ),
            (20002, of(20001)),
            (
                20003,
                Type {
                    base: 20001,
                    typmod: 3,
                    ..ty('d')
                },
            ),
            (20004, of(20003)),
            (20005, ty('e')),
            (20006, of(20005)),
            (
                20007,
                Type {
                    attributes: vec![attribute(20001), attribute(20006)],
                    ..ty('c')
                },
            ),
            (
                20008,
                Type {
                    has_binary: false,
                    ..ty('b')
                },
            ),
            (
                20009,
                Type {
                    bound: 20005,
                    ..ty('r')
                },
            ),
            (20010, ty('p')),
        ])
    }

    fn vector(dims: u32) -> Shape {
        let from = SourceType::Vector;
        let dims = Some(dims);
        Shape::Vector { from, dims }
    }

    #[test]
    fn a_domain_over_a_vector_takes_its_dimensions_from_the_domain() {
        assert_eq!(shape(&types(), 20003, -1), vector(3));
        let of = Box::new(vector(3));
        assert_eq!(
            shape(&types(), 20004, 7),
            Shape::Array { element: 20003, of }
        );
    }

    #[test]
    fn an_array_gives_its_modifier_to_its_elements() {
        let of = Box::new(vector(3));
        assert_eq!(
            shape(&types(), 20002, 3),
            Shape::Array { element: 20001, of }
        );
    }

    #[test]
    fn composites_and_ranges_are_looked_into() {
        let Shape::Composite(parts) = shape(&types(), 20007, -1) else {
            panic!("no composite")
        };
        assert_eq!(parts[0].shape, vector(5));
        let of = Box::new(Shape::Plain);
        assert_eq!(parts[1].shape, Shape::Array { element: 20005, of });
        assert_eq!(
            shape(&types(), 20009, -1),
            Shape::Range(Box::new(Shape::Plain))
        );
        assert_eq!(shape(&types(), INTERVAL, -1), Shape::Interval);
    }

    #[test]
    fn types_without_measure_have_no_way_and_take_no_time() {
        let composite = |of: &[u32]| Type {
            attributes: of
                .iter()
                .map(|oid| Attribute {
                    name: "a".into(),
                    type_oid: *oid,
                    typmod: -1,
                })
                .collect(),
            ..ty('c')
        };
        for width in [1, 2] {
            let mut types = HashMap::from([(20_000, ty('b'))]);
            types.extend((1..1000).map(|i| (20_000 + i, composite(&vec![19_999 + i; width]))));
            let refused =
                |n: u32| format!("{:?}", shape(&types, 20_000 + n, -1)).contains("Nothing");
            assert_eq!([10, 60, 999].map(refused), [false, width == 2, true]);
            assert!(type_within(&types, 20_999, &|oid, _| oid == 20_000).is_some());
        }
    }

    #[test]
    fn what_holds_an_oid_or_has_no_binary_form_is_text() {
        for oid in [2205, 20008] {
            assert_eq!(shape(&types(), oid, -1), Shape::Text("t".into()), "{oid}");
        }
        for oid in [20010, 999_999] {
            assert!(
                matches!(shape(&types(), oid, -1), Shape::Nothing(_)),
                "{oid}"
            );
        }
    }
}
