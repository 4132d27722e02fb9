//! Comes in: values made of other values: arrays, composites, ranges, multiranges, of any nesting. Goes out: whether they are
//! written as the target's server writes the same value, and refused with the byte where they are broken.
mod support;

use pgv2rs_codec::convert::{Column, Kind, Oids};
use pgv2rs_codec::error::Cause;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use support::{ELEMENT, array, array_of, convert_one, pgvector, pgvectors, vector, vector_to};

/// Where a fault in a payload is found, from the payload's first byte, and what it is.
fn fault(column: &Column, payload: &[u8]) -> (u64, Cause) {
    let error = convert_one(column, payload).expect_err("a broken value");
    assert_eq!((error.row, error.column), (5, Some(0)));
    (error.offset - 106, error.cause)
}

fn hex(line: &Value, key: &str) -> Vec<u8> {
    let hex = line[key].as_str().expect("a hex field");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The recording: its first line has the types' SQL and OIDs, every other one a value.
fn recording() -> (Value, Vec<Value>) {
    let lines = include_str!("golden/nested.jsonl").lines();
    let mut lines = lines.map(|line| serde_json::from_str(line).expect("a JSON object a line"));
    (lines.next().expect("a first line"), lines.collect())
}

fn oids(types: &Value, name: &Value) -> Oids {
    let name = name.as_str().expect("a type's name");
    let oid = |side: usize| types["oids"][name][side].as_u64().expect("an OID") as u32;
    Oids {
        source: oid(0),
        target: oid(1),
    }
}

fn column(types: &Value, shape: &Value) -> Column {
    let to = |from, to| {
        let to = support::conversion(pgvector(from), pgvectors(to));
        Column::Convert(to)
    };
    match shape.as_str() {
        Some("pass") => return Column::Pass,
        Some("interval") => return Column::FiniteInterval,
        Some("vector") => return to(Kind::F32, Kind::F32),
        Some("halfvec") => return to(Kind::F16, Kind::F16),
        Some("sparsevec") => return to(Kind::Sparse, Kind::Sparse),
        _ => {}
    }
    let (what, inner) = shape
        .as_object()
        .and_then(|o| o.iter().next())
        .expect("one key");
    let boxed = |shape| Box::new(column(types, shape));
    match what.as_str() {
        "array" => Column::Array {
            element: oids(types, &inner[0]),
            of: boxed(&inner[1]),
        },
        "composite" => {
            let attributes = inner.as_array().expect("a list").iter();
            let attribute = |a: &Value| (oids(types, &a[0]), column(types, &a[1]));
            Column::Composite(attributes.map(attribute).collect())
        }
        "range" => Column::Range(boxed(inner)),
        "multirange" => Column::Multirange(boxed(inner)),
        other => panic!("{other} is no shape of the recording"),
    }
}

#[test]
fn every_recorded_value_becomes_what_the_target_sends_for_it() {
    let (types, lines) = recording();
    let (mut converted, mut refused) = (0, 0);
    for line in lines {
        let column = column(&types, &line["shape"]);
        let got = convert_one(&column, &hex(&line, "src_hex"));
        if line["refused"] == true {
            let cause = got.expect_err("an infinite interval").cause;
            assert_eq!(cause, Cause::InfiniteInterval, "{}", line["src_sql"]);
            refused += 1;
        } else {
            assert_eq!(got, Ok(hex(&line, "dst_hex")), "{}", line["src_sql"]);
            converted += 1;
        }
    }
    assert_eq!((converted, refused), (33, 4));
}

#[test]
fn no_byte_of_a_recorded_value_can_be_taken_away_or_added() {
    let (types, lines) = recording();
    for line in lines {
        let column = column(&types, &line["shape"]);
        if matches!(column, Column::Pass) {
            continue;
        }
        let payload = hex(&line, "src_hex");
        for len in 0..payload.len() {
            assert!(
                convert_one(&column, &payload[..len]).is_err(),
                "{}",
                line["src_sql"]
            );
        }
        let longer = [&payload[..], &[0]].concat();
        assert!(
            convert_one(&column, &longer).is_err(),
            "{}",
            line["src_sql"]
        );
    }
}

#[test]
fn a_type_that_is_not_the_plans_is_refused_at_its_byte() {
    let oids = |source| Oids { source, target: 1 };
    let attributes = vec![(oids(23), Column::Pass), (oids(25), Column::Pass)];
    let column = Column::Composite(attributes);
    let field = |oid: u32| [&oid.to_be_bytes()[..], &[0, 0, 0, 1, b'x']].concat();
    let composite = |second| [&[0, 0, 0, 2][..], &field(23), &field(second)].concat();
    assert!(convert_one(&column, &composite(25)).is_ok());
    let (found, expected) = (26, 25);
    assert_eq!(
        fault(&column, &composite(26)),
        (13, Cause::TypeOid { found, expected })
    );
    let mut three = composite(25);
    three[3] = 3;
    let (found, expected) = (3, 2);
    assert_eq!(
        fault(&column, &three),
        (0, Cause::Attributes { found, expected })
    );
    three[..4].fill(0xff);
    let found = -1;
    assert_eq!(
        fault(&column, &three),
        (0, Cause::Attributes { found, expected })
    );
}

#[test]
fn an_array_that_only_passes_says_inside_another_value_whether_it_holds_nulls() {
    let int = Oids {
        source: 1007,
        target: 1007,
    };
    let column = Column::Composite(vec![(int, Column::PassArray)]);
    let holding = |flag| {
        let array = array(23, flag, &[Some(vec![0, 0, 0, 7])]);
        let len = (array.len() as u32).to_be_bytes();
        [&[0, 0, 0, 1, 0, 0, 3, 0xef][..], &len, &array].concat()
    };
    assert_eq!(convert_one(&column, &holding(1)), Ok(holding(0)));
    assert_eq!(convert_one(&column, &holding(0)), Ok(holding(0)));
}

#[test]
fn refuses_ranges_and_multiranges_that_postgres_would_not_send() {
    let range = Column::Range(Box::new(Column::Pass));
    let bounds = [0, 0, 0, 1, 5, 0, 0, 0, 1, 9];
    let with = |flags: u8| [&[flags], &bounds[..]].concat();
    assert_eq!(convert_one(&range, &with(2)), Ok(with(2)));
    for flags in [32, 64, 128, 255] {
        assert_eq!(
            fault(&range, &with(flags)),
            (0, Cause::RangeFlags { flags })
        );
    }
    let (found, expected) = (11, 1);
    assert_eq!(
        fault(&range, &with(1)),
        (1, Cause::Length { found, expected })
    );
    let null = [2, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(fault(&range, &null), (1, Cause::FieldLength { length: -1 }));
    assert_eq!(fault(&range, &[]), (0, Cause::Truncated));

    let multirange = Column::Multirange(Box::new(Column::Pass));
    for found in [-1, 2, i32::MAX] {
        let one = [&found.to_be_bytes()[..], &[0, 0, 0, 1, 1]].concat();
        assert_eq!(fault(&multirange, &one), (0, Cause::Ranges { found }));
    }
    let null = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0];
    assert_eq!(
        fault(&multirange, &null),
        (4, Cause::FieldLength { length: -1 })
    );
}

#[test]
fn an_interval_that_is_almost_infinite_passes() {
    let interval = |time: i64, days: i32, months: i32| {
        let words = [days.to_be_bytes(), months.to_be_bytes()].concat();
        [&time.to_be_bytes()[..], &words].concat()
    };
    let pass = |payload: Vec<u8>| {
        assert_eq!(
            convert_one(&Column::FiniteInterval, &payload),
            Ok(payload.clone())
        );
    };
    pass(interval(i64::MAX, i32::MAX, i32::MAX - 1));
    pass(interval(i64::MIN, 0, i32::MIN));
    pass(interval(i64::MAX, i32::MIN, i32::MIN));
    let (found, expected) = (15, 16);
    assert_eq!(
        fault(&Column::FiniteInterval, &[0; 15]),
        (15, Cause::Length { found, expected })
    );
}

/// A column and a payload of it, at most so deep: written here from the formats alone.
fn value(depth: u32) -> BoxedStrategy<(Column, Vec<u8>)> {
    let leaf = vec(any::<u8>(), 0..6).prop_map(|bytes| (Column::Pass, bytes));
    if depth == 0 {
        return leaf.boxed();
    }
    let part = |bytes: &Option<Vec<u8>>| match bytes {
        None => (-1i32).to_be_bytes().to_vec(),
        Some(bytes) => [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat(),
    };
    let oids = (any::<u32>(), any::<u32>()).prop_map(|(source, target)| Oids { source, target });
    let field = (oids.clone(), value(depth - 1), any::<bool>());
    let composite = vec(field, 0..4).prop_map(move |fields| {
        let mut bytes = (fields.len() as i32).to_be_bytes().to_vec();
        for (oids, (_, payload), there) in &fields {
            bytes.extend(oids.source.to_be_bytes());
            bytes.extend(part(&there.then(|| payload.clone())));
        }
        let attributes = fields
            .into_iter()
            .map(|(oids, (column, _), _)| (oids, column));
        (Column::Composite(attributes.collect()), bytes)
    });
    let array = (oids, value(depth - 1), vec(any::<bool>(), 1..4)).prop_map(
        |(element, (of, payload), there)| {
            let elements: Vec<_> = there.iter().map(|t| t.then(|| payload.clone())).collect();
            let flag = u32::from(there.contains(&false));
            let of = Box::new(of);
            (
                Column::Array { element, of },
                array(element.source, flag, &elements),
            )
        },
    );
    let range = (value(depth - 1), value(0)).prop_map(move |((column, payload), _)| {
        let bound = part(&Some(payload));
        (
            Column::Range(Box::new(column)),
            [&[2u8][..], &bound, &bound].concat(),
        )
    });
    prop_oneof![leaf, composite, array, range].boxed()
}

/// The same column, read from the target and written for the source.
fn reversed(column: &Column) -> Column {
    let swap = |oids: &Oids| Oids {
        source: oids.target,
        target: oids.source,
    };
    let inner = |column: &Column| Box::new(reversed(column));
    match column {
        Column::Array { element, of } => Column::Array {
            element: swap(element),
            of: inner(of),
        },
        Column::Composite(attributes) => {
            let attributes = attributes.iter();
            Column::Composite(attributes.map(|(o, c)| (swap(o), reversed(c))).collect())
        }
        Column::Range(bound) => Column::Range(inner(bound)),
        Column::Multirange(bound) => Column::Multirange(inner(bound)),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_value_of_any_nesting_comes_back_when_the_oids_are_mapped_back((column, payload) in value(4)) {
        let there = convert_one(&column, &payload).expect("a sound value");
        prop_assert_eq!(there.len(), payload.len());
        prop_assert_eq!(convert_one(&reversed(&column), &there).expect("a sound value"), payload);
    }

    #[test]
    fn broken_bytes_of_a_nested_value_are_an_error_or_a_value_and_never_a_panic(
        (column, payload) in value(3),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut broken = payload.clone();
        if !broken.is_empty() {
            let at = at.index(broken.len());
            broken[at] = byte;
        }
        if let Ok(written) = convert_one(&column, &broken) {
            prop_assert_eq!(written.len(), broken.len());
        }
    }
}

#[test]
fn arrays_keep_shape_and_nulls_and_get_the_element_type_of_the_target() {
    let column = array_of(vector_to(Kind::F32));
    let little = |elements: &[f32]| {
        let dims = (elements.len() as u16).to_le_bytes();
        let elements = elements.iter().flat_map(|x| x.to_le_bytes());
        Some(dims.into_iter().chain(elements).collect::<Vec<u8>>())
    };
    let source = array(
        16_400,
        1,
        &[Some(vector(&[1.0, 2.0])), None, Some(vector(&[3.0]))],
    );
    let expected = array(
        ELEMENT.target,
        1,
        &[little(&[1.0, 2.0]), None, little(&[3.0])],
    );
    assert_eq!(convert_one(&column, &source), Ok(expected));

    let one = Some(vector(&[1.0]));
    let mut two_by_one = array(16_400, 0, &[one.clone(), one]);
    two_by_one.splice(
        ..20,
        [2, 0, 16_400, 2, 0, 1, -3].map(i32::to_be_bytes).concat(),
    );
    let converted = convert_one(&column, &two_by_one).expect("a value");
    assert_eq!(
        converted[..28],
        [2, 0, ELEMENT.target as i32, 2, 0, 1, -3]
            .map(i32::to_be_bytes)
            .concat()
    );
    assert_eq!(
        converted[28..],
        [[0, 0, 0, 6, 1, 0], [0, 0, 0x80, 0x3f, 0, 0]].concat()[..10].repeat(2)
    );

    let empty = [0u32, 0, 16_400].map(u32::to_be_bytes).concat();
    let expected = [0u32, 0, ELEMENT.target].map(u32::to_be_bytes).concat();
    assert_eq!(convert_one(&column, &empty), Ok(expected));
}

#[test]
fn refuses_arrays_that_postgres_would_not_write() {
    let column = array_of(vector_to(Kind::F32).dims(Some(1)));
    let good = array(16_400, 0, &[Some(vector(&[1.0])), Some(vector(&[2.0]))]);
    assert!(convert_one(&column, &good).is_ok());
    let with = |at: usize, word: i32| {
        let mut array = good.clone();
        array[at..at + 4].copy_from_slice(&word.to_be_bytes());
        fault(&column, &array)
    };
    for ndim in [-1, 7] {
        assert_eq!(with(0, ndim), (0, Cause::ArrayHeader { ndim, flags: 0 }));
    }
    let (found, expected) = (16_401, 16_400);
    assert_eq!(with(8, 16_401), (8, Cause::TypeOid { found, expected }));
    assert_eq!(with(4, 2), (0, Cause::ArrayHeader { ndim: 1, flags: 2 }));
    for length in [0, -1, i32::MAX] {
        assert_eq!(with(12, length), (12, Cause::ArrayDimension { length }));
    }
    assert_eq!(
        with(12, 1),
        (
            32,
            Cause::Length {
                found: 44,
                expected: 32
            }
        )
    );
    assert_eq!(with(12, 3), (44, Cause::Truncated));
    assert_eq!(with(20, -2), (20, Cause::FieldLength { length: -2 }));
    assert_eq!(
        with(36, 2 << 16),
        (
            44,
            Cause::Length {
                found: 8,
                expected: 12
            }
        )
    );
    let long = array(
        16_400,
        0,
        &[Some(vector(&[1.0])), Some(vector(&[2.0, 3.0]))],
    );
    assert_eq!(
        fault(&column, &long),
        (
            36,
            Cause::Dims {
                found: 2,
                expected: 1
            }
        )
    );
}
