#include "pack/pack_scan.h"

#include <limits.h>
#include <zlib.h>

enum {
	HEADER_BYTES = 12,
	TRAILER_BYTES = 20,
	DELTA_HEAD = 20,    /* two varints of at most ten bytes */
	KEPT_MAX = 1 << 20, /* entries whose offset and depth are kept */
	OUT_BYTES = 65536,
	/* Everything inflated: so many of the largest allowed objects, and so
	 * many bytes per byte sent. */
	TOTAL_OBJECTS = 16,
	TOTAL_RATIO = 200,
};
/* Commits, trees and tags are read whole. */
#define STRUCTURE_BYTES (64ULL << 20)

enum scan_state {
	AT_HEADER,
	AT_ENTRY,
	AT_OFFSET,
	AT_BASE,
	AT_DATA,
	AT_TRAILER,
	AT_END,
};

enum entry_type {
	TYPE_COMMIT = 1,
	TYPE_TREE = 2,
	TYPE_BLOB = 3,
	TYPE_TAG = 4,
	TYPE_OFS_DELTA = 6,
	TYPE_REF_DELTA = 7,
};

struct pack_scan {
	struct job_limits limits;
	enum scan_state state;
	const char **limit; /* of the feed() under way */
	uint64_t at;        /* bytes eaten */
	uint32_t announced; /* objects */
	uint32_t seen;      /* entries complete */
	uint64_t inflated;  /* announced sizes, delta results included */
	/* the entry under way */
	uint64_t start;
	unsigned type;
	unsigned shift; /* 0: no byte of the varint was read */
	uint64_t size;
	uint64_t back; /* OFS_DELTA: distance of the base */
	uint64_t out;  /* bytes inflated */
	uint16_t depth;
	unsigned char small[DELTA_HEAD]; /* header, or a delta's first bytes */
	unsigned n_small;
	bool zready;
	z_stream z;
	/* per entry, up to KEPT_MAX of them */
	uint64_t *offsets;
	uint16_t *depths;
	uint32_t kept_alloc;
	unsigned char buf[OUT_BYTES];
};

struct pack_scan *
pack_scan_new(const struct job_limits *limits)
{
	struct pack_scan *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->limits = *limits;
	s->zready = inflateInit(&s->z) == Z_OK;
	if (!s->zready) {
		free(s);
		return NULL;
	}
	return s;
}

void
pack_scan_free(struct pack_scan *s)
{
	if (s == NULL)
		return;
	(void)inflateEnd(&s->z);
	free(s->offsets);
	free(s->depths);
	free(s);
}

uint64_t
pack_scan_bytes(const struct pack_scan *s)
{
	return s->at;
}

uint64_t
pack_scan_objects(const struct pack_scan *s)
{
	return s->announced;
}

static int
over(struct pack_scan *s, const char *key, struct gg_error *err,
    const char *what)
{
	*s->limit = key;
	return gg_fail(err, GG_E_LIMIT, "%s", what);
}

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static unsigned char
eat(struct pack_scan *s, struct view *in)
{
	unsigned char c = (unsigned char)*in->p;

	view_skip(in, 1);
	s->at++;
	return c;
}

/* After an entry or the header: another entry, or the trailer. */
static void
next_entry(struct pack_scan *s)
{
	s->state = s->seen == s->announced ? AT_TRAILER : AT_ENTRY;
	s->n_small = 0;
	s->shift = 0;
	s->size = 0;
	s->back = 0;
	s->out = 0;
	s->depth = 0;
}

static int
on_header(struct pack_scan *s, struct view *in, struct gg_error *err)
{
	uint32_t version;

	s->small[s->n_small++] = eat(s, in);
	if (s->n_small < HEADER_BYTES)
		return 0;
	version = be32(s->small + 4);
	if (memcmp(s->small, "PACK", 4) != 0)
		return gg_fail(err, GG_E_PEER, "pack has no signature");
	if (version != 2) /* git has never written another */
		return gg_fail(err, GG_E_PEER, "pack version %u", version);
	s->announced = be32(s->small + 8);
	if (s->announced > s->limits.pack_objects)
		return over(s, "pack-objects", err,
		    "the pack announces too many objects");
	next_entry(s);
	return 0;
}

static int
keep_entry(struct pack_scan *s, struct gg_error *err)
{
	uint32_t want;
	void *p;

	if (s->announced > KEPT_MAX)
		return 0;
	if (s->seen == s->kept_alloc) {
		want = s->kept_alloc == 0 ? 256 : s->kept_alloc * 2;
		p = reallocarray(s->offsets, want, sizeof(*s->offsets));
		if (p == NULL)
			return gg_fail(err, GG_E_NOMEM, "pack entries");
		s->offsets = p;
		p = reallocarray(s->depths, want, sizeof(*s->depths));
		if (p == NULL)
			return gg_fail(err, GG_E_NOMEM, "pack entries");
		s->depths = p;
		s->kept_alloc = want;
	}
	s->offsets[s->seen] = s->start;
	s->depths[s->seen] = s->depth;
	return 0;
}

