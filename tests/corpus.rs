//! In: the schemas of `tests/corpus`, each with rows and the queries of its application. Out: each is moved without a decision, and
//! every query says the same on both sides, after the change that `queries.sql` names where it names one.

mod common;

use std::path::{Path, PathBuf};

use common::Pair;
use common::db::Session;

/// A query of an application, and the changed one where the target needs one.
#[derive(Default)]
struct Query {
    name: String,
    before: String,
    after: Option<String>,
    index: Option<String>,
}

fn directory(application: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(application)
}

fn read(application: &str, file: &str) -> String {
    let path = directory(application).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn queries(text: &str) -> Vec<Query> {
    let mut queries: Vec<Query> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- name: ") {
            let name = name.to_string();
            queries.push(Query {
                name,
                ..Query::default()
            });
            continue;
        }
        let Some(query) = queries.last_mut() else {
            panic!("a line before the first name: {line}");
        };
        if let Some(index) = line.strip_prefix("-- index: ") {
            query.index = Some(index.to_string());
        } else if line.starts_with("-- on the target: ") {
            query.after = Some(String::new());
        } else {
            let sql = query.after.as_mut().unwrap_or(&mut query.before);
            sql.push_str(line);
            sql.push('\n');
        }
    }
    queries
}

/// Moves the database of an application and asks it what the application asks.
fn moves(application: &str) {
    let pair = Pair::bare();
    pair.source.exec(&read(application, "schema.sql"));
    // What was set for the database counts from the next session.
    pair.source
        .place
        .session()
        .exec(&read(application, "rows.sql"));
    let lives = "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'";
    let schema = pair.source.one(lives);
    let outcome = pair.copy(&["--compat-operators", &schema]);
    assert_eq!(outcome.report()["left_out"], 0, "{}", outcome.everything());
    let (source, target) = (pair.source.place.session(), pair.target.place.session());
    // The exact answer: an ivfflat index made before its rows finds none of them.
    source.exec("SET enable_indexscan = off");
    let queries = queries(&read(application, "queries.sql"));
    assert!(queries.len() > 2, "{application} has too few queries");
    for query in &queries {
        same(application, query, &source, &target);
    }
}

fn same(application: &str, query: &Query, source: &Session, target: &Session) {
    let place = format!("{application}: {}", query.name);
    let expected = source
        .try_rows(&query.before)
        .unwrap_or_else(|e| panic!("{place}: {e}"));
    assert!(!expected.is_empty(), "{place}: nothing to compare");
    let sql = query.after.as_ref().unwrap_or(&query.before);
    let found = target
        .try_rows(sql)
        .unwrap_or_else(|e| panic!("{place}: {e}\n{sql}"));
    assert!(
        common::alike::rows_alike(&expected, &found),
        "{place}\n{sql}\non the source {expected:#?}\non the target {found:#?}"
    );
    if query.after.is_some() {
        let unchanged = target.try_rows(&query.before);
        let _ = target.try_exec("ROLLBACK");
        let differs = unchanged.is_err()
            || unchanged.is_ok_and(|rows| !common::alike::rows_alike(&expected, &rows))
            || query
                .index
                .as_ref()
                .is_some_and(|index| !uses(target, &query.before, index));
        assert!(differs, "{place}: the change is not needed");
    }
    if let Some(index) = &query.index {
        assert!(uses(target, sql, index), "{place}: does not use {index}");
    }
}

/// Whether the query can use the index: on tables as small as these the planner has to be told to.
fn uses(target: &Session, sql: &str, index: &str) -> bool {
    target.exec("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off");
    let plan = target.try_rows(&format!("EXPLAIN (COSTS OFF) {sql}"));
    target.exec("RESET enable_seqscan; RESET enable_sort; RESET enable_bitmapscan");
    plan.is_ok_and(|plan| {
        plan.iter().any(|line| {
            line.contains(&format!("Index Scan using {index} "))
                || line.contains(&format!("Index Scan using \"{index}\" "))
        })
    })
}

macro_rules! applications {
    ($($test:ident: $directory:literal,)*) => {
        $(#[test] fn $test() { moves($directory); })*

        #[test]
        fn every_directory_of_the_corpus_is_tested() {
            let mut tested = vec![$($directory),*];
            tested.sort();
            let entries = std::fs::read_dir(directory("")).expect("the corpus").flatten();
            let mut there: Vec<String> = entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
            there.sort();
            assert_eq!(tested, there);
        }
    };
}

applications! {
    langchain_keeps_its_collections: "langchain",
    llamaindex_searches_by_vector_and_by_word: "llamaindex",
    supabase_vecs_finds_its_records: "supabase-vecs",
    django_orders_and_annotates_by_distance: "django",
    rails_neighbor_finds_neighbours_of_every_kind: "rails-neighbor",
    immich_finds_photos_and_faces: "immich",
    open_webui_finds_its_chunks: "open-webui",
    prisma_queries_run_unchanged: "prisma",
    discourse_ranks_candidates: "discourse",
    supabase_match_documents_answers_as_before: "supabase-match-documents",
    stores_of_many_frameworks_answer_side_by_side: "stores",
    every_word_of_pgvector_answers_as_before: "every-word",
    every_word_in_a_function_answers_as_before: "every-body",
    a_home_made_search_keeps_views_checks_and_functions: "home-made",
}
