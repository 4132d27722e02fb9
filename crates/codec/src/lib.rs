//! Comes in: a binary COPY stream with pgvector values, in pieces of any size. Goes out: whole rows with the same values
//! as PGVecto.rs or `real[]` payloads, and a digest of them. No runtime, no logging, no SQL, no I/O.
//!
//! One row, in reading order: [`frame`] cuts the stream into whole rows, [`batch`] gathers them, [`convert`] writes them
//! anew into a [`buffer`] through `formats` (layouts, checks) and [`kernel`] (byte loops), and [`digest`] sums what was written.
#![deny(unsafe_code, missing_docs)]

pub mod batch;
pub mod buffer;
pub mod convert;
pub mod digest;
pub mod error;
mod formats;
pub mod frame;
pub mod kernel;
