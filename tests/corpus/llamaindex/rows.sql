INSERT INTO data_llamaindex (text, metadata_, node_id, embedding)
SELECT (ARRAY['growing', 'reading', 'writing', 'running'])[i % 4 + 1] || ' about ' || (ARRAY['startups', 'essays', 'lisp'])[i % 3 + 1] || ' ' || i,
       json_build_object('ref_doc_id', 'd' || i % 7, 'page_label', i::text, '_node_type', 'TextNode'), md5(i::text)::uuid::text,
       (SELECT array_agg(cos(i * j * 0.61)::real ORDER BY j) FROM generate_series(1, 16) j)::vector
FROM generate_series(1, 200) i;
