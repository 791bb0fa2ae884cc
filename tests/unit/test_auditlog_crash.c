/*
 * The audit log after a crash and under a forger's hand: journals cut at
 * every byte, publication stopped after each file, single flipped bytes, a
 * second history for the same size.
 */
#include "auditlog_place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *walk_from, *walk_to;

static int
copy_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	GG_AUTO_MEM char *to = path_f("%s%s", walk_to,
	    path + strlen(walk_from));
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 28);

	(void)f;
	if (kind == FTW_D)
		return mkdir(to, 0700) == 0 || errno == EEXIST ? 0 : -1;
	if (file_read(path, &b, NULL) != 0)
		return -1;
	return file_write(to, buf_view(&b), st->st_mode & 0777, false, NULL);
}

static void
copy_tree(const char *from, const char *to)
{
	walk_from = from;
	walk_to = to;
	assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
}

/* A place inside another's directory, with the same key. */
static struct place
copy_place(const struct place *p, const char *name)
{
	struct place c = *p;

	(void)snprintf(c.log, sizeof(c.log), "%.60s/%.20s", p->root, name);
	assert_int_equal(dir_remove(c.log, NULL), 0);
	copy_tree(p->log, c.log);
	return c;
}

static bool
is_unpublished(const struct place *p)
{
	GG_AUTO_MEM char *path = path_f("%s/journal", p->log);
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

/*
 * Leave a log of `done` published entries and a journal with one frame for
 * each of `batches` more: a child appends and dies before the writer thread
 * comes to it. Where the writer was quicker, the next try goes on from there;
 * the number of published entries is what is returned.
 */
static unsigned
crash_with_journal(const struct place *p, unsigned done, unsigned batches)
{
	for (;;) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			struct auditlog *l = open_log(p);

			for (unsigned i = (unsigned)auditlog_size(l); i < done;
			     i++)
				must_append(l, i, 1);
			if (done > 0 &&
			    auditlog_wait_published(l, done - 1, NULL) != 0)
				_exit(1);
			done = (unsigned)auditlog_size(l);
			for (unsigned i = 0; i < batches; i++)
				must_append(l, done + i, 1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		if (is_unpublished(p)) {
			struct gg_error err = { 0 };
			char root[45];
			uint64_t size = 0;

			if (verify_log(p, &size, root, &err) != 0)
				fail_msg("verify: %s", err.msg);
			if (size == done)
				return done;
		}
		assert_int_equal(dir_remove(p->log, NULL), 0);
	}
}

static void
journal_is_replayed(void **state)
{
	struct place *p = *state;
	struct auditlog *l;

	(void)crash_with_journal(p, 5, 3);
	must_verify(p, 5);
	l = open_log(p);
	assert_int_equal(auditlog_size(l), 8);
	for (unsigned i = 0; i < 8; i++)
		expect_entry(l, i);
	must_append(l, 8, 1);
	auditlog_close(l);
	must_verify(p, 9);
	assert_false(is_unpublished(p));
}

static void
set_file(const struct place *p, const char *name, struct view v)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->log, name);

	assert_int_equal(file_write(path, v, 0600, false, NULL), 0);
}

static void
get_file(const struct place *p, const char *name, struct buf *out)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->log, name);

	assert_int_equal(file_read(path, out, NULL), 0);
}

/* Bytes of the frame that begins at `at`, from its own length. */
static size_t
frame_bytes(const struct buf *all, size_t at)
{
	return JOURNAL_HEAD_BYTES +
	    ((size_t)(unsigned char)all->p[at + 6] << 8 |
		(unsigned char)all->p[at + 7]);
}

/* A frame is in the log only when all of it is; what is before it stays. */
static void
journal_cut_at_every_byte(void **state)
{
	struct place *p = *state;
	GG_AUTO_RELEASE(buf) all = BUF_INIT(100000);

	(void)crash_with_journal(p, 2, 3);
	get_file(p, "journal", &all);
	for (size_t cut = 0; cut <= all.n; cut++) {
		struct place c = copy_place(p, "cut");
		struct auditlog *l;
		unsigned whole = 0;

		for (size_t at = 0; at < all.n;) {
			at += frame_bytes(&all, at);
			whole += at <= cut;
		}
		set_file(&c, "journal", view_of(all.p, cut));
		l = open_log(&c);
		assert_int_equal(auditlog_size(l), 2 + whole);
		for (unsigned i = 0; cut % 7 == 0 && i < 2 + whole; i++)
			expect_entry(l, i);
		if (cut % 50 == 0) {
			must_append(l, 2 + whole, 1);
			auditlog_close(l);
			must_verify(&c, 2 + whole + 1);
		} else {
			auditlog_close(l);
		}
	}
}

