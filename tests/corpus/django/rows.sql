INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_initial', '2024-01-01T00:00:00Z');
INSERT INTO shop_category (slug) VALUES ('books'), ('tools'), ('toys');
INSERT INTO shop_item (title, price, attributes, category_id, embedding, small)
SELECT 'item ' || i, i * 1.25, jsonb_build_object('size', i % 4), i % 3 + 1, e, e::halfvec
FROM generate_series(1, 120) i, LATERAL (SELECT (SELECT array_agg(sin(i * (j + 0.5))::real ORDER BY j) FROM generate_series(1, 6) j)::vector AS e) made;
INSERT INTO shop_item (title, price, attributes, category_id) VALUES ('not embedded yet', 1, '{}', 1);
