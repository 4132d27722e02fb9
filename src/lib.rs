//! Moves a database that uses pgvector to a cluster that runs PGVecto.rs: schema, rows, indexes, and the proof that nothing
//! changed on the way. ARCHITECTURE.md has the way of a row and the map of this crate.
#![forbid(unsafe_code)]

pub mod after_data;
pub mod catalog;
pub mod cli;
pub mod compat;
pub mod connect;
pub mod copy;
pub mod error;
pub mod fail;
pub mod finish;
pub mod in_place;
pub mod join;
pub mod ledger;
pub mod measure;
pub mod patience;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod report;
pub mod roles;
pub mod run;
pub mod schema;
pub mod select;
pub mod snapshot;
pub mod undumped;
pub mod verify;
mod waiting;
pub mod watch;
