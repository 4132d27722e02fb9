//! Comes in: single values, sound and broken. Goes out: whether the converter writes what belongs there, and refuses the rest
//! with the cause and the byte. Arrays and what else is made of values is in
//! nested.rs, whole rows are in rows.rs, what servers recorded is in golden.rs.
mod support;

use pgv2rs_codec::convert::{Conversion, Encoding, Form, Kind, Overflow};
use pgv2rs_codec::error::Cause;
use support::{
    REAL_ARRAY, array, conversion, convert_field, pgvector, pgvectors, sparsevec, vector, vector_to,
};

const KINDS: [Kind; 4] = [Kind::F32, Kind::F16, Kind::Bits, Kind::Sparse];

/// Where a fault in a payload is found, from the payload's first byte, and what it is.
fn fault(conversion: &Conversion, payload: &[u8]) -> (u64, Cause) {
    let error = convert_field(conversion, payload).expect_err("a broken value");
    assert_eq!((error.row, error.column), (5, Some(0)));
    // The batch begins at byte 100; field count and field length come before the payload.
    (error.offset - 106, error.cause)
}

#[test]
fn the_table_holds_the_documented_pairs_and_no_others() {
    let mut pairs = Vec::new();
    for from in KINDS {
        for kind in KINDS {
            for encoding in [Encoding::Pgvector, Encoding::Pgvectors, Encoding::RealArray] {
                if let Some(pair) = Conversion::between(pgvector(from), Form { kind, encoding }) {
                    assert_eq!(
                        (pair.from(), pair.to()),
                        (pgvector(from), Form { kind, encoding })
                    );
                    pairs.push((from, kind, encoding));
                }
                assert!(Conversion::between(pgvectors(from), Form { kind, encoding }).is_none());
            }
        }
    }
    use Encoding::{Pgvectors, RealArray};
    use Kind::{Bits, F16, F32, Sparse};
    let expected = [
        (F32, F32, Pgvectors),
        (F32, F32, RealArray),
        (F32, F16, Pgvectors),
        (F32, Bits, Pgvectors),
        (F16, F32, Pgvectors),
        (F16, F32, RealArray),
        (F16, F16, Pgvectors),
        (F16, Bits, Pgvectors),
        (Bits, F32, RealArray),
        (Bits, Bits, Pgvectors),
        (Sparse, F32, RealArray),
        (Sparse, Sparse, Pgvectors),
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn refuses_a_vector_with_another_number_of_dimensions_than_its_column() {
    let conversion = vector_to(Kind::F32).dims(Some(3));
    let cause = Cause::Dims {
        found: 2,
        expected: 3,
    };
    assert_eq!(fault(&conversion, &vector(&[1.0, 2.0])), (0, cause));
    assert!(convert_field(&conversion, &vector(&[1.0, 2.0, 3.0])).is_ok());
}

#[test]
fn refuses_vectors_beyond_the_limits_of_either_system() {
    let dims = |dims: u16| [&dims.to_be_bytes()[..], &[0, 0]].concat();
    for found in [0, 16_001, 65_535] {
        let cause = Cause::DimsLimit {
            found: u32::from(found),
            limit: 16_000,
        };
        assert_eq!(fault(&vector_to(Kind::F32), &dims(found)), (0, cause));
    }
    let svector = conversion(pgvector(Kind::Sparse), pgvectors(Kind::Sparse));
    assert!(convert_field(&svector, &sparsevec(1_048_575, &[(1_048_574, 1.0)])).is_ok());
    let cause = Cause::DimsLimit {
        found: 1_048_576,
        limit: 1_048_575,
    };
    assert_eq!(fault(&svector, &sparsevec(1_048_576, &[])), (0, cause));
    let cause = Cause::DimsLimit {
        found: 1_000_000_001,
        limit: 1_000_000_000,
    };
    assert_eq!(fault(&svector, &sparsevec(1_000_000_001, &[])), (0, cause));
    let bvector = conversion(pgvector(Kind::Bits), pgvectors(Kind::Bits));
    let cause = Cause::DimsLimit {
        found: 0,
        limit: 65_535,
    };
    assert_eq!(fault(&bvector, &[0; 4]), (0, cause));
}

#[test]
fn refuses_a_payload_that_is_shorter_or_longer_than_its_header_says() {
    for (kind, payload) in [
        (Kind::F32, vector(&[1.0, 2.0])),
        (Kind::F16, vec![0, 2, 0, 0, 0x3c, 0, 0x3c, 0]),
        (Kind::Bits, vec![0, 0, 0, 9, 0xff, 0x80]),
        (Kind::Sparse, sparsevec(9, &[(3, 1.0)])),
    ] {
        let conversion = conversion(pgvector(kind), pgvectors(kind));
        assert!(convert_field(&conversion, &payload).is_ok());
        let refused = |payload: &[u8]| match fault(&conversion, payload) {
            (_, Cause::Length { found, .. }) => assert_eq!(found, payload.len() as u64),
            (_, other) => panic!("{kind:?} {payload:?} {other}"),
        };
        (0..payload.len()).for_each(|len| refused(&payload[..len]));
        refused(&[&payload[..], &[0]].concat());
    }
}

#[test]
fn refuses_reserved_words_that_are_not_zero() {
    let mut dense = vector(&[1.0]);
    dense[3] = 7;
    assert_eq!(
        fault(&vector_to(Kind::F16), &dense),
        (2, Cause::Unused { found: 7 })
    );
    let mut sparse = sparsevec(9, &[(3, 1.0)]);
    sparse[8] = 1;
    let conversion = conversion(pgvector(Kind::Sparse), REAL_ARRAY);
    assert_eq!(
        fault(&conversion, &sparse),
        (8, Cause::Unused { found: 1 << 24 })
    );
}

#[test]
fn names_the_element_that_is_not_finite_for_every_target() {
    for to in [
        pgvectors(Kind::F32),
        pgvectors(Kind::F16),
        pgvectors(Kind::Bits),
        REAL_ARRAY,
    ] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut elements = vec![1.0; 20];
            elements[17] = bad;
            elements[18] = f32::NAN;
            let conversion = conversion(pgvector(Kind::F32), to).overflow(Overflow::Infinity);
            let found = fault(&conversion, &vector(&elements));
            assert_eq!(found, (4 + 17 * 4, Cause::NotFinite { element: 17 }));
        }
    }
    for to in [
        pgvectors(Kind::F32),
        pgvectors(Kind::F16),
        pgvectors(Kind::Bits),
        REAL_ARRAY,
    ] {
        let halves = [0x3c00u16; 9]
            .into_iter()
            .chain([0xfc00])
            .flat_map(u16::to_be_bytes);
        let payload: Vec<u8> = [0, 10, 0, 0].into_iter().chain(halves).collect();
        let found = fault(&conversion(pgvector(Kind::F16), to), &payload);
        assert_eq!(found, (4 + 9 * 2, Cause::NotFinite { element: 9 }));
    }
}

