-- name: similarity search with score, by cosine, in one collection
SELECT e.id, e.document, e.cmetadata, e.embedding <=> '[0.1,0.2,0.3,0.4,-0.5,0.6,0.7,0.8]' AS distance
FROM langchain_pg_embedding e JOIN langchain_pg_collection c ON e.collection_id = c.uuid
WHERE e.collection_id = '0c2b6d3e-0000-4000-8000-000000000001'::uuid
ORDER BY distance ASC LIMIT 4;

-- name: the same, filtered by metadata
SELECT e.id, e.embedding <=> '[0.1,0.2,0.3,0.4,-0.5,0.6,0.7,0.8]'::vector AS distance
FROM langchain_pg_embedding e
WHERE e.collection_id = '0c2b6d3e-0000-4000-8000-000000000001' AND jsonb_path_match(e.cmetadata, '$.source == $v', '{"v": "file2"}')
ORDER BY distance LIMIT 4;

-- name: inner product
SELECT e.id, e.embedding <#> '[1,0,0,0,0,1]' AS distance FROM langchain_pg_embedding e
WHERE e.collection_id = '0c2b6d3e-0000-4000-8000-000000000002' ORDER BY distance LIMIT 5;

-- name: vectors for maximal marginal relevance
SELECT e.id, e.embedding FROM langchain_pg_embedding e WHERE e.id IN ('doc-1', 'doc-2') ORDER BY e.id;

-- name: euclidean distance
SELECT e.id, e.embedding <-> '[1,0,0,0,0,1]' AS distance FROM langchain_pg_embedding e
WHERE e.collection_id = '0c2b6d3e-0000-4000-8000-000000000002' ORDER BY distance LIMIT 5;
-- on the target: <-> orders as before, but is the square
SELECT e.id, l2_distance(e.embedding, '[1,0,0,0,0,1]') AS distance FROM langchain_pg_embedding e
WHERE e.collection_id = '0c2b6d3e-0000-4000-8000-000000000002' ORDER BY e.embedding <-> '[1,0,0,0,0,1]' LIMIT 5;

-- name: an upsert
BEGIN;
INSERT INTO langchain_pg_embedding (id, collection_id, embedding, document, cmetadata)
VALUES ('doc-1', '0c2b6d3e-0000-4000-8000-000000000001', '[1,2,3,4,5,6,7,8]', 'new', '{}')
ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding, document = EXCLUDED.document, cmetadata = EXCLUDED.cmetadata;
SELECT id, document, embedding <=> '[8,7,6,5,4,3,2,1]' FROM langchain_pg_embedding WHERE id = 'doc-1';
ROLLBACK;
