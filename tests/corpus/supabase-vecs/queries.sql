-- name: nearest records with value and metadata
-- index: ix_vector_cosine_ops_hnsw_m16_efc64_7f2c1a9
SELECT docs.id, docs.vec <=> '[1,2,0,1,2,0,1,2,0,1,2,0]'::vector AS distance, docs.metadata FROM vecs.docs
ORDER BY docs.vec <=> '[1,2,0,1,2,0,1,2,0,1,2,0]'::vector LIMIT 10;

-- name: filtered by year
SELECT docs.id FROM vecs.docs WHERE (docs.metadata -> 'year') >= '2010'::jsonb AND metadata @> '{"open": true}'
ORDER BY docs.vec <=> '[1,2,0,1,2,0,1,2,0,1,2,0]' LIMIT 5;

-- name: inner product over ivfflat, with probes
-- index: ix_vector_ip_ops_ivfflat_nl10_ab12cd3
SELECT id, vec <#> '[0.1,0.2,0.3,0.4]' FROM vecs."Image Tags" ORDER BY vec <#> '[0.1,0.2,0.3,0.4]' LIMIT 5;

-- name: records by key
SELECT id, vec, metadata FROM vecs.docs WHERE id IN ('v1', 'v77') ORDER BY id;

-- name: an upsert of a record
BEGIN;
INSERT INTO vecs.docs (id, vec, metadata) VALUES ('v1', '[1,1,1,1,1,1,1,1,1,1,1,1]', '{"new": 1}')
ON CONFLICT (id) DO UPDATE SET vec = excluded.vec, metadata = excluded.metadata;
SELECT id, vec <=> '[1,1,1,1,1,1,1,1,1,1,1,1]' < 1e-6 FROM vecs.docs WHERE id = 'v1';
ROLLBACK;
