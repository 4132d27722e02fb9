INSERT INTO langchain_pg_collection VALUES
    ('0c2b6d3e-0000-4000-8000-000000000001', 'notes', '{"owner": "ann"}'),
    ('0c2b6d3e-0000-4000-8000-000000000002', 'wiki', NULL);
INSERT INTO langchain_pg_embedding
SELECT 'doc-' || i, CASE WHEN i % 3 = 0 THEN '0c2b6d3e-0000-4000-8000-000000000002'::uuid ELSE '0c2b6d3e-0000-4000-8000-000000000001'::uuid END,
       (SELECT array_agg(sin(i * j * 0.37)::real ORDER BY j) FROM generate_series(1, CASE WHEN i % 3 = 0 THEN 6 ELSE 8 END) j)::vector,
       'text ' || i, jsonb_build_object('source', 'file' || i % 5, 'page', i, 'tags', jsonb_build_array('t' || i % 2))
FROM generate_series(1, 150) i;
