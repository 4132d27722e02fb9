//! In: source databases of many shapes. Out: the proof, by the servers themselves, that the target holds the same. What the options
//! change is in options.rs, what is refused in refuses.rs.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod columns;
mod far;
mod indexes;
mod odd;
mod schema;
mod shapes;
mod trees;
mod types;
mod types_text;
mod types_vectors;
mod vectors;
