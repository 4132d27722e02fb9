/*
 * In: one binary field. Out: the value, and back. Little-endian throughout:
 *   vector, vecf16, bvector:  u16 dims | dims x f32, dims x f16, or ceil(dims/64) x u64
 *   svector:                  u32 dims | u32 nnz | nnz x u32 | nnz x f32
 * Checks what the real server checks and no more: neither the type modifier nor NaN nor infinity.
 */
#include "vectors.h"

#include "libpq/pqformat.h"

#ifdef WORDS_BIGENDIAN
#error "PGVecto.rs is little-endian only, and so is its stand-in"
#endif

PG_FUNCTION_INFO_V1(standin_vector_recv);
PG_FUNCTION_INFO_V1(standin_vector_send);
PG_FUNCTION_INFO_V1(standin_vecf16_recv);
PG_FUNCTION_INFO_V1(standin_vecf16_send);
PG_FUNCTION_INFO_V1(standin_bvector_recv);
PG_FUNCTION_INFO_V1(standin_bvector_send);
PG_FUNCTION_INFO_V1(standin_svector_recv);
PG_FUNCTION_INFO_V1(standin_svector_send);

static void
corrupt(void)
{
	ereport(ERROR, (errmsg("detect data corruption")));
}

static uint16
recv_dims(StringInfo in)
{
	uint16		dims;

	pq_copymsgbytes(in, (char *) &dims, sizeof(dims));
	if (dims == 0)
		corrupt();
	return dims;
}

static bytea *
send_dense(const Dense *v, Size payload)
{
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendbytes(&out, (const char *) &v->dims, sizeof(v->dims));
	pq_sendbytes(&out, (const char *) F32(v), payload);
	return pq_endtypsend(&out);
}

Datum
standin_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	in = (StringInfo) PG_GETARG_POINTER(0);
	uint16		dims = recv_dims(in);
	Dense	   *v = new_vector(dims);

	pq_copymsgbytes(in, (char *) F32(v), dims * sizeof(float4));
	PG_RETURN_POINTER(v);
}

Datum
standin_vecf16_recv(PG_FUNCTION_ARGS)
{
	StringInfo	in = (StringInfo) PG_GETARG_POINTER(0);
	uint16		dims = recv_dims(in);
	Dense	   *v = new_vecf16(dims);

	pq_copymsgbytes(in, (char *) F16(v), dims * sizeof(uint16));
	PG_RETURN_POINTER(v);
}

Datum
standin_bvector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	in = (StringInfo) PG_GETARG_POINTER(0);
	uint16		dims = recv_dims(in);
	Dense	   *v = new_bvector(dims);

	pq_copymsgbytes(in, (char *) v->words, BIT_WORDS(dims) * sizeof(uint64));
	if (dims % 64 != 0 && v->words[dims / 64] >> (dims % 64) != 0)
		corrupt();
	PG_RETURN_POINTER(v);
}

Datum
standin_svector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	in = (StringInfo) PG_GETARG_POINTER(0);
	uint32		dims,
				nnz;
	Sparse	   *v;

	pq_copymsgbytes(in, (char *) &dims, sizeof(dims));
	pq_copymsgbytes(in, (char *) &nnz, sizeof(nnz));
	/* The real server allocates before it looks, and dies of nnz = 0x40000000. */
	if (nnz > (uint32) (in->len - in->cursor) / 8)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("insufficient data left in message")));
	v = new_sparse(dims, nnz);
	pq_copymsgbytes(in, (char *) v->index, nnz * sizeof(uint32));
	pq_copymsgbytes(in, (char *) SPARSE_VALUES(v), nnz * sizeof(float4));
	if (dims == 0 || dims > SPARSE_DIMS_MAX || nnz > dims)
		corrupt();
	for (uint32 i = 0; i < nnz; i++)
		if ((i > 0 && v->index[i] <= v->index[i - 1]) || v->index[i] >= dims || SPARSE_VALUES(v)[i] == 0)
			corrupt();
	PG_RETURN_POINTER(v);
}

Datum
standin_vector_send(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);

	PG_RETURN_BYTEA_P(send_dense(v, v->dims * sizeof(float4)));
}

Datum
standin_vecf16_send(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);

	PG_RETURN_BYTEA_P(send_dense(v, v->dims * sizeof(uint16)));
}

Datum
standin_bvector_send(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);

	PG_RETURN_BYTEA_P(send_dense(v, BIT_WORDS(v->dims) * sizeof(uint64)));
}

Datum
standin_svector_send(PG_FUNCTION_ARGS)
{
	Sparse	   *v = PG_GETARG_SPARSE(0);
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendbytes(&out, (const char *) &v->dims, sizeof(v->dims));
	pq_sendbytes(&out, (const char *) &v->nnz, sizeof(v->nnz));
	pq_sendbytes(&out, (const char *) v->index, v->nnz * sizeof(uint32));
	pq_sendbytes(&out, (const char *) SPARSE_VALUES(v), v->nnz * sizeof(float4));
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}
