//! Comes in: what real servers sent, accepted and refused (golden/README.md). Each test holds the converter to one file of
//! it. The expected bytes are the servers'; nothing here computes them.
mod support;

use std::collections::BTreeMap;

use half::f16;
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{Column, Conversion, Converter, Encoding, Form, Kind, Overflow};
use pgv2rs_codec::error::Cause;
use pgv2rs_codec::frame::Splitter;
use serde_json::Value;
use support::{REAL_ARRAY, conversion};

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

fn source(type_name: &str) -> Form {
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

fn target(type_name: &str) -> Form {
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

/// One field through splitter and converter; back comes the field of the row that leaves.
fn convert(conversion: Conversion, field: Option<&[u8]>) -> Result<Option<Vec<u8>>, Cause> {
    let stream = support::stream(&[vec![field.map(<[u8]>::to_vec)]]);
    let (mut splitter, mut rows) = (Splitter::new(1), Vec::new());
    splitter
        .push(stream.into(), &mut rows)
        .expect("the framing is sound");
    assert_eq!(splitter.finish(), Ok(1));
    let mut batch = Batch::default();
    rows.into_iter().for_each(|rows| batch.push(rows));
    let mut out = Vec::new();
    let converter = Converter::new(vec![Column::Convert(conversion)]);
    converter
        .convert(&batch, &mut out)
        .map_err(|error| error.cause)?;
    Ok(support::fields(&out, 1).remove(0).remove(0))
}

/// How many values of each sort were compared, so that none is left out unseen.
fn assert_counts(passed: &BTreeMap<String, i32>, expected: &[(&str, i32)]) {
    let passed: Vec<_> = passed
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(passed, expected);
}

fn between(line: &Value) -> Conversion {
    Conversion::between(
        source(text(line, "src_type")),
        target(text(line, "dst_type")),
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
    assert_counts(
        &passed,
        &[
            ("bit->bvector", 142),
            ("halfvec->vecf16", 92),
            ("sparsevec->svector", 117),
            ("varbit->bvector", 128),
            ("vector->vecf16", 125),
            ("vector->vector", 117),
        ],
    );
}

/// Elements as the server printed them: `[1,2]`, `101`, and the 1-based `{1:2}/3` of a sparsevec.
fn printed(type_name: &str, out: &str) -> Vec<f32> {
    let number = |text: &str| text.trim().parse::<f32>().expect("a number");
    match type_name {
        "bit" | "varbit" => out.bytes().map(|digit| f32::from(digit - b'0')).collect(),
        "sparsevec" => {
            let (entries, dims) = out.split_once('/').expect("dimensions");
            let mut elements = vec![0.0; dims.parse().expect("dimensions")];
            let entries = entries.trim_matches(['{', '}']);
            for entry in entries.split(',').filter(|entry| !entry.is_empty()) {
                let (index, value) = entry.split_once(':').expect("an index");
                elements[index.parse::<usize>().expect("an index") - 1] = number(value);
            }
            elements
        }
        _ => out
            .trim_matches(['[', ']'])
            .split(',')
            .map(number)
            .collect(),
    }
}

fn real_array(elements: &[f32]) -> Vec<u8> {
    let length = elements.len() as u32;
    let mut array = Vec::new();
    array.extend(
        [u32::from(length > 0), 0, 700]
            .map(u32::to_be_bytes)
            .concat(),
    );
    if length > 0 {
        array.extend([length, 1].map(u32::to_be_bytes).concat());
    }
    array.extend(
        elements
            .iter()
            .flat_map(|x| [4u32.to_be_bytes(), x.to_be_bytes()].concat()),
    );
    array
}

fn dense(dims: usize, elements: impl Iterator<Item = [u8; 4]>) -> Vec<u8> {
    (dims as u16)
        .to_le_bytes()
        .into_iter()
        .chain(elements.flatten())
        .collect()
}

#[test]
fn converts_every_value_that_pgvector_sent_to_the_numbers_that_it_printed() {
    let mut passed = BTreeMap::new();
    for line in lines(include_str!("golden/pgvector_send.jsonl")) {
        let (type_name, out) = (text(&line, "type"), text(&line, "out"));
        let Some(payload) = hex(&line, "hex").filter(|_| !out.is_empty() && !out.ends_with("..."))
        else {
            continue;
        };
        // A sparsevec may have more dimensions than a real[] has room for.
        if type_name == "sparsevec" && payload[..4] > [0, 0x10, 0, 0][..] {
            continue;
        }
        let elements = printed(type_name, out);
        let note = format!("{type_name} {}", line["note"]);
        let array = convert(conversion(source(type_name), REAL_ARRAY), Some(&payload));
        assert_eq!(array, Ok(Some(real_array(&elements))), "{note}");
        if matches!(type_name, "vector" | "halfvec") {
            let vector = conversion(source(type_name), support::pgvectors(Kind::F32));
            let expected = dense(elements.len(), elements.iter().map(|x| x.to_le_bytes()));
            assert_eq!(
                convert(vector, Some(&payload)),
                Ok(Some(expected)),
                "{note}"
            );
        }
        *passed.entry(type_name.to_owned()).or_insert(0) += 1;
    }
    assert_counts(
        &passed,
        &[
            ("bit", 114),
            ("halfvec", 42),
            ("sparsevec", 79),
            ("varbit", 17),
            ("vector", 47),
        ],
    );
}

#[test]
fn accepts_and_refuses_what_pgvector_accepts_and_refuses() {
    let mut checked = 0;
    for line in lines(include_str!("golden/pgvector_recv.jsonl")) {
        let (type_name, case) = (text(&line, "type"), text(&line, "case"));
        let Some(payload) = hex(&line, "hex") else {
            continue;
        };
        let bits = matches!(type_name, "bit" | "varbit");
        let typmod = text(&line, "table") == "typmod";
        let dims = match type_name {
            // `bit` without a length is bit(1), and bit varying(n) allows less than n.
            "bit" if !typmod => Some(1),
            "varbit" => None,
            _ => typmod.then_some(if bits { 9 } else { 3 }),
        };
        // PostgreSQL clears stray bits when it receives them and so never sends any: here they are a fault.
        let accepted = line["ok"] == true && case != "stray bits";
        let array = conversion(source(type_name), REAL_ARRAY).dims(dims);
        let got = convert(array, Some(&payload));
        assert_eq!(got.is_ok(), accepted, "{type_name} {case} {got:?}");
        checked += 1;
    }
    assert_eq!(checked, 82);
}

/// A pgvector payload of the value that a PGVecto.rs literal stands for; `None` for literals that are not plain numbers.
fn pgvector_payload(type_name: &str, literal: &str) -> Option<Vec<u8>> {
    let floats = |text: &str| -> Option<Vec<f32>> {
        let numbers = text
            .split(',')
            .map(|number| number.trim().parse::<f32>().ok());
        numbers
            .collect::<Option<Vec<_>>>()
            .filter(|all| all.iter().all(|x| x.is_finite()))
    };
    if type_name == "svector" {
        let (entries, dims) = literal.split_once('/')?;
        let entries = entries.strip_prefix('{')?.strip_suffix('}')?;
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        for entry in entries.split(',').filter(|entry| !entry.is_empty()) {
            let (index, value) = entry.split_once(':')?;
            indices.extend(index.trim().parse::<u32>().ok()?.to_be_bytes());
            values.extend(floats(value)?[0].to_be_bytes());
        }
        let header = [
            dims.trim().parse::<u32>().ok()?,
            indices.len() as u32 / 4,
            0,
        ];
        return Some([header.map(u32::to_be_bytes).concat(), indices, values].concat());
    }
    let elements = floats(literal.strip_prefix('[')?.strip_suffix(']')?)?;
    if type_name == "bvector" {
        let mut bytes = vec![0; elements.len().div_ceil(8)];
        for (i, element) in elements.iter().enumerate() {
            bytes[i / 8] |= u8::from(*element == 1.0) << (7 - i % 8);
        }
        return Some([&(elements.len() as u32).to_be_bytes()[..], &bytes].concat());
    }
    let header = u32::try_from(elements.len()).ok()? << 16;
    let elements = elements.into_iter().flat_map(f32::to_be_bytes);
    Some(header.to_be_bytes().into_iter().chain(elements).collect())
}

#[test]
fn writes_what_pgvectors_sends_for_the_same_value() {
    let mut passed = BTreeMap::new();
    for line in lines(include_str!("golden/pgvectors_send.jsonl")) {
        let (type_name, expr) = (text(&line, "type"), text(&line, "expr"));
        let from = match expr.strip_prefix("$1::vectors.") {
            Some("vector") => Kind::F32,
            Some("vecf16" | "vector::vectors.vecf16") => Kind::F32,
            Some("bvector") => Kind::Bits,
            Some("svector") => Kind::Sparse,
            _ => continue,
        };
        let (Some(payload), Some(sent)) = (
            pgvector_payload(type_name, text(&line, "text")),
            hex(&line, "hex"),
        ) else {
            continue;
        };
        let pair = conversion(support::pgvector(from), target(type_name));
        match convert(pair.overflow(Overflow::Infinity), Some(&payload)) {
            Ok(got) => assert_eq!(got, Some(sent), "{type_name} {}", line["note"]),
            // Values that PGVecto.rs holds and pgvector does not, and text that PGVecto.rs sorts and rids of zeros.
            Err(Cause::DimsLimit { limit: 16_000, .. }) => continue,
            Err(Cause::Zero { .. } | Cause::Index { .. }) => continue,
            Err(cause) => panic!("{type_name} {}: {cause}", line["note"]),
        }
        *passed.entry(type_name.to_owned()).or_insert(0) += 1;
    }
    assert_counts(
        &passed,
        &[
            ("bvector", 2516),
            ("svector", 77),
            ("vecf16", 225),
            ("vector", 68),
        ],
    );
}

#[test]
fn overflow_is_an_error_or_saturates_where_the_server_made_an_infinity() {
    let mut overflowed = 0;
    for line in conversion_pairs()
        .iter()
        .filter(|line| text(line, "path") == "vector->vecf16")
    {
        let (Some(src), Some(dst)) = (hex(line, "src_hex"), hex(line, "dst_hex")) else {
            continue;
        };
        let halves = |field: &[u8]| -> Vec<f16> {
            field[2..]
                .chunks(2)
                .map(|half| f16::from_le_bytes([half[0], half[1]]))
                .collect()
        };
        let expected = halves(&dst);
        let first = expected.iter().position(|half| half.is_infinite());
        let refused = convert(between(line), Some(&src)).err();
        assert_eq!(
            refused,
            first.map(|at| Cause::Overflow { element: at as u32 }),
            "{}",
            line["note"]
        );
        let saturated = convert(between(line).overflow(Overflow::Saturate), Some(&src));
        let saturated = halves(&saturated.expect("no error").expect("a value"));
        for (got, server) in saturated.iter().zip(&expected) {
            let bounded = if server.is_infinite() {
                f16::MAX.copysign(*server)
            } else {
                *server
            };
            assert_eq!(got.to_bits(), bounded.to_bits());
        }
        overflowed += usize::from(first.is_some());
    }
    assert!(overflowed > 20, "{overflowed}");
}

#[test]
fn refuses_the_bit_string_that_the_server_refused() {
    let lines = conversion_pairs();
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line["dst_error"].is_object())
        .collect();
    assert_eq!(refused.len(), 1);
    let src = hex(refused[0], "src_hex");
    let cause = Cause::DimsLimit {
        found: 65_536,
        limit: 65_535,
    };
    assert_eq!(convert(between(refused[0]), src.as_deref()), Err(cause));
}
