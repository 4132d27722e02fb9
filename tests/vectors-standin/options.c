/*
 * In: the text of the reloption `options`, a TOML document, and what the index stands on. Out: the idx_options that the
 * statistics view shows, or the real extension's refusal. Knows tables, dotted keys, inline tables, integers, floats,
 * booleans and comments. Not here: arrays, dates, escapes in strings; no option of the real extension takes one.
 */
#include "vectors.h"

#include <ctype.h>

typedef enum Form
{
	TABLE,
	ONE_OF,						/* a table with exactly one key */
	INTEGER,
	BITS,						/* an integer among 1, 2, 4, 8 */
	FLOAT,
	BOOLEAN
} Form;

typedef struct Option
{
	const char *path;
	Form		form;
	double		least;
	double		most;
	bool		present;		/* from here on: what the document says */
	bool		closed;			/* a header or an inline table defined it */
	double		value;
} Option;

#define QUANTIZATION(path) \
	{path ".quantization", ONE_OF}, \
	{path ".quantization.scalar", TABLE}, {path ".quantization.scalar.bits", BITS, 1, 8}, \
	{path ".quantization.product", TABLE}, {path ".quantization.product.ratio", INTEGER, 1, 8}, \
	{path ".quantization.product.bits", BITS, 1, 8}, \
	{path ".quantization.rabitq", TABLE}

static const Option known[] = {
	{"segment", TABLE},
	{"segment.max_growing_segment_size", INTEGER, 1, 4000000000},
	{"segment.max_sealed_segment_size", INTEGER, 1, 4000000000},
	{"optimizing", TABLE},
	{"optimizing.sealing_secs", INTEGER, 1, 86400},
	{"optimizing.sealing_size", INTEGER, 1, 4000000000},
	{"optimizing.optimizing_secs", INTEGER, 1, 86400},
	{"optimizing.optimizing_threads", INTEGER, 1, 65535},
	{"optimizing.delete_threshold", FLOAT, 0.0001, 1.0},
	{"indexing", ONE_OF},
	{"indexing.flat", TABLE},
	QUANTIZATION("indexing.flat"),
	{"indexing.ivf", TABLE},
	{"indexing.ivf.nlist", INTEGER, 1, 1000000},
	{"indexing.ivf.spherical_centroids", BOOLEAN},
	{"indexing.ivf.residual_quantization", BOOLEAN},
	QUANTIZATION("indexing.ivf"),
	{"indexing.hnsw", TABLE},
	{"indexing.hnsw.m", INTEGER, 4, 128},
	{"indexing.hnsw.ef_construction", INTEGER, 10, 2000},
	QUANTIZATION("indexing.hnsw"),
	{"indexing.sparse_inverted_index", TABLE},
};

#define OPTIONS ((int) lengthof(known))

typedef struct Document
{
	const char *start;
	const char *at;
	Option		options[lengthof(known)];
} Document;

static void
bad_document(const Document *d, const char *reason)
{
	int			line = 1;
	const char *begin = d->start;

	for (const char *p = d->start; p < d->at; p++)
		if (*p == '\n')
		{
			line++;
			begin = p + 1;
		}
	ereport(ERROR, (errmsg("failed to parse options: TOML parse error at line %d, column %d\n%s",
						   line, (int) (d->at - begin) + 1, reason)));
}

/* `path` is shown without the algorithm's name, as the real extension does: indexing.m. */
static void
bad_option(const char *path, const char *reason)
{
	const char *last = strrchr(path, '.');
	bool		indexing = strncmp(path, "indexing.", 9) == 0;

	ereport(ERROR, (errmsg("pgvecto.rs: The given index option is invalid.\nINFORMATION: reason = \"%s%s: Validation error: %s\"",
						   indexing ? "indexing" : "", indexing ? last : path, reason)));
}

static Option *
find(Document *d, const char *path)
{
	for (int i = 0; i < OPTIONS; i++)
		if (strcmp(d->options[i].path, path) == 0)
			return &d->options[i];
	bad_document(d, psprintf("unknown field `%s`", path));
	return NULL;
}

/* Marks the option and every table that it lies in. */
static Option *
reach(Document *d, const char *path)
{
	Option	   *option = find(d, path);
	char	   *parent = pstrdup(path);
	char	   *dot;

	while ((dot = strrchr(parent, '.')) != NULL)
	{
		*dot = '\0';
		find(d, parent)->present = true;
	}
	return option;
}

