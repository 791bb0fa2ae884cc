/*
 * gitgate pushes diff: the recorded diff records as text that git apply
 * reads. To a terminal what is no plain text is shown escaped.
 */
#include "cli/judge.h"
#include "cli/remote.h"

#include "base/fd.h"
#include "base/text.h"
#include "ipc/codec.h"
#include "model/diff.h"

#include <string.h>
#include <unistd.h>

struct printer {
	bool commits; /* each commit's own diff as well */
	bool terminal;
	bool skip; /* records of the other kind */
};

static void
put(const struct printer *p, struct view v)
{
	GG_AUTO_RELEASE(buf) safe = BUF_INIT(v.n * 8 + 64);
	GG_AUTO_MEM char *text = NULL;

	if (!p->terminal) {
		(void)fwrite(v.p, 1, v.n, stdout);
		return;
	}
	if ((text = view_dup(v)) == NULL)
		return;
	text_safe_add(&safe, text);
	(void)fwrite(safe.p, 1, safe.n, stdout);
}

/* A path as git writes it: quoted where it has to be. */
static void
put_path(const char *prefix, struct view path)
{
	bool plain = true;

	for (size_t i = 0; i < path.n; i++) {
		unsigned char x = (unsigned char)path.p[i];

		plain = plain && x >= 0x20 && x < 0x7f && x != '"' && x != '\\';
	}
	say(plain ? "%s" : "\"%s", prefix);
	for (size_t i = 0; i < path.n; i++) {
		unsigned char x = (unsigned char)path.p[i];

		if (x == '"' || x == '\\')
			say("\\%c", x);
		else if (x < 0x20 || x >= 0x7f)
			say("\\%03o", x);
		else
			say("%c", x);
	}
	if (!plain)
		say("\"");
}

static void
put_name(const char *sign, const char *prefix, struct view path, uint32_t mode)
{
	say("%s ", sign);
	if (mode == 0)
		say("/dev/null");
	else
		put_path(prefix, path);
	say("\n");
}

static void
put_modes(const struct diff_file *f)
{
	if (f->old_mode == 0)
		say("new file mode %06o\n", f->new_mode);
	else if (f->new_mode == 0)
		say("deleted file mode %06o\n", f->old_mode);
	else if (f->old_mode != f->new_mode)
		say("old mode %06o\nnew mode %06o\n", f->old_mode, f->new_mode);
	if (f->old_mode != 0 && f->new_mode != 0 &&
	    !view_eq(f->old_path, f->new_path)) {
		say("rename from ");
		put_path("", f->old_path);
		say("\nrename to ");
		put_path("", f->new_path);
		say("\n");
	}
}

static int
put_file(struct view body, struct gg_error *err)
{
	struct diff_file f;
	int rc = diff_file_decode(body, &f, err);

	if (rc != 0)
		return rc;
	say("diff --git ");
	put_path("a/", f.old_mode != 0 ? f.old_path : f.new_path);
	say(" ");
	put_path("b/", f.new_mode != 0 ? f.new_path : f.old_path);
	say("\n");
	put_modes(&f);
	if (f.old_oid.n > 0 || f.new_oid.n > 0) {
		static const char zero[] =
		    "0000000000000000000000000000000000000000";

		say("index %.*s..%.*s\n",
		    (int)(f.old_oid.n > 0 ? f.old_oid.n : 40),
		    f.old_oid.n > 0 ? f.old_oid.p : zero,
		    (int)(f.new_oid.n > 0 ? f.new_oid.n : 40),
		    f.new_oid.n > 0 ? f.new_oid.p : zero);
	}
	if ((f.flags & (DIFF_FLAG_BINARY | DIFF_FLAG_TOO_LARGE)) != 0) {
		say("# %s: %llu bytes before, %llu after\n",
		    (f.flags & DIFF_FLAG_BINARY) != 0 ? "binary" : "too large",
		    (unsigned long long)f.old_bytes,
		    (unsigned long long)f.new_bytes);
		return 0;
	}
	if ((f.old_mode == 0 || f.new_mode == 0) && f.old_bytes == 0 &&
	    f.new_bytes == 0)
		return 0; /* an empty file has no names */
	if (view_eq(f.old_oid, f.new_oid) && f.old_oid.n > 0)
		return 0; /* only its mode or name */
	put_name("---", "a/", f.old_path, f.old_mode);
	put_name("+++", "b/", f.new_path, f.new_mode);
	return 0;
}

