//! In: megabytes. Out: SQL for a source's database of that size, which the server fills itself, and what of it is compared: each
//! table that has rows of its own, with a text of each row that is the same on both sides. And the history: triggers that write
//! down what each transaction did to which row, in a schema that is not moved.

use super::servers::Side;

/// What is not moved.
pub const EXCLUDED: &str = "history.*";

pub struct Table {
    pub name: &'static str,
    columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    /// Prints alike on both sides.
    Plain,
    Vector,
    Half,
    Sparse,
}

use Kind::{Half, Plain, Sparse, Vector};

const SHARDS: &[(&str, Kind)] = &[("region", Plain), ("id", Plain), ("v", Vector)];

/// Every table with rows of its own.
pub const TABLES: &[Table] = &[
    Table {
        name: "public.items",
        columns: &[
            ("id", Plain),
            ("title", Plain),
            ("tags", Plain),
            ("at", Plain),
            ("bits", Plain),
            ("embedding", Vector),
            ("small", Half),
            ("few", Sparse),
        ],
    },
    Table {
        name: "app.wide",
        columns: &[("id", Plain), ("v", Vector)],
    },
    Table {
        name: "app.halves",
        columns: &[("id", Plain), ("label", Plain), ("h", Half)],
    },
    Table {
        name: "public.events",
        columns: &[("kind", Plain), ("n", Plain), ("v", Vector)],
    },
    Table {
        name: "public.notes",
        columns: &[
            ("id", Plain),
            ("item", Plain),
            ("body", Plain),
            ("meta", Plain),
        ],
    },
    Table {
        name: "public.shard_a",
        columns: SHARDS,
    },
    Table {
        name: "public.shard_b",
        columns: SHARDS,
    },
    Table {
        name: "public.shard_rest",
        columns: SHARDS,
    },
];

impl Table {
    /// A row `t` as text: an array of its columns' texts, vectors as `real[]`.
    pub fn text(&self, side: Side) -> String {
        let cells = self.columns.iter().map(|(name, kind)| {
            let value = format!("(t).{name}");
            match (kind, side) {
                (Plain, _) => format!("{value}::text"),
                (Vector, _) => format!("{value}::real[]::text"),
                (Half | Sparse, Side::Source) => format!("{value}::public.vector::real[]::text"),
                (Half | Sparse, Side::Target) => format!("{value}::vectors.vector::real[]::text"),
            }
        });
        let cells: Vec<String> = cells.collect();
        format!("ARRAY[{}]::text[]::text", cells.join(", "))
    }
}

/// The tables, their rows, and at last the triggers.
pub fn sql(megabytes: u32) -> String {
    // The share of the bytes that each table has, and the bytes of its row.
    let rows = |share: u32, row: u32| megabytes * 10_000 * share / row;
    let (items, wide, halves) = (rows(20, 900), rows(45, 6_200), rows(12, 1_150));
    let (events, notes, shards) = (rows(8, 240), rows(5, 150), rows(10, 340));
    let triggers: String = TABLES
        .iter()
        .map(|t| {
            let name = t.name;
            format!("CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION history.note();\n")
        })
        .collect();
    format!(
        "CREATE EXTENSION vector; CREATE SCHEMA app; CREATE SCHEMA history;
CREATE TABLE history.log (xid xid8 NOT NULL, relation text NOT NULL, sign int NOT NULL, written text NOT NULL);
CREATE FUNCTION history.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO history.log VALUES (pg_current_xact_id(), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, -1, OLD::text);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO history.log VALUES (pg_current_xact_id(), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 1, NEW::text);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION history.numbers(seed int, n int) RETURNS real[] LANGUAGE sql IMMUTABLE AS
    $$ SELECT array_agg((hashint4(seed # (d * 7919)) / 2147483648.0)::real) FROM generate_series(1, n) d $$;

CREATE SEQUENCE app.ticket START 100 INCREMENT 5; SELECT nextval('app.ticket');
CREATE TABLE public.items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, tags text[], at timestamptz DEFAULT now(),
    bits bit(40), embedding vector(128), small halfvec(96), few sparsevec(500));
CREATE TABLE app.wide (id text PRIMARY KEY, v vector(1500));
ALTER TABLE app.wide ALTER v SET STORAGE external;
CREATE TABLE app.halves (id int PRIMARY KEY, label text, h halfvec(512));
CREATE TABLE public.events (kind text, n int, v vector(32));
CREATE TABLE public.shards (region text NOT NULL, id int NOT NULL, v vector(64), PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE public.shard_a PARTITION OF public.shards FOR VALUES IN ('a');
CREATE TABLE public.shard_b PARTITION OF public.shards FOR VALUES IN ('b');
CREATE TABLE public.shard_rest PARTITION OF public.shards DEFAULT;
CREATE TABLE public.notes (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, item bigint REFERENCES public.items ON DELETE CASCADE, body text, meta jsonb);
CREATE VIEW public.recent AS SELECT id, title, embedding FROM public.items WHERE at > '2020-01-01';

INSERT INTO public.items (title, tags, bits, embedding, small, few) SELECT {ITEM} FROM generate_series(1, {items}) i;
INSERT INTO app.wide SELECT md5(i::text), CASE WHEN i % 50 > 0 THEN history.numbers(i, 1500)::vector END FROM generate_series(1, {wide}) i;
INSERT INTO app.halves SELECT i, 'label ' || i % 10, CASE WHEN i % 20 > 0 THEN history.numbers(-i, 512)::vector::halfvec END FROM generate_series(1, {halves}) i;
INSERT INTO public.events SELECT 'kind ' || i % 7, i % 1000, history.numbers(i % 1000, 32)::vector FROM generate_series(1, {events}) i;
INSERT INTO public.shards SELECT chr(97 + i % 4), i, history.numbers(i + 5, 64)::vector FROM generate_series(1, {shards}) i;
INSERT INTO public.notes (item, body, meta) SELECT 1 + i % {items}, md5(i::text) || E'\\n\\t\\\\ é', jsonb_build_object('n', i) FROM generate_series(1, {notes}) i;

CREATE INDEX items_title ON public.items (title);
CREATE INDEX items_embedding ON public.items USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 16);
CREATE INDEX halves_h ON app.halves USING hnsw (h halfvec_cosine_ops) WITH (m = 6, ef_construction = 12);
CREATE UNIQUE INDEX notes_id_item ON public.notes (id, item) INCLUDE (body);
CREATE INDEX notes_item ON public.notes (item);
CREATE INDEX shards_v ON public.shards USING hnsw (v vector_ip_ops) WITH (m = 6, ef_construction = 12);
{triggers}"
    )
}

/// The columns of an item but for its key, from a number `i`.
pub const ITEM: &str = "'item ' || i, ARRAY['tag ' || i % 5, 'x,\"y'], hashint8(i::bigint)::bit(40), history.numbers(i::int, 128)::vector, \
    CASE WHEN i % 9 > 0 THEN history.numbers(i::int + 1, 96)::vector::halfvec END, CASE WHEN i % 9 <> 5 THEN format('{1:%s,77:%s,500:-1.5}/500', 1 + i % 17, 1 + i % 5)::sparsevec END";
