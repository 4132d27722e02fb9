INSERT INTO haystack_documents
SELECT md5('h' || i), (SELECT array_agg(sin(i * j * 0.9)::real ORDER BY j) FROM generate_series(1, 6) j)::vector, 'content ' || i, decode(md5(i::text), 'hex'), NULL, 'text/plain', jsonb_build_object('n', i)
FROM generate_series(1, 90) i;
INSERT INTO embedding_vector_index_3f2a9c10_7b1e_4d55_9a3e_0c5f6e7d8a9b_node SELECT id::uuid, content, jsonb_build_object('document_id', id), embedding FROM haystack_documents;
INSERT INTO mem0 SELECT id::uuid, embedding, jsonb_build_object('user_id', 'u' || (meta ->> 'n')::int % 3) FROM haystack_documents;
INSERT INTO vector_store SELECT id::uuid, content, json_build_object('country', (ARRAY['UK', 'NL'])[(meta ->> 'n')::int % 2 + 1], 'year', 2000 + (meta ->> 'n')::int), embedding FROM haystack_documents;
INSERT INTO "km-default" SELECT 'd=' || id, embedding, ARRAY['__document_id:' || id, 'user:' || (meta ->> 'n')::int % 4], content FROM haystack_documents;
INSERT INTO memories (model, said_at, embedding)
SELECT CASE i % 2 WHEN 0 THEN 'small' ELSE 'large' END, '2024-01-01'::timestamptz + i * interval '1 minute',
       (SELECT array_agg(cos(i * j * 0.4)::real ORDER BY j) FROM generate_series(1, CASE i % 2 WHEN 0 THEN 3 ELSE 6 END) j)::vector
FROM generate_series(1, 100) i;
