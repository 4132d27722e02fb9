CREATE EXTENSION vector;
CREATE TABLE topics (id bigserial PRIMARY KEY, title character varying NOT NULL, archetype character varying DEFAULT 'regular' NOT NULL, deleted_at timestamp without time zone);
CREATE TABLE ai_topics_embeddings (
    topic_id bigint NOT NULL,
    model_id bigint NOT NULL,
    model_version integer NOT NULL,
    strategy_id integer NOT NULL,
    strategy_version integer NOT NULL,
    digest text NOT NULL,
    embeddings halfvec NOT NULL,
    created_at timestamp without time zone NOT NULL,
    CONSTRAINT index_ai_topics_embeddings_on_model_strategy_topic UNIQUE (model_id, strategy_id, topic_id)
);
CREATE INDEX ai_topics_embeddings_1_1_search_bit ON ai_topics_embeddings
    USING hnsw (((binary_quantize(embeddings))::bit(32)) bit_hamming_ops) WITH (m = '16', ef_construction = '200') WHERE (model_id = 1 AND strategy_id = 1);
CREATE INDEX ai_topics_embeddings_2_1_search ON ai_topics_embeddings
    USING hnsw (((embeddings)::halfvec(12)) halfvec_cosine_ops) WHERE (model_id = 2 AND strategy_id = 1);
