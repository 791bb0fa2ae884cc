#include "role/witness_book.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "role/witness_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_WAIT_MS  10000
#define LOCK_RETRY_MS 20

/* One log, by its origin. */
struct page {
	char *origin;
	char name[BOOK_NAME_SIZE];
	bool has;       /* something was signed */
	bool is_broken; /* the file may not be what is here */
	bool is_forked;
	uint64_t size, time_s;
	struct merkle_hash root;
	struct buf note; /* as in the file */
};

struct witness_book {
	char *dir;
	int lock_fd;
	const struct tlog_policy *logs;
	struct note_skey *key;
	struct note_vkey vkey;
	pthread_mutex_t mutex; /* guards the pages */
	struct page *pages;
	size_t n;
};

void
witness_verdict_release(struct witness_verdict *v)
{
	buf_release(&v->line);
}

/* -- opening -- */

static struct page *
find_page(struct witness_book *b, struct view origin)
{
	for (size_t i = 0; i < b->n; i++)
		if (view_eq_str(origin, b->pages[i].origin))
			return &b->pages[i];
	return NULL;
}

/* Our own line is what counts: the log's key may be another by now. */
static int
check_page(const struct witness_book *b, struct page *p, struct gg_error *err)
{
	struct checkpoint c;
	struct note n;
	uint64_t time_s;
	int rc;

	if ((rc = note_parse(buf_view(&p->note), &n, err)) != 0 ||
	    (rc = note_verify(&n, &b->vkey, &time_s, err)) != 0 ||
	    (rc = checkpoint_parse(n.text, &c, err)) != 0)
		return rc;
	if (!view_eq_str(c.origin, p->origin))
		return gg_fail(err, GG_E_CORRUPT, "it is of another log");
	p->size = c.size;
	p->root = c.root;
	p->time_s = time_s;
	p->has = true;
	return 0;
}

static int
load_page(const struct witness_book *b, struct page *p, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", b->dir, p->name);
	int rc;

	p->is_forked = witness_has_fork(b->dir, p->name);
	rc = file_read(path, &p->note, err);
	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = check_page(b, p, err);
	if (rc != 0)
		return gg_wrap(err, GG_E_CORRUPT,
		    "%s is not what this witness wrote for %s; put it back "
		    "from a copy that is not older, or begin with a new key",
		    path, p->origin);
	return 0;
}

static void
empty_root(struct merkle_hash *out)
{
	const struct merkle_tree none = { 0 };

	merkle_tree_root(&none, out);
}

static int
load_pages(struct witness_book *b, struct gg_error *err)
{
	int rc;

	b->pages = calloc(b->logs->n_logs, sizeof(*b->pages));
	if (b->pages == NULL)
		return gg_fail(err, GG_E_NOMEM, "logs");
	for (size_t i = 0; i < b->logs->n_logs; i++) {
		const char *origin = b->logs->logs[i].key.name;
		struct page *p = &b->pages[b->n];

		/* a log may have several keys */
		if (find_page(b, view_str(origin)) != NULL)
			continue;
		if ((p->origin = view_dup(view_str(origin))) == NULL)
			return gg_fail(err, GG_E_NOMEM, "logs");
		witness_file_name(view_str(origin), p->name);
		buf_init(&p->note, NOTE_MAX_BYTES);
		empty_root(&p->root);
		b->n++;
		if ((rc = load_page(b, p, err)) != 0)
			return rc;
	}
	return 0;
}

static int
take_lock(struct witness_book *b, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/lock", b->dir);

	int64_t deadline = clock_mono_ms() + LOCK_WAIT_MS;
	int rc;

	/* One that was killed a moment ago may still be ending. */
	while ((rc = file_lock(path, O_RDWR, 0600, &b->lock_fd, err)) ==
		GG_E_EXISTS &&
	    clock_mono_ms() < deadline)
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	if (rc == GG_E_EXISTS)
		return gg_fail(err, rc, "another gitgate-witness uses %s",
		    b->dir);
	return rc;
}

int
witness_book_open(const char *dir, const char *key_file,
    const struct tlog_policy *logs, struct witness_book **out,
    struct gg_error *err)
{
	GG_AUTO(witness_book) b = calloc(1, sizeof(*b));
	struct note_vkey made_for;
	int rc;

