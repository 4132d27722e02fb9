//! Comes in: targets. Goes out: a panic where one breaks a promise on its committed corpus, or has no file or no corpus. Tests compile
//! this file; it needs no fuzzer.

use std::fs;
use std::path::Path;

/// `fuzz` is the folder of all targets.
pub fn every<'a>(fuzz: &Path, names: impl Iterator<Item = &'a str>, run: impl Fn(&str, &[u8])) {
    for name in names {
        let target = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs")));
        let call = format!("run(\"{name}\", data)");
        assert!(target.is_ok_and(|text| text.contains(&call)), "{name}");
        let folder = fuzz.join("corpus").join(name);
        let files =
            fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
        let mut ran = 0;
        for file in files {
            let path = file.expect("a readable folder").path();
            println!("{}", path.display());
            run(name, &fs::read(&path).expect("a readable file"));
            ran += 1;
        }
        assert!(ran > 0, "{name} has no corpus");
    }
}
