#include "config/template.h"

#define CLAIM_NAME_MAX_BYTES 200

bool
template_byte_is_valid(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("._@:/+-", c));
}

static int
cut_claim(struct view *left, struct view *piece, struct gg_error *err)
{
	view_skip(left, 1);
	if (!view_cut(left, '}', piece))
		return gg_fail(err, GG_E_INPUT, "a { without its }");
	if (piece->n == 0 || piece->n > CLAIM_NAME_MAX_BYTES ||
	    memchr(piece->p, '{', piece->n) != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "between { and } stands the name of a claim");
	return 1;
}

int
template_next(struct view *left, struct view *piece, bool *claim,
    struct gg_error *err)
{
	size_t n = 0;

	*claim = left->n > 0 && left->p[0] == '{';
	*piece = view_of(left->p, 0);
	if (left->n == 0)
		return 0;
	if (*claim)
		return cut_claim(left, piece, err);
	for (; n < left->n && left->p[n] != '{'; n++)
		if (!template_byte_is_valid(left->p[n]))
			return gg_fail(err, GG_E_INPUT,
			    "a name has letters, digits and ._@:/+- only");
	*piece = view_of(left->p, n);
	view_skip(left, n);
	return 1;
}

int
template_check(const char *template, struct gg_error *err)
{
	struct view left = view_str(template), piece;
	bool claim;
	int rc;

	if (left.n == 0 || left.n > TEMPLATE_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "a template has 1 to %d bytes",
		    TEMPLATE_MAX_BYTES);
	while ((rc = template_next(&left, &piece, &claim, err)) > 0)
		continue;
	return rc;
}