static void
journal_broken_in_the_middle(void **state)
{
	struct place *p = *state;
	GG_AUTO_RELEASE(buf) all = BUF_INIT(100000);
	size_t last;

	(void)crash_with_journal(p, 2, 3);
	get_file(p, "journal", &all);
	last = frame_bytes(&all, 0);
	last += frame_bytes(&all, last);
	for (size_t at = 0; at < all.n; at += 7) {
		struct place c = copy_place(p, "broken");
		struct auditlog *l = NULL;
		struct gg_error err = { 0 };
		int rc;

		all.p[at] = (char)(all.p[at] ^ 0x41);
		set_file(&c, "journal", buf_view(&all));
		all.p[at] = (char)(all.p[at] ^ 0x41);
		rc = auditlog_open(c.log, c.key, ORIGIN, &l, &err);
		if (at < last) {
			assert_int_equal(rc, GG_E_CORRUPT);
			assert_non_null(strstr(err.msg, "journal"));
			assert_null(l);
		} else if (rc == 0) {
			/* the last one: as if it had not been finished */
			assert_int_equal(auditlog_size(l), 4);
			auditlog_close(l);
		} else {
			fail_msg("%zu: %s", at, err.msg);
		}
	}
}

/* Does a copy of the journal's log, with some files of the published one,
 * recover to the same tree? */
static void
recover_with(const struct place *p, const struct place *done,
    const char *const *files, size_t n, uint64_t size, const char *root)
{
	struct place c = copy_place(p, "mixed");
	struct gg_error err = { 0 };
	struct auditlog *l;
	char got[45];
	uint64_t got_size = 0;

	for (size_t i = 0; i < n; i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 25);

		get_file(done, files[i], &b);
		assert_int_equal(log_file_write(c.log, files[i], buf_view(&b),
				     NULL),
		    0);
	}
	l = open_log(&c);
	for (unsigned i = 0; i < size; i++)
		expect_entry(l, i);
	auditlog_close(l);
	if (verify_log(&c, &got_size, got, &err) != 0)
		fail_msg("%zu files: %s", n, err.msg);
	assert_int_equal(got_size, size);
	assert_string_equal(got, root);
}

/* In the order of writing; the journal is trimmed after the last. */
static void
publication_stopped_anywhere(void **state)
{
	static const char *const files[] = { "private/000", "private/001",
		"tile/entries/000", "tile/0/000", "tile/entries/001.p/4",
		"tile/0/001.p/4", "tile/1/000.p/1", "checkpoint" };
	struct place *p = *state, done;
	struct gg_error err = { 0 };
	char root[45];
	uint64_t size = 0;

	(void)crash_with_journal(p, 250, 10);
	done = copy_place(p, "done");
	auditlog_close(open_log(&done));
	assert_int_equal(verify_log(&done, &size, root, &err), 0);
	assert_int_equal(size, 260);
	for (size_t n = 0; n <= GG_COUNT(files); n++)
		recover_with(p, &done, files, n, size, root);
}

#ifdef GG_FAILPOINTS
/* Killed at each dangerous place itself: what append() had promised is there,
 * and the log goes on. */
static void
killed_at_each_failpoint(void **state)
{
	static const struct {
		const char *name;
		bool is_durable;
	} points[] = { { "log.before-journal", false },
		{ "log.after-journal", true }, { "log.after-private", true },
		{ "log.after-bundle", true }, { "log.after-tile", true },
		{ "log.before-checkpoint", true },
		{ "log.after-checkpoint", true }, { "log.after-trim", true } };
	struct place *p = *state;
	unsigned size = 0;

	for (size_t i = 0; i < GG_COUNT(points); i++) {
		GG_AUTO_MEM char *file = path_f("%s/armed", p->root);
		GG_AUTO_MEM char *env = path_f("%s=kill:%s", points[i].name,
		    file);
		struct auditlog *l;
		int status;
		pid_t pid;

		assert_int_equal(setenv("GITGATE_FAILPOINT", env, 1), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			l = open_log(p);
			if (file_write(file, view_str(""), 0600, false, NULL))
				_exit(1);
			must_append(l, size, 130);
			auditlog_close(l); /* not reached to its end */
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		size += points[i].is_durable ? 130 : 0;
		l = open_log(p);
		assert_int_equal(auditlog_size(l), size);
		for (unsigned k = 0; k < size; k++)
			expect_entry(l, k);
		auditlog_close(l);
		must_verify(p, size);
	}
}
#endif

static void
older_checkpoint_is_noticed(void **state)
{
	struct place *p = *state;
	GG_AUTO_RELEASE(buf) old = BUF_INIT(10000);
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };

	must_append(l, 0, 10);
	auditlog_close(l);
	get_file(p, "checkpoint", &old);
	l = open_log(p);
	must_append(l, 10, 10);
	auditlog_close(l);
	set_file(p, "checkpoint", buf_view(&old));
	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &l, &err),
	    GG_E_CORRUPT);
	assert_non_null(strstr(err.msg, "older"));
}

