//! In: one source, and the options by need. Out: what each option changes on the target, by the servers' own words. What is
//! refused with these options is in refuses.

#[path = "../common/mod.rs"]
mod common;

mod classes;
mod compat;
mod hurt;
mod least;
mod plan;
mod roles;
mod selection;
mod settings;
mod telling;
mod types;

/// A small table with a vector that every test may take.
const ITEMS: &str = "CREATE TABLE items (id int PRIMARY KEY, name text, v vector(3));
    INSERT INTO items VALUES (1, 'a', '[1,2,3]'), (2, 'b', '[0.1,-0.2,1e-3]'), (3, 'c', NULL);";
