//! In: every bad input that the program promises to refuse. Out: its exit code, one chain of causes that names side, table, row and
//! remedy, and a target that holds whole tables or nothing. What breaks in the middle of a copy is in interrupted.rs.

#[path = "../common/mod.rs"]
mod common;

mod extensions;
mod findings;
mod rows;
mod servers;
