/* Keeping what was found out of what is written. */
#include "pack/secrets.h"

#include "base/error.h"

bool
masks_apply(const struct masks *m, struct view text, struct buf *out)
{
	bool any = false;

	buf_clear(out);
	if (m->everything) {
		buf_adds(out, "(not shown: too many secrets)");
		return true;
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct mask *k = &m->v[i];
		struct view rest = any ? buf_view(out) : text;
		const char *at = rest.n >= k->n ?
		    memmem(rest.p, rest.n, k->secret, k->n) :
		    NULL;
		struct buf fresh = BUF_INIT(out->max);

		if (at == NULL)
			continue;
		for (; at != NULL;
		     at = memmem(rest.p, rest.n, k->secret, k->n)) {
			buf_add(&fresh, rest.p, (size_t)(at - rest.p));
			buf_adds(&fresh, k->shown);
			view_skip(&rest, (size_t)(at - rest.p) + k->n);
			if (rest.n == 0)
				break;
		}
		buf_addv(&fresh, rest);
		buf_release(out);
		*out = fresh;
		any = true;
	}
	return any;
}

char *
secret_shown(struct view secret)
{
	size_t n = secret.n / 3 < 4 ? secret.n / 3 : 4;
	char *s = calloc(n + 4, 1);

	if (s == NULL)
		gg_die("no memory for a finding");
	for (size_t i = 0; i < n; i++)
		s[i] = secret.p[i] > ' ' && secret.p[i] < 0x7f ? secret.p[i] :
								 '?';
	for (size_t i = 0; i < 3; i++)
		s[n + i] = '.';
	return s;
}

void
masks_release(struct masks *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].secret);
		free(m->v[i].shown);
	}
	free(m->v);
	*m = (struct masks){ 0 };
}