	if (b == NULL)
		return gg_fail(err, GG_E_NOMEM, "witness");
	b->lock_fd = -1;
	b->logs = logs;
	b->dir = path_f("%s", dir);
	(void)pthread_mutex_init(&b->mutex, NULL);
	if ((rc = witness_read_key(key_file, &b->key, &b->vkey, err)) != 0 ||
	    (rc = witness_read_vkey(dir, &made_for, err)) != 0)
		return rc;
	if (made_for.id != b->vkey.id ||
	    strcmp(made_for.name, b->vkey.name) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s was made for the key %s+%08x, not for %s+%08x: a "
		    "witness must not go on without what it signed",
		    dir, made_for.name, made_for.id, b->vkey.name, b->vkey.id);
	if ((rc = take_lock(b, err)) != 0)
		return rc;
	witness_clean(dir);
	if ((rc = load_pages(b, err)) != 0)
		return rc;
	*out = gg_take(b);
	return 0;
}

void
witness_book_free(struct witness_book *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n; i++) {
		free(b->pages[i].origin);
		buf_release(&b->pages[i].note);
	}
	free(b->pages);
	note_skey_free(b->key);
	fd_close(b->lock_fd);
	(void)pthread_mutex_destroy(&b->mutex);
	free(b->dir);
	free(b);
}

/* -- signing -- */

static void
refuse(struct witness_verdict *v, unsigned status, const char *why)
{
	v->status = status;
	gg_fail(&v->err, GG_E_REFUSED, "%s", why);
}

/* The checkpoint, the log's own lines and ours. */
static int
build_note(const struct witness_book *b, struct view note, struct view line,
    struct buf *out, struct gg_error *err)
{
	struct note n;
	int rc;

	if ((rc = note_parse(note, &n, err)) != 0)
		return rc;
	buf_addv(out, n.text);
	buf_addc(out, '\n');
	for (size_t i = 0; i < n.n_sigs; i++)
		for (size_t k = 0; k < b->logs->n_logs; k++) {
			const struct note_vkey *key = &b->logs->logs[k].key;

			if (n.sigs[i].id != key->id ||
			    !view_eq_str(n.sigs[i].name, key->name))
				continue;
			buf_addf(out, "\xe2\x80\x94 %s %.*s\n", key->name,
			    (int)n.sigs[i].base64.n, n.sigs[i].base64.p);
			break;
		}
	buf_addv(out, line);
	return buf_check(out, err);
}

/* Durable before it is told. Where it fails nobody knows what the disk has:
 * nothing more is signed of this log until we are started again. */
static int
write_page(const struct witness_book *b, struct page *p, struct view note,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", b->dir, p->name);
	int rc = FAILPOINT_FAILS("witness-write") ?
	    gg_fail(err, GG_E_SYS, "a failpoint") :
	    file_write(path, note, 0600, true, err);

	p->is_broken = rc != 0;
	return rc;
}

static void
sign(struct witness_book *b, struct page *p, struct view note,
    struct witness_verdict *v)
{
	GG_AUTO_RELEASE(buf) full = BUF_INIT(NOTE_MAX_BYTES);
	uint64_t now = (uint64_t)(clock_wall_ms() / 1000);
	struct note n;
	int rc;

	if (now < p->time_s)
		now = p->time_s;
	if ((rc = note_parse(note, &n, &v->err)) == 0 &&
	    (rc = note_cosign(n.text, b->key, now, &v->line, &v->err)) == 0)
		rc = build_note(b, note, buf_view(&v->line), &full, &v->err);
	FAILPOINT("witness-signed");
	if (rc == 0)
		rc = write_page(b, p, buf_view(&full), &v->err);
	if (rc != 0) {
		v->status = 500;
		return;
	}
	FAILPOINT("witness-written");
	v->status = 200;
	v->is_new = !p->has || v->c.size > p->size;
	p->has = true;
	p->size = v->c.size;
	p->root = v->c.root;
	p->time_s = now;
	buf_clear(&p->note);
	buf_addv(&p->note, buf_view(&full));
}

/* The line of ours that is in the file, while it is young. */
static bool
answer_again(const struct witness_book *b, const struct page *p,
    struct witness_verdict *v)
{
	int64_t now = clock_wall_ms() / 1000;
	struct note n;

