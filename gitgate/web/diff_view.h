/* The diff of a recorded push on a page. */
#ifndef GITGATE_WEB_DIFF_VIEW_H
#define GITGATE_WEB_DIFF_VIEW_H

#include "model/report.h"
#include "web/diff_index.h"
#include "web/line_claims.h"
#include "web/web_priv.h"

/* What of the diff is asked for, and how. */
struct diff_wish {
	const char *self; /* path of the page, for its links */
	bool split;
	char commit[OID_HEX + 1]; /* "" : the whole */
	uint64_t from, line;      /* first file, and records of it to skip */
	/* The hold whose objects can still be read on demand, or NULL. */
	const char *hold;
	/* Is it what was read on demand: of this ref (NULL: of the commit),
	 * without its first files? */
	bool on_demand;
	const char *ref;
	uint64_t skip;
	/* Who is said to have made which lines, or NULL. */
	const struct line_claims *claims;
};
/* From the query; what is malformed there is as if it were not. */
void diff_wish_read(const struct web_call *c, struct diff_wish *w);

/* -- change_view.c: what a push changes, as the inspector recorded it -- */
struct change {
	struct diff_wish wish;
	struct change_report *report; /* NULL: not available */
	bool has_diff;
	struct buf raw; /* of the diff; x looks into it */
	struct diff_index x;
	json_t *provenance; /* json_of_provenance(), or NULL */
	struct line_claims lines;
};
void change_release(struct change *ch);
GG_DEFINE_AUTO_RELEASE(change);
/* Whatever of it cannot be read is missing. hold: see struct diff_wish. */
void change_load(const struct web_call *c, const char *push,
    const json_t *updates, const char *hold, struct change *out);
/* Only the report. */
void change_load_report(const struct web_call *c, const char *push,
    struct change *out);
/* Put what is claimed of its making beside it. */
void change_join(const struct web_call *c, const struct stored_push *p,
    struct change *ch);
void view_commits(struct buf *b, const struct change *ch);
/* changes_api.c: its sections as JSON; a new reference. */
json_t *json_of_diff(const struct diff_index *x);
/* Its diff, or that there is none. */
void view_change(struct buf *b, const struct change *ch);

void
view_diff(struct buf *b, const struct diff_index *x, const struct diff_wish *w);
/* "3 files +10 -2" of the whole. */
void view_diff_counts(struct buf *b, const struct diff_index *x);
/* A link to one commit's own diff, for a quoted attribute. */
void
diff_commit_link(struct buf *b, const struct diff_wish *w, const char *commit);

/* Can what it holds still be read? */
bool hold_has_objects(const struct stored_hold *h);

/* -- file_view.c: what is read on demand -- */
/* Links to the whole file, and pictures. */
void view_file_more(struct buf *b, const struct diff_wish *w,
    const struct diff_entry *e);

#endif
