/*
 * The paths that a push is found by in the audit log: of the report, which has
 * them by commit, newest first. The store keeps each once.
 */
#include "role/gate_push.h"

#include "base/text.h"

/* Longer ones the store would not take either. */
#define PATH_BYTES_MAX 1000

struct noted {
	struct strv *out;
	uint64_t left;
};

static void
note_all(struct noted *n, const struct path_changes *c)
{
	for (size_t i = 0; i < c->n && n->left > 0; i++) {
		GG_AUTO_RELEASE(buf) clean = BUF_INIT(4 * PATH_BYTES_MAX);
		struct view path = view_str(c->v[i].path);

		if (path.n > PATH_BYTES_MAX)
			continue;
		/* A path that is no UTF-8 is shown, and so searched, by what
		 * stands for its bytes. */
		utf8_replace(&clean, path, 3 * PATH_BYTES_MAX);
		strv_addv(n->out, buf_view(&clean));
		n->left--;
	}
}

int
push_note_paths(struct push *p, struct gg_error *err)
{
	const struct change_report *r = p->report;
	struct noted n = { &p->rec.paths,
		p->who.snap->config->limits.searched_paths };

	strv_release(&p->rec.paths);
	for (size_t i = 0; i < r->n_updates; i++)
		note_all(&n, &r->updates[i].net);
	for (size_t i = 0; i < r->n_commits; i++)
		note_all(&n, &r->commits[i].paths);
	return strv_check(&p->rec.paths, err);
}
