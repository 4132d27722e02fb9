//! pgvector DDL said in PGVecto.rs's words.
//!
//! In: the text of `pg_dump --verbose --schema-only` and what the source's catalog says about the objects in it. Out: the
//! same statements, edited where they speak of vectors or of what an older target cannot read, and findings for what is not
//! translated. No connection is opened, nothing is guessed from names that the catalog can tell.
//!
//! The way of an object: [`dump::parse`] cuts the text into entries, [`rewrite::entry`] translates each with
//! the help of [`types`], [`opclass`] and [`index`], and [`rewrite::LeftOut`] knows what goes with an object that is left out.

pub mod compat;
pub mod dump;
mod error;
pub mod index;
pub mod opclass;
pub mod rewrite;
pub mod settings;
mod syntax;
pub mod types;

pub use error::Error;
