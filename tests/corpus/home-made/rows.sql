INSERT INTO notes (title, embedding, small)
SELECT CASE i % 10 WHEN 0 THEN 'draft' ELSE 'note ' || i END, e, e::halfvec
FROM generate_series(1, 80) i, LATERAL (SELECT ARRAY[sin(i) * 4, cos(i * 2) * 2, i / 20.0, sin(i * 7)]::vector AS e) made;
INSERT INTO notes (title) VALUES ('by default');
REFRESH MATERIALIZED VIEW neighbours;