static int
put_hunk(const struct printer *p, struct view body, struct gg_error *err)
{
	struct dec d = dec_of(body);
	uint32_t at[4];
	struct view section;
	int rc;

	for (size_t i = 0; i < 4; i++)
		at[i] = dec_u32(&d);
	section = dec_bytes(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	say("@@ -%u,%u +%u,%u @@", at[0], at[1], at[2], at[3]);
	if (section.n > 0)
		say(" ");
	put(p, section);
	say("\n");
	return 0;
}

/* "# push of refs/heads/main: from..to", "# commit oid subject" */
static int
put_head(struct printer *p, enum diff_kind kind, struct view body,
    struct gg_error *err)
{
	struct dec d = dec_of(body);
	struct view a = dec_bytes(&d), b = dec_bytes(&d), c = { 0 };
	int rc;

	if (kind == DIFF_UPDATE)
		c = dec_bytes(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	p->skip = kind == DIFF_COMMIT && !p->commits;
	if (p->skip)
		return 0;
	say(kind == DIFF_UPDATE ? "# " : "# commit ");
	put(p, a);
	say(" ");
	put(p, b);
	if (kind == DIFF_UPDATE) {
		say("..");
		put(p, c);
	}
	say("\n");
	return 0;
}

static int
put_cut(const struct printer *p, struct view body, struct gg_error *err)
{
	struct dec d = dec_of(body);
	struct view words = dec_bytes(&d);
	uint64_t files = dec_u64(&d), lines = dec_u64(&d);
	int rc = dec_end(&d, err);

	if (rc != 0)
		return rc;
	say("# left out: ");
	put(p, words);
	say(" (%llu files, %llu lines)\n", (unsigned long long)files,
	    (unsigned long long)lines);
	return 0;
}

static int
put_record(struct printer *p, enum diff_kind kind, struct view body,
    struct gg_error *err)
{
	if (kind == DIFF_UPDATE || kind == DIFF_COMMIT)
		return put_head(p, kind, body, err);
	if (p->skip)
		return 0;
	switch (kind) {
	case DIFF_FILE:
		return put_file(body, err);
	case DIFF_HUNK:
		return put_hunk(p, body, err);
	case DIFF_CUT:
		return put_cut(p, body, err);
	case DIFF_NO_NEWLINE:
		say("\\ No newline at end of file\n");
		return 0;
	case DIFF_CONTEXT:
	case DIFF_ADDED:
	case DIFF_REMOVED:
		say("%c", (char)kind);
		put(p, body);
		say("\n");
		return 0;
	case DIFF_UPDATE:
	case DIFF_COMMIT:
		return 0;
	}
	return gg_fail(err, GG_E_PEER, "a diff record of an unknown kind");
}

static int
put_all(struct printer *p, struct view in, struct gg_error *err)
{
	enum diff_kind kind;
	struct view body;
	int rc;

	while ((rc = diff_record_next(&in, &kind, &body, err)) == 1)
		if ((rc = put_record(p, kind, body, err)) != 0)
			return rc;
	return rc;
}

static int
read_recorded(const struct judge *j, const struct stored_push *p,
    struct buf *out)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/diff",
	    j->config->state_dir, p->id);

	return file_read(path, out, NULL);
}

/* No diff is recorded of a push that nobody had to look at. */
static int
make_anew(struct judge *j, const struct stored_push *p, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rejudged) r = { 0 };
	GG_AUTO_FD fd = fd_memfile("diff", view_str(""), err);
	int rc;

	if (fd < 0)
		return err->code;
	if ((rc = judge_rules(j, NULL, err)) != 0 ||
	    (rc = judge_again(j, p, NULL, fd, &r, err)) != 0)
		return rc;
	return fd_pread_all(fd, out, err);
}

int
cmd_pushes_diff(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(judge) j = { 0 };
	GG_AUTO_RELEASE(stored_push) push = { 0 };
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(0);
	struct printer p = { .terminal = isatty(1) == 1 };
	struct gg_error err = { 0 };
	struct words w;
	const struct option_spec specs[] = { { "commits", OPT_FLAG,
	    &p.commits } };

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0 ||
	    remote_check_id(w.v[0], &err) != 0)
		return cli_usage(&err);
	if (judge_begin(cli, &j, &err) != 0 ||
	    store_push_get(j.store, w.v[0], &push, &err) != 0)
		return cli_fail(&err);
	raw = BUF_INIT((size_t)j.config->limits.diff_bytes * 2 + 1048576);
	if (read_recorded(&j, &push, &raw) != 0) {
		buf_clear(&raw);
		if (make_anew(&j, &push, &raw, &err) != 0)
			return cli_fail(&err);
	}
	if (put_all(&p, buf_view(&raw), &err) != 0)
		return cli_fail(&err);
	return cli_flush();
}
