//! Comes in: elements of every kind. Goes out: a comparison of each kernel, under each instruction set of this machine, with
//! an oracle that shares no code with it: one element at a time, and the software conversions of the `half` crate.
use half::f16;
use pgv2rs_codec::kernel::{self, Isa};

const MAX_LEN: usize = 130;
/// As many bits fill seven blocks of 32 bytes and a rest: four at once, some singly, one that overlaps.
const MAX_BITS: usize = 8 * 255;
const ALIGNMENTS: usize = 32;
/// What no kernel may touch beside its room.
const GUARD: u8 = 0xa5;

/// A kernel, and what is known about it from the formats alone.
struct Kernel {
    name: &'static str,
    /// True when it called all elements legal.
    run: fn(Isa, &[u8], &mut [u8]) -> bool,
    /// Elements of the source from pseudo-random words: all of them legal.
    source: fn(&[u32]) -> Vec<u8>,
    /// The bytes that must come out.
    expected: fn(&[u8], usize) -> Vec<u8>,
    /// Elements that must be refused wherever they stand.
    illegal: &'static [&'static [u8]],
}

const ILLEGAL_F32: &[&[u8]] = &[
    &[0x7f, 0x80, 0, 0],
    &[0xff, 0x80, 0, 0],
    &[0x7f, 0xc0, 0, 0],
    &[0x7f, 0x80, 0, 1],
    &[0xff, 0xff, 0xff, 0xff],
];
const ILLEGAL_F16: &[&[u8]] = &[
    &[0x7c, 0],
    &[0xfc, 0],
    &[0x7e, 0],
    &[0x7c, 1],
    &[0xff, 0xff],
    &[0xfd, 0],
];
const ILLEGAL_VALUE: &[&[u8]] = &[
    &[0, 0, 0, 0],
    &[0x80, 0, 0, 0],
    &[0x7f, 0x80, 0, 0],
    &[0xff, 0x80, 0, 0],
    &[0xff, 0xc0, 0, 7],
];
/// Equal to or below any index before it, but for the first, which has none before it.
const ILLEGAL_INDEX: &[&[u8]] = &[&[0, 0, 0, 0]];

fn kernels() -> [Kernel; 12] {
    macro_rules! kernel {
        ($name:ident, $source:expr, $expected:expr, $illegal:expr) => {
            Kernel {
                name: stringify!($name),
                run: |isa, src, dst| kernel::$name(isa, src, dst),
                source: $source,
                expected: $expected,
                illegal: $illegal,
            }
        };
        ($name:ident as $legal:expr, $source:expr, $expected:expr, $illegal:expr) => {
            Kernel {
                run: |isa, src, dst| $legal(kernel::$name(isa, src, dst)),
                ..kernel!(f32_to_f32, $source, $expected, $illegal)
            }
            .named(stringify!($name))
        };
    }
    [
        kernel!(
            f32_to_f32,
            finite_f32s,
            |s, _| f32s(s).flat_map(f32::to_le_bytes).collect(),
            ILLEGAL_F32
        ),
        kernel!(
            f16_to_f16,
            finite_f16s,
            |s, _| f16s(s).flat_map(f16::to_le_bytes).collect(),
            ILLEGAL_F16
        ),
        kernel!(f32_to_f16 as |largest| largest < kernel::F32_INFINITY, finite_f32s, narrowed, ILLEGAL_F32),
        kernel!(
            f16_to_f32,
            finite_f16s,
            |s, _| widened(s).flat_map(f32::to_le_bytes).collect(),
            ILLEGAL_F16
        ),
        kernel!(
            f32_to_bits,
            finite_f32s,
            |s, _| packed(f32s(s).map(|x| x > 0.0)),
            ILLEGAL_F32
        ),
        kernel!(
            f16_to_bits,
            finite_f16s,
            |s, _| packed(widened(s).map(|x| x > 0.0)),
            ILLEGAL_F16
        ),
        kernel!(bits_to_bits as |()| true, bits, |s, len| packed(bools(s, len)), &[]),
        kernel!(
            f32_to_array,
            finite_f32s,
            |s, _| array(f32s(s)),
            ILLEGAL_F32
        ),
        kernel!(
            f16_to_array,
            finite_f16s,
            |s, _| array(widened(s)),
            ILLEGAL_F16
        ),
        kernel!(bits_to_array as |()| true, bits, |s, len| array(bools(s, len).map(f32::from)), &[]),
        kernel!(
            indices,
            ascending,
            |s, _| u32s(s).flat_map(u32::to_le_bytes).collect(),
            ILLEGAL_INDEX
        ),
        kernel!(
            values,
            nonzero_f32s,
            |s, _| f32s(s).flat_map(f32::to_le_bytes).collect(),
            ILLEGAL_VALUE
        ),
    ]
}

