/* Which of the mirror's refs are not upstream's: gitgate-kept. */
#include "mirror/mirror_priv.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEPT_BYTES ((size_t)64 << 20)

static char *
kept_path(const struct mirror *m)
{
	return path_f("%s/gitgate-kept", m->path);
}

int
mirror_read_kept(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = kept_path(m);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_KEPT_BYTES);
	int rc = file_read(path, &b, err);

	if (rc == 0)
		rc = packed_refs_parse(buf_view(&b), &m->kept_now, err);
	return rc == GG_E_NOTFOUND || rc == GG_E_CORRUPT ? 0 : rc;
}

static int
write_kept(const struct mirror *m, const struct ref_list *l,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = kept_path(m);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_KEPT_BYTES);
	int rc;

	if (l->n == 0)
		return unlink(path) == 0 || errno == ENOENT ?
		    0 :
		    gg_fail(err, GG_E_SYS, "the mirror's kept refs");
	packed_refs_format(l, &b);
	if ((rc = buf_check(&b, err)) != 0)
		return rc;
	return file_write(path, buf_view(&b), 0600, true, err);
}

/* Both lists are sorted. */
static int
join(const struct ref_list *a, const struct ref_list *b, struct ref_list *out,
    struct gg_error *err)
{
	size_t i = 0, k = 0;
	int rc = 0;

	while (rc == 0 && (i < a->n || k < b->n)) {
		int cmp = i == a->n ? 1 :
		    k == b->n       ? -1 :
				      strcmp(a->v[i].name, b->v[k].name);
		const struct mirror_ref *r = cmp < 0 ? &a->v[i] : &b->v[k];

		rc = ref_list_add(out, view_str(r->name), &r->oid, &r->peeled,
		    err);
		i += cmp <= 0;
		k += cmp >= 0;
	}
	return rc;
}

int
mirror_kept_before(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_RELEASE(ref_list) both = { 0 };
	int rc = join(&m->kept_now, &m->kept_next, &both, err);

	if (rc != 0 || ref_list_same(&m->kept_now, &both))
		return rc;
	return write_kept(m, &both, err);
}

int
mirror_kept_after(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_RELEASE(ref_list) both = { 0 };
	int rc = join(&m->kept_now, &m->kept_next, &both, err);

	if (rc != 0 || ref_list_same(&m->kept_next, &both))
		return rc;
	return write_kept(m, &m->kept_next, err);
}

uint32_t
mirror_n_kept_missing(const struct mirror *m)
{
	return m->n_kept_missing;
}
