-- name: search of one collection
SELECT id, text, vmetadata, document_chunk.vector <=> '[1,0,1,0,1,0,1,0,1,0]' AS distance FROM document_chunk
WHERE collection_name = 'file-2' ORDER BY distance LIMIT 4;

-- name: search with the index
-- index: idx_document_chunk_vector
SELECT id FROM document_chunk ORDER BY vector <=> '[1,0,1,0,1,0,1,0,1,0]'::vector LIMIT 6;

-- name: several query vectors at once
SELECT q.qid, r.id, r.distance
FROM (VALUES (0, '[1,0,1,0,1,0,1,0,1,0]'::vector(10)), (1, '[0,1,0,1,0,1,0,1,0,-1]'::vector(10))) AS q (qid, q_vector)
CROSS JOIN LATERAL (
    SELECT c.id, c.vector <=> q.q_vector AS distance FROM document_chunk c WHERE c.collection_name = 'file-1' ORDER BY c.vector <=> q.q_vector LIMIT 3
) AS r ORDER BY q.qid, r.distance;
-- on the target: the type name is a domain, which takes no dimensions
SELECT q.qid, r.id, r.distance
FROM (VALUES (0, '[1,0,1,0,1,0,1,0,1,0]'::vector), (1, '[0,1,0,1,0,1,0,1,0,-1]'::vector)) AS q (qid, q_vector)
CROSS JOIN LATERAL (
    SELECT c.id, c.vector <=> q.q_vector AS distance FROM document_chunk c WHERE c.collection_name = 'file-1' ORDER BY c.vector <=> q.q_vector LIMIT 3
) AS r ORDER BY q.qid, r.distance;

-- name: by metadata
SELECT id, text FROM document_chunk WHERE vmetadata ->> 'name' = 'f3.md' ORDER BY id LIMIT 5;

-- name: dimensions of what is stored
SELECT DISTINCT vector_dims(vector) FROM document_chunk;
