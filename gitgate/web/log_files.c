/*
 * The audit log's files as C2SP tlog-tiles names them: checkpoint and hash
 * tiles for everybody, since that is what witnesses check; the entries
 * themselves, which tell who did what, for auditors.
 */
#include "base/fd.h"
#include "web/web_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES ((size_t)32 * 1024 * 1024)

static bool
digits(struct view *v, size_t n)
{
	if (v->n < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v->p[i] < '0' || v->p[i] > '9')
			return false;
	view_skip(v, n);
	return true;
}

static bool
literal(struct view *v, const char *s)
{
	if (!view_has_prefix(*v, s))
		return false;
	view_skip(v, strlen(s));
	return true;
}

/* "x001/x234/067", or with ".p/1".."255" behind. */
static bool
is_index(struct view v)
{
	size_t n;

	while (literal(&v, "x"))
		if (!digits(&v, 3) || !literal(&v, "/"))
			return false;
	if (!digits(&v, 3))
		return false;
	if (v.n == 0)
		return true;
	if (!literal(&v, ".p/") || v.n == 0 || v.n > 3 || v.p[0] == '0')
		return false;
	n = v.n;
	return digits(&v, n);
}

enum log_kind {
	LOG_FILE_NONE,
	LOG_FILE_CHECKPOINT,
	LOG_FILE_TILE,
	LOG_FILE_ENTRIES
};

/* What a path below "/-/log/" names, by a strict grammar. */
static enum log_kind
classify(const char *rest)
{
	struct view v = view_str(rest), level;
	size_t n;

	if (view_eq_str(v, "checkpoint") || view_eq_str(v, "cosigned"))
		return LOG_FILE_CHECKPOINT;
	if (!literal(&v, "tile/") || v.n > 64)
		return LOG_FILE_NONE;
	if (literal(&v, "entries/"))
		return is_index(v) ? LOG_FILE_ENTRIES : LOG_FILE_NONE;
	if (!view_cut(&v, '/', &level) || level.n == 0 || level.n > 2)
		return LOG_FILE_NONE;
	n = level.n;
	if (n == 2 && level.p[0] == '0')
		return LOG_FILE_NONE;
	return digits(&level, n) && is_index(v) ? LOG_FILE_TILE : LOG_FILE_NONE;
}

static void
send_file(struct web_call *c, const char *rest, enum log_kind kind)
{
	static const struct http_headers kept[] = {
		{ "Cache-Control", "public, max-age=31536000, immutable" },
		{ NULL, NULL }
	};
	static const struct http_headers shortly[] = {
		{ "Cache-Control", "public, max-age=1" }, { NULL, NULL }
	};
	static const struct http_headers privately[] = {
		{ "Cache-Control", "private, no-store" }, { NULL, NULL }
	};
	GG_AUTO_MEM char *path = path_f("%s/log/%s", c->cfg->state_dir, rest);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(FILE_MAX_BYTES);
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		api_problem(c, 404, "no such file in the log");
		return;
	}
	if (fd_pread_all(fd, &b, NULL) != 0) {
		api_problem(c, 500, "the log cannot be read");
		return;
	}
	if (kind == LOG_FILE_CHECKPOINT)
		http_reply(c->rq, 200, "text/plain; charset=utf-8",
		    buf_view(&b), shortly);
	else
		http_reply(c->rq, 200, "application/octet-stream", buf_view(&b),
		    kind == LOG_FILE_TILE ? kept : privately);
}

void
log_file(struct web_call *c)
{
	const char *rest = http_path(c->rq) + strlen("/-/log/");
	enum log_kind kind = classify(rest);

	if (kind == LOG_FILE_NONE)
		api_problem(c, 404, "no such file in the log");
	else if (kind != LOG_FILE_ENTRIES || access_is_auditor(&c->who))
		send_file(c, rest, kind);
	else if (c->who.method == AUTH_ANONYMOUS)
		api_problem(c, 401, "entries are for auditors");
	else
		api_problem(c, 403, "entries are for auditors");
}
