-- name: a view with a distance and a threshold
SELECT id, title, distance, pg_typeof(distance) FROM near_origin ORDER BY distance;

-- name: a view over pairs
SELECT a, b, similarity FROM similar_pairs ORDER BY a, b;

-- name: a materialized view
SELECT id, nearest, far FROM neighbours ORDER BY id;

-- name: a function with a body that the server has parsed
SELECT nearest_title('[4,1,1,0.5]');

-- name: a threshold in a function
SELECT within('[1,1,1,1]', 2.5), within('[0,0,0,0]', 4);

-- name: a function in plpgsql
SELECT id, distance FROM nearest_of('[4,1,1,0.5]', 7);

-- name: a default, a check, and a trigger
BEGIN;
INSERT INTO notes (title) VALUES ('by default') RETURNING embedding::real[], l2_distance(direction, '[1,0,0,0]'), inner_product(terms, terms);
ROLLBACK;

-- name: the square is no threshold
SELECT count(*) FROM notes WHERE embedding <-> '[1,1,1,1]' < 2.5;
-- on the target: <-> is the square
SELECT count(*) FROM notes WHERE l2_distance(embedding, '[1,1,1,1]') < 2.5;

-- name: a note that is too far is refused
DO $$ BEGIN
    INSERT INTO notes (title, embedding) VALUES ('far', '[60,0,0,0]');
    RAISE 'it was taken';
EXCEPTION WHEN check_violation THEN NULL;
END $$;
DO $$ BEGIN
    INSERT INTO notes (title, embedding) VALUES ('near enough', '[30,0,0,0]');
END $$;
SELECT count(*) FROM notes WHERE title = 'near enough';
DELETE FROM notes WHERE title = 'near enough';
