//! In: --dry-run, as text, as JSON, as SQL. Out: a plan that is worth reading, complete, true, and without secrets; nothing is written.

use serde_json::Value;

use crate::common::run::Outcome;
use crate::common::{Db, Pair, Place, unique};

/// Something of everything that a plan shows.
fn pair() -> Pair {
    let pair = Pair::with(
        "CREATE TABLE items (id int PRIMARY KEY, name text, v vector(300)); INSERT INTO items SELECT i, 'n', array_fill(i::real, '{300}')::vector FROM generate_series(1, 2000) i;
         CREATE TABLE notes (id int PRIMARY KEY, item int REFERENCES items, body text); INSERT INTO notes VALUES (1, 1, 'x'); CREATE INDEX by_name ON items (name);
         CREATE INDEX near ON items USING hnsw (v vector_cosine_ops) WITH (m = 24, ef_construction = 100); CREATE INDEX halves ON items USING ivfflat ((v::halfvec(300)) halfvec_l2_ops) WITH (lists = 7);
         CREATE VIEW w AS SELECT id FROM items; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; '; COMMENT ON TABLE items IS 'it''s; -- odd'; CREATE TABLE \"Odd; -- name\" (id int)",
    );
    let database = &pair.source.place.database;
    pair.source.exec(&format!("ALTER DATABASE {database} SET work_mem = '7MB'; ALTER DATABASE {database} SET \"app.key\" = 'hush-Hush-7'"));
    pair
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out)
        .unwrap_or_else(|e| panic!("standard output is no JSON: {e}\n{}", outcome.everything()))
}

