INSERT INTO t
SELECT i, i % 4, ARRAY[sin(i), cos(i * 1.1), i / 50.0]::vector, ARRAY[cos(i * 3), sin(i * 2), 0.5]::vector, ARRAY[sin(i), cos(i), i / 50.0]::halfvec,
       ('{' || i % 5 + 1 || ':' || i || '}/5')::sparsevec, i::bit(6), (i * 5)::bit(6), ARRAY[ARRAY[sin(i), 1, 2]::vector, '[1,2,3]'], jsonb_build_object('v', '[1,2,' || i || ']')
FROM generate_series(1, 40) i;
INSERT INTO t (id) VALUES (41);
