INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240202000000');
INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-01-01', '2024-01-01');
INSERT INTO items (name, embedding, half_embedding, binary_embedding, sparse_embedding, flags, created_at)
SELECT 'item ' || i, e, e::halfvec, ((i * 7919) % 16777216)::bit(24),
       (SELECT array_agg(CASE WHEN (i + j) % 3 = 0 THEN i % 7 + j ELSE 0 END ORDER BY j) FROM generate_series(1, 9) j)::vector::sparsevec, (i % 16)::bit(4),
       '2024-03-01'::timestamp + i * interval '1 minute'
FROM generate_series(1, 140) i, LATERAL (SELECT ARRAY[sin(i), cos(i), sin(i * 2), cos(i * 2), i / 140.0]::vector AS e) made;
INSERT INTO items (name, created_at) VALUES ('without', '2024-03-01');
