-- name: a distance shown
SELECT * FROM distance ORDER BY id;

-- name: a distance in arithmetic and as a threshold
SELECT * FROM thresholds ORDER BY id;

-- name: between
SELECT * FROM between_two ORDER BY id;

-- name: rank over a distance
SELECT * FROM ranked ORDER BY id;

-- name: aggregates of distances
SELECT * FROM aggregated ORDER BY g;

-- name: array_agg ordered by a distance
SELECT * FROM best_of_group ORDER BY g;

-- name: case
SELECT * FROM near_or_far ORDER BY id;

-- name: coalesce, greatest, nullif
SELECT * FROM guarded ORDER BY id;

-- name: casts of a distance
SELECT * FROM cast_distance ORDER BY id;

-- name: a rounded similarity
SELECT * FROM rounded ORDER BY id;

-- name: arithmetic of vectors
SELECT * FROM arithmetic ORDER BY id;

-- name: dimensions and lengths
SELECT * FROM lengths ORDER BY id;

-- name: normalized
SELECT * FROM normalized ORDER BY id;

-- name: parts of vectors
SELECT * FROM parts ORDER BY id;

-- name: quantized
SELECT * FROM quantized ORDER BY id;

-- name: distances of bits
SELECT * FROM bit_distances ORDER BY id;

-- name: bit operators over a vector of bits
SELECT * FROM bit_operators ORDER BY id;

-- name: comparisons of bits
SELECT * FROM bit_comparisons ORDER BY id;

-- name: functions
SELECT * FROM functions ORDER BY id;

-- name: casts
SELECT * FROM casts ORDER BY id;

-- name: arrays of vectors
SELECT * FROM array_elements ORDER BY id;

-- name: unnested vectors
SELECT * FROM unnested ORDER BY id, d;

-- name: vectors out of JSON
SELECT * FROM from_json ORDER BY id;

-- name: vectors into JSON
SELECT * FROM to_json ORDER BY id;

-- name: the nearest other row
SELECT * FROM nearest_other ORDER BY id;

-- name: lateral
SELECT * FROM lateral_two ORDER BY id, d;

-- name: a vector in a CTE
SELECT * FROM from_cte ORDER BY id;

-- name: comparisons of vectors
SELECT * FROM comparisons ORDER BY id;

-- name: distinct from null
SELECT * FROM not_null ORDER BY id;

-- name: arrays into vectors
SELECT * FROM from_arrays ORDER BY id;

-- name: concatenation
SELECT * FROM concatenated ORDER BY id;

-- name: the farthest
SELECT * FROM farthest ORDER BY id;

-- name: union all
SELECT * FROM united ORDER BY id, l2_distance(e, '[9,8,7]');

-- name: subqueries
SELECT * FROM subqueries;

-- name: a condition shown
SELECT * FROM conditions ORDER BY id;

-- name: distinct on
SELECT * FROM distinct_on ORDER BY g;

-- name: sparse literals
SELECT * FROM sparse_literals ORDER BY id;

-- name: a sum
SELECT * FROM summed;

-- name: averages
SELECT * FROM averaged;

-- name: mathematics
SELECT * FROM mathematics ORDER BY id;

-- name: a percentile
SELECT * FROM percentile;

-- name: buckets
SELECT * FROM buckets ORDER BY w;

-- name: a distance through a subquery
SELECT * FROM through_subquery ORDER BY d;

-- name: ordered by a name
SELECT * FROM ordered_by_name ORDER BY d;

-- name: ordered by a number
SELECT * FROM ordered_by_number ORDER BY d;

-- name: windows
SELECT * FROM windows ORDER BY id;

-- name: filter and having
SELECT * FROM filtered_groups ORDER BY g;

-- name: half precision
SELECT * FROM half_precision ORDER BY id;

-- name: a join by distance
SELECT * FROM joined ORDER BY id, bid;

-- name: a length of a difference
SELECT * FROM difference_length ORDER BY id;

-- name: constants
SELECT * FROM constants;

-- name: quantized as bits
SELECT * FROM quantized_bits ORDER BY id;

-- name: bits as text
SELECT * FROM bits_as_text ORDER BY id;

-- name: bits that stay bits
SELECT * FROM bits_that_stay ORDER BY id;
