//! Comes in: the elements of a pgvector payload. Goes out: the elements of the new payload, and whether they were all
//! legal. One plain loop each: the fallback on every machine, and the text that `x86` compiles again for AVX2. A loop works on
//! as many elements as both sides hold and reads no header. Which element was illegal is found again by the formats.

const F32_EXPONENT: u32 = 0x7f80_0000;
const F32_MAGNITUDE: u32 = 0x7fff_ffff;
const F16_EXPONENT: u16 = 0x7c00;
/// int32 4 in network order, as the low half of a little-endian word: the length before an element of a `real[]`.
const LENGTH_4: u64 = 0x0400_0000;

#[inline(always)]
pub fn f32_to_f32(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u32::from_be_bytes(*s);
        illegal |= bits & F32_EXPONENT == F32_EXPONENT;
        *d = bits.to_le_bytes();
    }
    !illegal
}

#[inline(always)]
pub fn f16_to_f16(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u16::from_be_bytes(*s);
        illegal |= bits & F16_EXPONENT == F16_EXPONENT;
        *d = bits.to_le_bytes();
    }
    !illegal
}

#[inline(always)]
pub fn f32_to_f16(src: &[u8], dst: &mut [u8]) -> u32 {
    let mut largest = 0;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u32::from_be_bytes(*s);
        largest = largest.max(bits & F32_MAGNITUDE);
        *d = narrow(bits).to_le_bytes();
    }
    largest
}

#[inline(always)]
pub fn f16_to_f32(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u16::from_be_bytes(*s);
        illegal |= bits & F16_EXPONENT == F16_EXPONENT;
        *d = widen(bits).to_le_bytes();
    }
    !illegal
}

#[inline(always)]
pub fn f32_to_bits(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    let mut byte = |group: &[[u8; 4]]| {
        let mut byte = 0;
        for (i, s) in group.iter().enumerate() {
            let bits = i32::from_be_bytes(*s);
            illegal |= bits.cast_unsigned() & F32_EXPONENT == F32_EXPONENT;
            // A finite float is above zero exactly when its bits are as an integer.
            byte |= u8::from(bits > 0) << i;
        }
        byte
    };
    let (groups, rest) = src.as_chunks().0.as_chunks::<8>();
    for (d, group) in dst.iter_mut().zip(groups) {
        *d = byte(group);
    }
    if let Some(d) = dst.get_mut(groups.len()) {
        *d = byte(rest);
    }
    !illegal
}

#[inline(always)]
pub fn f16_to_bits(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    let mut byte = |group: &[[u8; 2]]| {
        let mut byte = 0;
        for (i, s) in group.iter().enumerate() {
            let bits = i16::from_be_bytes(*s);
            illegal |= bits.cast_unsigned() & F16_EXPONENT == F16_EXPONENT;
            byte |= u8::from(bits > 0) << i;
        }
        byte
    };
    let (groups, rest) = src.as_chunks().0.as_chunks::<8>();
    for (d, group) in dst.iter_mut().zip(groups) {
        *d = byte(group);
    }
    if let Some(d) = dst.get_mut(groups.len()) {
        *d = byte(rest);
    }
    !illegal
}

#[inline(always)]
pub fn bits_to_bits(src: &[u8], dst: &mut [u8]) {
    for (d, s) in dst.iter_mut().zip(src) {
        *d = s.reverse_bits();
    }
}

#[inline(always)]
pub fn f32_to_array(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        illegal |= u32::from_be_bytes(*s) & F32_EXPONENT == F32_EXPONENT;
        *d = (u64::from(u32::from_le_bytes(*s)) << 32 | LENGTH_4).to_le_bytes();
    }
    !illegal
}

#[inline(always)]
pub fn f16_to_array(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u16::from_be_bytes(*s);
        illegal |= bits & F16_EXPONENT == F16_EXPONENT;
        *d = (u64::from(widen(bits).swap_bytes()) << 32 | LENGTH_4).to_le_bytes();
    }
    !illegal
}

