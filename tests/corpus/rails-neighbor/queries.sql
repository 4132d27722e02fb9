-- name: nearest_neighbors(:embedding, distance: "cosine")
-- index: index_items_on_embedding
SELECT "items"."id", "items"."name", "items"."embedding" <=> '[0.1,0.5,-0.3,0.2,0.9]' AS neighbor_distance FROM "items"
WHERE "items"."embedding" IS NOT NULL ORDER BY "items"."embedding" <=> '[0.1,0.5,-0.3,0.2,0.9]' LIMIT 5;

-- name: nearest_neighbors(:binary_embedding, distance: "hamming")
-- index: index_items_on_binary_embedding
SELECT "items"."binary_embedding" <~> '010101010101010101010101' AS neighbor_distance FROM "items"
WHERE "items"."binary_embedding" IS NOT NULL ORDER BY "items"."binary_embedding" <~> '010101010101010101010101' LIMIT 3;

-- name: neighbours of a record by bits
SELECT o.id, o.binary_embedding <~> i.binary_embedding AS d FROM items o, items i WHERE i.id = 5 AND o.id <> 5 AND o.binary_embedding IS NOT NULL ORDER BY d, o.id LIMIT 5;

-- name: flags are still flags
SELECT id, flags, flags & B'0011', flags <~> B'1111' FROM items WHERE flags <> B'0000' ORDER BY id LIMIT 8;

-- name: nearest_neighbors(:half_embedding, distance: "euclidean")
SELECT "items"."id", "items"."half_embedding" <-> '[0.1,0.5,-0.3,0.2,0.9]' AS neighbor_distance FROM "items"
WHERE "items"."half_embedding" IS NOT NULL ORDER BY "items"."half_embedding" <-> '[0.1,0.5,-0.3,0.2,0.9]' LIMIT 5;
-- on the target: <-> orders as before, but is the square
SELECT "items"."id", sqrt("items"."half_embedding" <-> '[0.1,0.5,-0.3,0.2,0.9]') AS neighbor_distance FROM "items"
WHERE "items"."half_embedding" IS NOT NULL ORDER BY "items"."half_embedding" <-> '[0.1,0.5,-0.3,0.2,0.9]' LIMIT 5;

-- name: nearest_neighbors(:sparse_embedding, distance: "cosine")
SELECT "items"."sparse_embedding" <=> '{1:2,4:0.5}/9' AS neighbor_distance FROM "items"
WHERE "items"."sparse_embedding" IS NOT NULL ORDER BY "items"."sparse_embedding" <=> '{1:2,4:0.5}/9' LIMIT 3;
-- on the target: the text form of a sparse vector counts from 0
SELECT "items"."sparse_embedding" <=> '{0:2,3:0.5}/9' AS neighbor_distance FROM "items"
WHERE "items"."sparse_embedding" IS NOT NULL ORDER BY "items"."sparse_embedding" <=> '{0:2,3:0.5}/9' LIMIT 3;

-- name: create, with bits as text
BEGIN;
INSERT INTO items (name, binary_embedding, created_at) VALUES ('new', '111111111111000000000000', now());
SELECT binary_embedding <~> '000000000000000000000000' FROM items WHERE name = 'new';
ROLLBACK;
-- on the target: a bit string is no bvector unless it says that it is a bit string
BEGIN;
INSERT INTO items (name, binary_embedding, created_at) VALUES ('new', B'111111111111000000000000', now());
SELECT binary_embedding <~> '000000000000000000000000' FROM items WHERE name = 'new';
ROLLBACK;
