#include "base/num.h"

#include "base/auto.h"

struct unit {
	const char *name;
	uint64_t times;
};

static const struct unit byte_units[] = { { "", 1 }, { "B", 1 },
	{ "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 },
	{ "TiB", (uint64_t)1 << 40 }, { "kB", 1000 }, { "MB", 1000000 },
	{ "GB", 1000000000 } };

static const struct unit time_units[] = { { "ms", 1 }, { "s", 1000 },
	{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

static bool
parse_digits(struct view *v, uint64_t *out)
{
	uint64_t x = 0;
	size_t n = 0;

	for (; n < v->n && v->p[n] >= '0' && v->p[n] <= '9'; n++) {
		if (__builtin_mul_overflow(x, 10, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(v->p[n] - '0'), &x))
			return false;
	}
	view_skip(v, n);
	*out = x;
	return n > 0;
}

static bool
parse_unit(struct view v, const struct unit *units, size_t n_units,
    uint64_t max, uint64_t *out)
{
	uint64_t x;

	if (!parse_digits(&v, &x))
		return false;
	for (size_t i = 0; i < n_units; i++) {
		if (!view_eq_str(v, units[i].name))
			continue;
		if (__builtin_mul_overflow(x, units[i].times, &x) || x > max)
			return false;
		*out = x;
		return true;
	}
	return false;
}

int
num_parse(struct view v, uint64_t max, uint64_t *out, struct gg_error *err)
{
	struct view all = v;
	uint64_t x;

	if (!parse_digits(&v, &x) || v.n != 0 || x > max)
		return gg_fail(err, GG_E_INPUT,
		    "\"%.*s\" is not a number from 0 to %llu",
		    (int)(all.n > 40 ? 40 : all.n), all.p,
		    (unsigned long long)max);
	*out = x;
	return 0;
}

int
num_parse_bytes(struct view v, uint64_t *bytes, struct gg_error *err)
{
	if (!parse_unit(v, byte_units, GG_COUNT(byte_units), INT64_MAX, bytes))
		return gg_fail(err, GG_E_INPUT,
		    "\"%.*s\" is not a size like 10MiB",
		    (int)(v.n > 40 ? 40 : v.n), v.p);
	return 0;
}

int
num_parse_duration(struct view v, int64_t *ms, struct gg_error *err)
{
	uint64_t x;

	if (!parse_unit(v, time_units, GG_COUNT(time_units), INT64_MAX / 2, &x))
		return gg_fail(err, GG_E_INPUT,
		    "\"%.*s\" is not a duration like 90s, 15m, 72h or 30d",
		    (int)(v.n > 40 ? 40 : v.n), v.p);
	*ms = (int64_t)x;
	return 0;
}
