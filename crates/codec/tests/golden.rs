//! Comes in: what real servers sent, accepted and refused (golden/README.md). Each test holds the converter to one file of
//! it. The expected bytes are the servers'; nothing here computes them.
use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use codec::batch::Batch;
use codec::convert::{Column, Conversion, Converter, Encoding, Form, Kind, Overflow};
use codec::error::Cause;
use codec::frame::{self, Splitter};
use pgv2rs_codec as codec;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}

fn conversion_pairs() -> Vec<Value> {
    lines(include_str!("golden/conversion_pairs.jsonl"))
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_default()
}

/// The bytes of a hex field; `None` for NULL, for a line without it, and for a cut one.
fn hex(line: &Value, key: &str) -> Option<Vec<u8>> {
    let hex = line[key].as_str().filter(|hex| !hex.ends_with("..."))?;
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
        .collect()
}

fn pgvector(type_name: &str) -> Form {
    let kind = match type_name {
        "vector" => Kind::F32,
        "halfvec" => Kind::F16,
        "bit" | "varbit" => Kind::Bits,
        "sparsevec" => Kind::Sparse,
        other => panic!("{other} is no type of the recording"),
    };
    Form {
        kind,
        encoding: Encoding::Pgvector,
    }
}

fn pgvectors(type_name: &str) -> Form {
    let kind = match type_name {
        "vector" => Kind::F32,
        "vecf16" => Kind::F16,
        "bvector" => Kind::Bits,
        "svector" => Kind::Sparse,
        other => panic!("{other} is no type of the recording"),
    };
    Form {
        kind,
        encoding: Encoding::Pgvectors,
    }
}

/// A stream of one row with one field goes through splitter and converter; back comes the field of the row that leaves.
fn convert(conversion: Conversion, field: Option<&[u8]>) -> Result<Option<Vec<u8>>, Cause> {
    let mut stream = BytesMut::new();
    frame::put_header(&mut stream);
    stream.put_i16(1);
    stream.put_i32(field.map_or(-1, |field| field.len() as i32));
    stream.extend_from_slice(field.unwrap_or_default());
    frame::put_trailer(&mut stream);
    let (mut splitter, mut rows) = (Splitter::new(1), Vec::new());
    splitter
        .push(stream.freeze(), &mut rows)
        .expect("the framing is sound");
    assert_eq!(splitter.finish(), Ok(1));
    let mut batch = Batch::default();
    rows.into_iter().for_each(|rows| batch.push(rows));

    let mut out = Vec::new();
    let converter = Converter::new(vec![Column::Convert(conversion)]);
    converter
        .convert(&batch, &mut out)
        .map_err(|error| error.cause)?;
    let mut out = Bytes::from(out);
    assert_eq!(out.split_to(2), 1i16.to_be_bytes()[..]);
    let length = i32::from_be_bytes(out.split_to(4)[..].try_into().expect("four bytes"));
    assert!(length == -1 && out.is_empty() || length as usize == out.len());
    Ok((length != -1).then(|| out.to_vec()))
}

fn between(line: &Value) -> Conversion {
    Conversion::between(
        pgvector(text(line, "src_type")),
        pgvectors(text(line, "dst_type")),
    )
    .expect("every recorded pair is in the table")
}

#[test]
fn converts_every_recorded_pair_byte_for_byte() {
    let mut passed = BTreeMap::new();
    for line in conversion_pairs() {
        if line["src_error"].is_object() || line["dst_error"].is_object() {
            continue;
        }
        let (src, dst) = (hex(&line, "src_hex"), hex(&line, "dst_hex"));
        // PGVecto.rs's own cast to vecf16 makes an infinity where an f32 overflows.
        let conversion = between(&line).overflow(Overflow::Infinity);
        let got = convert(conversion, src.as_deref());
        assert_eq!(got, Ok(dst), "{} {}", line["path"], line["note"]);
        *passed.entry(text(&line, "path").to_owned()).or_insert(0) += 1;
    }
    let expected = [
        ("bit->bvector", 142),
        ("halfvec->vecf16", 92),
        ("sparsevec->svector", 117),
        ("varbit->bvector", 128),
        ("vector->vecf16", 125),
        ("vector->vector", 117),
    ];
    assert!(
        passed
            .iter()
            .map(|(path, count)| (path.as_str(), *count))
            .eq(expected)
    );
}
