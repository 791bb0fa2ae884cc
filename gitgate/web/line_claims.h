/*
 * Which lines of a shown file a record claims. A record speaks of the file as
 * it is in one commit: its line numbers count only where the very blob is
 * shown that the commit has under that path.
 */
#ifndef GITGATE_WEB_LINE_CLAIMS_H
#define GITGATE_WEB_LINE_CLAIMS_H

#include "base/auto.h"
#include "base/buf.h"
#include "model/report.h"
#include "web/diff_index.h"

#include <jansson.h>

/* Of one page; further ones are not marked, and the page says so. */
#define LINE_CLAIMS_MAX 2000

struct line_claim {
	char oid[OID_HEX + 1]; /* of the blob */
	const char *path;      /* this and the next borrow from the JSON */
	const json_t *file;    /* the record's part on it */
	const json_t *record;
	uint64_t from, to;
	char mark; /* 'A'gent, 'H'uman, 'M'ixed, '?' */
};

struct line_claims {
	struct line_claim *v; /* by blob, path and first line */
	size_t n;
	bool cut;
};
void line_claims_release(struct line_claims *l);
GG_DEFINE_AUTO_RELEASE(line_claims);

/*
 * Out of json_of_provenance(), which has to outlive it; *out is overwritten.
 * What a commit made of a path is in the report (may be NULL); of a commit
 * that is not there, but is what a ref gets, it is in the diff's sections (x,
 * may be NULL). Dies without memory (bounded by LINE_CLAIMS_MAX).
 */
void line_claims_read(struct line_claims *out, const json_t *provenance,
    const struct change_report *r, const struct diff_index *x);

/* Those of one file. */
struct file_claims {
	const struct line_claim *v;
	size_t n;
	char last; /* the mark of the row before, for who hears the page */
};
struct file_claims
line_claims_of(const struct line_claims *l, struct view path, struct view oid);
/* The line's mark: 0 none, '!' where records say different things. */
char line_claims_mark(const struct file_claims *f, uint64_t line);

/* The mark inside of a line number's cell; nothing where there is none. */
void view_line_mark(struct buf *b, struct file_claims *f, uint64_t line);
/* "3" or "3-5", with a dash. */
void view_line_range(struct buf *b, uint64_t from, uint64_t to);
/* What the file's marks rest on, in words; nothing where there are none. */
void view_file_claims(struct buf *b, const struct file_claims *f);
/* What the marks mean; nothing where the page has none. */
void view_marks_legend(struct buf *b, const struct line_claims *l);

#endif
