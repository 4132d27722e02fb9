//! In: what a column's values are made of, and what vectors become. Out: what the copy does with each part, with the types that the
//! bytes name. The target's OIDs are not known yet: types are named as the target will have them.

use std::collections::HashMap;

use dialect::types::{SourceType, TargetType, TypeChange};
use serde::{Deserialize, Serialize};

use crate::catalog::Type;
use crate::catalog::portable::{FIRST_OWN_OID, Part, Shape};
use crate::copy::convert::{pair, type_name};

/// How the values of a column, or a part of them, reach the target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Travel {
    /// The same bytes.
    Pass,
    /// The same bytes, of an array.
    PassArray,
    /// The same bytes, but an infinite interval is refused: the target would take it for a finite one.
    FiniteInterval,
    /// A vector.
    Convert(TypeChange),
    Array {
        element: Named,
        of: Box<Travel>,
    },
    Composite(Vec<(Named, Travel)>),
    Range(Box<Travel>),
    Multirange(Box<Travel>),
    /// As text, and its table with it.
    Text,
}

/// A type that the bytes name by its OID.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Named {
    /// Its OID on the source.
    pub source: u32,
    pub target: OnTarget,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum OnTarget {
    /// PostgreSQL's own, with an OID that is the same everywhere.
    Oid(u32),
    Name(TypeName),
}

/// A type as the target has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct TypeName {
    pub schema: String,
    pub name: String,
    /// An extension may live in another schema there.
    pub extension: Option<String>,
    /// Of these: the name of an array type is the server's to choose.
    pub array: bool,
}

const FLOAT4_ARRAY: u32 = 1021;

impl Travel {
    /// Whether there is a vector in it.
    pub fn converts(&self) -> bool {
        match self {
            Travel::Convert(_) => true,
            Travel::Array { of, .. } | Travel::Range(of) | Travel::Multirange(of) => of.converts(),
            Travel::Composite(parts) => parts.iter().any(|(_, part)| part.converts()),
            _ => false,
        }
    }

