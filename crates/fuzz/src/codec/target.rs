//! Comes in: a payload. Goes out: whether the target's `recv` accepts it and keeps it as it is. Written from the recordings of real
//! servers (tests/golden), one element at a time, and sharing no code with the codec. Stricter than PGVecto.rs in one point: NaN
//! and infinities, which its `recv` stores, are not accepted.
use pgv2rs_codec::convert::{Encoding, Form, Kind};

/// Whether a server takes this payload for a value of this form.
pub fn accepts(form: Form, payload: &[u8]) -> bool {
    let accepted = match (form.encoding, form.kind) {
        (Encoding::RealArray, Kind::F32) => real_array(payload),
        (Encoding::Pgvectors, Kind::F32) => vector(payload),
        (Encoding::Pgvectors, Kind::F16) => vecf16(payload),
        (Encoding::Pgvectors, Kind::Bits) => bvector(payload),
        (Encoding::Pgvectors, Kind::Sparse) => svector(payload),
        _ => None,
    };
    accepted == Some(true)
}

/// The elements of an array that `array_recv` takes for one of this element type; panics when it would not.
pub fn elements(array: &[u8], element_oid: u32) -> Vec<&[u8]> {
    let mut rest = array;
    let mut word = || take(&mut rest, 4).map(|word| i32::from_be_bytes(word.try_into().unwrap()));
    let (ndim, flags, oid) = (word().unwrap(), word().unwrap(), word().unwrap());
    assert!((0..=6).contains(&ndim) && (0..=1).contains(&flags) && oid as u32 == element_oid);
    let lengths = (0..ndim)
        .map(|_| (word().unwrap(), word().unwrap()).0)
        .collect::<Vec<_>>();
    let count: i32 = if ndim == 0 {
        0
    } else {
        lengths.iter().product()
    };
    let (mut elements, mut nulls) = (Vec::new(), false);
    for _ in 0..count {
        let length = i32::from_be_bytes(take(&mut rest, 4).unwrap().try_into().unwrap());
        nulls |= length == -1;
        if length != -1 {
            elements.push(take(&mut rest, length.try_into().unwrap()).unwrap());
        }
    }
    assert!(rest.is_empty() && nulls == (flags == 1));
    elements
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn u16_le(bytes: &mut &[u8]) -> Option<u16> {
    take(bytes, 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_le(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn vector(mut payload: &[u8]) -> Option<bool> {
    let dims = u16_le(&mut payload)?;
    let mut finite = true;
    for _ in 0..dims {
        finite &= f32::from_bits(u32_le(&mut payload)?).is_finite();
    }
    Some(dims > 0 && finite && payload.is_empty())
}

fn vecf16(mut payload: &[u8]) -> Option<bool> {
    let dims = u16_le(&mut payload)?;
    let mut finite = true;
    for _ in 0..dims {
        finite &= u16_le(&mut payload)? & 0x7c00 != 0x7c00;
    }
    Some(dims > 0 && finite && payload.is_empty())
}

fn bvector(mut payload: &[u8]) -> Option<bool> {
    let dims = usize::from(u16_le(&mut payload)?);
    let words = take(&mut payload, dims.div_ceil(64) * 8)?;
    let set = |bit: usize| words[bit / 8] >> (bit % 8) & 1 == 1;
    let clean = (dims..words.len() * 8).all(|bit| !set(bit));
    Some(dims > 0 && clean && payload.is_empty())
}

fn svector(mut payload: &[u8]) -> Option<bool> {
    let (dims, entries) = (u32_le(&mut payload)?, u32_le(&mut payload)?);
    if entries > dims || payload.len() as u64 != u64::from(entries) * 8 {
        return Some(false);
    }
    let (mut legal, mut least) = (true, 0);
    for _ in 0..entries {
        let index = u32_le(&mut payload)?;
        legal &= (least..dims).contains(&index);
        least = index.saturating_add(1);
    }
    for _ in 0..entries {
        let value = f32::from_bits(u32_le(&mut payload)?);
        legal &= value.is_finite() && value != 0.0;
    }
    Some((1..=1_048_575).contains(&dims) && legal)
}

fn real_array(mut payload: &[u8]) -> Option<bool> {
    let mut word = || take(&mut payload, 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let (ndim, flags, oid) = (word()?, word()?, word()?);
    if ndim == 0 {
        return Some(flags == 0 && oid == 700 && payload.is_empty());
    }
    let (length, lower_bound) = (word()?, word()?);
    let mut legal = (ndim, flags, oid, lower_bound) == (1, 0, 700, 1) && length > 0;
    for _ in 0..length {
        legal &= word()? == 4 && f32::from_bits(word()?).is_finite();
    }
    Some(legal && payload.is_empty())
}