static int
add_inflated(struct pack_scan *s, uint64_t n, struct gg_error *err)
{
	uint64_t most;

	if (n > s->limits.object_bytes)
		return over(s, "object-size", err,
		    "the pack announces an object that is too large");
	/* both factors are far below 2^56: limits are checked at config */
	most = TOTAL_OBJECTS * s->limits.object_bytes + TOTAL_RATIO * s->at;
	s->inflated += n;
	if (s->inflated > most)
		return over(s, "object-size", err,
		    "the pack inflates to far more than it holds");
	return 0;
}

static int
entry_announced(struct pack_scan *s, struct gg_error *err)
{
	bool whole = s->type == TYPE_COMMIT || s->type == TYPE_TREE ||
	    s->type == TYPE_TAG;

	if (whole && s->size > STRUCTURE_BYTES)
		return over(s, "object-size", err,
		    "a commit, tree or tag is too large");
	if (inflateReset(&s->z) != Z_OK)
		return gg_fail(err, GG_E_NOMEM, "zlib");
	s->n_small = 0;
	s->shift = 0;
	s->state = s->type == TYPE_OFS_DELTA ? AT_OFFSET :
	    s->type == TYPE_REF_DELTA        ? AT_BASE :
					       AT_DATA;
	s->depth = s->type == TYPE_REF_DELTA ? 1 : 0;
	return add_inflated(s, s->size, err);
}

static int
on_entry(struct pack_scan *s, struct view *in, struct gg_error *err)
{
	unsigned char c;

	if (s->shift == 0)
		s->start = s->at;
	c = eat(s, in);
	if (s->shift == 0) {
		s->type = (c >> 4) & 7;
		s->size = c & 15;
		s->shift = 4;
		if (s->type == 0 || s->type == 5)
			return gg_fail(err, GG_E_PEER,
			    "pack entry %u has an unknown type", s->seen);
	} else {
		if (s->shift > 56)
			return gg_fail(err, GG_E_PEER,
			    "pack entry %u has an over-wide size", s->seen);
		s->size |= (uint64_t)(c & 127) << s->shift;
		s->shift += 7;
	}
	return (c & 128) ? 0 : entry_announced(s, err);
}

/* The index of the entry that starts at offset, or UINT32_MAX. */
static uint32_t
entry_at(const struct pack_scan *s, uint64_t offset)
{
	uint32_t low = 0, high = s->seen, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->offsets[mid] == offset)
			return mid;
		if (s->offsets[mid] < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return UINT32_MAX;
}

static int
base_offset_known(struct pack_scan *s, struct gg_error *err)
{
	uint32_t base;

	if (s->back == 0 || s->back > s->start - HEADER_BYTES)
		return gg_fail(err, GG_E_PEER,
		    "pack entry %u: delta base is out of bounds", s->seen);
	s->state = AT_DATA;
	if (s->announced > KEPT_MAX)
		return 0;
	base = entry_at(s, s->start - s->back);
	if (base == UINT32_MAX)
		return gg_fail(err, GG_E_PEER,
		    "pack entry %u: delta base is not an entry", s->seen);
	if (s->depths[base] >= s->limits.delta_depth ||
	    s->depths[base] == UINT16_MAX)
		return over(s, "delta-depth", err,
		    "a chain of deltas is too long");
	s->depth = (uint16_t)(s->depths[base] + 1);
	return 0;
}

static int
on_offset(struct pack_scan *s, struct view *in, struct gg_error *err)
{
	unsigned char c = eat(s, in);

	if (s->n_small++ > 0) {
		if (s->back > (UINT64_MAX >> 8))
			return gg_fail(err, GG_E_PEER,
			    "pack entry %u: over-wide delta offset", s->seen);
		s->back = (s->back + 1) << 7;
	}
	s->back |= c & 127;
	if (c & 128)
		return 0;
	s->n_small = 0;
	return base_offset_known(s, err);
}

static void
on_base(struct pack_scan *s, struct view *in)
{
	(void)eat(s, in);
	if (++s->n_small < TRAILER_BYTES)
		return;
	s->n_small = 0;
	s->state = AT_DATA;
}

/* One varint of a delta's head; false when it is cut or over-wide. */
static bool
delta_size(const unsigned char **p, const unsigned char *end, uint64_t *out)
{
	unsigned shift = 0;

	*out = 0;
	while (*p < end && shift <= 56) {
		unsigned char c = *(*p)++;

		*out |= (uint64_t)(c & 127) << shift;
		shift += 7;
		if (!(c & 128))
			return true;
	}
	return false;
}

