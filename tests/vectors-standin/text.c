/*
 * In: the text form of a value. Out: the value, and back. Accepts and refuses what a real server did (the golden data);
 * positions in messages count from 0. Not here: type modifiers, which no input function enforces.
 */
#include "vectors.h"

#define TOKEN_MAX 48

PG_FUNCTION_INFO_V1(standin_vector_in);
PG_FUNCTION_INFO_V1(standin_vector_out);
PG_FUNCTION_INFO_V1(standin_vecf16_in);
PG_FUNCTION_INFO_V1(standin_vecf16_out);
PG_FUNCTION_INFO_V1(standin_bvector_in);
PG_FUNCTION_INFO_V1(standin_bvector_out);
PG_FUNCTION_INFO_V1(standin_svector_in);
PG_FUNCTION_INFO_V1(standin_svector_out);

static void
bad_literal(const char *hint, int position)
{
	ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = %s at position %d", hint, position)));
}

static bool
is_token_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '+' || c == '-';
}

typedef struct Token
{
	char		text[TOKEN_MAX + 1];
	int			length;
} Token;

static void
push(Token *token, char c, int position)
{
	if (token->length == TOKEN_MAX)
		bad_literal("Too long number", position);
	token->text[token->length++] = c;
	token->text[token->length] = '\0';
}

static void
take_float(Token *token, int position, float4 *value)
{
	if (!parse_f32(token->text, value))
		bad_literal("Bad parsing", position);
	token->length = 0;
}

static uint64
take_unsigned(Token *token, uint64 limit, int position)
{
	uint64		value = 0;

	if (token->length == 0 || !parse_unsigned(token->text, limit, &value))
		bad_literal("Bad parsing", position);
	token->length = 0;
	return value;
}

/* Where the brackets stand: blanks around them are skipped, anything else is refused. */
static void
find_brackets(const char *text, int length, int *left, int *right)
{
	if (length == 0)
		ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = The input string is empty.")));
	for (*left = 0; *left < length - 1 && text[*left] == ' '; (*left)++)
		;
	if (*left >= length - 1)
		ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = Bad parentheses character '['")));
	if (text[*left] != '[')
		bad_literal("Bad character", *left);
	for (*right = length - 1; *right > 0 && text[*right] == ' '; (*right)--)
		;
	if (*right == 0)
		ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = Bad parentheses character ']'")));
	if (text[*right] != ']')
		bad_literal("Bad character", *right);
}

/* The elements of "[a, b]" as floats, or as bits when `bits`. Blanks inside a number are dropped, one last comma is allowed. */
static float4 *
parse_elements(const char *text, bool bits, uint32 *count)
{
	int			length = strlen(text);
	float4	   *values = palloc(sizeof(float4) * (length / 2 + 1));
	Token		token = {.length = 0};
	uint32		n = 0;
	int			left,
				right;

	find_brackets(text, length, &left, &right);
	for (int i = left + 1; i <= right; i++)
	{
		if (text[i] == ' ')
			continue;
		if (i < right && is_token_character(text[i]))
			push(&token, text[i], i);
		else if (i < right && text[i] != ',')
			bad_literal("Bad character", i);
		else if (token.length > 0 && bits)
			values[n++] = take_unsigned(&token, 1, i);
		else if (token.length > 0)
			take_float(&token, i, &values[n++]);
		else if (i < right)
			bad_literal("Too short number", i);
	}
	check_value_dims(n, DENSE_DIMS_MAX);
	*count = n;
	return values;
}

Datum
standin_vector_in(PG_FUNCTION_ARGS)
{
	uint32		dims;
	float4	   *values = parse_elements(PG_GETARG_CSTRING(0), false, &dims);
	Dense	   *v = new_vector(dims);

	memcpy(F32(v), values, dims * sizeof(float4));
	PG_RETURN_POINTER(v);
}

Datum
standin_vecf16_in(PG_FUNCTION_ARGS)
{
	uint32		dims;
	float4	   *values = parse_elements(PG_GETARG_CSTRING(0), false, &dims);
	Dense	   *v = new_vecf16(dims);

	for (uint32 i = 0; i < dims; i++)
		F16(v)[i] = f32_to_f16(values[i]);
	PG_RETURN_POINTER(v);
}

Datum
standin_bvector_in(PG_FUNCTION_ARGS)
{
	uint32		dims;
	float4	   *values = parse_elements(PG_GETARG_CSTRING(0), true, &dims);
	Dense	   *v = new_bvector(dims);

	for (uint32 i = 0; i < dims; i++)
		v->words[i / 64] |= (uint64) (values[i] != 0) << (i % 64);
	PG_RETURN_POINTER(v);
}

Datum
standin_vector_out(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	StringInfoData out;

	initStringInfo(&out);
	for (uint32 i = 0; i < v->dims; i++)
	{
		appendStringInfoString(&out, i == 0 ? "[" : ", ");
		append_f32(&out, F32(v)[i]);
	}
	appendStringInfoChar(&out, ']');
	PG_RETURN_CSTRING(out.data);
}