    /// The change of a vector, or of the vectors of an array, that the value is.
    pub fn vector(&self) -> Option<TypeChange> {
        match self {
            Travel::Convert(change) => Some(*change),
            Travel::Array { of, .. } => match **of {
                Travel::Convert(change) => Some(TypeChange {
                    array: true,
                    ..change
                }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What vectors become; None for bits that stay bits.
pub struct Builder<'a> {
    pub types: &'a HashMap<u32, Type>,
    pub to: &'a dyn Fn(SourceType) -> Option<TargetType>,
    /// The same for a column of a table, since values of its row type follow it. The outer None: it is no vector.
    pub column: &'a dyn Fn(u32, &str) -> Option<Option<TargetType>>,
    /// The target is older than PostgreSQL 17, and the source is not.
    pub finite_intervals: bool,
}

impl Builder<'_> {
    /// Why there is no way, where there is none.
    pub fn travel(&self, shape: &Shape) -> Result<Travel, String> {
        Ok(match shape {
            Shape::Plain => Travel::Pass,
            Shape::Interval if self.finite_intervals => Travel::FiniteInterval,
            Shape::Interval => Travel::Pass,
            Shape::Vector { from, dims } => match (self.to)(*from) {
                Some(to) => Travel::Convert(change(*from, to, *dims)?),
                None => Travel::Pass,
            },
            Shape::Array { element, of } => self.array(*element, of)?,
            Shape::Composite(parts) => {
                let part = |p: &Part| {
                    let own = p.table.and_then(|table| (self.column)(table, &p.name));
                    let to = |from| own.unwrap_or_else(|| (self.to)(from));
                    let of_part = Builder { to: &to, ..*self };
                    Ok((of_part.named(p.type_oid), of_part.travel(&p.shape)?))
                };
                composite(parts.iter().map(part).collect::<Result<_, String>>()?)?
            }
            Shape::Range(bound) => match self.travel(bound)? {
                Travel::Pass => Travel::Pass,
                Travel::Text => Travel::Text,
                bound => Travel::Range(Box::new(bound)),
            },
            Shape::Multirange(bound) => match self.travel(bound)? {
                Travel::Pass => Travel::Pass,
                Travel::Text => Travel::Text,
                bound => Travel::Multirange(Box::new(bound)),
            },
            Shape::Text(_) => Travel::Text,
            Shape::Nothing(why) => return Err(why.clone()),
        })
    }

    fn array(&self, element: u32, of: &Shape) -> Result<Travel, String> {
        let named = self.named(element);
        // A domain over real[] has arrays.
        let is_domain = self.types.get(&element).is_some_and(|t| t.kind == 'd');
        Ok(match self.travel(of)? {
            Travel::Text => Travel::Text,
            Travel::Convert(change) if change.to == TargetType::RealArray && !is_domain => {
                let name = self.types.get(&element).map_or("", |t| &t.name);
                return Err(format!(
                    "an array of {name} cannot become one of real[]: PostgreSQL has no such type"
                ));
            }
            Travel::Pass if same(&named) => Travel::PassArray,
            of => Travel::Array {
                element: named,
                of: Box::new(of),
            },
        })
    }

    fn named(&self, oid: u32) -> Named {
        Named {
            source: oid,
            target: self.on_target(oid),
        }
    }

    fn on_target(&self, oid: u32) -> OnTarget {
        let Some(ty) = self.types.get(&oid) else {
            return OnTarget::Oid(oid);
        };
        match ty.vector.and_then(|from| (self.to)(from)) {
            Some(TargetType::RealArray) => return OnTarget::Oid(FLOAT4_ARRAY),
            Some(to) => return OnTarget::Name(vectors(to)),
            None => {}
        }
        if ty.element == 0 {
            return match oid < FIRST_OWN_OID {
                true => OnTarget::Oid(oid),
                false => OnTarget::Name(name(ty)),
            };
        }
        match (self.on_target(ty.element), self.types.get(&ty.element)) {
            (OnTarget::Name(element), _) => OnTarget::Name(array_of(element)),
            (_, Some(element)) if oid >= FIRST_OWN_OID => OnTarget::Name(array_of(name(element))),
            _ => OnTarget::Oid(oid),
        }
    }
}

pub fn name(ty: &Type) -> TypeName {
    TypeName {
        schema: ty.schema.clone(),
        name: ty.type_name.clone(),
        extension: ty.extension.clone(),
        array: false,
    }
}

fn vectors(to: TargetType) -> TypeName {
    TypeName {
        schema: "vectors".into(),
        name: type_name(to).into(),
        extension: Some("vectors".into()),
        array: false,
    }
}

fn array_of(element: TypeName) -> TypeName {
    TypeName {
        array: true,
        ..element
    }
}

fn same(named: &Named) -> bool {
    named.target == OnTarget::Oid(named.source)
}

fn composite(parts: Vec<(Named, Travel)>) -> Result<Travel, String> {
    let text = parts.iter().any(|(_, part)| *part == Travel::Text);
    let vectors = parts.iter().any(|(_, part)| part.converts());
    match (text, vectors) {
        (true, true) => {
            Err("it holds a vector, and beside it a value that has no binary form".into())
        }
        (true, false) => Ok(Travel::Text),
        (false, _)
            if parts
                .iter()
                .all(|(named, part)| same(named) && *part == Travel::Pass) =>
        {
            Ok(Travel::Pass)
        }
        (false, _) => Ok(Travel::Composite(parts)),
    }
}

const SVECTOR_LIMIT: u32 = 1_048_575;
const DENSE_LIMIT: u32 = 65_535;

/// What a vector becomes, if there is a conversion and the target has room for it.
pub fn change(from: SourceType, to: TargetType, dims: Option<u32>) -> Result<TypeChange, String> {
    let array = false;
    let change = TypeChange {
        from,
        to,
        dims,
        array,
    };
    if pair(&change).is_none() {
        return Err(format!(
            "there is no conversion from {from} to {}",
            change.target_sql()
        ));
    }
    match (dims, to) {
        (Some(dims), TargetType::Svector) if dims > SVECTOR_LIMIT => Err(format!(
            "{dims} dimensions are more than svector's {SVECTOR_LIMIT}"
        )),
        (Some(dims), TargetType::Bvector) if dims > DENSE_LIMIT => {
            Err(format!("{dims} bits are more than bvector's {DENSE_LIMIT}"))
        }
        _ => Ok(change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Attribute;
    use crate::catalog::portable::shape;

    const VECTOR: u32 = 20_001;
    const MOOD: u32 = 20_002;
    const MOODS: u32 = 20_003;
    const PAIR: u32 = 20_004;
    const HELD: u32 = 20_005;
    const PLAIN: u32 = 20_006;
    const BOTH: u32 = 20_007;

    fn types() -> HashMap<u32, Type> {
        let ty = |kind: char, name: &str| Type {
            name: name.into(),
            schema: "public".into(),
            type_name: name.into(),
            kind,
            typmod: -1,
            has_binary: true,
            ..Type::default()
        };
        let array = |name: &str, element: u32| Type {
            element,
            ..ty('b', name)
        };
        let composite = |name: &str, attributes: &[u32]| {
            let attribute = |(i, oid): (usize, &u32)| Attribute {
                name: format!("a{i}"),
                type_oid: *oid,
                typmod: -1,
            };
            Type {
                attributes: attributes.iter().enumerate().map(attribute).collect(),
                ..ty('c', name)
            }
        };
        let vector = Some(SourceType::Vector);
        HashMap::from([
            (23, ty('b', "int4")),
            (1007, array("_int4", 23)),
            (1186, ty('b', "interval")),
            (2205, ty('b', "regclass")),
            (
                VECTOR,
                Type {
                    vector,
                    ..ty('b', "vector")
                },
            ),
            (MOOD, ty('e', "mood")),
            (MOODS, array("_mood", MOOD)),
            (PAIR, composite("pair", &[MOODS, 1007])),
            (HELD, composite("held", &[VECTOR, 1186])),
            (PLAIN, composite("plain", &[23, 23])),
            (BOTH, composite("both", &[VECTOR, 2205])),
            (20_008, array("_both", BOTH)),
            (20_009, composite("texts", &[23, 2205])),
            (20_010, array("_vector", VECTOR)),
        ])
    }

    fn travel(oid: u32, to: TargetType) -> Result<Travel, String> {
        let types = types();
        let builder = Builder {
            types: &types,
            to: &|_| Some(to),
            column: &|_, _| None,
            finite_intervals: true,
        };
        builder.travel(&shape(&types, oid, -1))
    }

    fn named(source: u32, schema: &str, name: &str, array: bool) -> Named {
        let extension = (schema == "vectors").then(|| "vectors".to_string());
        let (schema, name) = (schema.to_string(), name.to_string());
        let target = OnTarget::Name(TypeName {
            schema,
            name,
            extension,
            array,
        });
        Named { source, target }
    }

    #[test]
    fn users_types_are_named_and_postgresqls_own_keep_their_oid() {
        let moods = Travel::Array {
            element: named(MOOD, "public", "mood", false),
            of: Box::new(Travel::Pass),
        };
        assert_eq!(travel(MOODS, TargetType::Vector), Ok(moods.clone()));
        let target = OnTarget::Oid(1007);
        let ints = Named {
            source: 1007,
            target,
        };
        let parts = vec![
            (named(MOODS, "public", "mood", true), moods),
            (ints, Travel::PassArray),
        ];
        assert_eq!(
            travel(PAIR, TargetType::Vector),
            Ok(Travel::Composite(parts))
        );
    }

    #[test]
    fn bytes_that_name_nothing_but_postgresqls_own_types_pass() {
        for oid in [23, PLAIN] {
            assert_eq!(travel(oid, TargetType::Vector), Ok(Travel::Pass));
        }
        assert_eq!(travel(1007, TargetType::Vector), Ok(Travel::PassArray));
        assert_eq!(travel(1186, TargetType::Vector), Ok(Travel::FiniteInterval));
    }

    #[test]
    fn a_vector_inside_gets_the_type_that_it_becomes() {
        let Ok(Travel::Composite(parts)) = travel(HELD, TargetType::Vecf16) else {
            panic!("no composite")
        };
        assert_eq!(parts[0].0, named(VECTOR, "vectors", "vecf16", false));
        assert!(parts[0].1.vector().is_some());
        assert_eq!(parts[1].1, Travel::FiniteInterval);
        let Ok(Travel::Composite(parts)) = travel(HELD, TargetType::RealArray) else {
            panic!("no composite")
        };
        assert_eq!(parts[0].0.target, OnTarget::Oid(FLOAT4_ARRAY));
    }

    #[test]
    fn text_takes_all_of_a_value_and_a_vector_in_it_has_no_way() {
        for oid in [2205, 20_009] {
            assert_eq!(travel(oid, TargetType::Vector), Ok(Travel::Text));
        }
        for oid in [BOTH, 20_008] {
            assert!(travel(oid, TargetType::Vector).is_err());
        }
        assert!(travel(20_010, TargetType::RealArray).is_err());
    }
}
