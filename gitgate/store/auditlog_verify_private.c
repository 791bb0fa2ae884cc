/*
 * Openings against entries: each is what was logged, and what is missing an
 * entry "redaction" behind it accounts for.
 */
#include "base/fd.h"
#include "store/auditlog_priv.h"

#include <stdlib.h>
#include <sys/stat.h>

struct census {
	const char *dir;
	uint64_t size;
	private_set *missing; /* of each entry */
	struct private_census *out;
};

static private_set
places_of(const json_t *redaction)
{
	private_set set = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(redaction, "places"), i,
	    v) if (json_is_string(v))
	    set |= private_place_find(json_string_value(v));
	return set;
}

/* What it says was erased is accounted for. */
static void
take_redaction(struct census *c, const json_t *e, uint64_t seq)
{
	private_set places = places_of(e);
	const json_t *range;
	size_t i;

	json_array_foreach(json_object_get(e, "entries"), i, range)
	{
		json_int_t a = json_integer_value(json_array_get(range, 0));
		json_int_t b = json_integer_value(json_array_get(range, 1));

		for (; a >= 0 && a <= b && (uint64_t)a < seq; a++) {
			c->out->erased += (uint64_t)
			    __builtin_popcount(c->missing[a] & places);
			c->missing[a] &= ~places;
		}
	}
}

static int
take_entry(struct census *c, uint64_t seq, struct view entry,
    struct view opening, struct gg_error *err)
{
	json_auto_t *e = json_loadb(entry.n ? entry.p : "", entry.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const char *type = json_string_value(json_object_get(e, "type"));
	private_set sealed, missing = 0;
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_CORRUPT, "entry %llu: it is not JSON",
		    (unsigned long long)seq);
	if (type != NULL && strcmp(type, "redaction") == 0)
		take_redaction(c, e, seq);
	sealed = private_sealed(e);
	if ((rc = private_open(e, opening, &missing, err)) != 0)
		return gg_wrap(err, rc, "entry %llu", (unsigned long long)seq);
	c->missing[seq] = missing;
	c->out->values += (uint64_t)__builtin_popcount(sealed & ~missing);
	return 0;
}

static int
take_bundle(struct census *c, uint64_t n, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bundle = BUF_INIT(TILE_BUNDLE_MAX_BYTES + 1);
	GG_AUTO_RELEASE(buf) records = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	struct tile t = { .is_bundle = true, .n = n, .width = TILE_WIDTH };
	struct view entries, entry, openings, opening;
	uint64_t seq = n * TILE_WIDTH;
	int rc;

	if (c->size - seq < TILE_WIDTH)
		t.width = (unsigned)(c->size - seq);
	rc = tile_fetch(auditlog_fetch_dir, (void *)(uintptr_t)c->dir, &t,
	    &bundle, err);
	if (rc != 0 ||
	    (rc = private_bundle_read(c->dir, n, &records, err)) != 0)
		return rc;
	entries = buf_view(&bundle);
	openings = buf_view(&records);
	for (; tile_next_entry(&entries, &entry, NULL) == 1; seq++) {
		if (tile_next_entry(&openings, &opening, NULL) != 1)
			opening = (struct view){ 0 };
		if ((rc = take_entry(c, seq, entry, opening, err)) != 0)
			return rc;
	}
	return 0;
}

static int
check_missing(const struct census *c, struct gg_error *err)
{
	for (uint64_t seq = 0; seq < c->size; seq++)
		for (size_t i = 0; private_place(i) != NULL; i++)
			if ((c->missing[seq] & 1U << i) != 0)
				return gg_fail(err, GG_E_CORRUPT,
				    "entry %llu: the opening of %s is missing, "
				    "and no entry says that it was erased (if "
				    "that happens now, verify again)",
				    (unsigned long long)seq, private_place(i));
	return 0;
}

int
auditlog_verify_private(const char *dir, uint64_t size,
    struct private_census *out, struct gg_error *err)
{
	GG_AUTO_MEM private_set *missing = NULL;
	GG_AUTO_MEM char *path = path_f("%s/" LOG_PRIVATE, dir);
	struct census c = { .dir = dir, .size = size, .out = out };
	struct stat st;
	int rc = 0;

	*out = (struct private_census){ 0 };
	if (stat(path, &st) != 0)
		return 0;
	out->has_openings = true;
	missing = calloc(size + 1, sizeof(*missing));
	if (missing == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for %llu entries",
		    (unsigned long long)size);
	c.missing = missing;
	for (uint64_t n = 0; n * TILE_WIDTH < size && rc == 0; n++)
		rc = take_bundle(&c, n, err);
	return rc != 0 ? rc : check_missing(&c, err);
}
