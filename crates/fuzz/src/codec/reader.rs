//! Comes in: a text. Goes out: the payload of what the target's `in` makes of it. One element at a time, and sharing no code with the
//! codec.
use pgv2rs_codec::convert::{Encoding, Form, Kind};

/// The payload of the value that a server reads from this text, which is as long as it takes; no blanks but after commas.
pub fn reads(form: Form, text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let within = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    match (form.encoding, form.kind) {
        (Encoding::RealArray, _) => reals(within("{", "}")?),
        (_, Kind::Sparse) => sparse(text),
        (_, kind) => {
            let elements: Vec<&str> = within("[", "]")?.split(", ").collect();
            let dims = u16::try_from(elements.len()).ok()?.to_le_bytes();
            let rest = match kind {
                Kind::F32 => bytes(&elements, |x| Some(number(x)?.to_le_bytes()))?,
                Kind::F16 => bytes(&elements, |x| Some(f16_bits(number(x)?)?.to_le_bytes()))?,
                _ => words(&elements)?,
            };
            Some([&dims[..], &rest].concat())
        }
    }
}

fn bytes<const N: usize>(
    elements: &[&str],
    one: impl Fn(&str) -> Option<[u8; N]>,
) -> Option<Vec<u8>> {
    let all: Option<Vec<[u8; N]>> = elements.iter().map(|e| one(e)).collect();
    Some(all?.concat())
}

/// PGVecto.rs takes no number of more characters.
fn number(text: &str) -> Option<f32> {
    text.parse().ok().filter(|_| text.len() <= 48)
}

/// An f32 that is exactly an f16.
fn f16_bits(x: f32) -> Option<u16> {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let size = f64::from(x.abs());
    let exact = |bits: &u16| {
        let (exponent, fraction) = (i32::from(bits >> 10), f64::from(bits & 0x3ff));
        let value = match exponent {
            0 => fraction * 2f64.powi(-24),
            _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
        };
        value == size
    };
    (0..0x7c00u16).find(exact).map(|bits| sign | bits)
}

fn words(elements: &[&str]) -> Option<Vec<u8>> {
    let mut words = vec![0; elements.len().div_ceil(64) * 8];
    for (i, element) in elements.iter().enumerate() {
        match *element {
            "0" => {}
            "1" => words[i / 8] |= 1 << (i % 8),
            _ => return None,
        }
    }
    Some(words)
}

fn sparse(text: &str) -> Option<Vec<u8>> {
    let (entries, dims) = text.strip_prefix('{')?.split_once("}/")?;
    let entries = entries.split(", ").filter(|entry| !entry.is_empty());
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    for entry in entries {
        let (index, value) = entry.split_once(':')?;
        indices.extend(index.parse::<u32>().ok()?.to_le_bytes());
        values.extend(number(value)?.to_le_bytes());
    }
    let header = [dims.parse().ok()?, u32::try_from(indices.len() / 4).ok()?];
    Some([header.map(u32::to_le_bytes).concat(), indices, values].concat())
}

fn reals(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some([0u32, 0, 700].map(u32::to_be_bytes).concat());
    }
    let elements: Vec<&str> = text.split(',').collect();
    let length = u32::try_from(elements.len()).ok()?;
    let header = [1, 0, 700, length, 1].map(u32::to_be_bytes).concat();
    let element = |e: &str| {
        let bits = number(e)?.to_bits();
        Some((4u64 << 32 | u64::from(bits)).to_be_bytes())
    };
    Some([header, bytes(&elements, element)?].concat())
}
