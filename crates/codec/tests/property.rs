//! Comes in: random values, rows, cuts and bytes. Goes out: whether what is written is read back as what went in, whether a
//! stream is the same wherever it is cut, and whether any bytes at all make the crate panic.
#[path = "../../fuzz/src/codec/mod.rs"]
mod entry;
mod support;

use bytes::Bytes;
use half::f16;
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{Column, Converter, Kind, Output};
use pgv2rs_codec::digest::Digest;
use pgv2rs_codec::frame::Splitter;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use support::{
    REAL_ARRAY, Row, array, batch, conversion, convert_field, pgvector, pgvectors, stream, vector,
    vector_to,
};

fn finite_f32() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("finite", |x| x.is_finite())
}

fn finite_f16() -> impl Strategy<Value = f16> {
    any::<u16>()
        .prop_map(f16::from_bits)
        .prop_filter("finite", |x| x.is_finite())
}

fn dense<const N: usize>(elements: impl ExactSizeIterator<Item = [u8; N]>) -> Vec<u8> {
    let dims = elements.len() as u16;
    let header = [dims.to_be_bytes(), [0, 0]].concat();
    header.into_iter().chain(elements.flatten()).collect()
}

fn rows(columns: usize) -> impl Strategy<Value = Vec<Row>> {
    let field = prop_oneof![Just(None), vec(any::<u8>(), 0..40).prop_map(Some)];
    vec(vec(field, columns), 0..30)
}

/// Bits of the elements that a PGVecto.rs payload of this element width holds.
fn elements(payload: &[u8], width: usize) -> Vec<u32> {
    assert_eq!(
        payload.len(),
        2 + width * usize::from(u16::from_le_bytes([payload[0], payload[1]]))
    );
    let bits = |element: &[u8]| {
        element
            .iter()
            .rev()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
    };
    payload[2..].chunks(width).map(bits).collect()
}

/// Bits of the elements of a `real[]`.
fn reals(array: &[u8]) -> Vec<u32> {
    let word = |word: &[u8]| u32::from_be_bytes(word[4..].try_into().expect("four bytes"));
    array[20..].chunks(8).map(word).collect()
}

/// A key, an array, a vector, another array and a text, each of which may be missing. Some arrays have their flag set.
fn documents() -> impl Strategy<Value = Row> {
    let text = || prop::option::of(vec(any::<u8>(), 0..100));
    let tags = || {
        let texts = vec(text(), 0..5);
        prop::option::of((texts, 0u32..2).prop_map(|(texts, flag)| array(25, flag, &texts)))
    };
    let embedding = prop::option::of(vec(finite_f32(), 1..20).prop_map(|x| vector(&x)));
    (text(), tags(), embedding, tags(), text())
        .prop_map(|(key, tags, embedding, more, text)| vec![key, tags, embedding, more, text])
}

