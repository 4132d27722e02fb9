INSERT INTO t
SELECT i, i % 4, ARRAY[sin(i), cos(i * 1.1), i / 50.0]::vector, ARRAY[cos(i * 3), sin(i * 2), 0.5]::vector, ARRAY[sin(i), cos(i), i / 50.0]::halfvec
FROM generate_series(1, 40) i;
