-- name: Haystack, embedding retrieval
-- index: haystack_hnsw_index
SELECT id, content, 1 - (embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]') AS score FROM haystack_documents ORDER BY embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]' LIMIT 5;

-- name: Haystack, by score
SELECT *, 1 - (embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]') AS score FROM haystack_documents WHERE (meta ->> 'n')::int > 20 ORDER BY score DESC LIMIT 5;

-- name: Haystack, keyword retrieval
SELECT id, ts_rank_cd(to_tsvector('english', content), query) AS score FROM haystack_documents, plainto_tsquery('english', 'content 7') query WHERE to_tsvector('english', content) @@ query ORDER BY score DESC;

-- name: Dify, search by vector
-- index: embedding_cosine_v1_idx_3f2a9c10
SELECT meta, text, embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]' AS distance FROM embedding_vector_index_3f2a9c10_7b1e_4d55_9a3e_0c5f6e7d8a9b_node ORDER BY distance LIMIT 4;

-- name: mem0, search
SELECT id, vector <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]'::vector AS distance, payload FROM mem0 WHERE payload ->> 'user_id' = 'u1' ORDER BY distance LIMIT 4;

-- name: mem0, update
BEGIN;
UPDATE mem0 SET vector = '[1,1,1,1,1,1]' WHERE id = md5('h1')::uuid;
SELECT vector <=> '[1,1,1,1,1,1]' < 1e-6 FROM mem0 WHERE id = md5('h1')::uuid;
ROLLBACK;

-- name: Spring AI, similarity search with a filter and a threshold
SELECT *, embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]' AS distance FROM public.vector_store
WHERE embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]' < 0.9 AND metadata::jsonb @@ '$.country == "UK" && $.year >= 2020'::jsonpath ORDER BY distance LIMIT 4;

-- name: Kernel Memory
SELECT _pk, labels, 1 - (embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]') AS __similarity FROM "km-default"
WHERE (embedding <=> '[0.9,0.1,-0.5,0.3,0.2,0.7]') <= 0.8 AND labels @> ARRAY['user:2'] ORDER BY __similarity DESC LIMIT 5 OFFSET 0;

-- name: the memories of one model
SELECT id, said_at FROM memories WHERE model = 'small' ORDER BY embedding <#> '[0.5,1,0.25]' LIMIT 5;

-- name: the memories of one model, by the index over a cast
SELECT id FROM memories_small ORDER BY embedding::vector(3) <#> '[0.5,1,0.25]' LIMIT 5;
-- on the target: casts with dimensions name PGVecto.rs's types
-- index: memories_small_near
SELECT id FROM memories_small ORDER BY embedding::vectors.vector(3) <#> '[0.5,1,0.25]' LIMIT 5;
