/* A program that prints a token. */
#include "cli/credential.h"

#include "base/clock.h"
#include "base/fd.h"
#include "upstream/carrier.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_MS   30000
#define GRACE_MS 2000

char *
mint_find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct view rest = view_str(path ? path : "/usr/bin:/bin"), dir;
	char *at;

	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0 ? view_dup(view_str(name)) :
						 NULL;
	while (rest.n > 0) {
		if (!view_cut(&rest, ':', &dir)) {
			dir = rest;
			rest = view_of("", 0);
		}
		/* an empty entry means the directory of the work tree, where
		 * whoever is pushing keeps what he likes */
		if (dir.n == 0 || dir.p[0] != '/')
			continue;
		at = path_f("%.*s/%s", (int)dir.n, dir.p, name);
		if (access(at, X_OK) == 0)
			return at;
		free(at);
	}
	return NULL;
}

/* Its last line on standard error, unless that could be a token. */
static int
failed(const char *name, const struct carrier *c, int status,
    struct gg_error *err)
{
	struct view text = buf_view(&c->text), line, last = { 0 };

	while (text.n > 0) {
		if (!view_cut(&text, '\n', &line)) {
			line = text;
			text = view_of("", 0);
		}
		if (line.n > 0)
			last = line;
	}
	if (last.n > 200)
		last.n = 200;
	if (last.n == 0 || memmem(c->text.p, c->text.n, "eyJ", 3) != NULL ||
	    memmem(c->text.p, c->text.n, "ggt_", 4) != NULL)
		return gg_fail(err, GG_E_UNAVAILABLE, "%s failed (status %d)",
		    name, status < 0 ? status : status >> 8);
	return gg_fail(err, GG_E_UNAVAILABLE, "%s failed: %.*s", name,
	    (int)last.n, last.p);
}

int
mint_run(const char *name, const struct strv *argv, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(carrier) c = CARRIER_INIT;
	GG_AUTO_MEM char *program = NULL;
	GG_AUTO_MEM char **words = NULL;
	struct carrier_io io = { .file = -1,
		.close_in = true,
		.take = buf_collect,
		.ctx = out,
		.idle_ms = RUN_MS,
		.deadline = clock_mono_ms() + RUN_MS };
	int rc, status = -1;

	if ((rc = strv_check(argv, err)) != 0)
		return rc;
	if ((program = mint_find_program(argv->v[0])) == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "there is no program %s",
		    argv->v[0]);
	if ((words = calloc(argv->n + 1, sizeof(*words))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	memcpy(words, argv->v, argv->n * sizeof(*words));
	words[0] = program;
	if ((rc = carrier_start(&c, words, environ, err)) != 0)
		return gg_wrap(err, rc, "%s", name);
	if ((rc = carrier_pump(&c, &io, err)) < 0)
		return gg_wrap(err, rc, "%s", name);
	carrier_end(&c, GRACE_MS, &status);
	return status == 0 ? 0 : failed(name, &c, status, err);
}
