CREATE EXTENSION vector;
CREATE TABLE langchain_pg_collection (
    uuid uuid NOT NULL PRIMARY KEY,
    name character varying NOT NULL UNIQUE,
    cmetadata json
);
CREATE TABLE langchain_pg_embedding (
    id character varying NOT NULL PRIMARY KEY,
    collection_id uuid REFERENCES langchain_pg_collection (uuid) ON DELETE CASCADE,
    embedding vector,
    document character varying,
    cmetadata jsonb
);
CREATE UNIQUE INDEX ix_langchain_pg_embedding_id ON langchain_pg_embedding (id);
CREATE INDEX ix_cmetadata_gin ON langchain_pg_embedding USING gin (cmetadata jsonb_path_ops);
