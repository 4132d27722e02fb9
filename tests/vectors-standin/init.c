/*
 * In: the start of the server. Out: the settings of the real extension, its index option, and a background process named
 * `vectors` that does nothing but be there.
 *
 * The real worker asks for shared memory and no database connection, so pg_stat_activity does not show it; after a crash
 * of any backend it does not come back until the server is started anew, and whatever touches an index waits and fails.
 * Both are the same here, but the wait is 2 seconds instead of 15.
 */
#include "vectors.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
extern PGDLLEXPORT void standin_worker_main(Datum argument);

bool		vectors_enable_index = true;
relopt_kind vectors_relopt_kind;

static int	hnsw_ef_search,
			ivf_nprobe,
			search_mode,
			sq_rerank_size,
			pq_rerank_size,
			internal_transport;
static bool pgvector_compatibility,
			sq_fast_scan,
			pq_fast_scan,
			rq_fast_scan;
static char *openai_api_key,
		   *openai_base_url;

static const struct config_enum_entry search_modes[] = {{"basic", 0, false}, {"vbase", 1, false}, {NULL, 0, false}};
static const struct config_enum_entry transports[] = {{"unix", 0, false}, {"mmap", 1, false}, {NULL, 0, false}};

/* Zero until the worker has started; a crash restart zeroes it again. */
typedef struct Shared
{
	pid_t		worker;
} Shared;

static Shared *shared;
static shmem_startup_hook_type next_startup_hook;
#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type next_request_hook;

static void
request_shared(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(sizeof(Shared));
}
#endif

static void
attach_shared(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("vectors stand-in", sizeof(Shared), &found);
	if (!found)
		shared->worker = 0;
	LWLockRelease(AddinShmemInitLock);
}

void
require_worker(void)
{
	for (int tenths = 0; shared->worker == 0; tenths++)
	{
		if (tenths == 20)
			ereport(ERROR, (errmsg("pgvecto.rs: IPC connection is closed unexpectedly.\n"
								   "ADVICE: Visit `https://github.com/tensorchord/pgvecto.rs/issues` for help.")));
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100000);
	}
}

void
standin_worker_main(Datum argument)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	shared->worker = MyProcPid;
	while (!ShutdownRequestPending)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 60000L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	proc_exit(0);
}

static void
register_worker(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_name, "vectors", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "vectors", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "vectors", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "standin_worker_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
flag(const char *name, const char *description, bool *variable, bool value)
{
	DefineCustomBoolVariable(name, description, NULL, variable, value, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
number(const char *name, const char *description, int *variable, int value, int least)
{
	DefineCustomIntVariable(name, description, NULL, variable, value, least, 65535, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	flag("vectors.enable_index", "Enables or disables the query planner's use of vector index-scan plan types.",
		 &vectors_enable_index, true);
	flag("vectors.pgvector_compatibility", "Enables or disables pgvector compatibility mode.", &pgvector_compatibility, false);
	flag("vectors.sq_fast_scan", "Enables fast scan or not.", &sq_fast_scan, false);
	flag("vectors.pq_fast_scan", "Enables fast scan or not.", &pq_fast_scan, false);
	flag("vectors.rq_fast_scan", "Enables fast scan or not.", &rq_fast_scan, false);
	number("vectors.hnsw_ef_search", "`ef_search` argument of HNSW algorithm.", &hnsw_ef_search, 100, 1);
	number("vectors.ivf_nprobe", "`nprobe` argument of IVF algorithm.", &ivf_nprobe, 10, 1);
	number("vectors.sq_rerank_size", "Scalar quantization reranker size.", &sq_rerank_size, 0, 0);
	number("vectors.pq_rerank_size", "Product quantization reranker size.", &pq_rerank_size, 0, 0);
	DefineCustomEnumVariable("vectors.search_mode", "Search mode.", NULL, &search_mode, 1, search_modes,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("vectors.internal_transport", "Transport for communicating with background worker.", NULL,
							 &internal_transport, 1, transports, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("vectors.openai_api_key", "The API key of OpenAI.", NULL, &openai_api_key, NULL,
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("vectors.openai_base_url", "The base url of OpenAI or compatible server.", NULL,
							   &openai_base_url, "https://api.openai.com/v1", PGC_USERSET, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("vectors");
#else
	EmitWarningsOnPlaceholders("vectors");
#endif
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR, (errmsg("pgvecto.rs: pgvecto.rs must be loaded via shared_preload_libraries.\n"
							   "ADVICE: Add `vectors.so` to `shared_preload_libraries` and restart the server.")));
	define_settings();
	vectors_relopt_kind = add_reloption_kind();
	add_string_reloption(vectors_relopt_kind, "options", "Vector index options, represented as a TOML string.",
						 "", NULL, AccessExclusiveLock);
#if PG_VERSION_NUM >= 150000
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared;
#else
	RequestAddinShmemSpace(sizeof(Shared));
#endif
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_shared;
	register_worker();
}
