#include "proto/advert.h"

#include "ipc/codec.h"
#include "model/refname.h"
#include "proto/caps.h"
#include "proto/pktline.h"

#include <stdlib.h>
#include <string.h>

#define REF_LEAST_BYTES (OID_BYTES + 1 + 4)
#define HAS_PEELED      1u
#define HAS_SYMREF      2u
#define IS_KEPT         4u

struct advert *
advert_new(void)
{
	struct advert *a = calloc(1, sizeof(*a));

	if (a == NULL)
		gg_die("no memory for an advertisement");
	return a;
}

void
advert_free(struct advert *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n_refs; i++) {
		free(a->refs[i].name);
		free(a->refs[i].symref);
	}
	free(a->refs);
	free(a->head_target);
	free(a->shallow);
	strv_release(&a->caps);
	free(a);
}

int
advert_add(struct advert *a, struct view name, const struct oid *oid,
    struct gg_error *err)
{
	struct advert_ref *grown;
	char *copy;
	size_t want;

	if (!refname_is_valid(name))
		return gg_fail(err, GG_E_PEER,
		    "upstream announces a ref with a bad name");
	if (a->n_refs >= ADVERT_MAX_REFS)
		return gg_fail(err, GG_E_LIMIT,
		    "upstream announces more than %d refs", ADVERT_MAX_REFS);
	if (a->n_refs == a->alloc) {
		want = a->alloc ? a->alloc * 2 : 16;
		grown = reallocarray(a->refs, want, sizeof(*grown));
		if (grown == NULL)
			return gg_fail(err, GG_E_NOMEM, "list of refs");
		a->refs = grown;
		a->alloc = want;
	}
	if ((copy = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "refname");
	a->refs[a->n_refs++] = (struct advert_ref){ .oid = *oid, .name = copy };
	return 0;
}

static int
cmp_refs(const void *a, const void *b)
{
	const struct advert_ref *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int
advert_sort(struct advert *a, struct gg_error *err)
{
	if (a->n_refs > 1)
		qsort(a->refs, a->n_refs, sizeof(*a->refs), cmp_refs);
	for (size_t i = 1; i < a->n_refs; i++)
		if (strcmp(a->refs[i - 1].name, a->refs[i].name) == 0)
			return gg_fail(err, GG_E_PEER,
			    "upstream announces %s twice", a->refs[i].name);
	return 0;
}

static int
cmp_name(struct view name, const char *other)
{
	struct view o = view_str(other);
	size_t n = name.n < o.n ? name.n : o.n;
	int c = n > 0 ? memcmp(name.p, o.p, n) : 0;

	if (c != 0)
		return c;
	return name.n < o.n ? -1 : name.n > o.n;
}

static struct advert_ref *
find(const struct advert *a, struct view name)
{
	size_t low = 0, high = a->n_refs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = cmp_name(name, a->refs[mid].name);

		if (c == 0)
			return &a->refs[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct advert_ref *
advert_find(const struct advert *a, struct view name)
{
	return find(a, name);
}

bool
advert_has_cap(const struct advert *a, const char *cap)
{
	return caps_has(&a->caps, cap);
}

bool
advert_same_refs(const struct advert *a, const struct advert *b)
{
	if (a->n_refs != b->n_refs || !oid_eq(&a->head_oid, &b->head_oid) ||
	    !str_same(a->head_target, b->head_target))
		return false;
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct advert_ref *x = &a->refs[i], *y = &b->refs[i];

		if (!oid_eq(&x->oid, &y->oid) || !str_same(x->name, y->name) ||
		    !str_same(x->symref, y->symref) || x->kept != y->kept)
			return false;
	}
	return true;
}

void
advert_encode(const struct advert *a, struct buf *out)
{
	enc_strv(out, &a->caps);
	enc_u8(out, a->head_target != NULL);
	if (a->head_target != NULL)
		enc_str(out, a->head_target);
	enc_oid(out, &a->head_oid);
	enc_u32(out, (uint32_t)a->n_shallow);
	for (size_t i = 0; i < a->n_shallow; i++)
		enc_oid(out, &a->shallow[i]);
	enc_u32(out, (uint32_t)a->n_refs);
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct advert_ref *r = &a->refs[i];
		bool peeled = !oid_is_zero(&r->peeled);

		enc_oid(out, &r->oid);
		enc_u8(out,
		    (uint8_t)((peeled ? HAS_PEELED : 0) |
			(r->symref != NULL ? HAS_SYMREF : 0) |
			(r->kept ? IS_KEPT : 0)));
		enc_str(out, r->name);
		if (peeled)
			enc_oid(out, &r->peeled);
		if (r->symref != NULL)
			enc_str(out, r->symref);
	}
}

/* A refname in a field; NULL and failed when it is none. */
static char *
read_refname(struct dec *d)
{
	struct view v = dec_bytes(d);
	char *s;

	if (d->failed || !refname_is_valid(v)) {
		d->failed = true;
		return NULL;
	}
	if ((s = view_dup(v)) == NULL)
		gg_die("no memory for a refname");
	return s;
}

static void
read_ref(struct dec *d, struct advert_ref *r)
{
	uint8_t flags;

	dec_oid(d, &r->oid);
	flags = dec_u8(d);
	if ((flags & ~(HAS_PEELED | HAS_SYMREF | IS_KEPT)) != 0)
		d->failed = true;
	r->name = read_refname(d);
	r->kept = (flags & IS_KEPT) != 0;
	if ((flags & HAS_PEELED) != 0) {
		dec_oid(d, &r->peeled);
		if (oid_is_zero(&r->peeled))
			d->failed = true;
	}
	if ((flags & HAS_SYMREF) != 0)
		r->symref = read_refname(d);
}

static void
read_shallow(struct dec *d, struct advert *a)
{
	uint32_t n = dec_count(d, OID_BYTES);

	if (d->failed || n == 0)
		return;
	if ((a->shallow = calloc(n, sizeof(*a->shallow))) == NULL)
		gg_die("no memory for an advertisement");
	a->n_shallow = n;
	for (uint32_t i = 0; i < n; i++)
		dec_oid(d, &a->shallow[i]);
}

static void
read_refs(struct dec *d, struct advert *a)
{
	uint32_t n = dec_count(d, REF_LEAST_BYTES);

	if (n > ADVERT_MAX_REFS)
		d->failed = true;
	if (d->failed || n == 0)
		return;
	if ((a->refs = calloc(n, sizeof(*a->refs))) == NULL)
		gg_die("no memory for an advertisement");
	a->alloc = n;
	for (uint32_t i = 0; i < n && !d->failed; i++) {
		/* counted first: a half-read one is freed with the rest */
		a->n_refs++;
		read_ref(d, &a->refs[i]);
		if (!d->failed && i > 0 &&
		    strcmp(a->refs[i - 1].name, a->refs[i].name) >= 0)
			d->failed = true;
	}
}

int
advert_decode(struct view v, struct advert **out, struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO(advert) a = advert_new();
	uint8_t has_head;
	int rc;

	if (v.n > ADVERT_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT, "advertisement of %zu bytes",
		    v.n);
	dec_strv(&d, &a->caps, CAPS_MAX);
	has_head = dec_u8(&d);
	if (has_head > 1)
		d.failed = true;
	if (has_head == 1)
		a->head_target = read_refname(&d);
	dec_oid(&d, &a->head_oid);
	read_shallow(&d, a);
	read_refs(&d, a);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "advertisement");
	*out = gg_take(a);
	return 0;
}

void
advert_format_receive_pack(const struct advert *a, const char *caps,
    bool (*hidden)(void *ctx, const char *refname), void *ctx, struct buf *out)
{
	char hex[OID_HEX + 1];
	bool first = true;
	struct oid zero = { 0 };

	for (size_t i = 0; i < a->n_refs; i++) {
		if (hidden != NULL && hidden(ctx, a->refs[i].name))
			continue;
		oid_format(&a->refs[i].oid, hex);
		if (first)
			pkt_addf(out, "%s %s%c%s\n", hex, a->refs[i].name, '\0',
			    caps);
		else
			pkt_addf(out, "%s %s\n", hex, a->refs[i].name);
		first = false;
	}
	if (first) {
		oid_format(&zero, hex);
		pkt_addf(out, "%s capabilities^{}%c%s\n", hex, '\0', caps);
	}
	for (size_t i = 0; i < a->n_shallow; i++) {
		oid_format(&a->shallow[i], hex);
		pkt_addf(out, "shallow %s\n", hex);
	}
	pkt_flush(out);
}
