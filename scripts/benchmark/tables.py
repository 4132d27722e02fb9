"""In: which tables, and how large. Out: those tables on the source, made once and kept, each read once so that the page cache has it.
Not here: what is done with them (contestants.py)."""

import dataclasses
import hashlib
import subprocess
import sys

from benchmark.places import MARK, environment, say

DATABASE = "pgv2rs_bench"
TOGETHER = "pgv2rs_bench_together"
MANY = "pgv2rs_bench_many"
MIB = 1 << 20


def numbers(dims):
    """An array of random numbers; `i` stands in it so that each row has its own."""
    return f"(SELECT array_agg(random() * 2 - 1) FROM generate_series(1, {dims}) WHERE i > 0)"


@dataclasses.dataclass(frozen=True)
class Table:
    """A shape. `seed` gives one row's columns after `id` from its number `i`; `seeds` rows of it are made, and repeated up to `rows`."""

    name: str
    stem: str
    columns: tuple
    seed: str
    seeds: int
    rows: int
    # How many rows it has where the four tables are moved together; 0 where it is none of them.
    together: int = 0
    # A type that the program is told to make of `embedding`, where it would not do so by itself.
    map: str = ""

    def at(self, rows):
        return f"{self.stem}_{rows}"

    def definition(self, kind=None):
        """Its columns; with `kind`, that type in place of the vectors'."""
        columns = [(name, kind if kind and name == "embedding" else type_) for name, type_ in self.columns]
        return ", ".join(f"{name} {type_} NOT NULL" for name, type_ in (("id", "bigint"), *columns))

    def has_vectors(self):
        return any(name == "embedding" and not type_.startswith("bit") for name, type_ in self.columns)

    def recipe(self):
        return f"{MARK}: " + hashlib.sha256(f"{self.columns} {self.seed} {self.seeds}".encode()).hexdigest()[:16]

    def statements(self, rows):
        """Some rows by chance, the same ones each time, then these again and again: random numbers take longer than writing them."""
        names = ", ".join(name for name, _ in self.columns)
        table, step = self.at(rows), self.seeds
        yield f"CREATE TABLE {table} ({self.definition()})"
        yield f"COMMENT ON TABLE {table} IS '{self.recipe()}'"
        yield "SELECT setseed(0.5)"
        yield f"CREATE TEMP TABLE seed AS SELECT i AS id, {self.seed} FROM generate_series(1, {min(step, rows)}) i"
        # One statement a repetition, so that the order of rows is not the planner's choice.
        yield (f"DO $$ BEGIN FOR k IN 0..{(rows - 1) // step} LOOP INSERT INTO {table} (id, {names}) "
               f"SELECT id + k * {step}, {names} FROM seed WHERE id + k * {step} <= {rows} ORDER BY id; END LOOP; END $$")
        yield "DROP TABLE seed"


