-- name: order_by(L2Distance)
-- index: item_l2
SELECT "shop_item"."id", "shop_item"."title" FROM "shop_item"
ORDER BY ("shop_item"."embedding" <-> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') ASC LIMIT 5;

-- name: annotate(distance=CosineDistance), filter by it
SELECT "shop_item"."id", ("shop_item"."embedding" <=> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') AS "distance" FROM "shop_item"
WHERE ("shop_item"."embedding" <=> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') < 0.7 ORDER BY "distance" ASC;

-- name: annotate(distance=MaxInnerProduct) over halfvec
SELECT "shop_item"."id", ("shop_item"."small" <#> '[0.5,0.1,-0.2,0.3,0.9,-0.7]'::halfvec) AS "distance" FROM "shop_item"
WHERE "shop_item"."small" IS NOT NULL ORDER BY "distance" ASC LIMIT 5;

-- name: annotate(distance=L1Distance)
SELECT "shop_item"."id", ("shop_item"."embedding" <+> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') AS "distance" FROM "shop_item"
WHERE "shop_item"."category_id" = 2 ORDER BY "distance" ASC LIMIT 5;

-- name: neighbours of an item, with its category
SELECT i.id, c.slug FROM shop_item i JOIN shop_category c ON c.id = i.category_id
WHERE i.id <> 7 AND i.embedding IS NOT NULL ORDER BY i.embedding <=> (SELECT embedding FROM shop_item WHERE id = 7) LIMIT 5;

-- name: filter(L2Distance lt)
SELECT "shop_item"."id" FROM "shop_item"
WHERE ("shop_item"."embedding" <-> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') < 1.2 ORDER BY "shop_item"."id";
-- on the target: <-> is the square, so the threshold is one too
SELECT "shop_item"."id" FROM "shop_item"
WHERE ("shop_item"."embedding" <-> '[0.5,0.1,-0.2,0.3,0.9,-0.7]') < 1.2 * 1.2 ORDER BY "shop_item"."id";

-- name: aggregate(Avg), aggregate(Sum)
SELECT count(*), l2_distance(avg("shop_item"."embedding"), '[0,0,0,0,0,0]'), l2_distance(sum("shop_item"."embedding"), '[0,0,0,0,0,0]') FROM "shop_item";

-- name: save
BEGIN;
INSERT INTO "shop_item" ("title", "price", "attributes", "category_id", "embedding", "small")
VALUES ('new', '3.50', '{}', 2, '[1,2,3,4,5,6]', '[1,2,3,4,5,6]') RETURNING "shop_item"."id";
ROLLBACK;
