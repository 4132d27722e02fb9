//! Comes in: rows whose fields are texts, and vectors. Goes out: whether they are written as lines of text COPY that say the same:
//! every number with the same bits. They are read here as PostgreSQL and PGVecto.rs read them, by code of its own.
#[path = "../../fuzz/src/codec/reader.rs"]
mod reader;
mod support;

use half::f16;
use pgv2rs_codec::convert::{Column, Conversion, Converter, Kind, Output};
use pgv2rs_codec::error::Cause;
use proptest::collection::vec;
use proptest::prelude::*;
use support::{
    REAL_ARRAY, Row, array, array_of, batch, conversion, pgvector, pgvectors, sparsevec, vector,
    vector_to,
};

/// The lines of these rows, without their newlines.
fn lines(columns: &[Column], rows: &[Row]) -> Vec<String> {
    let mut out = Vec::new();
    let converter = Converter::text(columns.to_vec()).expect("columns with a text");
    let converted = converter
        .convert(&batch(rows), &mut out)
        .expect("sound rows");
    assert_eq!(converted.rows, rows.len() as u64);
    let text = String::from_utf8(out).expect("UTF-8");
    let text = text.strip_suffix('\n').expect("a last newline");
    text.split('\n').map(String::from).collect()
}

fn line(column: Column, field: Vec<u8>) -> String {
    lines(&[column], &[vec![Some(field)]]).remove(0)
}

fn converted(conversion: Conversion, field: Vec<u8>) -> String {
    line(Column::Convert(conversion), field)
}

#[test]
fn vectors_are_written_in_the_words_of_the_target() {
    let f32s = vector(&[1.0, -0.0, 0.1, 1e-45, f32::MAX, -1.234_567_9e-38]);
    assert_eq!(
        converted(vector_to(Kind::F32), f32s.clone()),
        "[1, -0, 0.1, 1e-45, 3.4028235e38, -1.2345679e-38]"
    );
    let real = conversion(pgvector(Kind::F32), REAL_ARRAY);
    assert_eq!(
        converted(real, f32s),
        "{1,-0,0.1,1e-45,3.4028235e38,-1.2345679e-38}"
    );
    let halves = [0x3c00u16, 0x8000, 0x7bff, 0x0001, 0x8400, 0x2e66];
    let halfvec = [0u16, 6, 0].into_iter().skip(1).chain(halves);
    let halfvec = halfvec.flat_map(u16::to_be_bytes).collect();
    let same = conversion(pgvector(Kind::F16), pgvectors(Kind::F16));
    assert_eq!(
        converted(same, halfvec),
        "[1, -0, 65504, 5.9604645e-8, -0.000061035156, 0.099975586]"
    );
    let bits = conversion(pgvector(Kind::Bits), pgvectors(Kind::Bits));
    assert_eq!(
        converted(bits, vec![0, 0, 0, 9, 0b1010_0000, 0b1000_0000]),
        "[1, 0, 1, 0, 0, 0, 0, 0, 1]"
    );
    let sparse = || conversion(pgvector(Kind::Sparse), pgvectors(Kind::Sparse));
    assert_eq!(
        converted(sparse(), sparsevec(10, &[(0, 1.5), (9, -2.0)])),
        "{0:1.5, 9:-2}/10"
    );
    assert_eq!(converted(sparse(), sparsevec(3, &[])), "{}/3");
    let empty = conversion(pgvector(Kind::Bits), REAL_ARRAY);
    assert_eq!(converted(empty, vec![0; 4]), "{}");
}

