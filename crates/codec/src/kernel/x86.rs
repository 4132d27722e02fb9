//! Comes in: what `scalar` takes. Goes out: the same bytes and answers, faster. Each function may only be called where AVX2
//! and F16C are there.
use super::scalar;

/// The scalar loop, compiled again: the compiler vectorises it for what the attribute names.
macro_rules! again {
    ($($name:ident -> $legal:ty;)*) => { $(
        #[target_feature(enable = "avx2,f16c")]
        pub fn $name(src: &[u8], dst: &mut [u8]) -> $legal {
            scalar::$name(src, dst)
        }
    )* };
}

again! {
    f32_to_f32 -> bool;
    f16_to_f16 -> bool;
    f32_to_f16 -> u32;
    f16_to_f32 -> bool;
    f32_to_bits -> bool;
    f16_to_bits -> bool;
    bits_to_bits -> ();
    f32_to_array -> bool;
    f16_to_array -> bool;
    bits_to_array -> ();
    indices -> bool;
    values -> bool;
}
