/*
 * Erasing openings: every place that has them, in an order that a crash does
 * no harm to, since all of it can be done again.
 */
#include "base/failpoint.h"
#include "store/auditlog_priv.h"

struct erasure {
	const struct audit_range *ranges;
	size_t n;
	private_set places;
	uint64_t values;
};

static bool
is_wanted(const struct erasure *x, uint64_t seq)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (x->ranges[mid].last < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->n && x->ranges[low].first <= seq;
}

/* Records of entries from seq on, without what is to go. *changed: some were
 * another. */
static int
erase_records(struct erasure *x, struct view records, uint64_t seq,
    struct buf *out, bool *changed, struct gg_error *err)
{
	struct view one;
	int rc;

	*changed = false;
	for (; (rc = tile_next_entry(&records, &one, err)) == 1; seq++) {
		GG_AUTO_RELEASE(buf) left = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
		private_set gone = 0;

		if (one.n == 0 || !is_wanted(x, seq)) {
			log_record_add(out, one);
			continue;
		}
		rc = private_erase(one, x->places, &left, &gone, err);
		if (rc != 0)
			return gg_wrap(err, rc, "entry %llu",
			    (unsigned long long)seq);
		log_record_add(out, gone != 0 ? buf_view(&left) : one);
		*changed = *changed || gone != 0;
		x->values += (uint64_t)__builtin_popcount(gone);
	}
	return rc != 0 ? rc : buf_check(out, err);
}

/* What is in memory, so that no file gets it from there again. */
static int
erase_tail(struct auditlog *l, struct erasure *x, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) left = BUF_INIT(l->tail_open.max);
	uint64_t values = x->values;
	bool changed = false;
	int rc;

	(void)pthread_mutex_lock(&l->mu);
	rc = erase_records(x, buf_view(&l->tail_open), l->tail_first, &left,
	    &changed, err);
	if (rc == 0 && changed) {
		struct buf was = l->tail_open;

		l->tail_open = left;
		left = was;
		explicit_bzero(left.p, left.alloc);
	}
	(void)pthread_mutex_unlock(&l->mu);
	x->values = values; /* the files count */
	return rc;
}

static int
erase_bundle(struct auditlog *l, struct erasure *x, uint64_t n,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) old = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	GG_AUTO_RELEASE(buf) left = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	bool changed = false;
	int rc = private_bundle_read(l->dir, n, &old, err);

	if (rc == 0)
		rc = erase_records(x, buf_view(&old), n * TILE_WIDTH, &left,
		    &changed, err);
	if (rc != 0 || !changed)
		return rc;
	rc = private_bundle_write(l->dir, n, buf_view(&left), err);
	FAILPOINT("log.erased-bundle");
	return rc;
}

static int
erase_files(struct auditlog *l, struct erasure *x, struct gg_error *err)
{
	uint64_t next = 0; /* the first bundle that was not done yet */
	int rc = 0;

	for (size_t i = 0; i < x->n && rc == 0; i++) {
		uint64_t at = x->ranges[i].first / TILE_WIDTH;

		if (at < next)
			at = next;
		next = x->ranges[i].last / TILE_WIDTH + 1;
		for (; at < next && rc == 0; at++)
			rc = erase_bundle(l, x, at, err);
	}
	return rc;
}

int
auditlog_erase(struct auditlog *l, const struct audit_range *ranges, size_t n,
    private_set places, uint64_t *values, struct gg_error *err)
{
	struct erasure x = { .ranges = ranges, .n = n, .places = places };
	int rc;

	*values = 0;
	if (n == 0)
		return 0;
	/* The journal's frames of published entries are of no use. */
	if ((rc = auditlog_wait_published(l, ranges[n - 1].last, err)) != 0)
		return rc;
	(void)pthread_mutex_lock(&l->private_mu);
	if ((rc = erase_tail(l, &x, err)) == 0)
		rc = erase_files(l, &x, err);
	(void)pthread_mutex_unlock(&l->private_mu);
	if (rc != 0)
		return rc;
	(void)pthread_mutex_lock(&l->mu);
	rc = log_trim_journal(l, true, err);
	(void)pthread_mutex_unlock(&l->mu);
	FAILPOINT("log.erased");
	*values = x.values;
	return rc;
}