impl Kernel {
    fn named(self, name: &'static str) -> Self {
        Kernel { name, ..self }
    }
}

fn u32s(src: &[u8]) -> impl Iterator<Item = u32> {
    src.chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")))
}

fn f32s(src: &[u8]) -> impl Iterator<Item = f32> {
    u32s(src).map(f32::from_bits)
}

fn f16s(src: &[u8]) -> impl Iterator<Item = f16> {
    src.chunks(2)
        .map(|half| f16::from_be_bytes(half.try_into().expect("two bytes")))
}

/// The const functions of `half` are its software conversions, so no instruction under test checks itself.
fn widened(src: &[u8]) -> impl Iterator<Item = f32> {
    f16s(src).map(f16::to_f32_const)
}

fn narrowed(src: &[u8], _: usize) -> Vec<u8> {
    f32s(src)
        .flat_map(|x| f16::from_f32_const(x).to_le_bytes())
        .collect()
}

/// Element `i` is bit `i mod 64` of little-endian word `i / 64`.
fn packed(elements: impl Iterator<Item = bool>) -> Vec<u8> {
    let elements: Vec<bool> = elements.collect();
    let word = |group: &[bool]| -> u64 {
        group
            .iter()
            .enumerate()
            .map(|(i, set)| u64::from(*set) << i)
            .sum()
    };
    elements
        .chunks(64)
        .flat_map(|group| word(group).to_le_bytes())
        .collect()
}

/// Element `i` is bit `i` of the string as PostgreSQL prints it.
fn bools(src: &[u8], len: usize) -> impl Iterator<Item = bool> {
    src.iter()
        .flat_map(|byte| format!("{byte:08b}").into_bytes())
        .map(|digit| digit == b'1')
        .take(len)
}

fn array(elements: impl Iterator<Item = f32>) -> Vec<u8> {
    elements
        .flat_map(|x| [4i32.to_be_bytes(), x.to_be_bytes()].concat())
        .collect()
}

fn finite_f32s(words: &[u32]) -> Vec<u8> {
    // Zeros, both ends of the subnormals, of f16 and of f32, and ties of the rounding to f16, among random bits.
    const EDGES: [u32; 16] = [
        0,
        0x8000_0000,
        1,
        0x807f_ffff,
        0x3300_0000,
        0x3300_0001,
        0x3380_0000,
        0x387f_e000,
        0x387f_f000,
        0x3880_0000,
        0x3f80_1000,
        0x3f80_3000,
        0x477f_e000,
        0x477f_efff,
        0x477f_f000,
        0xff7f_ffff,
    ];
    let finite = |word: &u32| match word % 3 {
        0 => EDGES[*word as usize / 3 % EDGES.len()],
        _ if word & 0x7f80_0000 == 0x7f80_0000 => word & 0xbfff_ffff,
        _ => *word,
    };
    words
        .iter()
        .flat_map(|word| finite(word).to_be_bytes())
        .collect()
}

fn nonzero_f32s(words: &[u32]) -> Vec<u8> {
    let bytes = finite_f32s(words);
    let nonzero = |x: u32| if x & 0x7fff_ffff == 0 { x | 1 } else { x };
    u32s(&bytes)
        .flat_map(|x| nonzero(x).to_be_bytes())
        .collect()
}

