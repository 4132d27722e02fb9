/*
 * In: an ordered index scan, or a question about an index. Out: the exact answer, computed from the table: every visible
 * row's key is evaluated, its distance taken, the row identifiers sorted. NULL keys are left out, NaN comes last.
 * Not here: speed; a scan costs as much as reading the table.
 */
#include "vectors.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"

PG_FUNCTION_INFO_V1(standin_index_stat);

typedef struct Hit
{
	double		distance;
	ItemPointerData tid;
} Hit;

typedef struct OrderedScan
{
	MemoryContext context;		/* holds the hits, reset by a rescan */
	MemoryContext row;			/* reset for each row */
	ScanKey		by;				/* NULL operand: any order */
	Hit		   *hits;
	Size		count;
	Size		capacity;
	Size		next;
	bool		filled;
} OrderedScan;

/* Calls back for every row that `snapshot` sees, with the identifier that an index entry of the row would hold. */
static void
visit_rows(Relation heap, Relation index, Snapshot snapshot, IndexBuildCallback callback, void *state)
{
	TableScanDesc rows = table_beginscan_strat(heap, snapshot, 0, NULL, true, true);

	(void) table_index_build_scan(heap, index, BuildIndexInfo(index), true, false, callback, state, rows);
}

static void
add_hit(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	OrderedScan *s = state;
	MemoryContext caller;
	Hit		   *hit;

	if (isnull[0])
		return;
	if (s->count == s->capacity)
	{
		s->capacity = s->capacity ? s->capacity * 2 : 1024;
		s->hits = s->hits ? repalloc_huge(s->hits, s->capacity * sizeof(Hit))
			: MemoryContextAllocHuge(s->context, s->capacity * sizeof(Hit));
	}
	hit = &s->hits[s->count++];
	hit->tid = *tid;
	hit->distance = 0;
	if (s->by->sk_flags & SK_ISNULL)
		return;
	caller = MemoryContextSwitchTo(s->row);
	hit->distance = DatumGetFloat4(FunctionCall2Coll(&s->by->sk_func, s->by->sk_collation, values[0], s->by->sk_argument));
	MemoryContextSwitchTo(caller);
	MemoryContextReset(s->row);
}

static int
by_distance(const void *a, const void *b)
{
	const Hit  *left = a;
	const Hit  *right = b;

	if (left->distance < right->distance || (isnan(right->distance) && !isnan(left->distance)))
		return -1;
	if (left->distance > right->distance || (isnan(left->distance) && !isnan(right->distance)))
		return 1;
	return ItemPointerCompare((ItemPointer) &left->tid, (ItemPointer) &right->tid);
}

IndexScanDesc
standin_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	OrderedScan *s = palloc0(sizeof(OrderedScan));

	s->context = AllocSetContextCreate(CurrentMemoryContext, "vectors stand-in scan", ALLOCSET_DEFAULT_SIZES);
	s->row = AllocSetContextCreate(CurrentMemoryContext, "vectors stand-in row", ALLOCSET_DEFAULT_SIZES);
	scan->opaque = s;
	return scan;
}

void
standin_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	OrderedScan *s = scan->opaque;

	if (orderbys && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
	MemoryContextReset(s->context);
	s->hits = NULL;
	s->count = s->capacity = s->next = 0;
	s->filled = false;
}

bool
standin_gettuple(IndexScanDesc scan, ScanDirection direction)
{
	OrderedScan *s = scan->opaque;

	if (!s->filled)
	{
		if (scan->numberOfOrderBys != 1)
			elog(ERROR, "access method vectors scans in the order of one distance only");
		require_worker();
		s->by = &scan->orderByData[0];
		visit_rows(scan->heapRelation, scan->indexRelation, scan->xs_snapshot, add_hit, s);
		if (s->count > 1)
			qsort(s->hits, s->count, sizeof(Hit), by_distance);
		s->filled = true;
	}
	if (s->next == s->count)
		return false;
	scan->xs_heaptid = s->hits[s->next++].tid;
	scan->xs_recheck = false;
	scan->xs_recheckorderby = false;
	return true;
}

void
standin_endscan(IndexScanDesc scan)
{
	OrderedScan *s = scan->opaque;

	MemoryContextDelete(s->context);
	MemoryContextDelete(s->row);
	pfree(s);
}

static void
count_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	if (!isnull[0])
		(*(int64 *) state)++;
}

/* One row of vectors.pg_vector_index_stat: counted now, not kept. */
Datum
standin_index_stat(PG_FUNCTION_ARGS)
{
	Oid			oid = PG_GETARG_OID(0);
	Oid			table = IndexGetRelation(oid, true);
	Relation	heap,
				index;
	IndexKey	key;
	int64		tuples = 0;
	Datum		sealed;
	TupleDesc	row;
	bool		nulls[8] = {false};
	Datum		values[8];

	require_worker();
	if (!OidIsValid(table))
		ereport(ERROR, (errmsg("pgvecto.rs: The index is not existing in the background worker.\nADVICE: Drop or rebuild the index.")));
	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	heap = table_open(table, AccessShareLock);
	index = index_open(oid, AccessShareLock);
	if (index->rd_rel->relam != get_index_am_oid("vectors", false))
		ereport(ERROR, (errmsg("pgvecto.rs: The index is not existing in the background worker.\nADVICE: Drop or rebuild the index.")));
	key = index_key(index);
	visit_rows(heap, index, GetActiveSnapshot(), count_row, &tuples);
	sealed = Int64GetDatum(tuples);
	values[0] = CStringGetTextDatum("NORMAL");
	values[1] = BoolGetDatum(!index->rd_index->indisvalid);
	values[2] = Int64GetDatum(tuples);
	values[3] = PointerGetDatum(construct_array(&sealed, tuples > 0, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = PointerGetDatum(construct_array(&sealed, 0, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[5] = Int64GetDatum(0);
	values[6] = Int64GetDatum(tuples * (key.dims * (int64) sizeof(float4) + 8));
	values[7] = CStringGetTextDatum(check_index_options(index_options_text(index), &key));
	index_close(index, AccessShareLock);
	table_close(heap, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
