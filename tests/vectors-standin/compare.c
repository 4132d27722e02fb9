/*
 * In: two values of one type. Out: `<`, `<=`, `=`, `<>`, `>=`, `>`, element by element; NaN compares as in IEEE 754.
 * The real extension has these without a btree operator class, so neither ORDER BY nor DISTINCT nor UNIQUE works, and
 * `real[] = real[]` becomes ambiguous where `vectors` is on the search_path. Both have to be seen here too.
 */
#include "vectors.h"

#define UNORDERED 2

static inline int
order(float4 a, float4 b)
{
	return a < b ? -1 : a > b ? 1 : a == b ? 0 : UNORDERED;
}

static int
order_vector(FunctionCallInfo fcinfo)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	int			o = 0;

	check_same_dims(a->dims, b->dims);
	for (uint32 i = 0; i < a->dims && o == 0; i++)
		o = order(F32(a)[i], F32(b)[i]);
	return o;
}

static int
order_vecf16(FunctionCallInfo fcinfo)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	int			o = 0;

	check_same_dims(a->dims, b->dims);
	for (uint32 i = 0; i < a->dims && o == 0; i++)
		o = order(f16_to_f32(F16(a)[i]), f16_to_f32(F16(b)[i]));
	return o;
}

static int
order_bvector(FunctionCallInfo fcinfo)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	int			o = 0;

	check_same_dims(a->dims, b->dims);
	for (uint32 i = 0; i < a->dims && o == 0; i++)
		o = (int) (a->words[i / 64] >> (i % 64) & 1) - (int) (b->words[i / 64] >> (i % 64) & 1);
	return o;
}

static int
order_svector(FunctionCallInfo fcinfo)
{
	Sparse	   *a = PG_GETARG_SPARSE(0);
	Sparse	   *b = PG_GETARG_SPARSE(1);
	uint32		i = 0,
				j = 0;
	int			o = 0;

	check_same_dims(a->dims, b->dims);
	while (o == 0 && (i < a->nnz || j < b->nnz))
	{
		bool		left = j >= b->nnz || (i < a->nnz && a->index[i] <= b->index[j]);
		bool		right = i >= a->nnz || (j < b->nnz && b->index[j] <= a->index[i]);

		o = order(left ? SPARSE_VALUES(a)[i] : 0, right ? SPARSE_VALUES(b)[j] : 0);
		i += left;
		j += right;
	}
	return o;
}

#define COMPARISON(type, name, condition) \
	PG_FUNCTION_INFO_V1(standin_##type##_##name); \
	Datum \
	standin_##type##_##name(PG_FUNCTION_ARGS) \
	{ \
		int			o = order_##type(fcinfo); \
		PG_RETURN_BOOL(condition); \
	}

#define COMPARISONS(type) \
	COMPARISON(type, lt, o == -1) \
	COMPARISON(type, lte, o == -1 || o == 0) \
	COMPARISON(type, eq, o == 0) \
	COMPARISON(type, neq, o != 0) \
	COMPARISON(type, gte, o == 1 || o == 0) \
	COMPARISON(type, gt, o == 1)

COMPARISONS(vector)
COMPARISONS(vecf16)
COMPARISONS(bvector)
COMPARISONS(svector)
