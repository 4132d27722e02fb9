INSERT INTO document_chunk
SELECT md5('chunk' || i)::uuid::text, (SELECT array_agg(cos(i * 0.3 + j * j * 0.7)::real ORDER BY j) FROM generate_series(1, 10) j)::vector,
       'file-' || i % 4, 'chunk ' || i, jsonb_build_object('name', 'f' || i % 4 || '.md', 'start_index', i * 100)
FROM generate_series(1, 160) i;
INSERT INTO knowledge VALUES ('k1', 'u1', 'Everything', '{"file_ids": ["0", "1"]}', 1700000000, 1700000001);
