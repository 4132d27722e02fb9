INSERT INTO documents (content, metadata, embedding)
SELECT 'document ' || i, jsonb_build_object('topic', 't' || i % 4, 'private', i % 10 = 0),
       (SELECT array_agg(sin(i * 0.7 + j * j)::real ORDER BY j) FROM generate_series(1, 8) j)::vector
FROM generate_series(1, 160) i;
INSERT INTO sections (document_id, heading, embedding) SELECT id, 'section of ' || id, embedding::halfvec FROM documents WHERE id % 2 = 0;
