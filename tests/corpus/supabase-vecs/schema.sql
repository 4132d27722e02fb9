CREATE EXTENSION vector;
CREATE SCHEMA vecs;
CREATE TABLE vecs.docs (
    id character varying NOT NULL PRIMARY KEY,
    vec vector(12) NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE INDEX ix_vector_cosine_ops_hnsw_m16_efc64_7f2c1a9 ON vecs.docs USING hnsw (vec vector_cosine_ops) WITH (m = '16', ef_construction = '64');
CREATE INDEX docs_meta ON vecs.docs USING gin (metadata jsonb_path_ops);
CREATE TABLE vecs."Image Tags" (
    id character varying NOT NULL PRIMARY KEY,
    vec vector(4) NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE INDEX ix_vector_ip_ops_ivfflat_nl10_ab12cd3 ON vecs."Image Tags" USING ivfflat (vec vector_ip_ops) WITH (lists = '10');
