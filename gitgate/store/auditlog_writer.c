/* The writer thread: from the journal into tiles, within 100 ms. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/auditlog_priv.h"

#include <errno.h>

/* How long entries gather; the files' fsyncs need the rest of 100 ms. */
#define GATHER_MS          40
#define GATHER_MAX_ENTRIES 4096
/* A journal that is never idle is cut to what is not yet published. */
#define JOURNAL_TRIM_BYTES ((uint64_t)4 << 20)

/* The line of the key that is being replaced. */
static int
add_old_line(const struct auditlog *l, struct view text, struct buf *note,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) whole = BUF_INIT(4096);
	int rc;

	if (l->old_key == NULL)
		return 0;
	if ((rc = note_sign(text, l->old_key, &whole, err)) != 0)
		return rc;
	buf_add(note, whole.p + text.n + 1, whole.n - text.n - 1);
	return buf_check(note, err);
}

int
log_write_checkpoint(struct auditlog *l, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1024), note = BUF_INIT(4096);
	struct checkpoint c = { .size = l->tree.merkle.size,
		.origin = view_str(note_skey_vkey(l->key)->name) };
	int rc;

	merkle_tree_root(&l->tree.merkle, &c.root);
	checkpoint_format(&c, &text);
	if ((rc = buf_check(&text, err)) != 0)
		return rc;
	if ((rc = note_sign(buf_view(&text), l->key, &note, err)) != 0)
		return rc;
	if ((rc = add_old_line(l, buf_view(&text), &note, err)) != 0)
		return rc;
	(void)pthread_mutex_lock(&l->checkpoint_mu);
	rc = log_file_write(l->dir, LOG_CHECKPOINT, buf_view(&note), err);
	(void)pthread_mutex_unlock(&l->checkpoint_mu);
	return rc;
}

/* Wait for something to publish, then a little for more. mu is held. */
static bool
wait_for_work(struct auditlog *l)
{
	int64_t until_ms = 0;
	struct timespec ts;

	while (!l->is_closing && !l->is_failed && l->published == l->durable)
		(void)pthread_cond_wait(&l->wakeup, &l->mu);
	until_ms = clock_mono_ms() + GATHER_MS;
	ts.tv_sec = (time_t)(until_ms / 1000);
	ts.tv_nsec = (long)(until_ms % 1000) * 1000000;
	while (!l->is_closing && !l->is_failed && l->in_a_hurry == 0 &&
	    l->durable - l->published < GATHER_MAX_ENTRIES)
		if (pthread_cond_timedwait(&l->wakeup, &l->mu, &ts) ==
		    ETIMEDOUT)
			break;
	return !l->is_failed && l->published < l->durable;
}

/* Forget what is in full bundles on disk. mu is held. */
static void
drop_tail(struct auditlog *l)
{
	uint64_t first = l->published / TILE_WIDTH * TILE_WIDTH;
	uint64_t gone = first > l->tail_first ? first - l->tail_first : 0;
	size_t n = l->tail.n - records_from(buf_view(&l->tail), gone).n;

	buf_drop(&l->tail, n);
	l->tail_published_bytes -= n;
	n = l->tail_open.n - records_from(buf_view(&l->tail_open), gone).n;
	buf_drop(&l->tail_open, n);
	l->tail_first += gone;
}

int
log_trim_journal(struct auditlog *l, bool must, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) rest = BUF_INIT(l->tail.max);
	GG_AUTO_RELEASE(buf) open = BUF_INIT(l->tail.max);
	uint64_t first;
	uint32_t n;
	int rc;

	if (!must && l->durable != l->published &&
	    l->journal.size < JOURNAL_TRIM_BYTES)
		return 0;
	/* Take it from the leaders. */
	l->is_journal_wanted = true;
	while (l->has_leader)
		(void)pthread_cond_wait(&l->moved, &l->mu);
	l->is_journal_wanted = false;
	l->has_leader = true;
	first = l->published;
	n = (uint32_t)(l->durable - first);
	buf_add(&rest, l->tail.p + l->tail_published_bytes,
	    l->tail.n - l->tail_published_bytes);
	buf_addv(&open,
	    records_from(buf_view(&l->tail_open), first - l->tail_first));
	(void)pthread_mutex_unlock(&l->mu);
	if ((rc = buf_check(&rest, err)) == 0 &&
	    (rc = buf_check(&open, err)) == 0)
		rc = n == 0 ? journal_trim(&l->journal, must, err) :
			      journal_replace(&l->journal, first, n,
				  buf_view(&rest), buf_view(&open), err);
	(void)pthread_mutex_lock(&l->mu);
	l->has_leader = false;
	(void)pthread_cond_broadcast(&l->moved);
	return rc;
}

/* Publish what is durable now. mu is held, and let go of on the way. */
static int
publish(struct auditlog *l, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) work = BUF_INIT(l->tail.max);
	uint64_t old = l->published, size = l->durable;
	size_t upto = l->tail.n;
	int rc;

	buf_add(&work, l->tail.p + l->tail_published_bytes,
	    upto - l->tail_published_bytes);
	(void)pthread_mutex_unlock(&l->mu);
	if ((rc = buf_check(&work, err)) == 0)
		rc = log_private_publish(l, old, size, err);
	FAILPOINT("log.after-private");
	if (rc == 0)
		rc = tree_extend(&l->tree, buf_view(&work), err);
	FAILPOINT("log.before-checkpoint");
	if (rc == 0)
		rc = log_write_checkpoint(l, err);
	FAILPOINT("log.after-checkpoint");
	if (rc == 0)
		tree_prune(&l->tree, old);
	(void)pthread_mutex_lock(&l->mu);
	if (rc != 0)
		return rc;
	if (l->tree.merkle.size != size)
		gg_die("audit log: %llu entries in the tree, not %llu",
		    (unsigned long long)l->tree.merkle.size,
		    (unsigned long long)size);
	l->published = size;
	l->tail_published_bytes = upto;
	drop_tail(l);
	(void)pthread_cond_broadcast(&l->moved);
	rc = log_trim_journal(l, false, err);
	FAILPOINT("log.after-trim");
	return rc;
}

void *
log_writer(void *arg)
{
	struct auditlog *l = arg;
	struct gg_error err = { 0 };

	(void)pthread_mutex_lock(&l->mu);
	for (;;) {
		if (wait_for_work(l)) {
			if (publish(l, &err) != 0)
				log_fail(l, &err);
			else
				log_refs_keep(l, false);
		} else if (l->is_closing || l->is_failed) {
			break;
		}
	}
	if (!l->is_failed)
		log_refs_keep(l, true);
	(void)pthread_mutex_unlock(&l->mu);
	return NULL;
}
