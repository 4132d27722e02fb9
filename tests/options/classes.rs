//! In: the catalogs of the source's server. Out: each of them stands in the table that says what becomes of which object.

use crate::common::Place;

#[test]
fn every_catalog_of_the_server_stands_in_the_table_of_classes() {
    let text = include_str!("../../ARCHITECTURE.md");
    let catalogs = Place::source().session().rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace ORDER BY 1",
    );
    assert!(catalogs.len() > 50, "{catalogs:?}");
    let missing = |name: &&String| !text.contains(&format!("`{name}`"));
    let missing: Vec<&String> = catalogs.iter().filter(missing).collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md does not say what becomes of {missing:?}"
    );
}