static void
missing_checkpoint_is_noticed(void **state)
{
	struct place *p = *state;
	GG_AUTO_MEM char *path = path_f("%s/checkpoint", p->log);
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };

	must_append(l, 0, 1);
	auditlog_close(l);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &l, &err),
	    GG_E_CORRUPT);
}

/* A write error (here: the file size limit) refuses, and leaves nothing. */
static void
full_disk(void **state)
{
	struct place *p = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 300, 300 };
		struct auditlog *l = open_log(p);
		struct gg_error err = { 0 };
		bool ok = true;

		must_append(l, 0, 1);
		ok = ok && auditlog_wait_published(l, 0, NULL) == 0;
		(void)signal(SIGXFSZ, SIG_IGN);
		ok = ok && setrlimit(RLIMIT_FSIZE, &none) == 0;
		ok = ok && append(l, 1, 3, NULL, &err) == GG_E_UNAVAILABLE;
		ok = ok && !auditlog_is_writable(l);
		ok = ok && auditlog_size(l) == 1;
		ok = ok && append(l, 1, 1, NULL, &err) == GG_E_UNAVAILABLE;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_false(is_unpublished(p));
	{
		struct auditlog *l = open_log(p);

		assert_int_equal(auditlog_size(l), 1);
		must_append(l, 1, 1);
		auditlog_close(l);
	}
	must_verify(p, 2);
}

static void
flip_in(const struct place *p, const char *name, size_t at)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 25);
	struct gg_error err = { 0 };
	char root[45];
	uint64_t size = 0;
	int rc;

	get_file(p, name, &b);
	at = at < b.n ? at : b.n - 1;
	b.p[at] = (char)(b.p[at] ^ 1);
	set_file(p, name, buf_view(&b));
	rc = verify_log(p, &size, root, &err);
	if (rc != GG_E_CORRUPT)
		fail_msg("%s byte %zu: %d", name, at, rc);
	if (strstr(err.msg, name) != err.msg)
		fail_msg("%s byte %zu: blamed %s", name, at, err.msg);
	b.p[at] = (char)(b.p[at] ^ 1);
	set_file(p, name, buf_view(&b));
}

/* One flipped bit anywhere is found, and the file it is in is named. */
static void
every_file_is_watched(void **state)
{
	static const struct {
		const char *name;
		size_t step;
	} files[] = { { "checkpoint", 1 }, { "tile/0/000", 211 },
		{ "tile/0/001.p/44", 37 }, { "tile/1/000.p/1", 1 },
		{ "tile/entries/000", 1009 },
		{ "tile/entries/001.p/44", 199 } };
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct stat st;

	must_append(l, 0, 300);
	auditlog_close(l);
	must_verify(p, 300);
	for (size_t i = 0; i < GG_COUNT(files); i++) {
		GG_AUTO_MEM char *path = path_f("%s/%s", p->log, files[i].name);

		assert_int_equal(stat(path, &st), 0);
		for (size_t at = 0; at < (size_t)st.st_size;
		     at += files[i].step)
			flip_in(p, files[i].name, at);
		flip_in(p, files[i].name, (size_t)st.st_size - 1);
	}
	must_verify(p, 300);
}

static void
missing_and_longer_files(void **state)
{
	static const char *const files[] = { "checkpoint", "tile/0/000",
		"tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000",
		"tile/entries/001.p/44" };
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	char root[45];
	uint64_t size;

	must_append(l, 0, 300);
	auditlog_close(l);
	for (size_t i = 0; i < GG_COUNT(files); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 25);
		GG_AUTO_MEM char *path = path_f("%s/%s", p->log, files[i]);
		struct gg_error err = { 0 };

		get_file(p, files[i], &b);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(verify_log(p, &size, root, &err),
		    GG_E_CORRUPT);
		assert_ptr_equal(strstr(err.msg, files[i]), err.msg);
		buf_addc(&b, 'x');
		set_file(p, files[i], buf_view(&b));
		assert_int_equal(verify_log(p, &size, root, &err),
		    GG_E_CORRUPT);
		assert_ptr_equal(strstr(err.msg, files[i]), err.msg);
		set_file(p, files[i], view_of(b.p, b.n - 1));
	}
	must_verify(p, 300);
}