def vectors(type_, dims, rows, together=0):
    return Table(f"{type_}({dims})", f"{type_}_{dims}", (("embedding", f"{type_}({dims})"),),
                 f"{numbers(dims)}::{type_}({dims}) AS embedding", min(2_000_000 // dims, 50_000), rows, together)


# So many rows that psql's pipe takes about five seconds on two cores with the target in memory.
TABLES = (
    vectors("vector", 768, 250_000, together=150_000),
    vectors("halfvec", 768, 650_000, together=150_000),
    # Without an index of pgvector's these are flags to the program, unless it is told.
    Table("bit(768)", "bit_768", (("embedding", "bit(768)"),),
          "('x' || md5('a' || i) || md5('b' || i) || md5('c' || i) || md5('d' || i) || md5('e' || i) || md5('f' || i))::bit(768) AS embedding",
          50_000, 9_000_000, together=1_000_000, map="bvector"),
    vectors("vector", 8, 10_000_000, together=1_000_000),
    vectors("vector", 1536, 170_000),
    # 60 of 30,000 elements, one in each stretch of 500.
    Table("sparsevec", "sparsevec_30000", (("embedding", "sparsevec(30000)"),),
          "('{' || (SELECT string_agg(500 * j + 1 + floor(random() * 500)::int || ':' || (0.1 + random())::real, ',') "
          "FROM generate_series(0, 59) j WHERE i > 0) || '}/30000')::sparsevec AS embedding", 20_000, 2_400_000),
    Table("no vectors", "no_vectors",
          (("owner", "bigint"), ("made", "timestamptz"), ("price", "numeric(12, 2)"), ("title", "text"), ("body", "text"), ("attributes", "jsonb")),
          "(random() * 1e9)::bigint AS owner, timestamptz '2020-01-01 00:00+00' + random() * interval '5 years' AS made, "
          "(random() * 1e6)::numeric(12, 2) AS price, 'item ' || md5(i::text) AS title, repeat(md5(i::text) || ' ', 1 + i % 8) AS body, "
          "jsonb_build_object('colour', substr(md5(i::text), 1, 6), 'size', i % 50, 'tags', jsonb_build_array('a', 'b', i % 7)) AS attributes",
          50_000, 2_300_000),
)


@dataclasses.dataclass
class Made:
    """A table on the source: so many rows, so many bytes as binary COPY and on the source's disk, so many blocks of heap."""

    table: Table
    rows: int
    database: str
    copy_bytes: int = 0
    disk_bytes: int = 0
    blocks: int = 0

    @property
    def name(self):
        return self.table.at(self.rows)


def make(psql, source, table, rows, database=DATABASE):
    """Makes what is missing; a table half made is not found, since it is made in one transaction."""
    made = Made(table, rows, database)
    at = source.at(database)
    if not psql.exists(source, database):
        psql.create(source, database)
        psql(at, "CREATE EXTENSION vector")
    found = psql(at, f"SELECT coalesce(obj_description(to_regclass('public.{made.name}'), 'pg_class'), '')")
    if found != table.recipe():
        if rows:
            say(f"making {rows:,} rows: {table.name}")
        # One of that name by another recipe is of an earlier state of this file.
        psql(at, *([f"DROP TABLE {made.name}"] if found else []), *table.statements(rows), single_transaction=True)
        psql(at, f"VACUUM (FREEZE, ANALYZE) {made.name}", "CHECKPOINT")
    made.copy_bytes = read_once(psql, at, made.name)
    sizes = psql(at, f"SELECT pg_table_size('{made.name}'), pg_relation_size('{made.name}') / current_setting('block_size')::int")
    made.disk_bytes, made.blocks = map(int, sizes.split("|"))
    return made


def make_together(psql, source, sizes):
    """A database with these tables and no others."""
    wanted = {table.at(rows): table.recipe() for table, rows in sizes}
    if psql.exists(source, TOGETHER):
        found = psql(source.at(TOGETHER), "SELECT relname || '=' || coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class "
                     "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        if dict(line.split("=", 1) for line in found.splitlines()) != wanted:
            psql.drop(source, TOGETHER)
    return [make(psql, source, table, rows, TOGETHER) for table, rows in sizes]


# Many tables with little in them: what is done once for each is all there is to do.
MANY_TABLES, MANY_ROWS = 300, 100


def make_many(psql, source, number):
    """A database of so many small tables, all with the same rows, each with a key and an index, and nothing else."""
    columns = (("name", "text"), ("made", "timestamptz"), ("embedding", "vector(8)"))
    tables = [Table(f"small {i}", f"small_{i}", columns, f"{number}", MANY_ROWS, MANY_ROWS) for i in range(1, number + 1)]
    at, first = source.at(MANY), tables[0]
    # The comment is written last.
    if psql.exists(source, MANY) and psql(at, f"SELECT obj_description(to_regclass('{first.at(MANY_ROWS)}'), 'pg_class')") != first.recipe():
        psql.drop(source, MANY)
    if not psql.exists(source, MANY):
        say(f"making {number} tables of {MANY_ROWS} rows")
        psql.create(source, MANY)
        psql(at, "CREATE EXTENSION vector", f"""DO $$ BEGIN FOR k IN 1..{number} LOOP
            EXECUTE format('CREATE TABLE small_%s_{MANY_ROWS} ({first.definition()}, PRIMARY KEY (id))', k);
            EXECUTE format('INSERT INTO small_%s_{MANY_ROWS} SELECT i, ''item '' || i, timestamptz ''2020-01-01 00:00+00'' + i * interval ''1 hour'', '
                'array_fill(i, ''{{8}}'')::vector FROM generate_series(1, {MANY_ROWS}) i', k);
            EXECUTE format('CREATE INDEX ON small_%s_{MANY_ROWS} (made)', k);
        END LOOP; END $$""", "VACUUM (FREEZE, ANALYZE)", f"COMMENT ON TABLE {first.at(MANY_ROWS)} IS '{first.recipe()}'", "CHECKPOINT")
    return [Made(table, MANY_ROWS, MANY, read_once(psql, at, table.at(MANY_ROWS))) for table in tables]


def read_once(psql, at, name):
    """Every page once: from then on the source reads from the page cache, and sets no hint bits. The bytes that came."""
    with subprocess.Popen(psql.command(at, f"COPY {name} TO STDOUT (FORMAT binary)"), env=environment(), stdout=subprocess.PIPE, bufsize=0) as reader:
        buffer, total = bytearray(MIB), 0
        while read := reader.stdout.readinto(buffer):
            total += read
    if reader.returncode != 0:
        sys.exit(f"bench: {name} cannot be read")
    return total
