/*
 * In: tokens and floats. Out: floats and the digits that PGVecto.rs prints for them (shortest that reads back, never an
 * exponent). Not here: brackets, commas, indices (text.c).
 */
#include "vectors.h"

#include <ctype.h>
#include <math.h>

#include "common/shortest_dec.h"

float4
f16_to_f32(uint16 half)
{
	uint32		sign = (uint32) (half & 0x8000) << 16;
	uint32		exponent = (half >> 10) & 0x1f;
	uint32		fraction = half & 0x3ff;
	union
	{
		uint32		u;
		float4		f;
	}			r;

	if (exponent == 0)
	{
		r.f = (float4) fraction * 0x1p-24f;
		r.u |= sign;
	}
	else if (exponent == 0x1f)
		r.u = sign | 0x7f800000 | (fraction << 13) | (fraction ? 0x00400000 : 0);
	else
		r.u = sign | ((exponent + 112) << 23) | (fraction << 13);
	return r.f;
}

/* Round to nearest, ties to even; what overflows becomes infinity without an error. */
uint16
f32_to_f16(float4 value)
{
	union
	{
		float4		f;
		uint32		u;
	}			in = {.f = value};
	uint16		sign = (in.u >> 16) & 0x8000;
	uint32		magnitude = in.u & 0x7fffffff;
	uint32		kept,
				rest,
				half;
	int			shift;

	if (magnitude > 0x7f800000)
		return sign | 0x7e00 | ((magnitude >> 13) & 0x3ff);
	if (magnitude >= 0x47800000)
		return sign | 0x7c00;
	if (magnitude >= 0x38800000)	/* normal in f16: the exponent's bias moves from 127 to 15 */
	{
		kept = magnitude - (112u << 23);
		shift = 13;
	}
	else if (magnitude >= 0x33000000)	/* subnormal in f16: count units of 2^-24 */
	{
		kept = (magnitude & 0x7fffff) | 0x800000;
		shift = 126 - (int) (magnitude >> 23);
	}
	else
		return sign;
	rest = kept & ((1u << shift) - 1);
	half = 1u << (shift - 1);
	kept >>= shift;
	if (rest > half || (rest == half && (kept & 1)))
		kept++;					/* a carry into the exponent is the right answer, up to infinity */
	return sign | (uint16) kept;
}

static bool
same_word(const char *token, const char *word)
{
	return pg_strcasecmp(token, word) == 0;
}

/* Accepts: sign, digits with an optional point, exponent; inf, infinity, nan in any case. No blanks, no hexadecimal. */
bool
parse_f32(const char *token, float4 *value)
{
	const char *p = token;
	bool		negative = (*p == '-');
	bool		digits = false;

	if (*p == '+' || *p == '-')
		p++;
	if (same_word(p, "inf") || same_word(p, "infinity"))
	{
		*value = negative ? -INFINITY : INFINITY;
		return true;
	}
	if (same_word(p, "nan"))
	{
		*value = negative ? -NAN : NAN;
		return true;
	}
	for (; isdigit((unsigned char) *p); p++)
		digits = true;
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++)
			digits = true;
	if (!digits)
		return false;
	if (*p == 'e' || *p == 'E')
	{
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (!isdigit((unsigned char) *p))
			return false;
		while (isdigit((unsigned char) *p))
			p++;
	}
	if (*p != '\0')
		return false;
	*value = strtof(token, NULL);	/* overflow is infinity and underflow is zero, as on a real server */
	return true;
}

/* Digits with an optional plus, at most `limit`. */
bool
parse_unsigned(const char *token, uint64 limit, uint64 *value)
{
	uint64		v = 0;

	if (*token == '+')
		token++;
	if (*token == '\0')
		return false;
	for (; *token; token++)
	{
		if (!isdigit((unsigned char) *token))
			return false;
		v = v * 10 + (*token - '0');
		if (v > limit)
			return false;
	}
	*value = v;
	return true;
}

/* Splits "-1.25e-07" into the digits "125" and the place of the point, counted from before the first digit. */
static int
split_decimal(const char *decimal, char *digits, int *point)
{
	int			n = 0;
	bool		after = false;

	*point = 0;
	for (; *decimal && *decimal != 'e'; decimal++)
	{
		if (*decimal == '.')
			after = true;
		else if (isdigit((unsigned char) *decimal))
		{
			if (n > 0 || *decimal != '0')
				digits[n++] = *decimal;
			if (!after && n > 0)
				(*point)++;
			else if (after && n == 0)
				(*point)--;
		}
	}
	if (*decimal == 'e')
		*point += atoi(decimal + 1);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = '\0';
	return n;
}

/*
 * The shortest digits that read back. PostgreSQL's differ from PGVecto.rs's in two places: PostgreSQL leaves out a decimal
 * that lies exactly between two floats, which is shorter only from 2^25 on, and it rounds a tie to even instead of up.
 */
static int
shortest_digits(float4 value, char *digits, int *point)
{
	char		decimal[160];
	int			n;

	float_to_shortest_decimal_buf(value, decimal);
	n = split_decimal(decimal, digits, point);
	while (n > 1 && value >= 0x1p25f)
	{
		snprintf(decimal, sizeof(decimal), "%.*e", n - 2, value);
		if (strtof(decimal, NULL) != value)
			break;
		n = split_decimal(decimal, digits, point);
	}
	if ((digits[n - 1] - '0') % 2 == 0)
	{
		char		exact[160];
		int			exact_point;

		snprintf(decimal, sizeof(decimal), "%.120e", value);	/* no float has more digits */
		if (split_decimal(decimal, exact, &exact_point) == n + 1 && exact[n] == '5' && strncmp(exact, digits, n) == 0)
		{
			digits[n - 1]++;
			snprintf(decimal, sizeof(decimal), "0.%se%d", digits, *point);
			if (strtof(decimal, NULL) != value)
				digits[n - 1]--;
		}
	}
	return n;
}

void
append_f32(StringInfo out, float4 value)
{
	char		digits[64];
	int			point;
	int			n;

	if (isnan(value))
	{
		appendStringInfoString(out, "NaN");
		return;
	}
	if (signbit(value))
		appendStringInfoChar(out, '-');
	if (isinf(value) || value == 0)
	{
		appendStringInfoString(out, isinf(value) ? "inf" : "0");
		return;
	}
	n = shortest_digits(fabsf(value), digits, &point);
	if (point <= 0)
		appendStringInfo(out, "0.%.*s%s", -point, "0000000000000000000000000000000000000000000000000", digits);
	else if (point >= n)
		appendStringInfo(out, "%s%.*s", digits, point - n, "0000000000000000000000000000000000000000000000000");
	else
		appendStringInfo(out, "%.*s.%s", point, digits, digits + point);
}
