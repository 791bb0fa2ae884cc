#include "config/limits.h"

#include "base/num.h"

#include <stddef.h>

/* Ceilings of what an operator may ask for: sums of them cannot overflow. */
#define MAX_BYTES ((uint64_t)1 << 50)
#define MAX_COUNT ((uint64_t)UINT32_MAX)
#define MAX_MS    ((uint64_t)365 * 86400000)

static const struct limit_info table[] = {
#define LIMIT(field, key, kind, value, doc) \
	{ key, LIMIT_##kind, value, doc, offsetof(struct limits, field) },
#include "config/limits.def"
#undef LIMIT
};

/* Where nothing at all is a sensible ceiling. */
static const char *const may_be_zero[] = { "push-options", "recordings-size",
	"waiting-pushes", "max-wait", "delta-depth", "shutdown-grace",
	"requests-per-address", "requests-per-principal", "failed-auth" };

static uint64_t *
field_of(struct limits *l, const struct limit_info *i)
{
	return (uint64_t *)(void *)((char *)l + i->offset);
}

uint64_t
limits_get(const struct limits *l, const struct limit_info *i)
{
	return *(const uint64_t *)(const void *)((const char *)l + i->offset);
}

void
limits_default(struct limits *l)
{
	for (size_t i = 0; i < GG_COUNT(table); i++)
		*field_of(l, &table[i]) = table[i].value;
}

void
limits_each(limits_fn *fn, void *arg)
{
	for (size_t i = 0; i < GG_COUNT(table); i++)
		fn(&table[i], arg);
}

void
limits_format(const struct limit_info *i, uint64_t value, struct buf *out)
{
	static const struct {
		enum limit_kind kind;
		uint64_t times;
		const char *name;
	} units[] = { { LIMIT_BYTES, 1 << 30, "GiB" },
		{ LIMIT_BYTES, 1 << 20, "MiB" },
		{ LIMIT_BYTES, 1 << 10, "KiB" }, { LIMIT_MS, 86400000, "d" },
		{ LIMIT_MS, 3600000, "h" }, { LIMIT_MS, 60000, "m" },
		{ LIMIT_MS, 1000, "s" }, { LIMIT_MS, 1, "ms" } };

	for (size_t u = 0; u < GG_COUNT(units); u++) {
		if (units[u].kind != i->kind || value % units[u].times != 0 ||
		    (value == 0 && units[u].times != 1000))
			continue;
		buf_addf(out, "%llu%s",
		    (unsigned long long)(value / units[u].times),
		    units[u].name);
		return;
	}
	buf_addf(out, "%llu", (unsigned long long)value);
}

static int
parse_value(const struct limit_info *i, struct view v, uint64_t *out,
    struct gg_error *err)
{
	int64_t ms = 0;
	int rc;

	switch (i->kind) {
	case LIMIT_BYTES:
		if ((rc = num_parse_bytes(v, out, err)) == 0 &&
		    *out > MAX_BYTES)
			return gg_fail(err, GG_E_INPUT, "more than 1024TiB");
		return rc;
	case LIMIT_COUNT:
		return num_parse(v, MAX_COUNT, out, err);
	case LIMIT_MS:
		if ((rc = num_parse_duration(v, &ms, err)) < 0)
			return rc;
		*out = (uint64_t)ms;
		if (*out > MAX_MS)
			return gg_fail(err, GG_E_INPUT, "more than 365d");
		return 0;
	}
	return gg_fail(err, GG_E_INPUT, "unknown kind of limit");
}

static int
check_zero(const struct limit_info *i, uint64_t x, struct gg_error *err)
{
	if (x > 0)
		return 0;
	for (size_t z = 0; z < GG_COUNT(may_be_zero); z++)
		if (strcmp(may_be_zero[z], i->key) == 0)
			return 0;
	return gg_fail(err, GG_E_INPUT, "must be more than 0");
}

int
limits_set(struct limits *l, const char *key, struct view value,
    struct gg_error *err)
{
	for (size_t i = 0; i < GG_COUNT(table); i++) {
		uint64_t x = 0;
		int rc;

		if (strcmp(table[i].key, key) != 0)
			continue;
		if ((rc = parse_value(&table[i], value, &x, err)) < 0 ||
		    (rc = check_zero(&table[i], x, err)) < 0)
			return rc;
		*field_of(l, &table[i]) = x;
		return 0;
	}
	return gg_fail(err, GG_E_NOTFOUND, "unknown limit \"%.60s\"", key);
}
