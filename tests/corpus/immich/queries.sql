-- name: searchSmart
SELECT asset.id, asset."originalFileName" FROM asset INNER JOIN smart_search ON asset.id = smart_search."assetId"
WHERE asset."deletedAt" IS NULL AND asset."ownerId" = ANY (ARRAY[md5('owner1')::uuid]) AND asset.type = 'IMAGE'
ORDER BY smart_search.embedding <=> (SELECT embedding FROM smart_search WHERE "assetId" = md5('asset7')::uuid) LIMIT 20 OFFSET 0;

-- name: nearest assets by the index
-- index: clip_index
SELECT "assetId" FROM smart_search
ORDER BY embedding <=> (SELECT embedding FROM smart_search WHERE "assetId" = md5('asset7')::uuid) LIMIT 10;

-- name: searchFaces, with the distance as a threshold
WITH cte AS (
    SELECT asset_face.id, asset_face."personId",
           face_search.embedding <=> (SELECT embedding FROM face_search WHERE "faceId" = md5('face5')::uuid) AS distance
    FROM asset_face INNER JOIN asset ON asset.id = asset_face."assetId" INNER JOIN face_search ON face_search."faceId" = asset_face.id
    WHERE asset."ownerId" = ANY (ARRAY[md5('owner0')::uuid, md5('owner1')::uuid]) AND asset."deletedAt" IS NULL
    ORDER BY distance LIMIT 30
)
SELECT id, "personId", distance FROM cte WHERE cte.distance <= 0.5;

-- name: duplicates
WITH duplicates AS (
    SELECT s."assetId", s.embedding <=> o.embedding AS distance FROM smart_search s, smart_search o
    WHERE o."assetId" = md5('asset3')::uuid AND s."assetId" <> o."assetId" ORDER BY distance LIMIT 64
)
SELECT * FROM duplicates WHERE distance <= 1.1;

-- name: upsert of an embedding
BEGIN;
INSERT INTO smart_search ("assetId", embedding) SELECT md5('asset1')::uuid, embedding FROM smart_search WHERE "assetId" = md5('asset2')::uuid
ON CONFLICT ("assetId") DO UPDATE SET embedding = excluded.embedding;
SELECT a.embedding <=> b.embedding < 1e-6 FROM smart_search a, smart_search b WHERE a."assetId" = md5('asset1')::uuid AND b."assetId" = md5('asset2')::uuid;
ROLLBACK;

-- name: an asset goes with all that hangs on it, and the trigger fires
BEGIN;
DELETE FROM asset WHERE id = md5('asset1')::uuid;
UPDATE asset SET "originalFileName" = 'x' WHERE id = md5('asset2')::uuid;
SELECT (SELECT count(*) FROM smart_search), (SELECT count(*) FROM face_search), (SELECT "updatedAt" > '2024-06-01' FROM asset WHERE id = md5('asset2')::uuid);
ROLLBACK;