#[test]
fn the_plan_shows_rows_sizes_conversions_both_ddls_and_what_the_estimates_rest_on() {
    let pair = pair();
    let before = pair.target.catalog();
    let outcome = pair.run(&["--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&[
        "public.items",
        "2000 rows",
        "TOAST",
        "longest row",
        "binary COPY",
        "v: public.vector(300) -> vectors.vector(300)",
        "m='24'",
        "m = 24",
        "nlist = 7",
        "SET \"work_mem\"",
        "WAL",
        "memory to build the largest vector index",
        "time to copy and verify",
        "MB/s",
    ]);
    assert!(
        outcome.out.lines().all(|l| l.len() < 250),
        "{}",
        outcome.out
    );
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn the_plan_as_json_is_one_document_with_everything_in_it() {
    let pair = pair();
    let outcome = pair.run(&["--dry-run", "--output", "json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let plan = json(&outcome);
    assert_eq!(plan["holds"], true);
    let item = |list: &str, key: &str, name: &str| -> Value {
        let of = plan[list].as_array().into_iter().flatten();
        let mut found = of.filter(|o| o[key] == name);
        found
            .next()
            .cloned()
            .unwrap_or_else(|| panic!("no {name} in {list}: {plan}"))
    };
    let items = item("tables", "table", "public.items");
    assert_eq!(
        (&items["rows"], &items["rows_are"]),
        (&2000.into(), &"counted".into())
    );
    assert!(
        items["longest_row_bytes"]
            .as_u64()
            .is_some_and(|n| (1200..1400).contains(&n)),
        "{items}"
    );
    assert_eq!(items["columns"][0]["to"], "vectors.vector(300)");
    let near = item("indexes", "index", "INDEX public.near");
    assert!(
        near["before"]
            .as_str()
            .is_some_and(|d| d.contains("USING hnsw")),
        "{near}"
    );
    assert!(near["ddl"].to_string().contains("USING vectors"), "{near}");
    // 2000 rows of 1200 bytes, 8 for the row's number, 16 for each of 24 links; and halves of 2 bytes, with 7 centroids.
    let disk = 2000 * (1200 + 8 + 16 * 24) + 2000 * (600 + 8) + 7 * 600;
    assert_eq!(item("estimates", "what", "vector indexes")["low"], disk);
    assert_eq!(item("estimates", "what", "WAL")["unit"], "bytes");
    let phases: Vec<&str> = plan["statements"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|s| s["phase"].as_str())
        .collect();
    for phase in [
        "before-data",
        "index",
        "vector-index",
        "foreign-key",
        "late",
    ] {
        assert!(phases.contains(&phase), "{phase}: {phases:?}");
    }
    assert!(!outcome.out.contains("hush-Hush-7"), "{}", outcome.out);
}

#[test]
fn the_plan_as_sql_makes_the_same_schema() {
    let pair = pair();
    let outcome = pair.run(&["--dry-run", "--output", "sql"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert!(!outcome.out.contains("hush-Hush-7"), "{}", outcome.out);
    let by_hand = Db::create(&Place::target(), &unique("by_hand"));
    let script = outcome
        .out
        .replace(&pair.target.place.database, &by_hand.place.database);
    by_hand.exec(&script);
    pair.copy(&[]);
    for sql in [
        "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' ORDER BY 1, 2",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT obj_description('public.items'::regclass)",
    ] {
        // The script leaves its session with an empty search_path.
        let fresh = by_hand.place.session();
        assert_eq!(fresh.rows(sql), pair.target.rows(sql), "{sql}");
    }
}

#[test]
fn a_plan_that_does_not_hold_is_still_printed_and_ends_with_2() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(2)); CREATE INDEX by_l1 ON t USING hnsw (v vector_l1_ops)",
    );
    let outcome = pair.run(&["--dry-run", "--output", "json"]);
    outcome.refused(2, &["by_l1"]);
    let plan = json(&outcome);
    assert_eq!(plan["holds"], false);
    let found = plan["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|f| f["severity"] == "decision");
    assert!(
        found.is_some_and(|f| f["object"].to_string().contains("by_l1") && f["remedy"] != ""),
        "{plan}"
    );
    let outcome = pair.run(&["--dry-run", "--output", "json", "--allow-findings"]);
    assert_eq!((outcome.code, &json(&outcome)["holds"]), (0, &true.into()));
}

#[test]
fn no_form_of_the_plan_shows_the_secrets_of_subscriptions_servers_and_user_mappings() {
    let pair = pair();
    let subscription = unique("sub");
    pair.source.exec(&format!("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'h', api_key_id 'hush-Hush-7'); CREATE FOREIGN TABLE away (a int) SERVER far OPTIONS (\"X-Token\" 'hush-Hush-6'); CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hush-Hush-8');
        CREATE SERVER by_url FOREIGN DATA WRAPPER w OPTIONS (host 'plain.example', uri 'https://u:hush-Hush-5@h'); CREATE SERVER by_string FOREIGN DATA WRAPPER w OPTIONS (conninfo 'host=x password=hush-Hush-4');
        CREATE SERVER open FOREIGN DATA WRAPPER w OPTIONS (host 'open.example', port '5433'); CREATE FOREIGN TABLE with_column (a int OPTIONS (\"authorization\" 'hush-Hush-3')) SERVER open OPTIONS (table_name 'there');
        CREATE SUBSCRIPTION {subscription} CONNECTION 'host=nowhere password=hush-Hush-9' PUBLICATION p WITH (connect = false)"));
    let outcomes: Vec<Outcome> = ["text", "json", "sql"]
        .iter()
        .map(|form| pair.run(&["-vv", "--dry-run", "--allow-findings", "--output", form]))
        .collect();
    pair.source.exec(&format!(
        "ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE); DROP SUBSCRIPTION {subscription}"
    ));
    for outcome in outcomes {
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        assert!(
            !outcome.everything().contains("hush-Hush"),
            "{}",
            outcome.everything()
        );
    }
    let shown = pair.run(&["--dry-run", "--allow-findings", "--output", "sql"]);
    shown.says(&["host 'open.example'", "SERVER by_url: not shown"]);
}

#[test]
fn output_without_dry_run_is_a_usage_error() {
    let outcome = Pair::new().run(&["--output", "json"]);
    assert_eq!(outcome.code, 2);
    outcome.says(&["--dry-run"]);
}

/// Asked of the ledger of a run that is killed when it has laid them out.
#[test]
fn the_plan_says_in_how_many_slices_each_table_comes() {
    let pair = Pair::with(
        "CREATE TABLE big (id int, pad text STORAGE PLAIN, v vector(2)); INSERT INTO big SELECT i, repeat('x', 4000), '[1,2]' FROM generate_series(1, 6000) i;
         CREATE TABLE small (id int, v vector(2)); INSERT INTO small VALUES (1, '[1,2]');
         CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd'); CREATE TABLE tree (k mood, v vector(2)) PARTITION BY HASH (k);
         CREATE TABLE tree_0 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE tree_1 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO tree VALUES ('a', '[1,2]'), ('b', NULL), ('c', '[3,4]'), ('d', NULL)",
    );
    let outcome = pair.run(&["--dry-run", "-j", "2"]);
    outcome.says(&["binary COPY of 2 partitions through it in one slice, since "]);
    let plan = json(&pair.run(&["--dry-run", "--output", "json", "-j", "2"]));
    pair.killed_at("laid", &["-j", "2"]);
    let laid = "SELECT count(*) FROM pgv2rs.slice WHERE \"table\" = '\"public\".\"{}\"'";
    for (table, several) in [("big", true), ("small", false), ("tree", false)] {
        let tables = plan["tables"].as_array().into_iter().flatten();
        let name = format!("public.{table}");
        let said = tables.into_iter().find(|t| t["table"] == *name);
        let said = said.map_or(&Value::Null, |t| &t["slices"]);
        assert_eq!(
            said.to_string(),
            pair.target.one(&laid.replace("{}", table))
        );
        assert_eq!(said.as_u64() > Some(1), several, "{name}: {said}");
    }
}
