/* A scan for secrets in hand, between its files. */
#ifndef GITGATE_PACK_SECRETS_PRIV_H
#define GITGATE_PACK_SECRETS_PRIV_H

#include "pack/inspect_state.h"
#include "pack/secrets.h"
#include "scan/scanner.h"

#define SECRETS_BLOCK (1u << 20) /* bytes under the scanner at once */

/* Where the bytes under the scanner come from. */
struct place {
	enum finding_place kind;
	struct view path;
	uint32_t commit;       /* UINT32_MAX: none, then update counts */
	uint32_t update;       /* UINT32_MAX: any of them */
	char hex[OID_HEX + 1]; /* of the commit; "" */
};

/* One scan of a push. */
struct scan {
	struct inspection *in;
	unsigned char *met; /* per object of the pack */
	uint64_t sent_end;  /* behind it stand bases from the mirror */
	int pack_fd;
	uint64_t *lists; /* per listed commit: a digest of the lists that
	                    have it */
	const struct place *at;
	/* the block being filled */
	char *block;
	size_t n;
	bool first, binary, looked;
	uint64_t lines; /* newlines before the block */
	bool last;
	bool again; /* see MET_AGAIN */
};

/* -- secrets_found.c: what was found -- */
/* A finding of the rule at s->at, one for each update that may have it; what
 * it found is masked from now on. GG_E_EXISTS: enough was found. */
GG_MUST_USE int secrets_add(struct scan *s, const struct scan_rule *rule,
    enum checksum sum, struct view secret, uint64_t line, struct gg_error *err);
/* Not everything was looked at, and why; the first reason stays. */
void secrets_incomplete(struct inspection *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* s; dies where it is NULL. */
char *secrets_keep(char *s);
/* Free what is at `at`, and put that text (taken) there. */
void secrets_set(char **at, char *with);

/* -- secrets_text.c: bytes, block by block -- */
/* What comes now lies there; `at` (borrowed) outlives it. */
void secrets_begin(struct scan *s, const struct place *at);
/* More of it; ctx is the scan. */
GG_MUST_USE int secrets_feed(void *ctx, struct view v, struct gg_error *err);
/* Scan the block; last: nothing follows. */
GG_MUST_USE int secrets_block(struct scan *s, bool last, struct gg_error *err);
/* Begin, feed and end. */
GG_MUST_USE int secrets_text(struct scan *s, const struct place *at,
    struct view text, struct gg_error *err);

#endif
