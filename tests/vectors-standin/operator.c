/*
 * In: two values of one type. Out: distances, norms and sums. Meanings as on a real server: `<->` is the square of the
 * Euclidean distance (Hamming for bits), `<#>` the negated dot product, `<=>` one minus the cosine, `<~>` Jaccard.
 * Not here: `<`, `=` and kin (compare.c). Sums run in double precision, so the last bit may differ from a real server's.
 */
#include "vectors.h"

#include <math.h>

#include "port/pg_bitutils.h"

PG_FUNCTION_INFO_V1(standin_vector_l2);
PG_FUNCTION_INFO_V1(standin_vector_dot);
PG_FUNCTION_INFO_V1(standin_vector_cos);
PG_FUNCTION_INFO_V1(standin_vector_norm);
PG_FUNCTION_INFO_V1(standin_vector_normalize);
PG_FUNCTION_INFO_V1(standin_vector_add);
PG_FUNCTION_INFO_V1(standin_vector_sub);
PG_FUNCTION_INFO_V1(standin_vector_mul);
PG_FUNCTION_INFO_V1(standin_vecf16_l2);
PG_FUNCTION_INFO_V1(standin_vecf16_dot);
PG_FUNCTION_INFO_V1(standin_vecf16_cos);
PG_FUNCTION_INFO_V1(standin_vecf16_norm);
PG_FUNCTION_INFO_V1(standin_vecf16_normalize);
PG_FUNCTION_INFO_V1(standin_svector_l2);
PG_FUNCTION_INFO_V1(standin_svector_dot);
PG_FUNCTION_INFO_V1(standin_svector_cos);
PG_FUNCTION_INFO_V1(standin_svector_norm);
PG_FUNCTION_INFO_V1(standin_svector_normalize);
PG_FUNCTION_INFO_V1(standin_bvector_hamming);
PG_FUNCTION_INFO_V1(standin_bvector_dot);
PG_FUNCTION_INFO_V1(standin_bvector_jaccard);
PG_FUNCTION_INFO_V1(standin_bvector_norm);

void
check_same_dims(uint32 left, uint32 right)
{
	if (left != right)
		ereport(ERROR, (errmsg("pgvecto.rs: Operands of the operator differs in dimensions or scalar type.\n"
							   "INFORMATION: left_dimensions = %u, right_dimensions = %u", left, right)));
}

/* The four sums that every distance is made of. */
typedef struct Sums
{
	double		l2;				/* of (a - b)^2 */
	double		ab;
	double		aa;
	double		bb;
} Sums;

static inline void
add(Sums *s, double a, double b)
{
	s->l2 += (a - b) * (a - b);
	s->ab += a * b;
	s->aa += a * a;
	s->bb += b * b;
}

static Sums
vector_sums(FunctionCallInfo fcinfo)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	Sums		s = {0};

	check_same_dims(a->dims, b->dims);
	for (uint32 i = 0; i < a->dims; i++)
		add(&s, F32(a)[i], F32(b)[i]);
	return s;
}

static Sums
vecf16_sums(FunctionCallInfo fcinfo)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	Sums		s = {0};

	check_same_dims(a->dims, b->dims);
	for (uint32 i = 0; i < a->dims; i++)
		add(&s, f16_to_f32(F16(a)[i]), f16_to_f32(F16(b)[i]));
	return s;
}

static Sums
svector_sums(FunctionCallInfo fcinfo)
{
	Sparse	   *a = PG_GETARG_SPARSE(0);
	Sparse	   *b = PG_GETARG_SPARSE(1);
	uint32		i = 0,
				j = 0;
	Sums		s = {0};

	check_same_dims(a->dims, b->dims);
	while (i < a->nnz || j < b->nnz)
	{
		bool		left = j >= b->nnz || (i < a->nnz && a->index[i] <= b->index[j]);
		bool		right = i >= a->nnz || (j < b->nnz && b->index[j] <= a->index[i]);

		add(&s, left ? SPARSE_VALUES(a)[i] : 0, right ? SPARSE_VALUES(b)[j] : 0);
		i += left;
		j += right;
	}
	return s;
}

/* A zero vector has no direction: 0/0 is NaN, as on a real server. */
static float4
cosine_distance(Sums s)
{
	return 1.0 - s.ab / sqrt(s.aa * s.bb);
}

Datum
standin_vector_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(vector_sums(fcinfo).l2);
}

Datum
standin_vector_dot(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(-vector_sums(fcinfo).ab);
}

Datum
standin_vector_cos(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(cosine_distance(vector_sums(fcinfo)));
}

Datum
standin_vecf16_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(vecf16_sums(fcinfo).l2);
}

Datum
standin_vecf16_dot(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(-vecf16_sums(fcinfo).ab);
}

