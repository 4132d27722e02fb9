//! Comes in: the corpus of the fuzz targets, crates/fuzz/corpus. Goes out: the same entry points run over it as ordinary tests, and the
//! model of the target that they judge by held to what real servers accepted and refused.
#[path = "../../fuzz/src/codec/mod.rs"]
mod entry;
#[path = "../../fuzz/src/replay.rs"]
mod replay;
mod support;

use std::path::Path;

use pgv2rs_codec::convert::Kind;
use support::pgvectors;

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    replay::every(&fuzz, entry::names(), entry::run);
}

#[test]
fn the_model_of_the_target_agrees_with_what_a_real_server_accepted() {
    let mut checked = 0;
    for line in include_str!("golden/pgvectors_recv.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        let Some(payload) = line["hex"].as_str().filter(|hex| !hex.ends_with("...")) else {
            continue;
        };
        let payload: Vec<u8> = (0..payload.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&payload[at..at + 2], 16).expect("hex"))
            .collect();
        let kind = match line["type"].as_str() {
            Some("vector") => Kind::F32,
            Some("vecf16") => Kind::F16,
            Some("bvector") => Kind::Bits,
            _ => Kind::Sparse,
        };
        // The one point in which the model is stricter on purpose.
        let case = line["case"].as_str().expect("a case");
        let stored = line["ok"] == true && !case.contains("nan") && !case.contains("inf");
        assert_eq!(
            entry::accepts(pgvectors(kind), &payload),
            stored,
            "{kind:?} {case}"
        );
        checked += 1;
    }
    assert_eq!(checked, 128);
}
