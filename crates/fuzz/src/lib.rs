//! What the fuzz targets run, a module for each thing that is fuzzed: names of targets, and the promises that must hold.
pub mod codec;
pub mod connect;
pub mod dialect;
