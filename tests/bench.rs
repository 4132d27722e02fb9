//! In: two records as `scripts/bench --record` writes them, of rounds made up here. Out: what `scripts/bench compare` says of them. No
//! server is asked and nothing is measured.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// One table with one job: three rounds of the pipe and of the program, in seconds.
fn pair(table: &str, pipe: [f64; 3], program: [f64; 3]) -> Value {
    let rounds = |seconds: [f64; 3]| -> Vec<Value> {
        seconds.iter().map(|s| json!({"seconds": s})).collect()
    };
    json!({"table": table, "jobs": 1, "rows": 10, "bytes": 1000,
        "pipe": rounds(pipe), "program": rounds(program), "empty": rounds([0.0; 3])})
}

fn written(name: &str, record: &Value) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    std::fs::write(&path, record.to_string()).expect("a record");
    path
}

fn record(name: &str, pairs: &[Value]) -> PathBuf {
    written(
        name,
        &json!({"format": 1, "pairs": pairs, "together": null}),
    )
}

fn compare(test: &str, before: &[Value], after: &[Value]) -> (Option<i32>, String) {
    let [before, after] = [("before", before), ("after", after)]
        .map(|(side, pairs)| record(&format!("{test}-{side}"), pairs));
    compared([&before, &after])
}

fn compared(paths: [&PathBuf; 2]) -> (Option<i32>, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bench");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(script)
        .arg("compare")
        .args(paths)
        .output()
        .expect("scripts/bench runs");
    (
        status.code(),
        String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr),
    )
}

/// The line about this table, as its cells.
fn line<'a>(said: &'a str, table: &str) -> Vec<&'a str> {
    let found = said
        .lines()
        .find(|line| line.contains(table))
        .unwrap_or_else(|| panic!("no {table} in:\n{said}"));
    found.split('|').map(str::trim).collect()
}

#[test]
fn a_loss_of_fifteen_percent_fails_and_is_named() {
    let before = [
        pair("vector(8)", [9.0, 2.0, 2.0], [2.0, 0.1, 2.0]),
        pair("bit(8)", [1.0; 3], [1.0; 3]),
    ];
    // Medians: 2 against 2, then 1.7 against 2.
    let after = [
        pair("vector(8)", [1.7, 0.3, 1.8], [2.0, 2.0, 7.0]),
        pair("bit(8)", [0.86; 3], [1.0; 3]),
    ];
    let (code, said) = compare("loss", &before, &after);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        line(&said, "vector(8)")[2..6],
        ["1.000", "0.850", "-15.0 %", "**lost**"]
    );
    assert_eq!(
        line(&said, "bit(8)")[2..6],
        ["1.000", "0.860", "-14.0 %", ""]
    );
    let (code, said) = compare("gain", &after, &before);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn many_small_tables_are_compared_and_missed_where_a_record_is_older() {
    let record = |name: &str, seconds: Option<f64>| {
        let round = |seconds: f64| json!([{"seconds": seconds}]);
        let many = seconds.map(|s| {
            json!({"rounds": {"pgv2rs-copy --verify counts": round(s), "pg_dump | pg_restore": round(1.0)}})
        });
        let mut record =
            json!({"format": 1, "pairs": [pair("bit(8)", [1.0; 3], [1.0; 3])], "together": null});
        if let Some(many) = many {
            record["many"] = many;
        }
        written(name, &record)
    };
    let (fast, slow) = (
        record("many-fast", Some(2.0)),
        record("many-slow", Some(4.0)),
    );
    let (code, said) = compared([&fast, &slow]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        line(&said, "many, --verify counts, pg_dump")[3..7],
        ["0.500", "0.250", "-50.0 %", "**lost**"]
    );
    let (code, said) = compared([&record("many-older", None), &fast]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("many-fast.json: many"), "{said}");
}

#[test]
fn a_machine_three_times_as_slow_is_no_loss() {
    let (code, said) = compare(
        "machine",
        &[pair("vector(8)", [1.0; 3], [1.1; 3])],
        &[
            pair("vector(8)", [3.0; 3], [3.3; 3]),
            pair("sparsevec", [1.0; 3], [9.0; 3]),
        ],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("sparsevec"),
        "a table of one record only is named:\n{said}"
    );
}

#[test]
fn records_without_a_table_in_common_are_no_comparison() {
    let (code, said) = compare(
        "apart",
        &[pair("vector(8)", [1.0; 3], [1.0; 3])],
        &[pair("bit(8)", [1.0; 3], [1.0; 3])],
    );
    assert_eq!(code, Some(2), "{said}");
}