#[test]
fn overflow_of_f16_follows_the_policy_and_is_an_error_without_one() {
    let largest_that_fits = f32::from_bits(0x477f_efff);
    let source = vector(&[1.0, largest_that_fits, 65_520.0, -1e30]);
    let refused = fault(&vector_to(Kind::F16), &source);
    assert_eq!(refused, (4 + 2 * 4, Cause::Overflow { element: 2 }));
    let halves = |policy| {
        let field =
            convert_field(&vector_to(Kind::F16).overflow(policy), &source).expect("a value");
        field[2..]
            .chunks(2)
            .map(|half| u16::from_le_bytes([half[0], half[1]]))
            .collect::<Vec<_>>()
    };
    assert_eq!(halves(Overflow::Saturate), [0x3c00, 0x7bff, 0x7bff, 0xfbff]);
    assert_eq!(halves(Overflow::Infinity), [0x3c00, 0x7bff, 0x7c00, 0xfc00]);
}

#[test]
fn refuses_a_bit_string_with_dirty_padding() {
    for kind in [pgvectors(Kind::Bits), REAL_ARRAY] {
        let conversion = conversion(pgvector(Kind::Bits), kind);
        for dims in 1..=8u8 {
            for bit in 0..8 {
                let payload = [0, 0, 0, dims, 0x80 >> bit];
                match convert_field(&conversion, &payload) {
                    Ok(_) => assert!(bit < dims),
                    Err(error) => {
                        assert!(bit >= dims);
                        assert_eq!(
                            error.cause,
                            Cause::Padding {
                                dims: u32::from(dims)
                            }
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn refuses_a_sparsevec_that_pgvector_would_not_hold() {
    for to in [pgvectors(Kind::Sparse), REAL_ARRAY] {
        let conversion = conversion(pgvector(Kind::Sparse), to);
        let refused = |entries: &[(u32, f32)]| fault(&conversion, &sparsevec(9, entries));
        let index = |entry, index| Cause::Index { entry, index };
        assert_eq!(refused(&[(3, 1.0), (2, 1.0)]), (16, index(1, 2)));
        assert_eq!(refused(&[(3, 1.0), (3, 1.0)]), (16, index(1, 3)));
        assert_eq!(refused(&[(3, 1.0), (9, 1.0)]), (16, index(1, 9)));
        assert_eq!(refused(&[(u32::MAX, 1.0)]), (12, index(0, u32::MAX)));
        assert_eq!(
            refused(&[(3, 1.0), (4, 0.0)]),
            (24, Cause::Zero { entry: 1 })
        );
        assert_eq!(
            refused(&[(3, -0.0), (4, 1.0)]),
            (20, Cause::Zero { entry: 0 })
        );
        assert_eq!(
            refused(&[(3, 1.0), (4, f32::NAN)]),
            (24, Cause::NotFinite { element: 1 })
        );
        let entries: Vec<_> = (0..10).map(|index| (index, 1.0)).collect();
        assert_eq!(
            refused(&entries),
            (
                4,
                Cause::Entries {
                    found: 10,
                    limit: 9
                }
            )
        );
    }
}

#[test]
fn refuses_an_entry_count_that_would_crash_the_target() {
    let svector = conversion(pgvector(Kind::Sparse), pgvectors(Kind::Sparse));
    let payload = [1_000_000u32, 0x4000_0000, 0]
        .map(u32::to_be_bytes)
        .concat();
    let cause = Cause::Entries {
        found: 0x4000_0000,
        limit: 16_000,
    };
    assert_eq!(fault(&svector, &payload), (4, cause));
}

#[test]
fn a_sparsevec_becomes_dense_zeros_in_a_real_array() {
    let conversion = conversion(pgvector(Kind::Sparse), REAL_ARRAY);
    let field = convert_field(&conversion, &sparsevec(5, &[(1, -2.0), (4, 0.5)])).expect("a value");
    let elements = [0.0, -2.0, 0.0, 0.0, 0.5f32].map(|x| Some(x.to_be_bytes().to_vec()));
    assert_eq!(field, array(700, 0, &elements));
}

#[test]
fn refuses_a_real_array_beyond_a_gigabyte_before_any_room_is_made() {
    let conversion = conversion(pgvector(Kind::Sparse), REAL_ARRAY);
    let dims = 134_217_726;
    let cause = Cause::TooLarge {
        bytes: 20 + 8 * u64::from(dims),
    };
    assert_eq!(
        fault(&conversion, &sparsevec(dims, &[(5, 1.0)])),
        (0, cause)
    );
}

#[test]
fn an_empty_bit_string_becomes_an_empty_array() {
    let conversion = conversion(pgvector(Kind::Bits), REAL_ARRAY);
    let expected = [0u32, 0, 700].map(u32::to_be_bytes).concat();
    assert_eq!(convert_field(&conversion, &[0; 4]), Ok(expected));
}
