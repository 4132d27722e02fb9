/*
 * In: values, arrays and type modifiers. Out: the eight casts of the real extension and its small functions.
 * Not here: enforcing a type modifier; the casts take it and ignore it, as the real ones do.
 */
#include "vectors.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(standin_typmod_in_dense);
PG_FUNCTION_INFO_V1(standin_typmod_in_sparse);
PG_FUNCTION_INFO_V1(standin_typmod_out);
PG_FUNCTION_INFO_V1(standin_array_to_vector);
PG_FUNCTION_INFO_V1(standin_vector_to_array);
PG_FUNCTION_INFO_V1(standin_vector_to_vecf16);
PG_FUNCTION_INFO_V1(standin_vecf16_to_vector);
PG_FUNCTION_INFO_V1(standin_vector_to_bvector);
PG_FUNCTION_INFO_V1(standin_bvector_to_vector);
PG_FUNCTION_INFO_V1(standin_vector_to_svector);
PG_FUNCTION_INFO_V1(standin_svector_to_vector);
PG_FUNCTION_INFO_V1(standin_binarize);
PG_FUNCTION_INFO_V1(standin_to_svector);
PG_FUNCTION_INFO_V1(standin_dims_dense);
PG_FUNCTION_INFO_V1(standin_dims_sparse);

void
check_value_dims(uint64 dims, uint32 limit)
{
	if (dims < 1 || dims > limit)
		ereport(ERROR, (errmsg("pgvecto.rs: Dimensions of the vector is invalid.\n"
							   "ADVICE: Check if dimensions of the vector are among 1 and %s.",
							   limit == DENSE_DIMS_MAX ? "65535" : "1_048_575")));
}

static int32
typmod_in(ArrayType *list, uint32 limit)
{
	Datum	   *words;
	int			n;
	uint64		dims = 0;

	deconstruct_array(list, CSTRINGOID, -2, false, TYPALIGN_CHAR, &words, NULL, &n);
	if (n != 1 || !parse_unsigned(DatumGetCString(words[0]), limit, &dims) || dims == 0)
		ereport(ERROR, (errmsg("pgvecto.rs: Modifier of the type is invalid.\n"
							   "ADVICE: Check if modifier of the type is an integer among 1 and %s.",
							   limit == DENSE_DIMS_MAX ? "65535" : "1_048_575")));
	return (int32) dims;
}

Datum
standin_typmod_in_dense(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(typmod_in(PG_GETARG_ARRAYTYPE_P(0), DENSE_DIMS_MAX));
}

Datum
standin_typmod_in_sparse(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(typmod_in(PG_GETARG_ARRAYTYPE_P(0), SPARSE_DIMS_MAX));
}

Datum
standin_typmod_out(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);

	PG_RETURN_CSTRING(typmod < 0 ? pstrdup("()") : psprintf("(%d)", typmod));
}

/* Every dimension flattened, lower bounds ignored, NULL becomes NaN. */
Datum
standin_array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	Dense	   *v;

	check_value_dims(n, DENSE_DIMS_MAX);
	v = new_vector(n);
	if (!ARR_HASNULL(array))
		memcpy(F32(v), ARR_DATA_PTR(array), n * sizeof(float4));
	else
	{
		Datum	   *elements;
		bool	   *nulls;

		deconstruct_array(array, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT, &elements, &nulls, &n);
		for (int i = 0; i < n; i++)
			F32(v)[i] = nulls[i] ? NAN : DatumGetFloat4(elements[i]);
	}
	PG_RETURN_POINTER(v);
}

Datum
standin_vector_to_array(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Size		size = ARR_OVERHEAD_NONULLS(1) + v->dims * sizeof(float4);
	ArrayType  *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = v->dims;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), F32(v), v->dims * sizeof(float4));
	PG_RETURN_POINTER(array);
}

Datum
standin_vector_to_vecf16(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_vecf16(v->dims);

	for (uint32 i = 0; i < v->dims; i++)
		F16(out)[i] = f32_to_f16(F32(v)[i]);
	PG_RETURN_POINTER(out);
}

