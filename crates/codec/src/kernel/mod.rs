//! Comes in: the elements of a payload and an instruction set. Goes out: the elements of the new payload, and whether all of
//! them were legal. No header is read here, and no length is trusted: a kernel works on as many elements as both sides hold.
//!
//! `scalar` has one safe loop for each kernel. `x86` compiles the same loops again for AVX2 and replaces those where
//! intrinsics were measured to be at least 1.5 times as fast; it holds all `unsafe` code of the crate, but for the calls below.
//! Sources are big-endian. Targets are little-endian, but for `real[]` elements.
#![allow(unsafe_code)]
use std::fmt;

mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Bits of 65520, from which on a magnitude rounds to the infinity of f16.
pub const F16_OVERFLOW: u32 = 0x477f_f000;
/// Bits of the f32 infinity; NaN lies above.
pub const F32_INFINITY: u32 = 0x7f80_0000;

/// An instruction set that this machine has: there is no way to name one that it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Isa {
    /// Plain Rust, everywhere.
    pub const SCALAR: Isa = Isa(Level::Scalar);
    /// Names of all that this crate knows, for tests that print what they had to skip.
    pub const KNOWN: [&str; 2] = ["scalar", "avx2"];

    /// The fastest one here.
    pub fn detect() -> Isa {
        Isa::available().pop().unwrap_or(Isa::SCALAR)
    }

    /// All that this machine has, slowest first.
    pub fn available() -> Vec<Isa> {
        #[allow(unused_mut)]
        let mut all = vec![Isa::SCALAR];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            all.push(Isa(Level::Avx2));
        }
        all
    }

    /// Its name in [`Isa::KNOWN`].
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One public function a kernel, which runs the loop of the given instruction set.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident -> $legal:ty;)*) => { $(
        $(#[$doc])*
        pub fn $name(isa: Isa, src: &[u8], dst: &mut [u8]) -> $legal {
            match isa.0 {
                Level::Scalar => scalar::$name(src, dst),
                // SAFETY: `Level` is private and only `Isa::available` makes this one, after it has found AVX2 and F16C.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { x86::$name(src, dst) },
            }
        }
    )* };
}

kernels! {
    /// f32 to f32; false when one is NaN or infinite.
    f32_to_f32 -> bool;
    /// f16 to f16, bits moved; false when one is NaN or infinite.
    f16_to_f16 -> bool;
    /// f32 to the nearest f16, ties to even, infinity from 65520 on. Returns the bits of the largest magnitude, to be
    /// compared with [`F16_OVERFLOW`] and [`F32_INFINITY`].
    f32_to_f16 -> u32;
    /// f16 to f32, exact; false when one is NaN or infinite (what is written for those means nothing).
    f16_to_f32 -> bool;
    /// f32 to one bit each, set where it is above zero, the first the lowest of the first byte. `dst` must be zeroed
    /// and is left so beyond the last element. False when one is NaN or infinite.
    f32_to_bits -> bool;
    /// The same for f16.
    f16_to_bits -> bool;
    /// Bytes whose first bit is the highest to bytes whose first bit is the lowest.
    bits_to_bits -> ();
    /// f32 to `real[]` elements with their lengths; false when one is NaN or infinite.
    f32_to_array -> bool;
    /// f16 to `real[]` elements with their lengths; false when one is NaN or infinite.
    f16_to_array -> bool;
    /// Bits, the first the highest, to `real[]` elements 0 and 1; as many as `dst` has room for.
    bits_to_array -> ();
    /// Indices of a sparse vector; false when they do not ascend strictly.
    indices -> bool;
    /// Values of a sparse vector; false when one is zero, NaN or infinite.
    values -> bool;
}
