#include "audit/tile.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* "x001/x234/067" */
static void
format_index(uint64_t n, char *out, size_t room)
{
	char tail[TILE_PATH_SIZE], whole[TILE_PATH_SIZE];

	(void)snprintf(whole, sizeof(whole), "%03u", (unsigned)(n % 1000));
	for (n /= 1000; n > 0; n /= 1000) {
		memcpy(tail, whole, sizeof(tail));
		(void)snprintf(whole, sizeof(whole), "x%03u/%.40s",
		    (unsigned)(n % 1000), tail);
	}
	(void)snprintf(out, room, "%s", whole);
}

void
tile_path(const struct tile *t, char out[TILE_PATH_SIZE])
{
	char index[TILE_PATH_SIZE], level[8] = "entries";
	int n;

	if (t->width == 0 || t->width > TILE_WIDTH || t->level >= 64)
		gg_die("no such tile: level %u width %u", t->level, t->width);
	format_index(t->n, index, sizeof(index));
	if (!t->is_bundle)
		(void)snprintf(level, sizeof(level), "%u", t->level);
	n = snprintf(out, TILE_PATH_SIZE, "tile/%s/%s", level, index);
	if (t->width < TILE_WIDTH)
		n = snprintf(out, TILE_PATH_SIZE, "tile/%s/%s.p/%u", level,
		    index, t->width);
	if (n < 0 || n >= TILE_PATH_SIZE)
		gg_die("tile path too long");
}

/*
 * Read leniently, then format and compare: there is one form only, so what
 * differs from it anywhere is refused.
 */
int
tile_path_parse(struct view path, struct tile *out, struct gg_error *err)
{
	struct tile t = { .width = TILE_WIDTH };
	struct view rest = path, part = { 0 };
	char back[TILE_PATH_SIZE];
	uint64_t x = 0, n = 0;
	bool ok;

	ok = path.n < TILE_PATH_SIZE && view_cut(&rest, '/', &part) &&
	    view_eq_str(part, "tile") && view_cut(&rest, '/', &part);
	if (ok && view_eq_str(part, "entries"))
		t.is_bundle = true;
	else
		ok = ok && num_parse(part, 63, &x, NULL) == 0;
	t.level = (unsigned)x;
	while (ok && view_has_prefix(rest, "x")) {
		ok = view_cut(&rest, '/', &part);
		view_skip(&part, 1);
		ok = ok && num_parse(part, 999, &x, NULL) == 0 &&
		    !__builtin_mul_overflow(n + x, 1000, &n);
	}
	if (ok && view_cut(&rest, '/', &part)) {
		ok = num_parse(rest, TILE_WIDTH - 1, &x, NULL) == 0 && x > 0 &&
		    view_has_suffix(part, ".p");
		t.width = (unsigned)x;
		rest = view_of(part.p, part.n - (ok ? 2 : 0));
	}
	ok = ok && num_parse(rest, 999, &x, NULL) == 0 &&
	    !__builtin_add_overflow(n, x, &t.n);
	if (ok)
		tile_path(&t, back);
	if (!ok || !view_eq_str(path, back))
		return gg_fail(err, GG_E_INPUT, "not a tile's path: %.*s",
		    (int)(path.n > 80 ? 80 : path.n), path.p);
	*out = t;
	return 0;
}

uint64_t
tile_full_count(unsigned level, uint64_t size)
{
	return level >= 7 ? 0 : size >> (8 * (level + 1));
}

unsigned
tile_partial_width(unsigned level, uint64_t size)
{
	return level >= 8 ? 0 : (unsigned)(size >> (8 * level) & 255);
}

int
tile_next_entry(struct view *bundle, struct view *entry, struct gg_error *err)
{
	size_t n;

	if (bundle->n == 0)
		return 0;
	if (bundle->n < 2)
		return gg_fail(err, GG_E_CORRUPT,
		    "the bundle ends within a length");
	n = (size_t)(unsigned char)bundle->p[0] << 8 |
	    (unsigned char)bundle->p[1];
	if (bundle->n - 2 < n)
		return gg_fail(err, GG_E_CORRUPT,
		    "the bundle ends within an entry");
	*entry = view_of(bundle->p + 2, n);
	view_skip(bundle, 2 + n);
	return 1;
}
