/*
 * Text under the scanner, block by block: blocks overlap, so that a secret
 * across two of them is found, and is found once.
 */
#include "pack/secrets_priv.h"

#define BINARY_LOOK 8192

static uint64_t
count_lines(struct view v)
{
	uint64_t n = 0;
	struct view line;

	while (view_cut(&v, '\n', &line))
		n++;
	return n;
}

static int
on_hit(void *ctx, const struct scan_hit *hit, struct gg_error *err)
{
	struct scan *s = ctx;
	uint64_t line;

	/* Cut off here, whole in the next block; and what the block before
	 * has told already. */
	if ((!s->last && hit->match.end == s->n) ||
	    (!s->first && hit->match.end < SCAN_OVERLAP))
		return 0;
	line = s->lines + count_lines(view_of(s->block, hit->secret.begin)) + 1;
	return secrets_add(s, hit->rule, hit->checksum,
	    view_of(s->block + hit->secret.begin,
		hit->secret.end - hit->secret.begin),
	    line, err);
}

static bool
is_binary(struct view v)
{
	if (v.n > BINARY_LOOK)
		v.n = BINARY_LOOK;
	return v.n > 0 && memchr(v.p, '\0', v.n) != NULL &&
	    memmem(v.p, v.n, "-----BEGIN", 10) == NULL;
}

int
secrets_block(struct scan *s, bool last, struct gg_error *err)
{
	const struct scan_fragment f = {
		.text = view_of(s->block, s->n),
		.path = s->at->kind == FINDING_PATH ? view_of(NULL, 0) :
						      s->at->path,
		.commit = s->at->hex,
		.first = s->first,
		.last = last,
	};
	int rc;

	if (!s->looked)
		s->binary = s->at->kind == FINDING_BLOB && is_binary(f.text);
	s->looked = true;
	if (s->binary)
		return 0;
	s->last = last;
	rc = scanner_scan(s->in->scanner, &f, on_hit, s, err);
	if (scanner_path_mattered(s->in->scanner))
		s->again = true;
	if (rc != GG_E_LIMIT)
		return rc;
	secrets_incomplete(s->in, "a secret rule takes too many steps");
	return 0;
}

int
secrets_feed(void *ctx, struct view v, struct gg_error *err)
{
	struct scan *s = ctx;
	size_t take, drop;
	int rc;

	while (v.n > 0) {
		if (s->n == SECRETS_BLOCK) {
			if ((rc = secrets_block(s, false, err)) != 0)
				return rc;
			drop = s->n - SCAN_OVERLAP;
			s->lines += count_lines(view_of(s->block, drop));
			memmove(s->block, s->block + drop, SCAN_OVERLAP);
			s->n = SCAN_OVERLAP;
			s->first = false;
		}
		take = v.n < SECRETS_BLOCK - s->n ? v.n : SECRETS_BLOCK - s->n;
		memcpy(s->block + s->n, v.p, take);
		s->n += take;
		view_skip(&v, take);
	}
	return 0;
}

void
secrets_begin(struct scan *s, const struct place *at)
{
	s->at = at;
	s->n = 0;
	s->lines = 0;
	s->first = true;
	s->looked = s->binary = s->again = false;
}

int
secrets_text(struct scan *s, const struct place *at, struct view text,
    struct gg_error *err)
{
	int rc;

	secrets_begin(s, at);
	if ((rc = secrets_feed(s, text, err)) != 0)
		return rc;
	return secrets_block(s, true, err);
}
