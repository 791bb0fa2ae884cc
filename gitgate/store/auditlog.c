#include "store/auditlog.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "store/auditlog_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* Appenders wait while more than this is queued or not yet published. */
#define QUEUE_WAIT_BYTES ((size_t)8 << 20)
#define TAIL_WAIT_BYTES  ((size_t)96 << 20)
#define QUEUE_MAX_BYTES  ((size_t)512 << 20)
#define TAIL_MAX_BYTES   ((size_t)1 << 31)
/* Longest that the log's own fields can be: placeholders for a trial. */
#define TRIAL_COUNT INT64_MAX

void
log_record_add(struct buf *b, struct view entry)
{
	if (entry.n > TILE_ENTRY_MAX_BYTES)
		gg_die("audit entry of %zu bytes", entry.n);
	buf_addc(b, (char)(entry.n >> 8));
	buf_addc(b, (char)(entry.n & 255));
	buf_addv(b, entry);
}

void
log_fail(struct auditlog *l, const struct gg_error *why)
{
	if (!l->is_failed) {
		l->why = *why;
		l->is_failed = true;
	}
	(void)pthread_cond_broadcast(&l->moved);
	(void)pthread_cond_signal(&l->wakeup);
}

static struct auditlog *
log_new(const char *dir)
{
	struct auditlog *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	if (l == NULL)
		return NULL;
	l->lock_fd = l->journal.fd = -1;
	l->dir = path_f("%s", dir);
	buf_init(&l->queue, QUEUE_MAX_BYTES);
	buf_init(&l->tail, TAIL_MAX_BYTES);
	buf_init(&l->queue_open, QUEUE_MAX_BYTES);
	buf_init(&l->tail_open, TAIL_MAX_BYTES);
	if (pthread_mutex_init(&l->mu, NULL) != 0 ||
	    pthread_mutex_init(&l->checkpoint_mu, NULL) != 0 ||
	    pthread_mutex_init(&l->private_mu, NULL) != 0 ||
	    pthread_cond_init(&l->moved, NULL) != 0 ||
	    pthread_condattr_init(&attr) != 0 ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(&l->wakeup, &attr) != 0)
		gg_die("audit log: no mutex");
	(void)pthread_condattr_destroy(&attr);
	return l;
}

static void
log_free(struct auditlog *l)
{
	journal_close(&l->journal);
	tree_release(&l->tree);
	prev_map_release(&l->prev);
	buf_release(&l->queue);
	buf_release(&l->tail);
	buf_release(&l->queue_open);
	buf_release(&l->tail_open);
	note_skey_free(l->key);
	note_skey_free(l->old_key);
	fd_close(l->lock_fd);
	free(l->vkey_text);
	free(l->dir);
	(void)pthread_mutex_destroy(&l->mu);
	(void)pthread_mutex_destroy(&l->checkpoint_mu);
	(void)pthread_mutex_destroy(&l->private_mu);
	(void)pthread_cond_destroy(&l->moved);
	(void)pthread_cond_destroy(&l->wakeup);
	free(l);
}

static int
lock_dir(struct auditlog *l, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/lock", l->dir);

	int rc = file_lock(path, O_RDWR, LOG_FILE_MODE, &l->lock_fd, err);

	if (rc == GG_E_EXISTS)
		return gg_fail(err, rc,
		    "another process has the audit log %s open", l->dir);
	return rc;
}

/* Signals belong to the thread that waits for them, not to the writer. */
static int
start_writer(struct auditlog *l, struct gg_error *err)
{
	sigset_t all, old;
	int e;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&l->writer, NULL, log_writer, l);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != 0) {
		errno = e;
		return gg_fail(err, GG_E_SYS, "audit log: thread");
	}
	l->has_writer = true;
	return 0;
}

/* A change of keys is in the log, signed by the old and the new one. */
static int
note_keys(struct auditlog *l, struct gg_error *err)
{
	json_t *e;
	char gone[9];
	int rc;

	if (!l->is_key_new && l->gone_key == 0)
		return 0;
	(void)snprintf(gone, sizeof(gone), "%08x", l->gone_key);
	e = json_pack("{s:s, s:s}", "type", "key.rotate", "key", l->vkey_text);
	if (l->gone_key != 0)
		json_object_set_new(e, "retired", json_string(gone));
	rc = auditlog_append(l, &e, 1, NULL, err);
	json_decref(e);
	return rc;
}

int
auditlog_open(const char *dir, const char *key_file, const char *origin,
    struct auditlog **out, struct gg_error *err)
{
	struct auditlog *l;
	int rc;

