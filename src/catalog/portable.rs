//! In: a column's type. Out: what crosses the wire for it: a vector to convert, bytes that mean the same on both servers, or the
//! reason why they do not. It knows nothing of the target's types.

use std::collections::HashMap;

use dialect::types::SourceType;

use super::Type;

/// How a column's binary form travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A vector of pgvector, or bits that may be one.
    Vector {
        from: SourceType,
        dims: Option<u32>,
        array: bool,
        domain: Option<u32>,
    },
    /// The same bytes mean the same on both servers.
    Plain { array: bool },
    /// They do not, or there are none.
    Unportable(String),
}

/// `regclass` and its kin: an OID that belongs to one cluster.
const OID_ALIASES: [u32; 12] = [
    24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, 8326,
];

pub fn shape(types: &HashMap<u32, Type>, oid: u32, typmod: i32) -> Shape {
    let Some(ty) = types.get(&oid) else {
        return Shape::Unportable("its type is not in pg_type".into());
    };
    match ty.vector {
        Some(from) => return vector(from, typmod, false, None),
        None if ty.kind == 'd' => return domain(types, oid, ty),
        None => {}
    }
    if ty.element != 0 {
        return array(types, ty, typmod);
    }
    match ty.kind {
        _ if !ty.has_binary => Shape::Unportable(format!("type {} has no binary form", ty.name)),
        _ if OID_ALIASES.contains(&oid) => Shape::Unportable(format!(
            "type {} holds an OID, which differs between clusters",
            ty.name
        )),
        'c' => Shape::Unportable(format!(
            "composite type {} holds OIDs in its binary form",
            ty.name
        )),
        'r' | 'm' if !ty.built_in => Shape::Unportable(format!(
            "range type {} is not built in: its binary form may hold OIDs",
            ty.name
        )),
        'p' => Shape::Unportable(format!("pseudo-type {} holds no rows", ty.name)),
        _ => Shape::Plain { array: false },
    }
}

fn vector(from: SourceType, typmod: i32, array: bool, domain: Option<u32>) -> Shape {
    // A bit varying's modifier is a bound, not the number of bits of each value.
    let exact = from != SourceType::Varbit;
    let dims = u32::try_from(typmod).ok().filter(|d| exact && *d > 0);
    Shape::Vector {
        from,
        dims,
        array,
        domain,
    }
}

/// COPY sends a domain as its base type.
fn domain(types: &HashMap<u32, Type>, oid: u32, ty: &Type) -> Shape {
    match shape(types, ty.base, ty.typmod) {
        Shape::Vector {
            from, dims, array, ..
        } => Shape::Vector {
            from,
            dims,
            array,
            domain: Some(oid),
        },
        other => other,
    }
}

/// An array's binary form names its element type by OID (byte 8).
fn array(types: &HashMap<u32, Type>, ty: &Type, typmod: i32) -> Shape {
    let Some(element) = types.get(&ty.element) else {
        return Shape::Unportable(format!("the element type of {} is not in pg_type", ty.name));
    };
    let pgvector = element.vector.filter(|_| !element.built_in);
    match pgvector {
        Some(from) => vector(from, typmod, true, None),
        None if !element.built_in => Shape::Unportable(format!(
            "array type {} holds its element type's OID",
            ty.name
        )),
        None => match shape(types, ty.element, -1) {
            Shape::Unportable(why) => Shape::Unportable(why),
            _ => Shape::Plain { array: true },
        },
    }
}

/// Whether the type is interval, or an array or domain of it: 17 and later know an infinite one, older servers do not.
pub fn holds_interval(types: &HashMap<u32, Type>, oid: u32) -> bool {
    const INTERVAL: u32 = 1186;
    oid == INTERVAL
        || types.get(&oid).is_some_and(|t| {
            (t.element != 0 && holds_interval(types, t.element))
                || (t.base != 0 && holds_interval(types, t.base))
        })
}

/// Whether the type is an array, or a domain over one.
pub fn is_array(types: &HashMap<u32, Type>, oid: u32) -> bool {
    types
        .get(&oid)
        .is_some_and(|t| t.element != 0 || (t.base != 0 && is_array(types, t.base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(kind: char) -> Type {
        Type {
            name: "t".into(),
            kind,
            element: 0,
            base: 0,
            typmod: -1,
            has_binary: true,
            built_in: false,
            vector: None,
        }
    }

    fn types() -> HashMap<u32, Type> {
        let int4 = Type {
            built_in: true,
            ..ty('b')
        };
        let vector = Type {
            vector: Some(SourceType::Vector),
            ..ty('b')
        };
        HashMap::from([
            (23, int4.clone()),
            (
                1007,
                Type {
                    element: 23,
                    ..int4.clone()
                },
            ),
            (2205, int4),
            (20001, vector),
            (
                20002,
                Type {
                    element: 20001,
                    ..ty('b')
                },
            ),
            (
                20003,
                Type {
                    base: 20001,
                    typmod: 3,
                    ..ty('d')
                },
            ),
            (
                20004,
                Type {
                    element: 20003,
                    ..ty('b')
                },
            ),
            (20005, ty('e')),
            (
                20006,
                Type {
                    element: 20005,
                    ..ty('b')
                },
            ),
            (20007, ty('c')),
            (
                20008,
                Type {
                    has_binary: false,
                    ..ty('b')
                },
            ),
            (20009, ty('r')),
        ])
    }

    #[test]
    fn a_domain_over_a_vector_takes_its_dimensions_from_the_domain() {
        let found = shape(&types(), 20003, -1);
        let Shape::Vector { dims, domain, .. } = found else {
            panic!("{found:?}")
        };
        assert_eq!((dims, domain), (Some(3), Some(20003)));
    }

    #[test]
    fn arrays_of_vectors_are_converted_and_arrays_of_built_in_types_pass() {
        assert!(matches!(
            shape(&types(), 20002, 3),
            Shape::Vector {
                array: true,
                dims: Some(3),
                ..
            }
        ));
        assert_eq!(shape(&types(), 1007, -1), Shape::Plain { array: true });
        assert_eq!(shape(&types(), 20005, -1), Shape::Plain { array: false });
    }

    #[test]
    fn what_holds_an_oid_or_has_no_binary_form_does_not_travel() {
        for oid in [2205, 20004, 20006, 20007, 20008, 20009, 999_999] {
            assert!(
                matches!(shape(&types(), oid, -1), Shape::Unportable(_)),
                "{oid}"
            );
        }
    }
}
