#include "mirror/refs.h"

#include "model/refname.h"

#include <stdlib.h>
#include <string.h>

#define HEADER "# pack-refs with: peeled fully-peeled sorted "

void
ref_list_release(struct ref_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
	*l = (struct ref_list){ 0 };
}

static int
grow(struct ref_list *l, struct gg_error *err)
{
	size_t want = l->alloc == 0 ? 64 : l->alloc * 2;
	struct mirror_ref *v;

	if (l->n < l->alloc)
		return 0;
	v = reallocarray(l->v, want, sizeof(*v));
	if (v == NULL)
		return gg_fail(err, GG_E_NOMEM, "list of refs");
	l->v = v;
	l->alloc = want;
	return 0;
}

int
ref_list_add(struct ref_list *l, struct view name, const struct oid *oid,
    const struct oid *peeled, struct gg_error *err)
{
	struct mirror_ref r = { .oid = *oid, .peeled = *peeled };
	int rc = grow(l, err);

	if (rc != 0)
		return rc;
	if ((r.name = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "list of refs");
	if (l->n > 0 && strcmp(l->v[l->n - 1].name, r.name) >= 0) {
		free(r.name);
		return gg_fail(err, GG_E_CORRUPT, "refs are not in order");
	}
	l->v[l->n++] = r;
	return 0;
}

static int
cmp_name(const void *name, const void *ref)
{
	return strcmp(name, ((const struct mirror_ref *)ref)->name);
}

const struct mirror_ref *
ref_list_find(const struct ref_list *l, const char *name)
{
	return l->n == 0 ? NULL :
			   bsearch(name, l->v, l->n, sizeof(*l->v), cmp_name);
}

bool
ref_list_same(const struct ref_list *a, const struct ref_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!oid_eq(&a->v[i].oid, &b->v[i].oid) ||
		    strcmp(a->v[i].name, b->v[i].name) != 0)
			return false;
	}
	return true;
}

static int
parse_line(struct view line, struct ref_list *out, struct gg_error *err)
{
	struct oid oid, none = { 0 };

	if (line.n == OID_HEX + 1 && line.p[0] == '^') {
		if (out->n == 0 ||
		    !oid_parse(view_of(line.p + 1, OID_HEX),
			&out->v[out->n - 1].peeled))
			return gg_fail(err, GG_E_CORRUPT,
			    "packed-refs: a peeled line out of place");
		return 0;
	}
	if (line.n < OID_HEX + 2 || line.p[OID_HEX] != ' ' ||
	    !oid_parse(view_of(line.p, OID_HEX), &oid))
		return gg_fail(err, GG_E_CORRUPT, "packed-refs: a bad line");
	view_skip(&line, OID_HEX + 1);
	if (!refname_is_valid(line))
		return gg_fail(err, GG_E_CORRUPT, "packed-refs: a bad name");
	return ref_list_add(out, line, &oid, &none, err);
}

int
packed_refs_parse(struct view text, struct ref_list *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(ref_list) l = { 0 };
	struct view line;
	int rc;

	if (!view_cut(&text, '\n', &line) || !view_eq_str(line, HEADER))
		return gg_fail(err, GG_E_CORRUPT, "packed-refs: not ours");
	while (view_cut(&text, '\n', &line)) {
		if ((rc = parse_line(line, &l, err)) != 0)
			return rc;
	}
	if (text.n != 0)
		return gg_fail(err, GG_E_CORRUPT, "packed-refs: cut short");
	*out = l;
	l = (struct ref_list){ 0 };
	return 0;
}

void
packed_refs_format(const struct ref_list *l, struct buf *out)
{
	char hex[OID_HEX + 1];

	buf_adds(out, HEADER "\n");
	for (size_t i = 0; i < l->n; i++) {
		oid_format(&l->v[i].oid, hex);
		buf_add(out, hex, OID_HEX);
		buf_addc(out, ' ');
		buf_adds(out, l->v[i].name);
		buf_addc(out, '\n');
		if (oid_is_zero(&l->v[i].peeled))
			continue;
		oid_format(&l->v[i].peeled, hex);
		buf_addc(out, '^');
		buf_add(out, hex, OID_HEX);
		buf_addc(out, '\n');
	}
}
