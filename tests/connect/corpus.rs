//! The corpus of the fuzz targets that read connection strings, password and service files, without a fuzzer.
#[path = "../../crates/fuzz/src/connect/mod.rs"]
mod entry;
#[path = "../../crates/fuzz/src/replay.rs"]
mod replay;

use std::path::Path;

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/fuzz");
    replay::every(&fuzz, entry::names(), entry::run);
}
