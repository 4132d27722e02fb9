/*
 * In: nothing. Out: how the four types lie in memory, and what the files of the stand-in call in each other.
 * Not here: the wire format (binary.c), which does not follow from the layout.
 *
 * Dense and bits:  int32 varlena | uint16 dims | uint16 0 | dims x float4, dims x uint16 (f16), or ceil(dims/64) x uint64
 * Sparse:          int32 varlena | uint32 dims | uint32 nnz | uint32 0 | nnz x uint32, ascending | to 8 bytes | nnz x float4, not 0
 * Every size is rounded up to 8 bytes, as on a real server (pg_column_size of vector(3) is 24).
 */
#ifndef VECTORS_H
#define VECTORS_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/reloptions.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#define DENSE_DIMS_MAX 65535
#define SPARSE_DIMS_MAX 1048575

typedef struct Dense
{
	int32		vl_len_;
	uint16		dims;
	uint16		unused;
	uint64		words[FLEXIBLE_ARRAY_MEMBER];
} Dense;

#define F32(v) ((float4 *) (v)->words)
#define F16(v) ((uint16 *) (v)->words)

typedef struct Sparse
{
	int32		vl_len_;
	uint32		dims;
	uint32		nnz;
	uint32		unused;
	uint32		index[FLEXIBLE_ARRAY_MEMBER];
} Sparse;

#define SPARSE_VALUES(s) ((float4 *) ((char *) (s) + offsetof(Sparse, index) + MAXALIGN((s)->nnz * sizeof(uint32))))
#define BIT_WORDS(dims) (((dims) + 63) / 64)

#define PG_GETARG_DENSE(n) ((Dense *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))
#define PG_GETARG_SPARSE(n) ((Sparse *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

/* Zeroed values of the right size; they check nothing. */
static inline Dense *
new_dense(uint32 dims, Size payload)
{
	Size		size = MAXALIGN(offsetof(Dense, words) + payload);
	Dense	   *v = palloc0(size);

	SET_VARSIZE(v, size);
	v->dims = (uint16) dims;
	return v;
}

#define new_vector(dims) new_dense((dims), (Size) (dims) * sizeof(float4))
#define new_vecf16(dims) new_dense((dims), (Size) (dims) * sizeof(uint16))
#define new_bvector(dims) new_dense((dims), (Size) BIT_WORDS(dims) * sizeof(uint64))

static inline Sparse *
new_sparse(uint32 dims, uint32 nnz)
{
	Size		size = MAXALIGN(offsetof(Sparse, index) + MAXALIGN(nnz * sizeof(uint32)) + nnz * sizeof(float4));
	Sparse	   *v = palloc0(size);

	SET_VARSIZE(v, size);
	v->dims = dims;
	v->nnz = nnz;
	return v;
}

/* The four types, as operator classes and index options name them. */
typedef enum Kind
{
	KIND_F32,
	KIND_F16,
	KIND_BITS,
	KIND_SPARSE
} Kind;

typedef struct IndexKey
{
	Kind		kind;
	int			dims;
	const char *distance;		/* l2, dot, cos, hamming, jaccard */
} IndexKey;

/* init.c */
extern void require_worker(void);
extern bool vectors_enable_index;
extern relopt_kind vectors_relopt_kind;

/* number.c */
extern float4 f16_to_f32(uint16 half);
extern uint16 f32_to_f16(float4 value);
extern bool parse_f32(const char *token, float4 *value);
extern bool parse_unsigned(const char *token, uint64 limit, uint64 *value);
extern void append_f32(StringInfo out, float4 value);

/* cast.c */
extern void check_value_dims(uint64 dims, uint32 limit);

/* operator.c */
extern void check_same_dims(uint32 left, uint32 right);

/* options.c: refuses what the real index refuses, and answers the idx_options of the statistics view. */
extern char *check_index_options(const char *toml, const IndexKey *key);

/* am.c */
extern IndexKey index_key(Relation index);
extern const char *index_options_text(Relation index);
extern void check_indexed_dims(Datum value, const IndexKey *key);

/* scan.c */
extern IndexScanDesc standin_beginscan(Relation index, int nkeys, int norderbys);
extern void standin_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern bool standin_gettuple(IndexScanDesc scan, ScanDirection direction);
extern void standin_endscan(IndexScanDesc scan);

#endif
