CREATE EXTENSION vector;
CREATE TABLE document_chunk (
    id text NOT NULL PRIMARY KEY,
    vector vector(10),
    collection_name text NOT NULL,
    text text,
    vmetadata jsonb
);
CREATE INDEX idx_document_chunk_vector ON document_chunk USING ivfflat (vector vector_cosine_ops) WITH (lists = 100);
CREATE INDEX idx_document_chunk_collection_name ON document_chunk (collection_name);
CREATE TABLE knowledge (id text PRIMARY KEY, user_id text NOT NULL, name text, data json, created_at bigint, updated_at bigint);
