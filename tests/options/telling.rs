//! In: --dry-run, --verify, --report, -q, --log-format, --jobs, and the environment. Out: what a run says of itself, and how it runs.

use serde_json::Value;

use crate::ITEMS;
use crate::common::{Pair, run};

#[test]
fn dry_run_says_the_plan_and_writes_nothing() {
    let pair = Pair::with(ITEMS);
    pair.source.exec("CREATE INDEX near ON items USING hnsw (v vector_cosine_ops) WITH (m = 24); CREATE TYPE e AS ENUM ('a')");
    let before = pair.target.catalog();
    let outcome = pair.run(&["--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&[
        "public.items",
        "public.vector(3) -> vectors.vector(3)",
        "hnsw",
        "vectors.vector_cos_ops",
        "m = 24",
    ]);
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn verify_says_how_much_was_proved() {
    let levels = [
        ("none", false, "Nothing is proved"),
        ("counts", false, "row counts agree"),
        ("full", true, "every row"),
    ];
    for (level, verified, words) in levels {
        let pair = Pair::with(ITEMS);
        let outcome = pair.run(&["--verify", level]);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        outcome.says(&[words]);
        let report = outcome.report();
        assert_eq!(
            (&report["verify"], &report["verified"]),
            (&Value::from(level), &Value::from(verified))
        );
        let table = outcome.table("public.items");
        assert_eq!(table["target_rows"].is_u64(), level != "none");
        assert_eq!(table["target_digest"].is_string(), level == "full");
        pair.same_answer("SELECT id, v::real[]::text FROM items ORDER BY id");
    }
}

#[test]
fn the_report_holds_tables_indexes_findings_and_the_cutover_answer() {
    let pair = Pair::with(ITEMS);
    pair.source.exec("CREATE INDEX near ON items USING hnsw (v vector_ip_ops) WITH (m = 3); ALTER TABLE items ADD COLUMN flags bit(2); UPDATE items SET name = 'Zebra', v = '[41.375,2,3]' WHERE id = 1");
    let outcome = pair.copy(&[]);
    let report = outcome.report();
    let table = outcome.table("public.items");
    for count in ["rows", "source_rows", "target_rows"] {
        assert_eq!(table[count], 3, "{count}");
    }
    assert_eq!(table["sent_digest"], table["target_digest"]);
    assert_eq!(table["cutover"]["state"], "unchanged");
    assert_eq!(table["differences"], Value::from(Vec::<Value>::new()));
    let sampled = &table["samples"][0];
    assert_eq!(
        (
            &sampled["column"],
            &sampled["checked"],
            &sampled["different"]
        ),
        (&"v".into(), &2.into(), &0.into())
    );
    let columns = table["columns"].to_string();
    assert!(
        columns.contains("vectors.vector(3)") && columns.contains("flags"),
        "{columns}"
    );
    let indexes = report["indexes"].as_array().into_iter().flatten();
    let near = indexes
        .into_iter()
        .find(|i| i["index"].as_str().is_some_and(|n| n.contains("near")));
    let near = near.unwrap_or_else(|| panic!("{report}"));
    assert!(
        near["before"]
            .as_str()
            .is_some_and(|d| d.contains("USING hnsw")),
        "{near}"
    );
    assert!(
        near["ddl"].to_string().contains("vectors.vector_dot_ops"),
        "{near}"
    );
    let findings = report["findings"].as_array().map_or(0, Vec::len);
    assert!(findings > 0, "m = 3 is below the target's least: {report}");
    assert!(
        report["source"]["place"]
            .as_str()
            .is_some_and(|p| p.ends_with(&pair.source.place.database))
    );
    assert!(report["seconds"]["total"].as_f64().is_some_and(|s| s > 0.0));
    assert!(
        ["41.375", "Zebra"]
            .iter()
            .all(|v| !report.to_string().contains(v)),
        "it holds no value of a row: {report}"
    );
}

#[test]
fn quiet_says_nothing_on_standard_error() {
    let outcome = Pair::with(ITEMS).copy(&["-q"]);
    assert_eq!(outcome.err, "");
    assert!(
        !outcome.out.contains("the largest first"),
        "{}",
        outcome.out
    );
}

#[test]
fn log_format_json_is_one_object_a_line() {
    let outcome = Pair::with(ITEMS).copy(&["--log-format", "json"]);
    assert!(outcome.err.lines().count() > 2, "{}", outcome.err);
    for line in outcome.err.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            object["level"].is_string() && object["fields"]["message"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn several_jobs_copy_several_tables() {
    nine_tables("127.0.0.1");
}

/// Where no server is on this machine each job has a thread; of this name nobody knows, before it is looked up, that it is this machine's.
#[test]
fn several_jobs_on_threads_of_their_own_copy_several_tables() {
    nine_tables("127.1");
}

fn nine_tables(host: &str) {
    let mut sql = String::new();
    for n in 1..=9 {
        sql.push_str(&format!(
            "CREATE TABLE t{n} (id int PRIMARY KEY, v vector(8)); CREATE INDEX ON t{n} (id, id); CREATE INDEX ON t{n} ((id % 2));
             INSERT INTO t{n} SELECT i, (SELECT array_agg(sin(i * j + {n})::real) FROM generate_series(1, 8) j)::vector FROM generate_series(1, {n}00) i;"
        ));
    }
    let pair = Pair::with(&sql);
    let [from, to] = [&pair.source, &pair.target].map(|side| {
        let named = side.place.connection_string();
        named.replace("127.0.0.1", host)
    });
    let ends = ["--source", &from, "--target", &to, "--verify", "full"];
    let arguments = [&ends[..], &["--jobs", "4", "--index-jobs", "3"]].concat();
    let outcome = run::start(&arguments, &[], Vec::new()).ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.tables().len(), 9);
    for n in 1..=9 {
        pair.same_answer(&format!(
            "SELECT count(*), md5(string_agg(v::real[]::text, ',' ORDER BY id)) FROM t{n}"
        ));
    }
    pair.same_answer("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1");
}

#[test]
fn the_two_ends_may_stand_in_the_environment() {
    let pair = Pair::with(ITEMS);
    let (from, to) = (
        pair.source.place.connection_string(),
        pair.target.place.connection_string(),
    );
    let variables = [
        ("PGV2RS_SOURCE", from.as_str()),
        ("PGV2RS_TARGET", to.as_str()),
    ];
    let outcome = run::start(&["--verify", "full"], &variables, Vec::new()).ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM items ORDER BY id");
}

/// 3 MB at 1 MB a second, by two jobs: what is read may be a batch ahead at most. A pause is no stall.
#[test]
fn a_throttled_copy_takes_the_time_that_its_bytes_need() {
    let pair = Pair::with(
        "CREATE TABLE wide (id int PRIMARY KEY, v vector(2), pad text STORAGE PLAIN);
        INSERT INTO wide SELECT i, '[1,2]', repeat('x', 3072) FROM generate_series(1, 1024) i",
    );
    let outcome = pair.copy(&["--throttle", "1MB", "--stall-timeout", "1s", "-j", "2"]);
    let seconds = &outcome.report()["seconds"]["copy"];
    assert!(seconds.as_f64().is_some_and(|s| s >= 3.0), "{seconds}");
}