fn finite_f16s(words: &[u32]) -> Vec<u8> {
    const EDGES: [u16; 8] = [0, 0x8000, 1, 0x83ff, 0x0400, 0x8400, 0x7bff, 0xfbff];
    let finite = |word: &u32| match word % 3 {
        0 => EDGES[*word as usize / 3 % EDGES.len()],
        _ if word & 0x7c00 == 0x7c00 => (word & 0xbfff) as u16,
        _ => *word as u16,
    };
    words
        .iter()
        .flat_map(|word| finite(word).to_be_bytes())
        .collect()
}

fn bits(words: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.chunks(8).map(|group| (group[0] >> 8) as u8).collect();
    if let (used @ 1.., Some(last)) = (words.len() % 8, bytes.last_mut()) {
        *last &= 0xff << (8 - used);
    }
    bytes
}

fn ascending(words: &[u32]) -> Vec<u8> {
    let mut index = 0u32;
    let mut next = |word: &u32| {
        index += 1 + word % 1000;
        index.to_be_bytes()
    };
    words.iter().flat_map(&mut next).collect()
}

/// Words of SplitMix64, so that a failure is seen again.
fn words(seed: u64, len: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 32) as u32
    };
    (0..len).map(|_| next()).collect()
}

/// Runs a kernel with source and room at these addresses modulo 32; returns its room and its verdict.
fn run_at(kernel: &Kernel, isa: Isa, src: &[u8], len: usize, at: [usize; 2]) -> (Vec<u8>, bool) {
    // Beside the source all elements are illegal: one that was read shows in the verdict.
    let mut source = vec![0xff; src.len() + 2 * ALIGNMENTS];
    let from = source.as_ptr().align_offset(ALIGNMENTS) + at[0];
    source[from..from + src.len()].copy_from_slice(src);
    let mut target = vec![GUARD; len + 3 * ALIGNMENTS];
    let to = target.as_ptr().align_offset(ALIGNMENTS) + at[1];
    let room = to..to + len;
    target[room.clone()].fill(0);
    let legal = (kernel.run)(
        isa,
        &source[from..from + src.len()],
        &mut target[room.clone()],
    );
    let beside = target[..room.start].iter().chain(&target[room.end..]);
    assert!(
        beside.into_iter().all(|byte| *byte == GUARD),
        "{} wrote beside its room",
        kernel.name
    );
    (target[room].to_vec(), legal)
}

/// The instruction sets of this machine; those it lacks are printed, so that a run says what it did not test.
fn isas() -> Vec<Isa> {
    let isas = Isa::available();
    for name in Isa::KNOWN {
        if !isas.iter().any(|isa| isa.name() == name) {
            println!("skipped: {name}, which this machine does not have");
        }
    }
    isas
}

