INSERT INTO vecs.docs
SELECT 'v' || i, (SELECT array_agg((sin(i + j) + j % 3)::real ORDER BY j) FROM generate_series(1, 12) j)::vector,
       CASE i % 4 WHEN 0 THEN '{}' ELSE jsonb_build_object('year', 1990 + i % 30, 'open', i % 2 = 0) END
FROM generate_series(1, 180) i;
INSERT INTO vecs."Image Tags" SELECT 't' || i, ARRAY[sin(i), i % 5, cos(i * 3), 0.5]::vector, '{}' FROM generate_series(1, 60) i;
