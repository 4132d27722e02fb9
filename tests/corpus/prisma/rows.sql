INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "started_at") VALUES ('m1', 'c', '20240101_init', '2024-01-01');
INSERT INTO "User" VALUES ('u1', 'ann@example.com'), ('u2', 'bob@example.com');
INSERT INTO "Document" ("id", "title", "status", "tags", "embedding", "createdAt", "authorId")
SELECT 'c' || i, 'Title ' || i, (ARRAY['DRAFT', 'PUBLISHED', 'ARCHIVED'])[i % 3 + 1]::"DocumentStatus", ARRAY['a' || i % 2, 'b'],
       ARRAY[sin(i), cos(i), sin(i * 3), cos(i * 3), i / 100.0, -i / 50.0, 1]::vector, '2024-01-01'::timestamp + i * interval '1 hour', 'u' || i % 2 + 1
FROM generate_series(1, 130) i;
