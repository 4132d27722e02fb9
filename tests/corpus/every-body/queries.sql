-- name: first beyond
SELECT * FROM first_beyond('[1,0.5,0.2]');
SELECT * FROM first_beyond('[3,4,0]');

-- name: sum of both
SELECT * FROM sum_of_both('[1,2,3]', '[4,6,3]');

-- name: near or far
SELECT * FROM near_or_far('[1,2,3]', '[1,2,3.5]');
SELECT * FROM near_or_far('[0,0,0]', '[1.2,0,0]');
SELECT * FROM near_or_far('[1,2,3]', '[9,2,3]');

-- name: by cosine
SELECT * FROM by_cosine('[1,0,0]', '[1,0.1,0]');
SELECT * FROM by_cosine('[1,0,0]', '[-1,0.1,0]');
SELECT * FROM by_cosine('[1,0,0]', '[0.1,1,0]');

-- name: through cursor
SELECT * FROM through_cursor('[1,1,1]', 1.3);

-- name: rows near
SELECT * FROM rows_near('[1,0.5,0.2]');
SELECT * FROM rows_near('[3,4,0]');

-- name: nearest by out
SELECT * FROM nearest_by_out('[1,0.5,0.2]');
SELECT * FROM nearest_by_out('[3,4,0]');

-- name: updated within
BEGIN;
SELECT * FROM updated_within('[1,0.5,0.2]');
SELECT id, n FROM t WHERE n IS NOT NULL ORDER BY id;
ROLLBACK;

-- name: of column type
SELECT * FROM of_column_type('[1,0.5,0.2]');
SELECT * FROM of_column_type('[3,4,0]');

-- name: sum over array
SELECT * FROM sum_over_array(ARRAY['[1,2,3]', '[0,0,0]']::vector[]);

-- name: while far
SELECT * FROM while_far('[1,0.5,0.2]');
SELECT * FROM while_far('[3,4,0]');

-- name: found or not
SELECT * FROM found_or_not('[1,0.5,0.2]');
SELECT * FROM found_or_not('[3,4,0]');

-- name: from text
SELECT * FROM from_text('[3,4,0]');

-- name: caught
SELECT * FROM caught('[3,4,0]');
SELECT * FROM caught('x');

-- name: of distances
SELECT * FROM of_distances('[1,0.5,0.2]');
SELECT * FROM of_distances('[3,4,0]');

-- name: through cte
SELECT * FROM through_cte('[1,0.5,0.2]');
SELECT * FROM through_cte('[3,4,0]');

-- name: as json
SELECT * FROM as_json('[1,0.5,0.2]');
SELECT * FROM as_json('[3,4,0]');

-- name: from doubles
SELECT * FROM from_doubles('{3,4,0}');

-- name: to words
SELECT * FROM to_words('[1,0.5,0.2]');
SELECT * FROM to_words('[3,4,0]');

-- name: normalized and added
SELECT * FROM normalized_and_added('[1,0.5,0.2]');
SELECT * FROM normalized_and_added('[3,4,0]');

-- name: to half
SELECT * FROM to_half('[1,0.5,0.2]');
SELECT * FROM to_half('[3,4,0]');

-- name: nested
SELECT * FROM nested('[1,0.5,0.2]');
SELECT * FROM nested('[3,4,0]');

-- name: with defaults
SELECT * FROM with_defaults('[1,0.5,0.2]');
SELECT * FROM with_defaults('[1,0.5,0.2]', th => 0.8);

-- name: multiplied
CALL multiplied('[3,4,0]', 2);

-- name: beside dynamic sql
SELECT * FROM beside_dynamic_sql('[1,0.5,0.2]');
SELECT * FROM beside_dynamic_sql('[3,4,0]');

-- name: with comments
SELECT * FROM with_comments('[1,0.5,0.2]');
SELECT * FROM with_comments('[3,4,0]');

