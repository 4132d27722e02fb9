INSERT INTO asset (id, "ownerId", type, "originalFileName", "fileCreatedAt", "deletedAt")
SELECT md5('asset' || i)::uuid, md5('owner' || i % 2)::uuid, CASE WHEN i % 9 = 0 THEN 'VIDEO' ELSE 'IMAGE' END::asset_type_enum, 'IMG_' || i || '.jpg',
       '2023-05-01'::timestamptz + i * interval '7 hours', CASE WHEN i % 25 = 0 THEN '2024-01-01'::timestamptz END
FROM generate_series(1, 120) i;
INSERT INTO smart_search
SELECT md5('asset' || i)::uuid, (SELECT array_agg(sin(i * j * 0.013 + j)::real ORDER BY j) FROM generate_series(1, 512) j)::vector FROM generate_series(1, 120) i;
INSERT INTO person (id, name) SELECT md5('person' || i)::uuid, 'person ' || i FROM generate_series(1, 6) i;
INSERT INTO asset_face (id, "assetId", "personId")
SELECT md5('face' || i)::uuid, md5('asset' || i)::uuid, CASE WHEN i % 4 > 0 THEN md5('person' || i % 6 + 1)::uuid END FROM generate_series(1, 90) i;
INSERT INTO face_search
SELECT md5('face' || i)::uuid, (SELECT array_agg((cos((i % 6) * j * 0.1) + sin(i * j) * 0.2)::real ORDER BY j) FROM generate_series(1, 512) j)::vector FROM generate_series(1, 90) i;
UPDATE person SET "faceAssetId" = (SELECT id FROM asset_face WHERE "personId" = person.id ORDER BY id LIMIT 1);