/* Hashes of a whole log in memory, for proofs. */
struct hashes {
	struct merkle_hash h[64];
	uint64_t n;
};

static int
read_hashes(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out,
    struct gg_error *err)
{
	const struct hashes *x = ctx;
	uint64_t n = (uint64_t)1 << level;

	if ((index << level) + n > x->n)
		return gg_fail(err, GG_E_NOTFOUND, "beyond");
	merkle_complete_root(&x->h[index << level], (size_t)n, out);
	return 0;
}

static void
load_hashes(const struct place *p, uint64_t n, struct hashes *out)
{
	struct auditlog *l = open_log(p);

	for (out->n = 0; out->n < n; out->n++) {
		GG_AUTO_MEM char *line = read_entry(l, out->n);

		merkle_leaf(view_str(line), &out->h[out->n]);
	}
	auditlog_close(l);
}

/* Two histories of one size verify each, but not as one growing from the
 * other's past. */
static void
forked_log(void **state)
{
	struct place *p = *state, fork_at;
	struct hashes one, two;
	struct merkle_hash old, root1, root2;
	struct merkle_proof proof;
	struct auditlog *l = open_log(p);

	must_append(l, 0, 20);
	auditlog_close(l);
	fork_at = copy_place(p, "fork");
	l = open_log(p);
	must_append(l, 20, 10);
	auditlog_close(l);
	l = open_log(&fork_at);
	assert_int_equal(append(l, 700, 10, NULL, NULL), 0);
	auditlog_close(l);
	must_verify(p, 30);
	must_verify(&fork_at, 30);
	load_hashes(p, 30, &one);
	load_hashes(&fork_at, 30, &two);
	assert_int_equal(merkle_root_at(read_hashes, &one, 25, &old, NULL), 0);
	assert_int_equal(merkle_root_at(read_hashes, &one, 30, &root1, NULL),
	    0);
	assert_int_equal(merkle_root_at(read_hashes, &two, 30, &root2, NULL),
	    0);
	assert_false(merkle_hash_eq(&root1, &root2));
	assert_int_equal(merkle_prove_consistency(read_hashes, &one, 25, 30,
			     &proof, NULL),
	    0);
	assert_true(merkle_verify_consistency(25, &old, 30, &root1, &proof));
	assert_false(merkle_verify_consistency(25, &old, 30, &root2, &proof));
	assert_int_equal(merkle_prove_consistency(read_hashes, &two, 25, 30,
			     &proof, NULL),
	    0);
	assert_false(merkle_verify_consistency(25, &old, 30, &root2, &proof));
}

static void
fetch_stays_inside(void **state)
{
	static const char *const bad[] = { "", "../key", "tile/../../key",
		"/etc/passwd", "journal", "lock", "tile", "tile/0", ".",
		"tile/0/000.p/../../../../key", "checkpoint/", "./checkpoint" };
	struct place *p = *state;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100000);
	struct auditlog *l = open_log(p);

	must_append(l, 0, 1);
	auditlog_close(l);
	for (size_t i = 0; i < GG_COUNT(bad); i++)
		assert_int_equal(auditlog_fetch_dir(p->log, bad[i], &b, NULL),
		    GG_E_INPUT);
	assert_int_equal(b.n, 0);
	assert_int_equal(auditlog_fetch_dir(p->log, "tile/0/000", &b, NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(auditlog_fetch_dir(p->log, "tile/0/000.p/1", &b, NULL),
	    0);
	assert_int_equal(b.n, 32);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(journal_is_replayed),
		T(journal_cut_at_every_byte),
		T(journal_broken_in_the_middle),
		T(publication_stopped_anywhere),
#ifdef GG_FAILPOINTS
		T(killed_at_each_failpoint),
#endif
		T(older_checkpoint_is_noticed),
		T(missing_checkpoint_is_noticed),
		T(full_disk),
		T(every_file_is_watched),
		T(missing_and_longer_files),
		T(forked_log),
		T(fetch_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
