/* Movements of upstream's refs, between the files that look for those which
 * are not ours: gate_known.c, gate_own_moves.c, gate_out_of_band.c. */
#ifndef GITGATE_ROLE_OUT_OF_BAND_H
#define GITGATE_ROLE_OUT_OF_BAND_H

#include "crypto/digest.h"
#include "mirror/refs.h"
#include "role/gate.h"

/* -- gate_known.c -- */
struct known {
	struct ref_list refs; /* those that are watched */
	int64_t since_ms;     /* when they were read */
	char *head;           /* HEAD's target; NULL: it told nothing */
	bool from_disk;
};
void known_release(struct known *k);
GG_DEFINE_AUTO_RELEASE(known);
/* GG_E_NOTFOUND: this upstream, and these refs of it, were not seen yet. */
GG_MUST_USE int known_find(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, const struct repo_state *st, struct known *out,
    struct gg_error *err);
/* The watched refs of what upstream says now. What a symbolic ref names moves
 * under its own name. */
GG_MUST_USE int known_watched(const struct advert *a,
    const struct repo_ref *repo, struct ref_list *out, struct gg_error *err);
/* Of where upstream is, and (all) of which refs are carried. */
void upstream_place(const struct repo_ref *repo, bool all,
    char hex[DIGEST_SHA256_HEX_SIZE]);

/* -- gate_own_moves.c -- */
struct move {
	struct ref_update u;
	int64_t done_ms; /* 0: under way */
	bool used;
};
struct own_moves {
	struct move *v; /* by name, and in the order of their ends */
	size_t n, alloc;
};
void own_moves_release(struct own_moves *o);
GG_DEFINE_AUTO_RELEASE(own_moves);
/* Those of pushes that ended since then, or did not yet; *o begins with
 * zeros. */
GG_MUST_USE int own_moves_read(struct gate *g, const struct repo_ref *repo,
    int64_t since_ms, struct own_moves *o, struct gg_error *err);
/* When what is compared was read. */
struct span {
	int64_t since_ms, asked_ms;
	int64_t told_ms; /* what is known was told of then; 0: it was not */
};

/*
 * Back from what upstream has over pushes of ours: true when that leads to
 * what was known, and no later one led away. Else u becomes the step that is
 * nobody's of ours: from what the last of ours made of what was known.
 */
bool own_moves_explain(const struct own_moves *o, const struct span *span,
    struct ref_update *u);

#endif
