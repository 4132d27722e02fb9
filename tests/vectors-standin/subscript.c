/*
 * In: `value[lower:upper]`, 0-based and half open, either bound may be left out. Out: a value of the same type, or NULL
 * where a bound is NULL or negative, the slice is empty, or it reaches past the end.
 * Not here: single elements and assignment, which the real extension refuses too. The result keeps the type modifier of
 * the whole value; that this is wrong for a slice is the real extension's, and index builds depend on it.
 */
#include "vectors.h"

#include "executor/execExpr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/subscripting.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "catalog/pg_type.h"

PG_FUNCTION_INFO_V1(standin_vector_subscript);
PG_FUNCTION_INFO_V1(standin_vecf16_subscript);
PG_FUNCTION_INFO_V1(standin_bvector_subscript);
PG_FUNCTION_INFO_V1(standin_svector_subscript);

typedef struct Slice
{
	uint32		lower;
	uint32		upper;			/* PG_UINT32_MAX stands for the end */
} Slice;

static Node *
integer_bound(ParseState *pstate, Node *bound)
{
	Node	   *expression;

	if (bound == NULL)
		return NULL;
	expression = transformExpr(pstate, bound, pstate->p_expr_kind);
	expression = coerce_to_target_type(pstate, expression, exprType(expression), INT4OID, -1,
									   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expression == NULL)
		ereport(ERROR, (errmsg("vector subscript must have type integer")));
	return expression;
}

static void
transform(SubscriptingRef *ref, List *indirection, ParseState *pstate, bool is_slice, bool is_assignment)
{
	A_Indices  *bounds;

	if (list_length(indirection) != 1)
		ereport(ERROR, (errmsg("type vector does only support one subscript")));
	if (!is_slice)
		ereport(ERROR, (errmsg("type vector does only support slice fetch")));
	if (is_assignment)
		ereport(ERROR, (errmsg("type vector does not support subscripted assignment")));
	bounds = linitial_node(A_Indices, indirection);
	ref->reflowerindexpr = list_make1(integer_bound(pstate, bounds->lidx));
	ref->refupperindexpr = list_make1(integer_bound(pstate, bounds->uidx));
	ref->refrestype = ref->refcontainertype;
}

static bool
check_subscripts(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	SubscriptingRefState *bounds = op->d.sbsref_subscript.state;
	Slice	   *slice = bounds->workspace;

	slice->lower = 0;
	slice->upper = PG_UINT32_MAX;
	*op->resnull = true;
	if (bounds->lowerprovided[0])
	{
		if (bounds->lowerindexnull[0] || DatumGetInt32(bounds->lowerindex[0]) < 0)
			return false;
		slice->lower = DatumGetInt32(bounds->lowerindex[0]);
	}
	if (bounds->upperprovided[0])
	{
		if (bounds->upperindexnull[0] || DatumGetInt32(bounds->upperindex[0]) < 0)
			return false;
		slice->upper = DatumGetInt32(bounds->upperindex[0]);
	}
	*op->resnull = false;
	return true;
}

/* The bounds of a slice that is not empty and lies inside, or false. */
static bool
settle(ExprEvalStep *op, uint32 dims, Slice *slice)
{
	*slice = *(Slice *) op->d.sbsref.state->workspace;
	if (slice->upper == PG_UINT32_MAX)
		slice->upper = dims;
	*op->resnull = !(slice->lower < slice->upper && slice->upper <= dims);
	return !*op->resnull;
}

static void
fetch_vector(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	Dense	   *v = (Dense *) PG_DETOAST_DATUM(*op->resvalue);
	Slice		s;
	Dense	   *out;

	if (!settle(op, v->dims, &s))
		return;
	out = new_vector(s.upper - s.lower);
	memcpy(F32(out), F32(v) + s.lower, out->dims * sizeof(float4));
	*op->resvalue = PointerGetDatum(out);
}

static void
fetch_vecf16(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	Dense	   *v = (Dense *) PG_DETOAST_DATUM(*op->resvalue);
	Slice		s;
	Dense	   *out;

	if (!settle(op, v->dims, &s))
		return;
	out = new_vecf16(s.upper - s.lower);
	memcpy(F16(out), F16(v) + s.lower, out->dims * sizeof(uint16));
	*op->resvalue = PointerGetDatum(out);
}

static void
fetch_bvector(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	Dense	   *v = (Dense *) PG_DETOAST_DATUM(*op->resvalue);
	Slice		s;
	Dense	   *out;

	if (!settle(op, v->dims, &s))
		return;
	out = new_bvector(s.upper - s.lower);
	for (uint32 i = s.lower; i < s.upper; i++)
		out->words[(i - s.lower) / 64] |= (v->words[i / 64] >> (i % 64) & 1) << ((i - s.lower) % 64);
	*op->resvalue = PointerGetDatum(out);
}

static void
fetch_svector(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	Sparse	   *v = (Sparse *) PG_DETOAST_DATUM(*op->resvalue);
	Slice		s;
	Sparse	   *out;
	uint32		from = 0,
				to;

	if (!settle(op, v->dims, &s))
		return;
	while (from < v->nnz && v->index[from] < s.lower)
		from++;
	for (to = from; to < v->nnz && v->index[to] < s.upper; to++)
		;
	out = new_sparse(s.upper - s.lower, to - from);
	for (uint32 i = from; i < to; i++)
	{
		out->index[i - from] = v->index[i] - s.lower;
		SPARSE_VALUES(out)[i - from] = SPARSE_VALUES(v)[i];
	}
	*op->resvalue = PointerGetDatum(out);
}

static void
exec_setup_with(SubscriptingRefState *state, SubscriptExecSteps *steps, ExecEvalSubroutine fetch)
{
	state->workspace = palloc0(sizeof(Slice));
	steps->sbs_check_subscripts = check_subscripts;
	steps->sbs_fetch = fetch;
	steps->sbs_assign = NULL;
	steps->sbs_fetch_old = NULL;
}

#define SUBSCRIPT(type) \
	static void \
	exec_setup_##type(const SubscriptingRef *ref, SubscriptingRefState *state, SubscriptExecSteps *steps) \
	{ \
		exec_setup_with(state, steps, fetch_##type); \
	} \
	Datum \
	standin_##type##_subscript(PG_FUNCTION_ARGS) \
	{ \
		static const SubscriptRoutines routines = { \
			.transform = transform, \
			.exec_setup = exec_setup_##type, \
			.fetch_strict = true, \
		}; \
		PG_RETURN_POINTER(&routines); \
	}

SUBSCRIPT(vector)
SUBSCRIPT(vecf16)
SUBSCRIPT(bvector)
SUBSCRIPT(svector)
