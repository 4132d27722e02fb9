CREATE EXTENSION vector;
CREATE TABLE data_llamaindex (
    id bigserial NOT NULL PRIMARY KEY,
    text character varying NOT NULL,
    metadata_ json,
    node_id character varying,
    embedding vector(16),
    text_search_tsv tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, (text)::text)) STORED
);
CREATE INDEX data_llamaindex_idx ON data_llamaindex USING gin (text_search_tsv);
CREATE INDEX data_llamaindex_idx_1 ON data_llamaindex ((metadata_ ->> 'ref_doc_id'));
CREATE INDEX data_llamaindex_embedding_idx ON data_llamaindex USING hnsw (embedding vector_cosine_ops) WITH (m = '16', ef_construction = '64');
