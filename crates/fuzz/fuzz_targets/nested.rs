//! The target `nested`; see the library for what goes in and what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgv2rs_fuzz::codec::run("nested", data));
