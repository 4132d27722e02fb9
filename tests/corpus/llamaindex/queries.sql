-- name: dense search
-- index: data_llamaindex_embedding_idx
SELECT id, node_id, text, metadata_, embedding <=> '[1,0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1,0,-0.1,-0.2,-0.3,-0.4,-0.5]' AS distance
FROM data_llamaindex ORDER BY distance ASC LIMIT 3;

-- name: dense search with a metadata filter
SELECT node_id, embedding <=> '[1,0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1,0,-0.1,-0.2,-0.3,-0.4,-0.5]' AS distance
FROM data_llamaindex WHERE metadata_ ->> 'ref_doc_id' = 'd3' ORDER BY distance LIMIT 3;

-- name: sparse search over the generated column
SELECT node_id, ts_rank(text_search_tsv, to_tsquery('english', 'essay|lisp')) AS rank FROM data_llamaindex
WHERE text_search_tsv @@ to_tsquery('english', 'essay|lisp') ORDER BY rank DESC, id LIMIT 5;

-- name: delete by document
BEGIN;
DELETE FROM data_llamaindex WHERE metadata_ ->> 'ref_doc_id' = 'd3';
SELECT count(*) FROM data_llamaindex;
ROLLBACK;

-- name: a new node
BEGIN;
INSERT INTO data_llamaindex (text, metadata_, node_id, embedding) VALUES ('new lisp', '{}', 'n', '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]') RETURNING id, text_search_tsv;
ROLLBACK;