proptest! {
    #[test]
    fn a_stream_is_the_same_wherever_it_is_cut(
        (columns, rows, cuts) in (0usize..4).prop_flat_map(|columns| {
            (Just(columns), rows(columns), vec(1usize..50, 0..40))
        })
    ) {
        let stream = stream(&rows);
        let (mut splitter, mut pieces) = (Splitter::new(columns as u16), Vec::new());
        let mut rest = Bytes::from(stream.clone());
        for len in cuts {
            splitter.push(rest.split_to(len.min(rest.len())), &mut pieces).expect("a sound stream");
        }
        splitter.push(rest, &mut pieces).expect("a sound stream");
        prop_assert_eq!(splitter.finish(), Ok(rows.len() as u64));
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        prop_assert_eq!(&joined, &stream[19..stream.len() - 2]);

        let mut batch = Batch::default();
        pieces.into_iter().for_each(|piece| batch.push(piece));
        let mut out = Vec::new();
        let converter = Converter::new(vec![Column::Pass; columns]);
        let converted = converter.convert(&batch, &mut out).expect("sound rows");
        prop_assert_eq!(converted.rows, rows.len() as u64);
        prop_assert_eq!(out, joined);
        for (ordinal, row) in (1..).zip(&rows) {
            let fields = batch.fields(ordinal).expect("a row of the batch");
            let fields: Row = fields.into_iter().map(|field| field.map(|field| field.to_vec())).collect();
            prop_assert_eq!(&fields, row);
        }
    }

    #[test]
    fn rows_are_the_same_whether_long_runs_are_copied_or_pass(
        rows in vec(documents(), 0..12), passes_from in 1usize..80, budget in 1usize..200,
    ) {
        let embedding = Column::Convert(vector_to(Kind::F32));
        for columns in [
            vec![Column::Pass, Column::PassArray, embedding, Column::PassArray, Column::Pass],
            vec![Column::Pass, Column::PassArray, Column::Pass, Column::PassArray, Column::Pass],
        ] {
            let converter = Converter::new(columns);
            let mut copied = Vec::new();
            let sent = converter.convert(&batch(&rows), &mut copied);
            let mut left = batch(&rows);
            let mut out = Output::passing(b"before".to_vec(), passes_from);
            let mut digest = Digest::default();
            while !left.is_empty() {
                digest.merge(converter.convert_part(&mut left, &mut out, budget).expect("sound rows").digest);
            }
            prop_assert_eq!(out.to_vec(), [b"before", &copied[..]].concat());
            prop_assert_eq!(digest, sent.expect("sound rows").digest);
        }
    }

    #[test]
    fn f32_elements_come_back_bit_for_bit(x in vec(finite_f32(), 1..200)) {
        let payload = dense(x.iter().map(|x| x.to_be_bytes()));
        let bits: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
        let vector = convert_field(&conversion(pgvector(Kind::F32), pgvectors(Kind::F32)), &payload);
        prop_assert_eq!(elements(&vector.expect("a value"), 4), &bits[..]);
        let array = convert_field(&conversion(pgvector(Kind::F32), REAL_ARRAY), &payload);
        prop_assert_eq!(reals(&array.expect("a value")), bits);
    }

    #[test]
    fn f16_elements_come_back_bit_for_bit(x in vec(finite_f16(), 1..200)) {
        let payload = dense(x.iter().map(|x| x.to_be_bytes()));
        let to = |to| convert_field(&conversion(pgvector(Kind::F16), to), &payload).expect("a value");
        let bits = x.iter().map(|x| u32::from(x.to_bits()));
        prop_assert!(elements(&to(pgvectors(Kind::F16)), 2).into_iter().eq(bits));
        let wide: Vec<u32> = x.iter().map(|x| x.to_f32_const().to_bits()).collect();
        prop_assert_eq!(elements(&to(pgvectors(Kind::F32)), 4), &wide[..]);
        prop_assert_eq!(reals(&to(REAL_ARRAY)), wide);
    }

    #[test]
    fn one_bit_an_element_says_whether_it_is_above_zero(x in vec(finite_f32(), 1..200)) {
        let payload = dense(x.iter().map(|x| x.to_be_bytes()));
        let to = conversion(pgvector(Kind::F32), pgvectors(Kind::Bits));
        let words = convert_field(&to, &payload).expect("a value").split_off(2);
        for (i, x) in x.iter().enumerate() {
            prop_assert_eq!(words[i / 8] >> (i % 8) & 1 == 1, *x > 0.0);
        }
    }

    #[test]
    fn bits_come_back_in_order(bits in vec(any::<bool>(), 1..300)) {
        let mut payload = (bits.len() as u32).to_be_bytes().to_vec();
        let byte = |bits: &[bool]| (0..8).fold(0, |byte, i| {
            byte << 1 | u8::from(bits.get(i) == Some(&true))
        });
        payload.extend(bits.chunks(8).map(byte));
        let words = convert_field(&conversion(pgvector(Kind::Bits), pgvectors(Kind::Bits)), &payload);
        let words = words.expect("a value").split_off(2);
        prop_assert!((0..bits.len()).map(|i| words[i / 8] >> (i % 8) & 1 == 1).eq(bits.clone()));
        let array = convert_field(&conversion(pgvector(Kind::Bits), REAL_ARRAY), &payload);
        let ones = reals(&array.expect("a value")).into_iter().map(|real| real == 1f32.to_bits());
        prop_assert!(ones.eq(bits));
    }

    #[test]
    fn sparse_entries_come_back_in_order(
        dims in 500u32..1000,
        entries in btree_map(0u32..500, finite_f32().prop_filter("no zero", |x| *x != 0.0), 0..60),
    ) {
        let count = entries.len() as u32;
        let mut payload = [dims, count, 0].map(u32::to_be_bytes).concat();
        payload.extend(entries.keys().flat_map(|index| index.to_be_bytes()));
        payload.extend(entries.values().flat_map(|value| value.to_be_bytes()));
        let to = |to| convert_field(&conversion(pgvector(Kind::Sparse), to), &payload).expect("a value");
        let words: Vec<u32> = to(pgvectors(Kind::Sparse))
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect();
        let values = entries.values().map(|value| value.to_bits());
        prop_assert!([dims, count].into_iter().chain(entries.keys().copied()).chain(values).eq(words));
        let reals = reals(&to(REAL_ARRAY));
        let dense = (0..dims).map(|index| entries.get(&index).map_or(0, |value| value.to_bits()));
        prop_assert!(dense.eq(reals));
    }

    #[test]
    fn no_bytes_make_a_target_panic(data in vec(any::<u8>(), 0..300)) {
        entry::names().for_each(|name| entry::run(name, &data));
    }

    /// Headers that are nearly right get further than noise does.
    #[test]
    fn no_nearly_sound_payload_makes_a_conversion_panic(
        options: u8, dims in 0u8..40, wrong in -2isize..3, at: prop::sample::Index, byte: u8,
    ) {
        for name in entry::names().filter(|name| name.contains("_to_")) {
            let dims_usize = usize::from(dims);
            let (header, len) = match name.split('_').next() {
                Some("vector") => (vec![0, dims, 0, 0], dims_usize * 4),
                Some("halfvec") => (vec![0, dims, 0, 0], dims_usize * 2),
                Some("bit") => (vec![0, 0, 0, dims], dims_usize.div_ceil(8)),
                _ => (vec![0, 0, 1, 0, 0, 0, 0, dims, 0, 0, 0, 0], dims_usize * 8),
            };
            let mut data = [vec![options], header, vec![1; len]].concat();
            data.resize(data.len().saturating_add_signed(wrong), 0);
            let at = at.index(data.len());
            data[at] = byte;
            entry::run(name, &data);
        }
    }
}
