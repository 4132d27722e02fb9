//! In: --schema, --table, --exclude-table, --schema-source. Out: which tables come, with what, and into which. Their values are the
//! matter of moves.

use crate::ITEMS;
use crate::common::Pair;

#[test]
fn schema_takes_one_schema_and_leaves_the_others() {
    let pair = Pair::with(
        "CREATE SCHEMA sales; CREATE SCHEMA \"Sales\"; CREATE SCHEMA other; CREATE TABLE sales.t (id int, v public.vector(1)); INSERT INTO sales.t VALUES (1, '[1]');
         CREATE TABLE \"Sales\".t (id int, v public.vector(1)); CREATE TABLE other.t (id int, v public.vector(1)); CREATE VIEW sales.w AS SELECT id FROM sales.t; CREATE TABLE loose (id int)",
    );
    let outcome = pair.copy(&["--schema", "sal*"]);
    assert_eq!(outcome.tables(), ["sales.t"]);
    pair.same_answer("SELECT id, v::real[]::text FROM sales.t");
    pair.same_answer("SELECT id FROM sales.w");
    for absent in ["other.t", "\"Sales\".t", "public.loose"] {
        assert_eq!(pair.target.count(absent), None, "{absent}");
    }
}

const NEEDY: &str = "CREATE TYPE state AS ENUM ('new', 'old'); CREATE TYPE unneeded AS ENUM ('x'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 5);
    CREATE SEQUENCE numbers START 7; CREATE FUNCTION first_state() RETURNS state LANGUAGE sql IMMUTABLE AS $$ SELECT 'new'::public.state $$;
    CREATE FUNCTION unneeded() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY, v vector(2)); INSERT INTO customers VALUES (1); INSERT INTO other VALUES (1, '[1,2]');
    CREATE TABLE orders (id serial PRIMARY KEY, n int DEFAULT nextval('numbers'), customer int REFERENCES customers, s state DEFAULT first_state(), w short, v vector(2));
    INSERT INTO orders (customer, w, v) VALUES (1, 'a', '[1,2]'), (1, 'b', NULL); CREATE INDEX near ON orders USING hnsw (v vector_l2_ops); CREATE INDEX plain ON orders (w);
    CREATE VIEW over_orders AS SELECT id FROM orders;";

#[test]
fn table_brings_what_a_table_needs_and_no_more() {
    let pair = Pair::with(NEEDY);
    let outcome = pair.copy(&["--table", "orders"]);
    assert_eq!(outcome.tables(), ["public.orders"]);
    pair.same_answer("SELECT id, n, customer, s, w, v::real[]::text FROM orders ORDER BY id");
    let names = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd') \
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
        UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    let expected = [
        "first_state",
        "near",
        "numbers",
        "orders",
        "orders_id_seq",
        "orders_pkey",
        "plain",
        "short",
        "state",
    ];
    assert_eq!(pair.target.rows(names), expected);
    assert_eq!(
        pair.target
            .one("SELECT count(*) FROM pg_constraint WHERE contype = 'f'"),
        "0"
    );
    let made = "INSERT INTO orders (w) VALUES ('c') RETURNING id, n, s";
    assert_eq!(pair.target.one(made), "3|9|new");
}

#[test]
fn exclude_table_leaves_one_out_with_the_keys_that_point_to_it() {
    let pair = Pair::with(NEEDY);
    let outcome = pair.copy(&[
        "--exclude-table",
        "cust*",
        "--exclude-table",
        "public.other",
    ]);
    assert_eq!(outcome.tables(), ["public.orders"]);
    assert_eq!(
        (pair.target.count("customers"), pair.target.count("other")),
        (None, None)
    );
    assert_eq!(pair.target.count("orders"), Some(2));
    assert_eq!(pair.target.count("over_orders"), Some(2));
    assert_eq!(pair.target.one("SELECT unneeded()"), "1");
    assert_eq!(
        pair.target
            .one("SELECT count(*) FROM pg_constraint WHERE contype = 'f'"),
        "0"
    );
}

#[test]
fn schema_source_existing_fills_tables_made_by_hand() {
    let pair = Pair::with(ITEMS);
    pair.source
        .exec("CREATE INDEX near ON items USING hnsw (v vector_l2_ops)");
    pair.target.exec(
        "CREATE EXTENSION vectors; CREATE TABLE items (more text DEFAULT 'm', v vectors.vecf16(3), name text, id int PRIMARY KEY)",
    );
    let existing = [
        "--schema-source",
        "existing",
        "--map",
        "public.items.v=vecf16",
    ];
    pair.copy(&existing);
    pair.same(
        "SELECT id, name, v::halfvec::vector::real[]::text, 'm' FROM items ORDER BY id",
        "SELECT id, name, v::vectors.vector::real[]::text, more FROM items ORDER BY id",
    );
}

#[test]
fn schema_source_existing_builds_the_vector_indexes() {
    let pair = Pair::with(ITEMS);
    pair.source
        .exec("CREATE INDEX near ON items USING hnsw (v vector_l2_ops)");
    pair.target.exec("CREATE EXTENSION vectors; CREATE TABLE items (id int PRIMARY KEY, name text, v vectors.vector(3))");
    pair.copy(&["--schema-source", "existing"]);
    let definition = pair.target.one("SELECT pg_get_indexdef('near'::regclass)");
    assert!(
        definition.contains("USING vectors (v vectors.vector_l2_ops)"),
        "{definition}"
    );
}

/// One run names them all.
#[test]
fn schema_source_existing_names_every_obstacle_at_once() {
    let pair = Pair::with(
        "CREATE TABLE full_one (id int, v vector(1)); CREATE TABLE triggered (id int); CREATE TABLE keyed (id int); CREATE TABLE indexed (v vector(1));
         CREATE TABLE other_type (v vector(1)); CREATE TABLE narrow (id int, v vector(1)); CREATE TABLE absent (id int)",
    );
    pair.target.exec(
        "CREATE EXTENSION vectors; CREATE TABLE full_one (id int, v vectors.vector(1)); INSERT INTO full_one VALUES (9, NULL);
         CREATE TABLE triggered (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER firing BEFORE INSERT ON triggered EXECUTE FUNCTION f();
         CREATE TABLE top (id int PRIMARY KEY); CREATE TABLE keyed (id int CONSTRAINT pointing REFERENCES top);
         CREATE TABLE indexed (v vectors.vector(1)); CREATE INDEX early ON indexed USING vectors (v vectors.vector_l2_ops);
         CREATE TABLE other_type (v vectors.vecf16(1)); CREATE TABLE narrow (id int)",
    );
    let before = pair.target.catalog();
    pair.run(&["--schema-source", "existing"]).refused(
        2,
        &[
            "full_one",
            "is not empty",
            "trigger firing",
            "foreign key pointing",
            "vector index early",
            "other_type",
            "vectors.vecf16(1)",
            "narrow",
            "no column v",
            "absent",
            "is not on the target",
        ],
    );
    assert_eq!(pair.target.catalog(), before);
    assert_eq!(pair.target.rows("SELECT id FROM full_one"), ["9"]);
}