Datum
standin_vecf16_out(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	StringInfoData out;

	initStringInfo(&out);
	for (uint32 i = 0; i < v->dims; i++)
	{
		appendStringInfoString(&out, i == 0 ? "[" : ", ");
		append_f32(&out, f16_to_f32(F16(v)[i]));
	}
	appendStringInfoChar(&out, ']');
	PG_RETURN_CSTRING(out.data);
}

Datum
standin_bvector_out(PG_FUNCTION_ARGS)
{
	Dense	   *v = PG_GETARG_DENSE(0);
	StringInfoData out;

	initStringInfo(&out);
	for (uint32 i = 0; i < v->dims; i++)
		appendStringInfo(&out, "%s%d", i == 0 ? "[" : ", ", (int) (v->words[i / 64] >> (i % 64) & 1));
	appendStringInfoChar(&out, ']');
	PG_RETURN_CSTRING(out.data);
}

typedef struct Entry
{
	uint32		index;
	float4		value;
} Entry;

static int
by_index(const void *a, const void *b)
{
	uint32		left = ((const Entry *) a)->index;
	uint32		right = ((const Entry *) b)->index;

	return (left > right) - (left < right);
}

/* "{index:value, …}/dims" in one pass; what stands between the marks is a token. */
static Entry *
parse_entries(const char *text, uint32 *count, uint64 *dims)
{
	enum
	{
		OPEN, INDEX, VALUE, CLOSED, DIMS
	}			at = OPEN;
	int			length = strlen(text);
	Entry	   *entries = palloc(sizeof(Entry) * (length / 2 + 1));
	Token		token = {.length = 0};
	uint32		n = 0;

	if (length == 0)
		ereport(ERROR, (errmsg("pgvecto.rs: Bad literal.\nINFORMATION: hint = The input string is empty.")));
	for (int i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c == ' ')
			continue;
		if (at == OPEN && c == '{')
			at = INDEX;
		else if (at == INDEX && c == ':')
		{
			entries[n].index = take_unsigned(&token, PG_UINT32_MAX, i);
			at = VALUE;
		}
		else if (at == VALUE && token.length > 0 && (c == ',' || c == '}'))
		{
			take_float(&token, i, &entries[n++].value);
			at = (c == ',') ? INDEX : CLOSED;
		}
		else if (at == INDEX && c == '}' && token.length == 0)
			at = CLOSED;
		else if (at == CLOSED && c == '/')
			at = DIMS;
		else if (((at == INDEX || at == VALUE) && is_token_character(c)) || (at == DIMS && c >= '0' && c <= '9'))
			push(&token, c, i);
		else
			bad_literal("Bad character", i);
	}
	if (at != DIMS)
		bad_literal("Bad parsing", length);
	*dims = take_unsigned(&token, PG_UINT32_MAX, length);
	*count = n;
	return entries;
}

/*
 * Sorts, refuses duplicates, drops zeros. The real server looks at an index only when the next one comes, and at the
 * last only after the zeros are gone, so a zero past the end is accepted in the last place alone.
 */
Datum
standin_svector_in(PG_FUNCTION_ARGS)
{
	uint32		n,
				nnz = 0;
	uint64		dims;
	Entry	   *entries = parse_entries(PG_GETARG_CSTRING(0), &n, &dims);
	Sparse	   *v;

	check_value_dims(dims, SPARSE_DIMS_MAX);
	qsort(entries, n, sizeof(Entry), by_index);
	for (uint32 i = 0; i < n; i++)
	{
		if (i > 0 && entries[i].index == entries[i - 1].index)
			ereport(ERROR, (errmsg("Indexes need to be unique, but there are more than one same index %u", entries[i].index)));
		if (i > 0 && entries[i - 1].index >= dims)
			ereport(ERROR, (errmsg("Index out of bounds: the dim is %u but the index is %u", (uint32) dims, entries[i].index)));
	}
	for (uint32 i = 0; i < n; i++)
		if (entries[i].value != 0)
			entries[nnz++] = entries[i];
	if (nnz > 0 && entries[nnz - 1].index >= dims)
		ereport(ERROR, (errmsg("invalid data")));
	v = new_sparse(dims, nnz);
	for (uint32 i = 0; i < nnz; i++)
	{
		v->index[i] = entries[i].index;
		SPARSE_VALUES(v)[i] = entries[i].value;
	}
	PG_RETURN_POINTER(v);
}

Datum
standin_svector_out(PG_FUNCTION_ARGS)
{
	Sparse	   *v = PG_GETARG_SPARSE(0);
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	for (uint32 i = 0; i < v->nnz; i++)
	{
		appendStringInfo(&out, "%s%u:", i == 0 ? "" : ", ", v->index[i]);
		append_f32(&out, SPARSE_VALUES(v)[i]);
	}
	appendStringInfo(&out, "}/%u", v->dims);
	PG_RETURN_CSTRING(out.data);
}
