CREATE SCHEMA extensions;
CREATE EXTENSION vector WITH SCHEMA extensions;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO "$user", public, extensions', current_database()); END $$;
SET search_path = public, extensions;
CREATE TABLE documents (
    id bigserial PRIMARY KEY,
    content text,
    metadata jsonb,
    fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED,
    embedding vector(8)
);
CREATE INDEX ON documents USING gin (fts);
CREATE INDEX ON documents USING hnsw (embedding vector_cosine_ops);
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Everyone may read what is public" ON documents FOR SELECT USING (NOT coalesce((metadata ->> 'private')::boolean, false));

CREATE TABLE sections (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    document_id bigint REFERENCES documents ON DELETE CASCADE,
    heading text NOT NULL,
    embedding extensions.halfvec(8)
);
CREATE INDEX sections_ip ON sections USING hnsw (embedding halfvec_ip_ops);

-- as LangChain's guide has it
CREATE FUNCTION match_documents(query_embedding vector(8), match_count int DEFAULT NULL, filter jsonb DEFAULT '{}')
RETURNS TABLE (id bigint, content text, metadata jsonb, similarity float)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT id, content, metadata, 1 - (documents.embedding <=> query_embedding) AS similarity
  FROM documents
  WHERE metadata @> filter
  ORDER BY documents.embedding <=> query_embedding
  LIMIT match_count;
END;
$$;

-- as Supabase's guide has it: SQL, a threshold, the similarity as its own column
CREATE FUNCTION match_documents_above(query_embedding vector(8), match_threshold float, match_count int)
RETURNS TABLE (id bigint, content text, similarity float)
LANGUAGE sql STABLE AS $$
  SELECT documents.id, documents.content, 1 - (documents.embedding <=> query_embedding) AS similarity
  FROM documents
  WHERE 1 - (documents.embedding <=> query_embedding) > match_threshold
  ORDER BY (documents.embedding <=> query_embedding) ASC
  LIMIT match_count;
$$;

-- with a path of its own, and rows of the table
CREATE FUNCTION match_sections(query extensions.halfvec, lowest double precision DEFAULT 0.1)
RETURNS SETOF sections
LANGUAGE plpgsql STABLE SET search_path = public, extensions AS $function$
DECLARE
  found sections;
BEGIN
  FOR found IN
    SELECT * FROM sections WHERE -(sections.embedding <#> query) > lowest ORDER BY sections.embedding <#> query LIMIT 5
  LOOP
    RETURN NEXT found;
  END LOOP;
  RETURN;
END
$function$;
-- words and meaning, merged by their ranks
CREATE FUNCTION hybrid_search(query_text text, query_embedding vector(8), match_count int, full_text_weight float = 1, semantic_weight float = 1, rrf_k int = 50)
RETURNS SETOF documents LANGUAGE sql AS $$
WITH by_words AS (
    SELECT id, row_number() OVER (ORDER BY ts_rank_cd(fts, websearch_to_tsquery('english', query_text)) DESC, id) AS place
    FROM documents WHERE fts @@ websearch_to_tsquery('english', query_text) ORDER BY place LIMIT least(match_count, 30) * 2
), by_meaning AS (
    SELECT id, row_number() OVER (ORDER BY embedding <#> query_embedding) AS place
    FROM documents ORDER BY place LIMIT least(match_count, 30) * 2
)
SELECT documents.* FROM by_words FULL OUTER JOIN by_meaning ON by_words.id = by_meaning.id
JOIN documents ON coalesce(by_words.id, by_meaning.id) = documents.id
ORDER BY coalesce(1.0 / (rrf_k + by_words.place), 0.0) * full_text_weight + coalesce(1.0 / (rrf_k + by_meaning.place), 0.0) * semantic_weight DESC, documents.id
LIMIT least(match_count, 30)
$$;
COMMENT ON FUNCTION match_documents(vector, int, jsonb) IS 'Search by meaning';
