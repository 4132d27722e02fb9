//! Comes in: the corpus of the fuzz targets, fuzz/corpus. Goes out: the same entry points run over it as ordinary tests, and the
//! model of the target that they judge by held to what real servers accepted and refused.
#[path = "../fuzz/src/lib.rs"]
mod entry;
mod support;

use std::fs;
use std::path::Path;

use pgv2rs_codec::convert::Kind;
use support::pgvectors;

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for name in entry::names() {
        let folder = corpus.join(name);
        let files =
            fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
        let mut ran = 0;
        for file in files {
            let path = file.expect("a readable folder").path();
            println!("{}", path.display());
            entry::run(name, &fs::read(&path).expect("a readable file"));
            ran += 1;
        }
        assert!(ran > 0, "{name} has no corpus");
    }
}

#[test]
fn every_target_has_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let files = fs::read_dir(folder).expect("the targets").count();
    assert_eq!(files, entry::names().count());
    for name in entry::names() {
        let path = format!("fuzz/fuzz_targets/{name}.rs");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        assert!(
            text.is_ok_and(|text| text.contains(&format!("run(\"{name}\", data)"))),
            "{name}"
        );
    }
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