#[test]
fn every_kernel_agrees_with_the_oracle_at_every_length_and_alignment() {
    for isa in isas() {
        for kernel in kernels() {
            let more = match kernel.name {
                "bits_to_bits" => MAX_BITS,
                _ => MAX_LEN,
            };
            for len in (0..=MAX_LEN).chain((MAX_LEN..=more).step_by(8)) {
                let src = (kernel.source)(&words(len as u64, len));
                let expected = (kernel.expected)(&src, len);
                for at in 0..ALIGNMENTS {
                    for at in [[at, at], [at, ALIGNMENTS - 1 - at], [at, 0], [0, at]] {
                        let got = run_at(&kernel, isa, &src, expected.len(), at);
                        assert_eq!(
                            got,
                            (expected.clone(), true),
                            "{} {isa} {len} {at:?}",
                            kernel.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_kernel_sees_an_illegal_element_wherever_it_stands() {
    for isa in isas() {
        for kernel in kernels() {
            for len in 1..=MAX_LEN {
                let legal = (kernel.source)(&words(len as u64, len));
                let room = (kernel.expected)(&legal, len).len();
                for illegal in kernel.illegal {
                    // An index is only illegal after another one.
                    for position in usize::from(kernel.name == "indices")..len {
                        let mut src = legal.clone();
                        src[position * illegal.len()..][..illegal.len()].copy_from_slice(illegal);
                        let (_, legal) = run_at(&kernel, isa, &src, room, [0, 0]);
                        assert!(!legal, "{} {isa} {len} {position} {illegal:?}", kernel.name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_kernel_ends_where_the_shorter_side_does() {
    // Bytes of an element on either side.
    let widths = |name: &str| match name {
        "f32_to_f32" | "values" => Some((4, 4)),
        "f16_to_f16" => Some((2, 2)),
        "f32_to_f16" => Some((4, 2)),
        "bits_to_bits" => Some((1, 1)),
        _ => None,
    };
    for isa in isas() {
        for kernel in kernels() {
            let Some((from, to)) = widths(kernel.name) else {
                continue;
            };
            for len in 0..=MAX_LEN {
                let words = words(len as u64, 8 * (len + 2));
                let src = (kernel.source)(&words)[..(len + 2) * from].to_vec();
                let elements = if kernel.name == "bits_to_bits" {
                    8 * len
                } else {
                    len
                };
                let expected = (kernel.expected)(&src[..len * from], elements);
                let short_room = (&src[..], len * to + to - 1);
                let short_source = (&src[..len * from + from - 1], (len + 2) * to);
                for (src, room) in [short_room, short_source] {
                    let (got, _) = run_at(&kernel, isa, src, room, [0, 0]);
                    let (written, beyond) = got.split_at(len * to);
                    assert_eq!(
                        written,
                        &expected[..len * to],
                        "{} {isa} {len}",
                        kernel.name
                    );
                    assert!(beyond.iter().all(|byte| *byte == 0));
                }
            }
        }
    }
}

#[test]
fn indices_that_repeat_or_fall_are_not_ascending() {
    for isa in isas() {
        for position in 1..MAX_LEN {
            // A comparison with signs takes 2^31 for the least of all.
            for (before, next) in [(200, 200), (200, 199), (1 << 31, 1 << 30)] {
                let mut indices: Vec<u32> = (0..position as u32).collect();
                indices[position - 1] = before;
                indices.extend((next..).take(MAX_LEN - position));
                let src: Vec<u8> = indices
                    .iter()
                    .flat_map(|index| index.to_be_bytes())
                    .collect();
                assert!(
                    !kernel::indices(isa, &src, &mut vec![0; src.len()]),
                    "{isa} {position}"
                );
            }
        }
    }
}

#[test]
fn narrowing_reports_the_largest_magnitude() {
    for isa in isas() {
        for len in 1..=MAX_LEN {
            let src = finite_f32s(&words(len as u64, len));
            let expected = u32s(&src).map(|bits| bits & 0x7fff_ffff).max();
            let got = kernel::f32_to_f16(isa, &src, &mut vec![0; len * 2]);
            assert_eq!(Some(got), expected, "{isa} {len}");
        }
    }
}

#[test]
fn widening_agrees_with_the_oracle_on_every_finite_f16() {
    let src: Vec<u8> = (0..=u16::MAX)
        .filter(|bits| bits & 0x7c00 != 0x7c00)
        .flat_map(u16::to_be_bytes)
        .collect();
    let expected: Vec<u8> = widened(&src).flat_map(f32::to_le_bytes).collect();
    for isa in isas() {
        let mut got = vec![0; expected.len()];
        assert!(kernel::f16_to_f32(isa, &src, &mut got));
        assert!(got == expected, "{isa}");
    }
}

/// 2^32 inputs in blocks of 2^16, on as many threads as there are cores: `scripts` run it in release mode.
#[test]
#[ignore = "takes a minute in release mode: cargo test --release -p pgv2rs-codec --test oracle -- --ignored"]
fn narrowing_agrees_with_the_oracle_on_every_f32() {
    let next = std::sync::atomic::AtomicU32::new(0);
    let isas = isas();
    let work = || {
        let (mut src, mut got) = (vec![0; 4 << 16], vec![0; 2 << 16]);
        loop {
            let block = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if block > 0xffff {
                return;
            }
            for (low, word) in (0u32..).zip(src.as_chunks_mut().0) {
                *word = (block << 16 | low).to_be_bytes();
            }
            for isa in &isas {
                kernel::f32_to_f16(*isa, &src, &mut got);
                for (low, half) in (0u32..).zip(got.as_chunks().0) {
                    let bits = block << 16 | low;
                    let expected = f16::from_f32_const(f32::from_bits(bits)).to_bits();
                    assert_eq!(u16::from_le_bytes(*half), expected, "{isa} {bits:#010x}");
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}
