CREATE EXTENSION vector;
-- Haystack
CREATE TABLE haystack_documents (
    id character varying(128) PRIMARY KEY, embedding vector(6), content text, blob_data bytea, blob_meta jsonb, blob_mime_type character varying(255), meta jsonb
);
CREATE INDEX haystack_keyword_index ON haystack_documents USING gin (to_tsvector('english', content));
CREATE INDEX haystack_hnsw_index ON haystack_documents USING hnsw (embedding vector_cosine_ops);
-- Dify: a table for each data set, its name from a UUID
CREATE TABLE embedding_vector_index_3f2a9c10_7b1e_4d55_9a3e_0c5f6e7d8a9b_node (
    id uuid PRIMARY KEY, text text NOT NULL, meta jsonb NOT NULL, embedding vector(6) NOT NULL
);
CREATE INDEX embedding_cosine_v1_idx_3f2a9c10 ON embedding_vector_index_3f2a9c10_7b1e_4d55_9a3e_0c5f6e7d8a9b_node
    USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
-- mem0
CREATE TABLE mem0 (id uuid PRIMARY KEY, vector vector(6), payload jsonb);
CREATE INDEX mem0_hnsw_idx ON mem0 USING hnsw (vector vector_cosine_ops);
-- Spring AI
CREATE TABLE vector_store (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, content text, metadata json, embedding vector(6));
CREATE INDEX spring_ai_vector_index ON vector_store USING hnsw (embedding vector_cosine_ops);
-- Kernel Memory
CREATE TABLE "km-default" (
    _pk text NOT NULL PRIMARY KEY, embedding vector(6), labels text[] DEFAULT '{}'::text[] NOT NULL, content text DEFAULT '' NOT NULL, payload jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE INDEX "km-default_labels" ON "km-default" USING gin (labels);
CREATE INDEX "km-default_vector" ON "km-default" USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1000);
-- a chat memory: vectors of several models in partitions, none of a fixed size in the parent
CREATE TABLE memories (id bigint GENERATED ALWAYS AS IDENTITY, model text NOT NULL, said_at timestamptz NOT NULL DEFAULT now(), embedding vector, PRIMARY KEY (id, model)) PARTITION BY LIST (model);
CREATE TABLE memories_small PARTITION OF memories FOR VALUES IN ('small');
CREATE TABLE memories_large PARTITION OF memories FOR VALUES IN ('large');
CREATE INDEX memories_small_near ON memories_small USING hnsw ((embedding::vector(3)) vector_ip_ops);
CREATE INDEX memories_large_near ON memories_large USING hnsw ((embedding::vector(6)) vector_ip_ops);