static void
skip(Document *d, bool lines)
{
	for (;;)
	{
		if (*d->at == ' ' || *d->at == '\t')
			d->at++;
		else if (*d->at == '#')
			while (*d->at && *d->at != '\n')
				d->at++;
		else if (lines && (*d->at == '\n' || *d->at == '\r'))
			d->at++;
		else
			return;
	}
}

static bool
take(Document *d, char c)
{
	skip(d, false);
	if (*d->at != c)
		return false;
	d->at++;
	return true;
}

/* A dotted key, put behind `prefix`. */
static char *
take_key(Document *d, const char *prefix)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, prefix);
	do
	{
		char		quote = '\0';
		const char *from;

		skip(d, false);
		if (*d->at == '"' || *d->at == '\'')
			quote = *d->at++;
		from = d->at;
		while (isalnum((unsigned char) *d->at) || *d->at == '_' || *d->at == '-')
			d->at++;
		if (d->at == from || (quote && *d->at != quote))
			bad_document(d, "invalid key");
		appendStringInfo(&path, "%s%.*s", path.len ? "." : "", (int) (d->at - from), from);
		if (quote)
			d->at++;
	} while (take(d, '.'));
	return path.data;
}

/* true and false where a boolean belongs, digits where an integer does; a string is the wrong type everywhere. */
static void
take_scalar(Document *d, const char *path)
{
	Option	   *option = reach(d, path);
	size_t		length = strspn(d->at, "+-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	char	   *token = palloc0(length + 1);
	size_t		n = 0;
	char	   *end;
	bool		integer;

	for (size_t i = 0; i < length; i++)
		if (d->at[i] != '_')
			token[n++] = d->at[i];
	integer = n > 0 && strspn(token, "+-0123456789") == n;
	if (option->present)
		bad_document(d, psprintf("duplicate key `%s`", path));
	if (option->form == BOOLEAN && (strcmp(token, "true") == 0 || strcmp(token, "false") == 0))
		option->value = (token[0] == 't');
	else if (((option->form == INTEGER || option->form == BITS) && integer) || (option->form == FLOAT && n > 0))
	{
		option->value = strtod(token, &end);
		if (*end != '\0')
			bad_document(d, "invalid number");
		if (integer && (option->value < 0 || option->value > PG_UINT32_MAX))
			bad_document(d, "invalid value: integer out of range, expected u32");
	}
	else
		bad_document(d, psprintf("invalid type for `%s`", path));
	option->present = true;
	d->at += length;
}

static void take_pair(Document *d, const char *prefix);

static void
take_inline_table(Document *d, const char *path)
{
	Option	   *option = reach(d, path);

	if (option->form != TABLE && option->form != ONE_OF)
		bad_document(d, psprintf("invalid type: map for `%s`", path));
	if (option->present)
		bad_document(d, psprintf("duplicate key `%s`", path));
	if (!take(d, '}'))
	{
		do
			take_pair(d, path);
		while (take(d, ','));
		if (!take(d, '}'))
			bad_document(d, "expected `}`");
	}
	option->present = option->closed = true;
}

static void
take_pair(Document *d, const char *prefix)
{
	char	   *path = take_key(d, prefix);

	if (!take(d, '='))
		bad_document(d, "expected `.`, `=`");
	skip(d, false);
	if (take(d, '{'))
		take_inline_table(d, path);
	else
		take_scalar(d, path);
}

static void
parse(Document *d)
{
	const char *table = "";

	for (skip(d, true); *d->at != '\0'; skip(d, true))
	{
		if (take(d, '['))
		{
			Option	   *option;

			table = take_key(d, "");
			option = reach(d, table);
			if (option->form != TABLE && option->form != ONE_OF)
				bad_document(d, psprintf("invalid type: map for `%s`", table));
			if (option->closed)
				bad_document(d, psprintf("duplicate key `%s`", table));
			option->present = option->closed = true;
			if (!take(d, ']'))
				bad_document(d, "expected `.`, `]`");
		}
		else
			take_pair(d, table);
		skip(d, false);
		if (*d->at != '\0' && *d->at != '\n' && *d->at != '\r')
			bad_document(d, "expected newline, `#`");
	}
}

static bool
is_child(const char *path, const char *parent)
{
	size_t		n = strlen(parent);

	return strncmp(path, parent, n) == 0 && path[n] == '.' && strchr(path + n + 1, '.') == NULL;
}

static void
check_ranges(Document *d)
{
	for (int i = 0; i < OPTIONS; i++)
	{
		Option	   *o = &d->options[i];
		int			children = 0;

		if (!o->present)
			continue;
		if ((o->form == INTEGER || o->form == BITS || o->form == FLOAT) && (o->value < o->least || o->value > o->most))
			bad_option(o->path, psprintf("range [{\\\"max\\\": Number(%.10g), \\\"value\\\": Number(%.10g), \\\"min\\\": Number(%.10g)}]",
										 o->most, o->value, o->least));
		if (o->form == BITS && o->value != 1 && o->value != 2 && o->value != 4 && o->value != 8)
			bad_option(o->path, "bits must be 1, 2, 4 or 8 [{}]");
		for (int j = 0; j < OPTIONS; j++)
			children += d->options[j].present && is_child(d->options[j].path, o->path);
		if (o->form == ONE_OF && children != 1)
			bad_document(d, psprintf("wanted exactly 1 element, found %d elements", children));
	}
}

static int
integer_or(Document *d, const char *path, int otherwise)
{
	Option	   *o = find(d, path);

	return o->present ? (int) o->value : otherwise;
}

static char *
quantization_json(Document *d, const char *algorithm)
{
	char	   *path = psprintf("indexing.%s.quantization", algorithm);

	if (!find(d, path)->present)
		return "null";
	if (find(d, psprintf("%s.scalar", path))->present)
		return psprintf("{\"scalar\":{\"bits\":%d}}", integer_or(d, psprintf("%s.scalar.bits", path), 8));
	if (find(d, psprintf("%s.product", path))->present)
		return psprintf("{\"product\":{\"ratio\":%d,\"bits\":%d}}", integer_or(d, psprintf("%s.product.ratio", path), 1),
						integer_or(d, psprintf("%s.product.bits", path), 8));
	return "{\"rabitq\":{}}";
}

static char *
indexing_json(Document *d)
{
	const char *yes_no[] = {"false", "true"};

	if (find(d, "indexing.flat")->present)
		return psprintf("{\"flat\":{\"quantization\":%s}}", quantization_json(d, "flat"));
	if (find(d, "indexing.sparse_inverted_index")->present)
		return "{\"sparse_inverted_index\":{}}";
	if (find(d, "indexing.ivf")->present)
		return psprintf("{\"ivf\":{\"nlist\":%d,\"spherical_centroids\":%s,\"residual_quantization\":%s,\"quantization\":%s}}",
						integer_or(d, "indexing.ivf.nlist", 1000),
						yes_no[integer_or(d, "indexing.ivf.spherical_centroids", 0)],
						yes_no[integer_or(d, "indexing.ivf.residual_quantization", 0)], quantization_json(d, "ivf"));
	return psprintf("{\"hnsw\":{\"m\":%d,\"ef_construction\":%d,\"quantization\":%s}}",
					integer_or(d, "indexing.hnsw.m", 12), integer_or(d, "indexing.hnsw.ef_construction", 300),
					quantization_json(d, "hnsw"));
}

char *
check_index_options(const char *toml, const IndexKey *key)
{
	static const char *const kinds[] = {"Vecf32", "Vecf16", "BVector", "SVecf32"};
	bool		dense = key->kind == KIND_F32 || key->kind == KIND_F16;
	Document	d = {.start = toml, .at = toml};
	const char *distance;

	memcpy(d.options, known, sizeof(known));
	parse(&d);
	check_ranges(&d);
	if (find(&d, "indexing.ivf")->present && !dense)
		bad_option("__all__", "ivf is only supported for dense vectors [{}]");
	if (!dense && (find(&d, "indexing.hnsw.quantization")->present || find(&d, "indexing.flat.quantization")->present))
		bad_option("__all__", "quantization is only supported for dense vectors [{}]");
	if (find(&d, "indexing.sparse_inverted_index")->present)
	{
		if (key->kind != KIND_SPARSE)
			bad_option("__all__", "sparse_inverted_index is only supported for sparse vectors [{}]");
		if (strcmp(key->distance, "dot") != 0)
			bad_option("__all__", "sparse_inverted_index is only supported for dot distance [{}]");
	}
	/* Cosine is the dot product of what was normalized before. */
	distance = strcmp(key->distance, "l2") == 0 ? "L2" : strcmp(key->distance, "hamming") == 0 ? "Hamming" :
		strcmp(key->distance, "jaccard") == 0 ? "Jaccard" : "Dot";
	return psprintf("{\"vector\":{\"dimensions\":%d,\"vector\":\"%s\",\"distance\":\"%s\"},\"indexing\":%s}",
					key->dims, kinds[key->kind], distance, indexing_json(&d));
}
