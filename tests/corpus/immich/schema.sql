CREATE EXTENSION vector;
CREATE TYPE asset_type_enum AS ENUM ('IMAGE', 'VIDEO');
CREATE FUNCTION updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."updatedAt" = clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TABLE asset (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "ownerId" uuid NOT NULL,
    type asset_type_enum NOT NULL DEFAULT 'IMAGE',
    "originalFileName" character varying NOT NULL,
    "fileCreatedAt" timestamp with time zone NOT NULL,
    "deletedAt" timestamp with time zone,
    "updatedAt" timestamp with time zone NOT NULL DEFAULT '2024-01-01T00:00:00Z'
);
CREATE INDEX asset_file_created ON asset ((("fileCreatedAt" AT TIME ZONE 'UTC')::date));
CREATE TABLE smart_search (
    "assetId" uuid PRIMARY KEY REFERENCES asset (id) ON UPDATE CASCADE ON DELETE CASCADE,
    embedding vector(512) NOT NULL
);
ALTER TABLE smart_search ALTER COLUMN embedding SET STORAGE EXTERNAL;
CREATE INDEX clip_index ON smart_search USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16);
CREATE TABLE person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name character varying NOT NULL DEFAULT '', "faceAssetId" uuid);
CREATE TABLE asset_face (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "assetId" uuid NOT NULL REFERENCES asset (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "personId" uuid REFERENCES person (id) ON UPDATE CASCADE ON DELETE SET NULL,
    "boundingBoxX1" integer NOT NULL DEFAULT 0
);
ALTER TABLE person ADD FOREIGN KEY ("faceAssetId") REFERENCES asset_face (id) ON UPDATE CASCADE ON DELETE SET NULL;
CREATE TABLE face_search (
    "faceId" uuid PRIMARY KEY REFERENCES asset_face (id) ON DELETE CASCADE,
    embedding vector(512) NOT NULL
);
CREATE INDEX face_index ON face_search USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16);
CREATE TRIGGER "asset_updatedAt" BEFORE UPDATE ON asset FOR EACH ROW EXECUTE FUNCTION updated_at();
