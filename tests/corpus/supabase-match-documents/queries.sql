-- name: rpc match_documents with a filter
SELECT id, content, metadata, similarity, pg_typeof(similarity)
FROM match_documents(query_embedding => '[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]', match_count => 5, filter => '{"topic": "t2"}');

-- name: rpc match_documents without one, by position
SELECT id, similarity FROM match_documents('[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]'::vector, 3);

-- name: rpc match_documents_above
SELECT id, content, similarity FROM match_documents_above('[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]', 0.2, 6);

-- name: rpc match_sections
SELECT id, document_id, heading FROM match_sections('[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]', 0.5);

-- name: rpc hybrid_search
SELECT id, content FROM hybrid_search('document 77 or document 5', '[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]', 8);

-- name: a query of its own
-- index: documents_embedding_idx
SELECT id FROM documents ORDER BY embedding <=> '[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]' LIMIT 5;

-- name: qualified as the guide has it
-- index: documents_embedding_idx
SELECT id FROM documents ORDER BY embedding OPERATOR(extensions.<=>) '[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]'::extensions.vector LIMIT 5;
