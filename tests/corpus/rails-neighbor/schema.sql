CREATE EXTENSION vector;
CREATE TABLE schema_migrations (version character varying NOT NULL PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key character varying NOT NULL PRIMARY KEY, value character varying, created_at timestamp(6) without time zone NOT NULL, updated_at timestamp(6) without time zone NOT NULL);
CREATE TABLE items (
    id bigserial PRIMARY KEY,
    name character varying,
    embedding vector(5),
    half_embedding halfvec(5),
    binary_embedding bit(24),
    sparse_embedding sparsevec(9),
    flags bit(4),
    created_at timestamp(6) without time zone NOT NULL
);
CREATE INDEX index_items_on_embedding ON items USING hnsw (embedding vector_cosine_ops);
CREATE INDEX index_items_on_half_embedding ON items USING hnsw (half_embedding halfvec_l2_ops);
CREATE INDEX index_items_on_binary_embedding ON items USING hnsw (binary_embedding bit_hamming_ops);
CREATE INDEX index_items_on_sparse_embedding ON items USING hnsw (sparse_embedding sparsevec_cosine_ops);