static int
check_delta_head(struct pack_scan *s, struct gg_error *err)
{
	const unsigned char *p = s->small, *end = p + s->n_small;
	uint64_t base, result;

	if (!delta_size(&p, end, &base) || !delta_size(&p, end, &result))
		return gg_fail(err, GG_E_PEER, "pack entry %u: malformed delta",
		    s->seen);
	if (base > s->limits.object_bytes)
		return over(s, "object-size", err,
		    "a delta names a base that is too large");
	return add_inflated(s, result, err);
}

static int
take_output(struct pack_scan *s, size_t n, struct gg_error *err)
{
	unsigned before = s->n_small;
	bool delta = s->type == TYPE_OFS_DELTA || s->type == TYPE_REF_DELTA;

	s->out += n;
	if (s->out > s->size)
		return gg_fail(err, GG_E_PEER,
		    "pack entry %u is longer than it says", s->seen);
	if (!delta || before == DELTA_HEAD)
		return 0;
	for (size_t i = 0; i < n && s->n_small < DELTA_HEAD; i++)
		s->small[s->n_small++] = s->buf[i];
	if (s->n_small == DELTA_HEAD || s->out == s->size)
		return before == s->n_small ? 0 : check_delta_head(s, err);
	return 0;
}

static int
entry_done(struct pack_scan *s, struct gg_error *err)
{
	int rc;

	if (s->out != s->size)
		return gg_fail(err, GG_E_PEER,
		    "pack entry %u is shorter than it says", s->seen);
	if (s->size == 0 &&
	    (s->type == TYPE_OFS_DELTA || s->type == TYPE_REF_DELTA))
		return gg_fail(err, GG_E_PEER, "pack entry %u: empty delta",
		    s->seen);
	if ((rc = keep_entry(s, err)) != 0)
		return rc;
	s->seen++;
	next_entry(s);
	return 0;
}

static int
on_data(struct pack_scan *s, struct view *in, struct gg_error *err)
{
	uInt give = in->n > INT_MAX ? INT_MAX : (uInt)in->n;
	bool stuck;
	int z, rc;

	s->z.next_in = (z_const Bytef *)(uintptr_t)in->p;
	s->z.avail_in = give;
	s->z.next_out = s->buf;
	s->z.avail_out = OUT_BYTES;
	z = inflate(&s->z, Z_NO_FLUSH);
	view_skip(in, give - s->z.avail_in);
	s->at += give - s->z.avail_in;
	if (z == Z_MEM_ERROR)
		return gg_fail(err, GG_E_NOMEM, "zlib");
	stuck = s->z.avail_in == give && s->z.avail_out == OUT_BYTES;
	if ((z != Z_OK && z != Z_STREAM_END) || (stuck && z == Z_OK))
		return gg_fail(err, GG_E_PEER, "pack entry %u does not inflate",
		    s->seen);
	rc = take_output(s, OUT_BYTES - s->z.avail_out, err);
	if (rc == 0 && z == Z_STREAM_END)
		rc = entry_done(s, err);
	return rc;
}

static void
on_trailer(struct pack_scan *s, struct view *in)
{
	(void)eat(s, in);
	if (++s->n_small == TRAILER_BYTES)
		s->state = AT_END;
}

static int
step(struct pack_scan *s, struct view *in, struct gg_error *err)
{
	switch (s->state) {
	case AT_HEADER:
		return on_header(s, in, err);
	case AT_ENTRY:
		return on_entry(s, in, err);
	case AT_OFFSET:
		return on_offset(s, in, err);
	case AT_BASE:
		on_base(s, in);
		return 0;
	case AT_DATA:
		return on_data(s, in, err);
	case AT_TRAILER:
		on_trailer(s, in);
		return 0;
	case AT_END:
		break;
	}
	return gg_fail(err, GG_E_PEER, "pack has trailing bytes");
}

int
pack_scan_feed(struct pack_scan *s, struct view piece, const char **limit,
    struct gg_error *err)
{
	int rc = 0;

	s->limit = limit;
	if (piece.n > s->limits.pack_bytes ||
	    s->at > s->limits.pack_bytes - piece.n)
		return over(s, "pack-size", err, "the pack is too large");
	while (rc == 0 && piece.n > 0)
		rc = step(s, &piece, err);
	return rc;
}

int
pack_scan_end(const struct pack_scan *s, struct gg_error *err)
{
	if (s->state != AT_END)
		return gg_fail(err, GG_E_PEER,
		    "pack is cut off after %u of %u objects", s->seen,
		    s->announced);
	return 0;
}
