/*
 * In: CREATE INDEX, INSERT and the planner's questions. Out: the checks of the real access method `vectors`.
 * Not here: an index. Nothing is stored; scan.c answers a query from the table.
 */
#include "vectors.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_opclass.h"
#include "commands/vacuum.h"
#include "nodes/pathnodes.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(standin_amhandler);

typedef struct StandinOptions
{
	int32		vl_len_;
	int			options;
} StandinOptions;

static void
refuse_unlogged(void)
{
	ereport(ERROR, (errmsg("Unlogged indexes are not supported.")));
}

/* What the operator class and the type modifier of the key say: a column's own, or that of the outermost expression node. */
IndexKey
index_key(Relation index)
{
	static const char *const kinds[] = {"vector", "vecf16", "bvector", "svector"};
	static const char *const distances[] = {"l2", "dot", "cos", "hamming", "jaccard"};
	Datum		classes = SysCacheGetAttr(INDEXRELID, index->rd_indextuple, Anum_pg_index_indclass, &(bool) {false});
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(((oidvector *) DatumGetPointer(classes))->values[0]));
	IndexKey	key = {.dims = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod};
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class of index %u", RelationGetRelid(index));
	name = pstrdup(NameStr(((Form_pg_opclass) GETSTRUCT(tuple))->opcname));
	ReleaseSysCache(tuple);
	for (int k = 0; k < lengthof(kinds); k++)
		for (int d = 0; d < lengthof(distances); d++)
			if (strcmp(name, psprintf("%s_%s_ops", kinds[k], distances[d])) == 0)
			{
				key.kind = k;
				key.distance = distances[d];
			}
	if (key.distance == NULL)
		elog(ERROR, "operator class %s is not one of access method vectors", name);
	if (key.dims < 1)
		ereport(ERROR, (errmsg("pgvecto.rs: Dimensions type modifier of a vector column is needed for building the index.")));
	return key;
}

const char *
index_options_text(Relation index)
{
	StandinOptions *options = (StandinOptions *) index->rd_options;

	return options ? GET_STRING_RELOPTION(options, options) : "";
}

void
check_indexed_dims(Datum value, const IndexKey *key)
{
	Pointer		v = (Pointer) PG_DETOAST_DATUM(value);
	uint32		dims = key->kind == KIND_SPARSE ? ((Sparse *) v)->dims : ((Dense *) v)->dims;

	if (dims != (uint32) key->dims)
		ereport(ERROR, (errmsg("pgvecto.rs: The dimension of a vector does not matched that in a vector index column.")));
	if (v != DatumGetPointer(value))
		pfree(v);
}

typedef struct Build
{
	IndexKey	key;
	double		indexed;
} Build;

static void
build_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	Build	   *build = state;

	if (isnull[0])
		return;
	check_indexed_dims(values[0], &build->key);
	build->indexed++;
}

static IndexBuildResult *
ambuild(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	Build		build = {.key = index_key(index)};

	if (index->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		refuse_unlogged();
	(void) check_index_options(index_options_text(index), &build.key);
	require_worker();
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true, build_callback, &build, NULL);
	result->index_tuples = build.indexed;
	return result;
}

static void
ambuildempty(Relation index)
{
	refuse_unlogged();
}

static bool
aminsert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap, IndexUniqueCheck unique,
		 bool unchanged, IndexInfo *info)
{
	IndexKey	key;

	require_worker();
	if (isnull[0])
		return false;
	key = index_key(index);
	check_indexed_dims(values[0], &key);
	return false;
}

static IndexBulkDeleteResult *
ambulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *state)
{
	require_worker();
	return stats;
}

static IndexBulkDeleteResult *
amvacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	return stats;
}

/* As on a real server: every ORDER BY that can use the index does, for it costs nothing; nothing else ever does. */
static void
amcostestimate(PlannerInfo *root, IndexPath *path, double loops, Cost *startup, Cost *total,
			   Selectivity *selectivity, double *correlation, double *pages)
{
	bool		usable = path->indexorderbys != NIL && vectors_enable_index;

	*startup = *total = usable ? 0 : get_float8_infinity();
	*selectivity = 0;
	*correlation = 0;
	*pages = 1;
#if PG_VERSION_NUM >= 180000
	if (!usable)
		path->path.disabled_nodes = 2;
#endif
}

static bytea *
amoptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt elements[] = {{"options", RELOPT_TYPE_STRING, offsetof(StandinOptions, options)}};

	return build_reloptions(reloptions, validate, vectors_relopt_kind, sizeof(StandinOptions), elements, lengthof(elements));
}

static bool
amvalidate(Oid opclass)
{
	return true;
}

Datum
standin_amhandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 2;
	am->amcanorderbyop = true;
	am->amoptionalkey = true;
	am->amkeytype = InvalidOid;
	am->ambuild = ambuild;
	am->ambuildempty = ambuildempty;
	am->aminsert = aminsert;
	am->ambulkdelete = ambulkdelete;
	am->amvacuumcleanup = amvacuumcleanup;
	am->amcostestimate = amcostestimate;
	am->amoptions = amoptions;
	am->amvalidate = amvalidate;
	am->ambeginscan = standin_beginscan;
	am->amrescan = standin_rescan;
	am->amgettuple = standin_gettuple;
	am->amendscan = standin_endscan;
	PG_RETURN_POINTER(am);
}
