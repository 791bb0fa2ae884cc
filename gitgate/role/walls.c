#include "role/walls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void
walls_release(struct walls *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i].path);
	free(w->v);
	*w = (struct walls){ 0 };
}

void
walls_add(struct walls *w, const char *path, unsigned rights)
{
	struct stat st = { 0 };

	if (path == NULL || path[0] != '/')
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i].path, path) == 0) {
			w->v[i].rights |= rights;
			return;
		}
	if (w->n == w->alloc) {
		size_t more = w->alloc ? w->alloc * 2 : 32;
		struct wall *v = reallocarray(w->v, more, sizeof(*v));

		if (v == NULL)
			gg_die("no memory for the walls");
		w->v = v;
		w->alloc = more;
	}
	if (stat(path, &st) != 0)
		st = (struct stat){ 0 };
	w->v[w->n] = (struct wall){ .path = strdup(path),
		.rights = rights,
		.dev = st.st_dev,
		.ino = st.st_ino };
	if (w->v[w->n++].path == NULL)
		gg_die("no memory for the walls");
}

/* Name resolution and certificates; not all of /etc, where others' secrets may
 * be. */
void
walls_add_network(struct walls *w)
{
	static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts",
		"/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
		"/etc/services", "/etc/passwd", "/etc/group", "/etc/localtime",
		"/etc/ssl/certs", "/etc/ssl/openssl.cnf",
		"/etc/ca-certificates", "/etc/pki/tls",
		"/etc/pki/ca-trust/extracted", "/etc/crypto-policies",
		"/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates", "/run/systemd/resolve" };

	for (size_t i = 0; i < GG_COUNT(files); i++)
		walls_add(w, files[i], SANDBOX_READ);
	walls_add(w, "/dev/null", SANDBOX_READ | SANDBOX_WRITE);
}

static bool
wall_covers(const struct walls *built, const struct wall *need)
{
	for (size_t i = 0; i < built->n; i++) {
		const struct wall *b = &built->v[i];

		if (strcmp(b->path, need->path) == 0)
			return (b->rights & need->rights) == need->rights &&
			    b->dev == need->dev && b->ino == need->ino;
	}
	return false;
}

bool
walls_cover(const struct walls *built, const struct walls *now)
{
	for (size_t i = 0; i < now->n; i++)
		if (!wall_covers(built, &now->v[i]))
			return false;
	return true;
}

int
walls_enter(const struct walls *w, bool required, struct gg_error *err)
{
	GG_AUTO_MEM struct sandbox_path *paths = calloc(w->n, sizeof(*paths));
	int rc;

	if (paths == NULL)
		return gg_fail(err, GG_E_NOMEM, "the walls");
	for (size_t i = 0; i < w->n; i++)
		paths[i] = (struct sandbox_path){ w->v[i].path,
			w->v[i].rights };
	rc = sandbox_limits(&(struct sandbox_rlimits){ 0 }, err);
	if (rc == 0)
		rc = sandbox_files(paths, w->n, false, required, err);
	if (rc == 0)
		rc = sandbox_calls(SANDBOX_CALLS_SERVER, required, err);
	return rc;
}