	if (!p->has || p->size != v->c.size || now < 0 ||
	    (uint64_t)now >= p->time_s + BOOK_REFRESH_S ||
	    note_parse(buf_view(&p->note), &n, NULL) != 0)
		return false;
	for (size_t i = 0; i < n.n_sigs; i++)
		if (n.sigs[i].id == b->vkey.id &&
		    view_eq_str(n.sigs[i].name, b->vkey.name)) {
			buf_addf(&v->line, "\xe2\x80\x94 %s %.*s\n",
			    b->vkey.name, (int)n.sigs[i].base64.n,
			    n.sigs[i].base64.p);
			v->status = 200;
			return buf_check(&v->line, NULL) == 0;
		}
	return false;
}

/* With the mutex: the request is signed by the log. */
static void
take_page(struct witness_book *b, struct page *p,
    const struct witness_request *r, struct witness_verdict *v)
{
	v->size = p->size;
	if (p->is_broken) {
		refuse(v, 500, "the last signature could not be written");
		return;
	}
	if (r->old_size != p->size) {
		refuse(v, 409, "another size was signed last");
		return;
	}
	if (p->has && r->old_size == v->c.size &&
	    !merkle_hash_eq(&p->root, &v->c.root)) {
		v->is_fork = true;
		refuse(v, 409,
		    "the log signed another root for the same number of "
		    "entries");
		return;
	}
	if (!merkle_verify_consistency(r->old_size, &p->root, v->c.size,
		&v->c.root, &r->proof) ||
	    (v->c.size == 0 && !merkle_hash_eq(&p->root, &v->c.root))) {
		refuse(v, 422, "the proof does not hold");
		return;
	}
	if (!answer_again(b, p, v))
		sign(b, p, r->note, v);
}

void
witness_book_add(struct witness_book *b, const struct witness_request *r,
    struct witness_verdict *v)
{
	struct tlog_policy_found found;
	struct page *p;
	struct note n;

	buf_init(&v->line, 1024);
	if (note_parse(r->note, &n, &v->err) != 0 ||
	    checkpoint_parse(n.text, &v->c, &v->err) != 0) {
		v->status = 400;
		return;
	}
	if ((p = find_page(b, v->c.origin)) == NULL) {
		refuse(v, 404, "no log with this origin is known here");
		return;
	}
	if (tlog_policy_open(b->logs, r->note, &v->c, &found, &v->err) != 0) {
		v->status = 403;
		return;
	}
	if (r->old_size > v->c.size) {
		refuse(v, 400, "the old size is larger than the checkpoint's");
		return;
	}
	(void)pthread_mutex_lock(&b->mutex);
	take_page(b, p, r, v);
	(void)pthread_mutex_unlock(&b->mutex);
	if (v->is_fork)
		v->is_fork = witness_book_fork(b, v->c.origin, r->note,
		    v->err.msg);
}

/* -- what we have -- */

bool
witness_book_latest(struct witness_book *b, struct view origin, uint64_t *size,
    struct merkle_hash *root)
{
	struct page *p = find_page(b, origin);
	bool has;

	if (p == NULL)
		return false;
	(void)pthread_mutex_lock(&b->mutex);
	has = p->has;
	*size = p->size;
	*root = p->root;
	(void)pthread_mutex_unlock(&b->mutex);
	return has;
}

bool
witness_book_fork(struct witness_book *b, struct view origin, struct view note,
    const char *why)
{
	struct page *p = find_page(b, origin);
	bool is_new = false;

	if (p == NULL)
		return false;
	(void)pthread_mutex_lock(&b->mutex);
	if (!p->is_forked) {
		p->is_forked = true;
		is_new = witness_write_fork(b->dir, p->name, why,
		    buf_view(&p->note), note);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	return is_new;
}

bool
witness_book_read(struct witness_book *b, struct view name, struct buf *out)
{
	bool has = false;

	(void)pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < b->n; i++)
		if (b->pages[i].has && view_eq_str(name, b->pages[i].name)) {
			buf_addv(out, buf_view(&b->pages[i].note));
			has = true;
		}
	(void)pthread_mutex_unlock(&b->mutex);
	return has && buf_check(out, NULL) == 0;
}

void
witness_book_each(struct witness_book *b, witness_book_fn *fn, void *ctx)
{
	(void)pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < b->n; i++)
		fn(ctx, b->pages[i].origin, b->pages[i].size,
		    b->pages[i].time_s, b->pages[i].is_forked);
	(void)pthread_mutex_unlock(&b->mutex);
}
