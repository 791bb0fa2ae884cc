#include "audit/checkpoint.h"

#include "base/num.h"
#include "base/text.h"

void
checkpoint_root_base64(const struct merkle_hash *root,
    char out[CHECKPOINT_ROOT_SIZE])
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(CHECKPOINT_ROOT_SIZE);

	base64_encode(&b, view_of(root->b, sizeof(root->b)));
	if (b.failed != 0 || b.n != CHECKPOINT_ROOT_SIZE - 1)
		gg_die("no memory for a root");
	memcpy(out, b.p, CHECKPOINT_ROOT_SIZE);
}

void
checkpoint_format(const struct checkpoint *c, struct buf *out)
{
	char root[CHECKPOINT_ROOT_SIZE];

	checkpoint_root_base64(&c->root, root);
	buf_addv(out, c->origin);
	buf_addf(out, "\n%llu\n%s\n", (unsigned long long)c->size, root);
}

static bool
parse_root(struct view v, struct merkle_hash *out)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(64);

	if (v.n != CHECKPOINT_ROOT_SIZE - 1 ||
	    base64_decode(&raw, v, NULL) != 0 || raw.n != sizeof(out->b))
		return false;
	memcpy(out->b, raw.p, sizeof(out->b));
	return true;
}

int
checkpoint_parse(struct view text, struct checkpoint *out, struct gg_error *err)
{
	struct checkpoint c = { 0 };
	struct view size, root, line;

	if (!view_cut(&text, '\n', &c.origin) || c.origin.n == 0)
		return gg_fail(err, GG_E_CORRUPT, "checkpoint without origin");
	if (!view_cut(&text, '\n', &size) || size.n == 0 ||
	    (size.p[0] == '0' && size.n > 1) ||
	    num_parse(size, MERKLE_SIZE_MAX, &c.size, NULL) != 0)
		return gg_fail(err, GG_E_CORRUPT, "checkpoint with a bad size");
	if (!view_cut(&text, '\n', &root) || !parse_root(root, &c.root))
		return gg_fail(err, GG_E_CORRUPT, "checkpoint with a bad root");
	while (view_cut(&text, '\n', &line))
		if (line.n == 0)
			return gg_fail(err, GG_E_CORRUPT,
			    "checkpoint with an empty extension line");
	if (text.n != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "checkpoint without its last newline");
	*out = c;
	return 0;
}

int
checkpoint_open(struct view msg, const struct note_vkey *k,
    struct checkpoint *out, struct gg_error *err)
{
	struct checkpoint c;
	struct note n;
	int rc;

	if ((rc = note_parse(msg, &n, err)) != 0)
		return rc;
	if ((rc = note_verify(&n, k, NULL, err)) != 0) {
		if (rc == GG_E_NOTFOUND && err != NULL)
			err->code = GG_E_CORRUPT;
		return GG_E_CORRUPT;
	}
	if ((rc = checkpoint_parse(n.text, &c, err)) != 0)
		return rc;
	if (!view_eq_str(c.origin, k->name))
		return gg_fail(err, GG_E_CORRUPT,
		    "the checkpoint is of another log: %.*s",
		    (int)(c.origin.n > 100 ? 100 : c.origin.n), c.origin.p);
	*out = c;
	return 0;
}
