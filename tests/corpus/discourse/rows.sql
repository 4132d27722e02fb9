INSERT INTO topics (title) SELECT 'Topic ' || i FROM generate_series(1, 150) i;
INSERT INTO ai_topics_embeddings
SELECT i, 1, 1, 1, 1, md5(i::text), (SELECT array_agg(sin(i * j * 1.7)::real ORDER BY j) FROM generate_series(1, 32) j)::halfvec, '2024-02-02'
FROM generate_series(1, 150) i;
INSERT INTO ai_topics_embeddings
SELECT i, 2, 1, 1, 1, md5(i::text), (SELECT array_agg(cos(i * j * 1.3)::real ORDER BY j) FROM generate_series(1, 12) j)::halfvec, '2024-02-02'
FROM generate_series(1, 80) i;