-- name: four apart
SELECT * FROM four_apart('[1,0.5,0.2]');
SELECT * FROM four_apart('[3,4,0]');

-- name: of halfvecs
SELECT * FROM of_halfvecs('[1,0.5,0.2]');
SELECT * FROM of_halfvecs('[3,4,0]');

-- name: upserted
BEGIN;
SELECT * FROM upserted('[1,0.5,0.2]');
SELECT id, n FROM t WHERE n IS NOT NULL ORDER BY id;
ROLLBACK;

-- name: merged
BEGIN;
SELECT * FROM merged('[1,0.5,0.2]');
SELECT id, n FROM t WHERE n IS NOT NULL ORDER BY id;
ROLLBACK;

-- name: text search
SELECT * FROM text_search('a');

-- name: in list
SELECT * FROM in_list('[1,0.5,0.2]');
SELECT * FROM in_list('[3,4,0]');

-- name: negated
SELECT * FROM negated('[1,0.5,0.2]');
SELECT * FROM negated('[3,4,0]');

-- name: either or
SELECT * FROM either_or('[1,0.5,0.2]');
SELECT * FROM either_or('[3,4,0]');

-- name: sum on the right
SELECT * FROM sum_on_the_right('[1,0.5,0.2]');
SELECT * FROM sum_on_the_right('[3,4,0]');

-- name: root
SELECT * FROM root('[1,0.5,0.2]');
SELECT * FROM root('[3,4,0]');

-- name: by number
SELECT * FROM by_number('[1,0.5,0.2]');
SELECT * FROM by_number('[3,4,0]');

-- name: qualified
SELECT * FROM qualified('[1,0.5,0.2]');
SELECT * FROM qualified('[3,4,0]');

-- name: dollar quoted
SELECT * FROM dollar_quoted('[1,0.5,0.2]');
SELECT * FROM dollar_quoted('[3,4,0]');

-- name: typed literals
SELECT * FROM typed_literals('[1,0.5,0.2]');
SELECT * FROM typed_literals('[3,4,0]');

-- name: without blanks
SELECT * FROM without_blanks('[1,0.5,0.2]');
SELECT * FROM without_blanks('[3,4,0]');

-- name: united
SELECT * FROM united('[1,0.5,0.2]');
SELECT * FROM united('[3,4,0]');

-- name: distinct distances
SELECT * FROM distinct_distances('[1,0.5,0.2]');
SELECT * FROM distinct_distances('[3,4,0]');

-- name: grouped
SELECT * FROM grouped('[1,0.5,0.2]');
SELECT * FROM grouped('[3,4,0]');

-- name: by aggregate
SELECT * FROM by_aggregate('[1,0.5,0.2]');
SELECT * FROM by_aggregate('[3,4,0]');

-- name: by a mix
SELECT * FROM by_a_mix('[1,0.5,0.2]');
SELECT * FROM by_a_mix('[3,4,0]');

-- name: by operator
SELECT * FROM by_operator('[1,0.5,0.2]');
SELECT * FROM by_operator('[3,4,0]');

-- name: below average
SELECT * FROM below_average('[1,0.5,0.2]');
SELECT * FROM below_average('[3,4,0]');

-- name: by recursion
SELECT * FROM by_recursion('[1,0.5,0.2]');
SELECT * FROM by_recursion('[3,4,0]');

-- name: inserted
BEGIN;
SELECT * FROM inserted('[1,0.5,0.2]');
SELECT id, n FROM t WHERE n IS NOT NULL ORDER BY id;
ROLLBACK;

-- name: sideways
SELECT * FROM sideways('[1,0.5,0.2]');
SELECT * FROM sideways('[3,4,0]');

-- name: of expressions
SELECT * FROM of_expressions('[1,0.5,0.2]');
SELECT * FROM of_expressions('[3,4,0]');

-- name: of subqueries
SELECT * FROM of_subqueries('[1,0.5,0.2]');
SELECT * FROM of_subqueries('[3,4,0]');
