-- name: candidates by bits, ranked by the distance
WITH candidates AS (
    SELECT topic_id, embeddings::halfvec(32) AS embeddings FROM ai_topics_embeddings WHERE model_id = 1 AND strategy_id = 1
    ORDER BY binary_quantize(embeddings)::bit(32) <~> binary_quantize((SELECT embeddings FROM ai_topics_embeddings WHERE topic_id = 9 AND model_id = 1)::halfvec(32)), topic_id LIMIT 40
)
SELECT topic_id, embeddings <=> (SELECT embeddings FROM ai_topics_embeddings WHERE topic_id = 9 AND model_id = 1)::halfvec(32) AS distance
FROM candidates ORDER BY distance, topic_id LIMIT 10;
-- on the target: casts with dimensions name PGVecto.rs's types
WITH candidates AS (
    SELECT topic_id, embeddings::vectors.vecf16(32) AS embeddings FROM ai_topics_embeddings WHERE model_id = 1 AND strategy_id = 1
    ORDER BY binary_quantize(embeddings)::vectors.bvector(32) <~> binary_quantize((SELECT embeddings FROM ai_topics_embeddings WHERE topic_id = 9 AND model_id = 1)), topic_id LIMIT 40
)
SELECT topic_id, embeddings <=> (SELECT embeddings FROM ai_topics_embeddings WHERE topic_id = 9 AND model_id = 1) AS distance
FROM candidates ORDER BY distance, topic_id LIMIT 10;

-- name: the bits alone, without dimensions in a cast but that of bit
SELECT topic_id FROM ai_topics_embeddings WHERE model_id = 1 AND strategy_id = 1
ORDER BY binary_quantize(embeddings)::bit(32) <~> '01010101010101010101010101010101', topic_id LIMIT 5;

-- name: nearest by bits, with the index
SELECT min(d) FROM (
    SELECT binary_quantize(embeddings)::bit(32) <~> B'01010101010101010101010101010101' AS d FROM ai_topics_embeddings WHERE model_id = 1 AND strategy_id = 1
    ORDER BY d LIMIT 5
) AS nearest;
-- on the target: the index stands on PGVecto.rs's type
-- index: ai_topics_embeddings_1_1_search_bit
SELECT min(d) FROM (
    SELECT binary_quantize(embeddings)::vectors.bvector(32) <~> B'01010101010101010101010101010101' AS d FROM ai_topics_embeddings WHERE model_id = 1 AND strategy_id = 1
    ORDER BY d LIMIT 5
) AS nearest;

-- name: the other model, by the expression index
SELECT topic_id FROM ai_topics_embeddings WHERE model_id = 2 AND strategy_id = 1
ORDER BY embeddings::halfvec(12) <=> '[1,0,0,0,0,0,0,0,0,0,0,1]'::halfvec(12) LIMIT 5;
-- on the target: casts with dimensions name PGVecto.rs's types
-- index: ai_topics_embeddings_2_1_search
SELECT topic_id FROM ai_topics_embeddings WHERE model_id = 2 AND strategy_id = 1
ORDER BY embeddings::vectors.vecf16(12) <=> '[1,0,0,0,0,0,0,0,0,0,0,1]' LIMIT 5;

-- name: an upsert with an array
BEGIN;
INSERT INTO ai_topics_embeddings VALUES (1, 2, 1, 1, 1, 'd', '[1,2,3,4,5,6,7,8,9,10,11,12]', '2024-03-03')
ON CONFLICT (model_id, strategy_id, topic_id) DO UPDATE SET embeddings = EXCLUDED.embeddings, digest = EXCLUDED.digest;
SELECT digest, embeddings <=> '[1,2,3,4,5,6,7,8,9,10,11,12]' < 1e-3 FROM ai_topics_embeddings WHERE topic_id = 1 AND model_id = 2;
ROLLBACK;
