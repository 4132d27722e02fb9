CREATE EXTENSION vector;
CREATE DOMAIN unit AS vector(4) CHECK (vector_norm(VALUE) < 1.01);
CREATE TABLE notes (
    id bigserial PRIMARY KEY,
    title text NOT NULL,
    embedding vector(4) NOT NULL DEFAULT '[1,0,0,0]' CHECK (vector_dims(embedding) = 4),
    direction unit,
    small halfvec(4) DEFAULT NULL,
    terms sparsevec(20) DEFAULT '{1:1,20:0.5}/20',
    CONSTRAINT not_too_far CHECK (embedding <-> '[0,0,0,0]' < 50),
    CONSTRAINT not_opposite CHECK (embedding <=> '[1,0,0,0]'::vector <= 2.01)
);
CREATE INDEX notes_near ON notes USING hnsw (embedding vector_l2_ops);
CREATE INDEX notes_direction ON notes USING hnsw (embedding vector_cosine_ops) WHERE title <> 'draft';

CREATE VIEW near_origin AS
    SELECT id, title, embedding <-> '[0,0,0,0]'::vector AS distance FROM notes WHERE (embedding <-> '[0,0,0,0]') < 3;
CREATE VIEW similar_pairs AS
    SELECT a.id AS a, b.id AS b, 1 - (a.embedding <=> b.embedding) AS similarity FROM notes a JOIN notes b ON a.id < b.id
    WHERE cosine_distance(a.embedding, b.embedding) < 0.05;
CREATE MATERIALIZED VIEW neighbours AS
    SELECT n.id, (SELECT m.id FROM notes m WHERE m.id <> n.id ORDER BY m.embedding <-> n.embedding LIMIT 1) AS nearest, l2_distance(n.embedding, '[1,1,1,1]') AS far
    FROM notes n;
CREATE UNIQUE INDEX ON neighbours (id);

CREATE FUNCTION normalized() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.direction := l2_normalize(NEW.embedding);
    RETURN NEW;
END $$;
CREATE TRIGGER keep_direction BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION normalized();

CREATE FUNCTION nearest_title(q vector) RETURNS text LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT title FROM notes ORDER BY embedding <-> q LIMIT 1; END;
CREATE FUNCTION within(q vector, r double precision) RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT count(*) FROM notes WHERE embedding <-> q < r';
CREATE FUNCTION nearest_of(q vector, most int) RETURNS TABLE (id bigint, distance double precision) LANGUAGE plpgsql STABLE AS $$
DECLARE
    origin vector(4) := '[0,0,0,0]';
    best double precision;
BEGIN
    SELECT min(n.embedding <-> q) INTO best FROM notes n;
    RETURN QUERY SELECT n.id, n.embedding <-> q FROM notes n WHERE n.embedding <-> q <= best + 2 ORDER BY n.embedding <-> q LIMIT most;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 0::bigint, origin <-> q;
    END IF;
END $$;

ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_near ON notes FOR UPDATE USING (embedding <-> '[0,0,0,0]' < 40);
CREATE RULE no_far_notes AS ON DELETE TO notes WHERE (OLD.embedding <#> '[1,0,0,0]') < -1000 DO INSTEAD NOTHING;
