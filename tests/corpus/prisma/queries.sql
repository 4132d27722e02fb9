-- name: $queryRaw, the vector as text for JSON.parse
-- index: Document_embedding_idx
SELECT "id", "title", "embedding"::text FROM "Document" ORDER BY "embedding" <-> '[0.5,0.4,0.3,0.2,0.1,0,1]'::vector LIMIT 5;

-- name: $queryRaw with a join and a similarity
SELECT d."id", u."email", 1 - (d."embedding" <=> '[0.5,0.4,0.3,0.2,0.1,0,1]'::vector) AS similarity FROM "Document" d
JOIN "User" u ON u."id" = d."authorId" WHERE d."status" = 'PUBLISHED'::"DocumentStatus" ORDER BY similarity DESC LIMIT 5;

-- name: the view
SELECT "id" FROM "Published" ORDER BY "embedding" <=> '[0.5,0.4,0.3,0.2,0.1,0,1]' LIMIT 3;

-- name: $executeRaw
BEGIN;
INSERT INTO "Document" ("id", "title", "embedding", "authorId") VALUES ('new', 'New', '[1,2,3,4,5,6,7]'::vector, 'u1');
UPDATE "Document" SET "embedding" = ARRAY[7,6,5,4,3,2,1]::vector WHERE "id" = 'new';
SELECT "status", "tags", cosine_distance("embedding", '[1,2,3,4,5,6,7]') FROM "Document" WHERE "id" = 'new';
ROLLBACK;