Datum
standin_vecf16_to_vector(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_vector(v->dims);

	for (uint32 i = 0; i < v->dims; i++)
		F32(out)[i] = f16_to_f32(F16(v)[i]);
	PG_RETURN_POINTER(out);
}

Datum
standin_vector_to_bvector(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_bvector(v->dims);

	for (uint32 i = 0; i < v->dims; i++)
	{
		if (F32(v)[i] != 0 && F32(v)[i] != 1)
			ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = The vector contains a non-binary value.")));
		out->words[i / 64] |= (uint64) (F32(v)[i] == 1) << (i % 64);
	}
	PG_RETURN_POINTER(out);
}

Datum
standin_bvector_to_vector(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_vector(v->dims);

	for (uint32 i = 0; i < v->dims; i++)
		F32(out)[i] = v->words[i / 64] >> (i % 64) & 1;
	PG_RETURN_POINTER(out);
}

Datum
standin_vector_to_svector(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	uint32		nnz = 0;
	Sparse	   *out;

	for (uint32 i = 0; i < v->dims; i++)
		nnz += (F32(v)[i] != 0);
	out = new_sparse(v->dims, nnz);
	nnz = 0;
	for (uint32 i = 0; i < v->dims; i++)
		if (F32(v)[i] != 0)
		{
			out->index[nnz] = i;
			SPARSE_VALUES(out)[nnz++] = F32(v)[i];
		}
	PG_RETURN_POINTER(out);
}

Datum
standin_svector_to_vector(PG_FUNCTION_ARGS)
{
	Sparse	   *v = PG_GETARG_SPARSE(0);
	Dense	   *out;

	check_value_dims(v->dims, DENSE_DIMS_MAX);
	out = new_vector(v->dims);
	for (uint32 i = 0; i < v->nnz; i++)
		F32(out)[v->index[i]] = SPARSE_VALUES(v)[i];
	PG_RETURN_POINTER(out);
}

Datum
standin_binarize(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	Dense	   *out = new_bvector(v->dims);

	for (uint32 i = 0; i < v->dims; i++)
		out->words[i / 64] |= (uint64) (F32(v)[i] > 0) << (i % 64);
	PG_RETURN_POINTER(out);
}

/* to_svector(dims, indexes, values); here the indices have to come ascending. */
Datum
standin_to_svector(PG_FUNCTION_ARGS)
{
	int32		dims = PG_GETARG_INT32(0);
	ArrayType  *indexes = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType  *values = PG_GETARG_ARRAYTYPE_P(2);
	int			n = ArrayGetNItems(ARR_NDIM(indexes), ARR_DIMS(indexes));
	const int32 *index = (const int32 *) ARR_DATA_PTR(indexes);
	const float4 *value = (const float4 *) ARR_DATA_PTR(values);
	Sparse	   *out;
	int			nnz = 0;

	check_value_dims(dims < 0 ? 0 : dims, SPARSE_DIMS_MAX);
	if (ARR_HASNULL(indexes) || ARR_HASNULL(values) || n != ArrayGetNItems(ARR_NDIM(values), ARR_DIMS(values)))
		ereport(ERROR, (errmsg("Lengths of indexes and values are not matched.")));
	for (int i = 0; i < n; i++)
	{
		if (index[i] < 0 || index[i] >= dims || (i > 0 && index[i] <= index[i - 1]))
			ereport(ERROR, (errmsg("Index out of bounds or not ascending: the dim is %d but the index is %d", dims, index[i])));
		nnz += (value[i] != 0);
	}
	out = new_sparse(dims, nnz);
	nnz = 0;
	for (int i = 0; i < n; i++)
		if (value[i] != 0)
		{
			out->index[nnz] = index[i];
			SPARSE_VALUES(out)[nnz++] = value[i];
		}
	PG_RETURN_POINTER(out);
}

Datum
standin_dims_dense(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_DENSE(0)->dims);
}

Datum
standin_dims_sparse(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_SPARSE(0)->dims);
}
