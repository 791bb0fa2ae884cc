/*
 * What a commit message claims about how the commit was made: by which tool
 * and model, in which session, for whom. Forgeable text, all of it: whoever
 * shows it says "claimed". The forms are listed in docs/formats.md, "Claims
 * in commit messages".
 */
#ifndef GITGATE_MODEL_PROVENANCE_H
#define GITGATE_MODEL_PROVENANCE_H

#include "base/auto.h"
#include "base/view.h"

#define CLAIMS_MAX      32            /* of one message; the first ones */
#define CLAIM_VALUE_MAX ((size_t)512) /* bytes; a longer one is no claim */

enum claim_kind {
	CLAIM_TOOL,
	CLAIM_MODEL,
	CLAIM_SESSION,    /* an id */
	CLAIM_LINK,       /* https, to a session or its logs */
	CLAIM_HUMAN,      /* for whom, or with whose help */
	CLAIM_FLAG,       /* "an agent took part", and no more */
	CLAIM_CHECKPOINT, /* Entire's key to a session record */
	CLAIM_SHARE,      /* how much is an agent's, in words */
};
const char *claim_kind_name(enum claim_kind k); /* "tool", "model", ... */

struct claim {
	enum claim_kind kind;
	char *value; /* made safe to read (text_safe_add); not empty */
	const char
	    *from; /* the trailer, as it is spelled in the docs; static */
};

struct claims {
	struct claim v[CLAIMS_MAX];
	size_t n;
	bool cut; /* there was more */
};

void claims_release(struct claims *c);
GG_DEFINE_AUTO_RELEASE(claims);
/* What the message says, each thing once; *out is overwritten. Dies without
 * memory (bounded by CLAIMS_MAX). */
void claims_of_message(struct claims *out, struct view message);
/* The first claim of this kind, or NULL; borrowed. */
const struct claim *claims_first(const struct claims *c, enum claim_kind k);

/* The last component of a link's path, without query and fragment. */
struct view link_last_component(struct view link);
/* An id as Entire gives checkpoints: a ULID, or 12 hex digits. */
bool checkpoint_id_is_valid(struct view id);

/*
 * The trailers of a message, as `git interpret-trailers --parse --no-divider`
 * finds them: those of the last paragraph, unless that is the title or is
 * mostly something else. key is as written; value is unfolded and trimmed,
 * its bytes as they are. Both are borrowed for the call.
 */
typedef void (*trailer_found)(void *ctx, struct view key, struct view value);
void trailers_each(struct view message, trailer_found found, void *ctx);

#endif