#[test]
fn arrays_of_vectors_keep_their_shape() {
    let column = || array_of(vector_to(Kind::F32));
    let [one, two] = [vector(&[1.0]), vector(&[2.0, 3.0])];
    let flat = array(16_400, 1, &[Some(one.clone()), None, Some(two.clone())]);
    assert_eq!(line(column(), flat), r#"{"[1]",NULL,"[2, 3]"}"#);
    let empty = [0u32, 0, 16_400].map(u32::to_be_bytes).concat();
    assert_eq!(line(column(), empty), "{}");
    let six: Vec<_> = (0..6).map(|_| Some(one.clone())).collect();
    let mut cube = array(16_400, 0, &six);
    let header = [3, 0, 16_400, 1, 1, 2, -1, 3, 5].map(i32::to_be_bytes);
    cube.splice(..20, header.concat());
    assert_eq!(
        line(column(), cube),
        r#"[1:1][-1:0][5:7]={{{"[1]","[1]","[1]"},{"[1]","[1]","[1]"}}}"#
    );
}

#[test]
fn fields_are_separated_and_escaped_as_copy_wants_them() {
    let columns = [
        Column::Pass,
        Column::Convert(vector_to(Kind::F32)),
        Column::Pass,
    ];
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let rows = [
        vec![text("a\tb\nc\rd\\"), Some(vector(&[1.0])), text("")],
        vec![None, None, text("\\N")],
        vec![text("\\."), None, text("é😀\u{7f}")],
    ];
    assert_eq!(
        lines(&columns, &rows),
        [
            "a\\tb\\nc\\rd\\\\\t[1]\t",
            "\\N\t\\N\t\\\\N",
            "\\\\.\t\\N\té😀\u{7f}"
        ]
    );
}

#[test]
fn the_digest_of_lines_is_that_of_the_rows_that_come_back() {
    let columns = vec![
        Column::Pass,
        Column::Convert(vector_to(Kind::F16)),
        array_of(vector_to(Kind::F32)),
    ];
    let vectors = array(16_400, 1, &[None, Some(vector(&[2.0]))]);
    let rows = [
        vec![
            Some(b"x".to_vec()),
            Some(vector(&[1.0, 0.1])),
            Some(vectors),
        ],
        vec![None, None, None],
    ];
    let mut binary = Vec::new();
    let sent = Converter::new(columns.clone()).convert(&batch(&rows), &mut binary);
    let text = Converter::text(columns).expect("columns with a text");
    let mut out = Vec::new();
    assert_eq!(text.convert(&batch(&rows), &mut out), sent);
    let mut parts = batch(&rows);
    let mut joined = Output::default();
    while !parts.is_empty() {
        text.convert_part(&mut parts, &mut joined, 1)
            .expect("sound rows");
    }
    assert_eq!(joined.to_vec(), out);
    let back = batch(&support::fields(&binary, 3));
    assert_eq!(Converter::new(vec![Column::Pass; 3]).digest(&back), sent);
}

#[test]
fn a_broken_vector_is_refused_as_in_binary_form_and_nothing_is_written() {
    let columns = vec![
        Column::Pass,
        Column::Convert(vector_to(Kind::F32).dims(Some(2))),
    ];
    let rows = [
        vec![None, Some(vector(&[1.0, 2.0]))],
        vec![None, Some(vector(&[1.0]))],
    ];
    let mut out = b"before".to_vec();
    let text = Converter::text(columns.clone()).expect("columns with a text");
    let refused = text
        .convert(&batch(&rows), &mut out)
        .expect_err("one dimension");
    let (found, expected) = (1, 2);
    assert_eq!((refused.row, refused.column), (6, Some(1)));
    assert_eq!(refused.cause, Cause::Dims { found, expected });
    assert_eq!(out, b"before");
    assert_eq!(
        Converter::new(columns).convert(&batch(&rows), &mut out),
        Err(refused)
    );
}

#[test]
fn what_has_no_text_is_not_promised_one() {
    for column in [
        Column::PassArray,
        Column::FiniteInterval,
        Column::Composite(Vec::new()),
        Column::Range(Box::new(Column::Pass)),
    ] {
        assert!(Converter::text(vec![Column::Pass, column]).is_none());
    }
}

#[test]
fn every_f16_is_read_back_with_its_bits() {
    let same = conversion(pgvector(Kind::F16), pgvectors(Kind::F16));
    let finite: Vec<u16> = (0..=u16::MAX).filter(|h| h & 0x7c00 != 0x7c00).collect();
    for halves in finite.chunks(16_000) {
        let dims = [halves.len() as u16, 0];
        let payload = dims.into_iter().chain(halves.iter().copied());
        let text = converted(same.clone(), payload.flat_map(u16::to_be_bytes).collect());
        let numbers = text.trim_matches(['[', ']']).split(", ");
        // As PGVecto.rs does it: the nearest f32, then the nearest f16.
        let read = numbers.map(|n| f16::from_f32(n.parse().expect("a number")).to_bits());
        assert!(read.eq(halves.iter().copied()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_f32_is_read_back_with_its_bits(bits in vec(any::<u32>(), 1..50)) {
        let finite = bits.into_iter().map(f32::from_bits).filter(|x| x.is_finite());
        let elements: Vec<f32> = finite.chain([0.5]).collect();
        let payload = vector(&elements);
        for to in [vector_to(Kind::F32), conversion(pgvector(Kind::F32), REAL_ARRAY)] {
            let form = to.to();
            let mut binary = Vec::new();
            let field = vec![Some(payload.clone())];
            let columns = vec![Column::Convert(to.clone())];
            Converter::new(columns).convert(&batch(&[field]), &mut binary).expect("a value");
            let text = converted(to, payload.clone());
            prop_assert_eq!(reader::reads(form, text.as_bytes()), Some(binary[6..].to_vec()));
        }
    }
}
