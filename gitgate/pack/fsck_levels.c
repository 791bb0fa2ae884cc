#include "pack/fsck_levels.h"

#include "base/auto.h"
#include "pack/obj_check.h"

#include <strings.h>

/* Everything that may be lowered, and which of our own checks goes with it. */
static const struct {
	const char *id;
	unsigned relax;
} lowerable[] = {
	{ "badDate", RELAX_IDENT },
	{ "badDateOverflow", RELAX_IDENT },
	{ "badEmail", RELAX_IDENT },
	{ "badName", RELAX_IDENT },
	{ "badTimezone", RELAX_IDENT },
	{ "missingEmail", RELAX_IDENT },
	{ "missingName", RELAX_IDENT },
	{ "missingNameBeforeEmail", RELAX_IDENT },
	{ "missingSpaceBeforeDate", RELAX_IDENT },
	{ "missingSpaceBeforeEmail", RELAX_IDENT },
	{ "zeroPaddedDate", RELAX_IDENT },
	{ "zeroPaddedFilemode", RELAX_PADDED_MODE },
	{ "badFilemode", RELAX_FILE_MODE },
	{ "badTagName", RELAX_TAG_NAME },
	{ "missingTaggerEntry", 0 },
	{ "gitattributesLarge", 0 },
	{ "gitattributesLineLength", 0 },
	{ "gitattributesSymlink", 0 },
	{ "gitignoreSymlink", 0 },
	{ "mailmapSymlink", 0 },
	{ "gitmodulesLarge", 0 },
	{ "gitmodulesParse", 0 },
};

/* What git only mentions by default and we refuse. */
static const char *const raised[] = { "badFilemode", "gitmodulesParse" };

static size_t
find(struct view id)
{
	size_t i;

	for (i = 0; i < GG_COUNT(lowerable); i++)
		if (strlen(lowerable[i].id) == id.n &&
		    strncasecmp(lowerable[i].id, id.p, id.n) == 0)
			break;
	return i;
}

bool
fsck_may_lower(struct view id)
{
	return find(id) < GG_COUNT(lowerable);
}

static bool
is_word(struct view v)
{
	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!((v.p[i] >= 'a' && v.p[i] <= 'z') ||
			(v.p[i] >= 'A' && v.p[i] <= 'Z') ||
			(v.p[i] >= '0' && v.p[i] <= '9')))
			return false;
	return true;
}

static void
add_level(struct buf *strict, struct view id, const char *level)
{
	if (strict->n > 0)
		buf_addc(strict, ',');
	buf_addv(strict, id);
	buf_addc(strict, '=');
	buf_adds(strict, level);
}

static int
add_override(const char *text, struct buf *strict, unsigned *relax,
    struct gg_error *err)
{
	struct view level = view_str(text), id;
	bool lower;
	size_t i;

	if (!view_cut(&level, '=', &id) || !is_word(id))
		return gg_fail(err, GG_E_INPUT, "fsck override %s", text);
	lower = view_eq_str(level, "warn") || view_eq_str(level, "ignore");
	if (!lower && !view_eq_str(level, "error"))
		return gg_fail(err, GG_E_INPUT, "fsck override %s", text);
	i = find(id);
	if (lower && i == GG_COUNT(lowerable))
		return 0; /* stays an error */
	if (lower)
		*relax |= lowerable[i].relax;
	/* "warn" would be printed once per object: nobody reads that */
	add_level(strict, id, lower ? "ignore" : "error");
	return 0;
}

int
fsck_levels(const struct strv *overrides, struct buf *strict, unsigned *relax,
    struct gg_error *err)
{
	int rc;

	*relax = 0;
	for (size_t i = 0; i < GG_COUNT(raised); i++)
		add_level(strict, view_str(raised[i]), "error");
	for (size_t i = 0; i < overrides->n; i++)
		if ((rc = add_override(overrides->v[i], strict, relax, err)) !=
		    0)
			return rc;
	return buf_check(strict, err);
}
