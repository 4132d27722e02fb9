//! Comes in: the corpus of the fuzz targets, crates/fuzz/corpus. Goes out: the same entry points run over it as an ordinary test.
#[path = "../../fuzz/src/dialect.rs"]
mod entry;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

use std::path::Path;

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    replay::every(&fuzz, entry::names(), entry::run);
}