#[inline(always)]
pub fn bits_to_array(src: &[u8], dst: &mut [u8]) {
    const ONE: u64 = 0x0000_803f << 32;
    let element = |byte: u8, bit: usize| {
        let set = u64::from(byte >> (7 - bit) & 1);
        (set.wrapping_neg() & ONE | LENGTH_4).to_le_bytes()
    };
    let (groups, rest) = dst.as_chunks_mut().0.as_chunks_mut::<8>();
    for (group, s) in groups.iter_mut().zip(src) {
        for (bit, d) in group.iter_mut().enumerate() {
            *d = element(*s, bit);
        }
    }
    if let Some(s) = src.get(groups.len()) {
        for (bit, d) in rest.iter_mut().enumerate() {
            *d = element(*s, bit);
        }
    }
}

#[inline(always)]
pub fn indices(src: &[u8], dst: &mut [u8]) -> bool {
    let (words, _) = src.as_chunks();
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(words) {
        *d = u32::from_be_bytes(*s).to_le_bytes();
    }
    if let [_, later @ ..] = words {
        for (s, next) in words.iter().zip(later) {
            illegal |= u32::from_be_bytes(*s) >= u32::from_be_bytes(*next);
        }
    }
    !illegal
}

#[inline(always)]
pub fn values(src: &[u8], dst: &mut [u8]) -> bool {
    let mut illegal = false;
    for (d, s) in dst.as_chunks_mut().0.iter_mut().zip(src.as_chunks().0) {
        let bits = u32::from_be_bytes(*s);
        illegal |= bits & F32_EXPONENT == F32_EXPONENT || bits & F32_MAGNITUDE == 0;
        *d = bits.to_le_bytes();
    }
    !illegal
}

/// The f16 nearest to the f32 with these bits, ties to even; infinity from 65520 on. NaN keeps sign and the top of its
/// payload and becomes quiet, as `vcvtps2ph` does. Every case is computed and one is chosen, so that the loop has no branch.
#[inline(always)]
fn narrow(bits: u32) -> u16 {
    const INFINITY: u32 = F32_EXPONENT;
    const SMALLEST_NORMAL: u32 = (127 - 14) << 23;
    const OVERFLOW: u32 = super::F16_OVERFLOW;
    let magnitude = bits & F32_MAGNITUDE;
    // Normal: half a unit of the 13 bits that go, less one where the last bit that stays is even, then the new bias.
    let odd = magnitude >> 13 & 1;
    let normal = magnitude
        .wrapping_add(0xfff + odd)
        .wrapping_sub((127 - 15) << 23)
        >> 13;
    // Subnormal: beside 0.5 the unit of an f32 is 2^-24, the unit of a subnormal f16, so the addition rounds.
    let subnormal = (f32::from_bits(magnitude) + 0.5)
        .to_bits()
        .wrapping_sub(0.5f32.to_bits());
    let nan = 0x7e00 | magnitude >> 13 & 0x3ff;
    let finite = if magnitude < SMALLEST_NORMAL {
        subnormal
    } else {
        normal
    };
    let bounded = if magnitude >= OVERFLOW {
        0x7c00
    } else {
        finite
    };
    let half = if magnitude > INFINITY { nan } else { bounded };
    (bits >> 16 & 0x8000 | half) as u16
}

/// The bits of the f32 that equals the f16 with these bits. For NaN and infinity, which callers refuse, the exponent is too small.
#[inline(always)]
fn widen(bits: u16) -> u32 {
    let bits = u32::from(bits);
    let magnitude = (bits & 0x7fff) << 13;
    let normal = magnitude + ((127 - 15) << 23);
    // Subnormal: put the bits below the hidden one of 2^-14 and take 2^-14 away again; both steps are exact.
    let hidden = (127 - 14) << 23;
    let subnormal = (f32::from_bits(magnitude | hidden) - f32::from_bits(hidden)).to_bits();
    let value = if magnitude < 1 << 23 {
        subnormal
    } else {
        normal
    };
    (bits & 0x8000) << 16 | value
}