	if (!note_name_is_valid(view_str(origin)))
		return gg_fail(err, GG_E_INPUT,
		    "the audit log's origin must not be empty, nor have spaces "
		    "or \"+\"");
	if ((rc = dir_make(dir, LOG_DIR_MODE, err)) != 0)
		return rc;
	if ((l = log_new(dir)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for the audit log");
	if ((rc = lock_dir(l, err)) == 0)
		rc = log_recover(l, key_file, origin, err);
	if (rc == 0)
		rc = start_writer(l, err);
	if (rc == 0 && (rc = note_keys(l, err)) != 0) {
		auditlog_close(l);
		return rc;
	}
	if (rc != 0) {
		log_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

void
auditlog_close(struct auditlog *l)
{
	if (l == NULL)
		return;
	(void)pthread_mutex_lock(&l->mu);
	l->is_closing = true;
	(void)pthread_cond_broadcast(&l->moved);
	(void)pthread_cond_signal(&l->wakeup);
	(void)pthread_mutex_unlock(&l->mu);
	if (l->has_writer)
		(void)pthread_join(l->writer, NULL);
	log_free(l);
}

static int
set_own_fields(json_t *e, uint64_t seq, const char *time, bool has_prev,
    uint64_t prev, struct gg_error *err)
{
	int bad = json_object_set_new(e, "seq", json_integer((json_int_t)seq));

	bad |= json_object_set_new(e, "time", json_string(time));
	bad |= json_object_set_new(e, "v", json_integer(ENTRY_VERSION));
	(void)json_object_del(e, "prev");
	if (has_prev)
		bad |= json_object_set_new(e, "prev",
		    json_integer((json_int_t)prev));
	return bad ? gg_fail(err, GG_E_NOMEM, "no memory for an entry") : 0;
}

/*
 * Would it be accepted, with the log's own fields at their longest? Then its
 * personal values are taken out of it, their opening is added to openings as a
 * record, and the bytes that both have in a journal to *bytes.
 */
static int
try_entry(json_t *e, struct buf *openings, size_t *bytes, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(ENTRY_MAX_BYTES);
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	int rc;

	if ((rc = entry_check(e, err)) != 0)
		return rc;
	rc = set_own_fields(e, TRIAL_COUNT, "2026-11-22T07:00:00.000Z", true,
	    TRIAL_COUNT, err);
	if (rc != 0 || (rc = private_seal(e, &opening, err)) != 0 ||
	    (rc = entry_encode(e, &out, err)) != 0)
		return rc;
	log_record_add(openings, buf_view(&opening));
	*bytes += out.n + 2;
	return buf_check(openings, err);
}

/* Give an entry its place and queue it. mu is held. */
static int
queue_entry(struct auditlog *l, json_t *e, struct view opening,
    const char *time, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(ENTRY_MAX_BYTES);
	struct entry_pair pair;
	bool has_pair = entry_pair_of(e, &pair), has_prev = false;
	uint64_t prev = 0;
	int rc;

	if (has_pair)
		has_prev = prev_map_get(&l->prev, &pair, &prev);
	rc = set_own_fields(e, l->queued, time, has_prev, prev, err);
	if (rc == 0)
		rc = entry_encode(e, &line, err);
	if (rc == 0 && has_pair)
		rc = prev_map_set(&l->prev, &pair, l->queued, err);
	if (rc != 0)
		return rc;
	log_record_add(&l->queue, buf_view(&line));
	log_record_add(&l->queue_open, opening);
	if ((rc = buf_check(&l->queue, err)) != 0 ||
	    (rc = buf_check(&l->queue_open, err)) != 0)
		return rc;
	l->queued++;
	return 0;
}

static void
call_indexer(struct auditlog *l, uint64_t first, struct view entries,
    struct view openings)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	struct view entry, opening;

	for (; tile_next_entry(&entries, &entry, NULL) == 1 &&
	     tile_next_entry(&openings, &opening, NULL) == 1;
	     first++) {
		buf_clear(&text);
		/* What cannot be opened (no memory) is none: the index sees
		 * that it is behind. */
		if (private_open_text(entry, opening, &text, NULL) != 0)
			buf_clear(&text);
		l->indexer(l->indexer_ctx, first, buf_str(&text), text.n);
	}
}

/*
 * Write the queue into the journal for everybody who is in it, then index it:
 * the next leader waits, so that indexing goes in order. mu is held, and let
 * go of on the way.
 */
static void
lead(struct auditlog *l)
{
	GG_AUTO_RELEASE(buf) batch = l->queue;
	GG_AUTO_RELEASE(buf) openings = l->queue_open;
	uint64_t first = l->durable, n = l->queued - first;
	struct gg_error err = { 0 };
	int rc;

	l->has_leader = true;
	l->queue = l->queue_open = BUF_INIT(QUEUE_MAX_BYTES);
	(void)pthread_mutex_unlock(&l->mu);
	FAILPOINT("log.before-journal");
	rc = journal_append(&l->journal, first, (uint32_t)n, buf_view(&batch),
	    buf_view(&openings), &err);
	FAILPOINT("log.after-journal");
	(void)pthread_mutex_lock(&l->mu);
	if (rc == 0) {
		buf_addv(&l->tail, buf_view(&batch));
		buf_addv(&l->tail_open, buf_view(&openings));
		if ((rc = buf_check(&l->tail, &err)) == 0)
			rc = buf_check(&l->tail_open, &err);
	}
	if (rc != 0) {
		log_fail(l, &err);
	} else {
		l->durable = first + n;
		(void)pthread_cond_signal(&l->wakeup);
		(void)pthread_cond_broadcast(&l->moved);
		if (l->indexer != NULL) {
			(void)pthread_mutex_unlock(&l->mu);
			while (FAILPOINT_FAILS("log.before-index"))
				(void)usleep(10000);
			call_indexer(l, first, buf_view(&batch),
			    buf_view(&openings));
			(void)pthread_mutex_lock(&l->mu);
		}
	}
	l->has_leader = false;
	(void)pthread_cond_broadcast(&l->moved);
}

static int
fail_closed(const struct auditlog *l, struct gg_error *err)
{
	return gg_fail(err, GG_E_UNAVAILABLE,
	    "the audit log cannot be written: %s",
	    l->is_failed ? l->why.msg : "it is being closed");
}

/* mu is held. */
static int
append_locked(struct auditlog *l, json_t *const *entries, size_t n,
    struct view openings, uint64_t *first_index, struct gg_error *err)
{
	char time[CLOCK_RFC3339_SIZE];
	struct view opening = { 0 };
	uint64_t first, end;

	while (!l->is_failed && !l->is_closing &&
	    (l->queue.n > QUEUE_WAIT_BYTES ||
		l->queue_open.n > QUEUE_WAIT_BYTES ||
		l->tail.n > TAIL_WAIT_BYTES ||
		l->tail_open.n > TAIL_WAIT_BYTES))
		(void)pthread_cond_wait(&l->moved, &l->mu);
	if (l->is_failed || l->is_closing)
		return fail_closed(l, err);
	first = l->queued;
	end = first + n;
	clock_format(clock_wall_ms(), time);
	for (size_t i = 0; i < n; i++) {
		struct gg_error why = { 0 };

		if (tile_next_entry(&openings, &opening, &why) < 0 ||
		    queue_entry(l, entries[i], opening, time, &why) != 0) {
			log_fail(l, &why);
			return fail_closed(l, err);
		}
	}
	while (l->durable < end && !l->is_failed) {
		if (!l->has_leader && !l->is_journal_wanted)
			lead(l);
		else
			(void)pthread_cond_wait(&l->moved, &l->mu);
	}
	if (l->durable < end)
		return fail_closed(l, err);
	if (first_index != NULL)
		*first_index = first;
	return 0;
}

int
auditlog_append(struct auditlog *l, json_t *const *entries, size_t n,
    uint64_t *first_index, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) openings = BUF_INIT(QUEUE_MAX_BYTES);
	size_t bytes = 0;
	int rc;

	if (n == 0)
		return gg_fail(err, GG_E_INPUT, "no entry to append");
	/* What could be refused is found before anything has an index. */
	for (size_t i = 0; i < n; i++)
		if ((rc = try_entry(entries[i], &openings, &bytes, err)) != 0)
			return gg_wrap(err, rc, "audit entry");
	if (bytes > QUEUE_MAX_BYTES - QUEUE_WAIT_BYTES ||
	    openings.n > QUEUE_MAX_BYTES - QUEUE_WAIT_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "%zu audit entries at once are too many", n);
	(void)pthread_mutex_lock(&l->mu);
	rc = append_locked(l, entries, n, buf_view(&openings), first_index,
	    err);
	(void)pthread_mutex_unlock(&l->mu);
	return rc;
}

void
auditlog_on_append(struct auditlog *l, auditlog_indexer fn, void *ctx)
{
	(void)pthread_mutex_lock(&l->mu);
	l->indexer = fn;
	l->indexer_ctx = ctx;
	(void)pthread_mutex_unlock(&l->mu);
}

bool
auditlog_is_writable(const struct auditlog *l)
{
	return !l->is_failed;
}

uint64_t
auditlog_size(const struct auditlog *l)
{
	return l->durable;
}

const char *
auditlog_vkey(const struct auditlog *l)
{
	return l->vkey_text;
}

bool
auditlog_signs_as(const struct auditlog *l, const struct note_vkey *k)
{
	return note_vkey_is(note_skey_vkey(l->key), k) ||
	    (l->old_key != NULL && note_vkey_is(note_skey_vkey(l->old_key), k));
}

int
auditlog_wait_published(struct auditlog *l, uint64_t index,
    struct gg_error *err)
{
	int rc = 0;

	(void)pthread_mutex_lock(&l->mu);
	l->in_a_hurry++;
	(void)pthread_cond_signal(&l->wakeup);
	while (index < l->durable && index >= l->published && !l->is_failed)
		(void)pthread_cond_wait(&l->moved, &l->mu);
	l->in_a_hurry--;
	if (index >= l->durable)
		rc = gg_fail(err, GG_E_NOTFOUND, "there is no entry %llu",
		    (unsigned long long)index);
	else if (index >= l->published)
		rc = fail_closed(l, err);
	(void)pthread_mutex_unlock(&l->mu);
	return rc;
}