Datum
standin_vecf16_cos(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(cosine_distance(vecf16_sums(fcinfo)));
}

Datum
standin_svector_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(svector_sums(fcinfo).l2);
}

Datum
standin_svector_dot(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(-svector_sums(fcinfo).ab);
}

Datum
standin_svector_cos(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(cosine_distance(svector_sums(fcinfo)));
}

static double
vector_length(const Dense *v)
{
	double		sum = 0;

	for (uint32 i = 0; i < v->dims; i++)
		sum += (double) F32(v)[i] * F32(v)[i];
	return sqrt(sum);
}

static double
vecf16_length(const Dense *v)
{
	double		sum = 0;

	for (uint32 i = 0; i < v->dims; i++)
		sum += (double) f16_to_f32(F16(v)[i]) * f16_to_f32(F16(v)[i]);
	return sqrt(sum);
}

static double
svector_length(const Sparse *v)
{
	double		sum = 0;

	for (uint32 i = 0; i < v->nnz; i++)
		sum += (double) SPARSE_VALUES(v)[i] * SPARSE_VALUES(v)[i];
	return sqrt(sum);
}

Datum
standin_vector_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(vector_length(PG_GETARG_DENSE(0)));
}

Datum
standin_vecf16_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(vecf16_length(PG_GETARG_DENSE(0)));
}

Datum
standin_svector_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT4(svector_length(PG_GETARG_SPARSE(0)));
}

Datum
standin_vector_normalize(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_vector(v->dims);
	double		length = vector_length(v);

	for (uint32 i = 0; i < v->dims; i++)
		F32(out)[i] = F32(v)[i] / length;
	PG_RETURN_POINTER(out);
}

Datum
standin_vecf16_normalize(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_vecf16(v->dims);
	double		length = vecf16_length(v);

	for (uint32 i = 0; i < v->dims; i++)
		F16(out)[i] = f32_to_f16(f16_to_f32(F16(v)[i]) / length);
	PG_RETURN_POINTER(out);
}

Datum
standin_svector_normalize(PG_FUNCTION_ARGS)
{
	Sparse	   *v = PG_GETARG_SPARSE(0);
	Sparse	   *out = new_sparse(v->dims, v->nnz);
	double		length = svector_length(v);

	memcpy(out->index, v->index, v->nnz * sizeof(uint32));
	for (uint32 i = 0; i < v->nnz; i++)
		SPARSE_VALUES(out)[i] = SPARSE_VALUES(v)[i] / length;
	PG_RETURN_POINTER(out);
}

static Dense *
elementwise(FunctionCallInfo fcinfo, char operation)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);
	Dense	   *out;

	check_same_dims(a->dims, b->dims);
	out = new_vector(a->dims);
	for (uint32 i = 0; i < a->dims; i++)
		F32(out)[i] = operation == '+' ? F32(a)[i] + F32(b)[i] : operation == '-' ? F32(a)[i] - F32(b)[i] : F32(a)[i] * F32(b)[i];
	return out;
}

Datum
standin_vector_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(elementwise(fcinfo, '+'));
}

Datum
standin_vector_sub(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(elementwise(fcinfo, '-'));
}

Datum
standin_vector_mul(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(elementwise(fcinfo, '*'));
}

/* How many bits are set in both, and how many in at least one. */
static void
bit_counts(FunctionCallInfo fcinfo, uint64 *both, uint64 *either)
{
	Dense	   *a = PG_GETARG_DENSE(0);
	Dense	   *b = PG_GETARG_DENSE(1);

	check_same_dims(a->dims, b->dims);
	*both = *either = 0;
	for (uint32 i = 0; i < BIT_WORDS(a->dims); i++)
	{
		*both += pg_popcount64(a->words[i] & b->words[i]);
		*either += pg_popcount64(a->words[i] | b->words[i]);
	}
}

Datum
standin_bvector_hamming(PG_FUNCTION_ARGS)
{
	uint64		both,
				either;

	bit_counts(fcinfo, &both, &either);
	PG_RETURN_FLOAT4((float4) (either - both));
}

Datum
standin_bvector_dot(PG_FUNCTION_ARGS)
{
	uint64		both,
				either;

	bit_counts(fcinfo, &both, &either);
	PG_RETURN_FLOAT4(-(float4) both);
}

Datum
standin_bvector_jaccard(PG_FUNCTION_ARGS)
{
	uint64		both,
				either;

	bit_counts(fcinfo, &both, &either);
	PG_RETURN_FLOAT4(1.0f - (float4) both / (float4) either);
}

Datum
standin_bvector_norm(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	uint64		ones = 0;

	for (uint32 i = 0; i < BIT_WORDS(v->dims); i++)
		ones += pg_popcount64(v->words[i]);
	PG_RETURN_FLOAT4(sqrt((double) ones));
}
