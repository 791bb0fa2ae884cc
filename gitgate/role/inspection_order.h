/*
 * Ordering the inspection of a push: the one place that turns a push and a
 * rule set into an inspector's job and reads its report back. The gate does
 * it for pushes that arrive; replay does it again for recorded ones.
 */
#ifndef GITGATE_ROLE_INSPECTION_ORDER_H
#define GITGATE_ROLE_INSPECTION_ORDER_H

#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "ipc/frame.h"
#include "model/job.h"
#include "model/push.h"
#include "model/report.h"
#include "policy/policy.h"
#include "proto/advert.h"

#include <stdint.h>

/* All borrowed. */
struct inspection_order {
	const struct config *config;
	const struct ruleset *ruleset;
	const struct repo_ref *repo;
	const struct principal *principal;
	const struct ref_updates *updates;
	const struct advert
	    *upstream;     /* receive-pack's view, hidden ones too, with those
	                    that the gate keeps */
	bool kept_is_base; /* kept_is_base() of this push */
	struct oid head;   /* upstream's HEAD, which receive-pack does not tell:
	                    a new ref is shown against it. Zero: not known */
	const struct strv *shallow; /* the client's */
	const char *push_id;
	const char *quarantine; /* made by inspection_order_send() */
	bool has_pack;
	bool mirror_clean;
	bool recorded; /* see struct push_job */
	/* NULL, or the report that this push had when it was judged. */
	const struct change_report *before;
	bool sandbox_required;
	/* The compiled secret rules, open for reading, and the key of
	 * fingerprints (role/secret_rules.h); needed where the rule set
	 * wants secrets looked for. rules_fd 0 or less: there are none. */
	int rules_fd;
	const unsigned char *salt;
};

/* The change report of a recorded push, if it is the one with this digest. */
GG_MUST_USE int
recorded_report_read(const struct config *c, const char *push_id,
    const char *digest, struct change_report **out, struct gg_error *err);

/*
 * Hand the job to the inspector behind sock. pack_fd: the pack file
 * (read-only, perhaps still growing); report_fd: where the report goes.
 */
GG_MUST_USE int inspection_order_send(const struct inspection_order *o,
    int sock, int pack_fd, int report_fd, struct gg_error *err);

/*
 * The pack has n bytes in all: wait for the report (at most the limit on
 * inspection time) and read it from report_fd as hostile input. digest: hex
 * SHA-256 of its bytes. *limit: malloc'ed key of the limit that was hit, or
 * ""; set on failure only.
 */
GG_MUST_USE int inspection_order_wait(const struct inspection_order *o,
    int sock, int report_fd, uint64_t n, struct change_report **out,
    char digest[65], char **limit, struct gg_error *err);

/*
 * Receive the inspector's next frame, which must be `want` or `other`
 * (MSG_NONE: nothing else); JOB_FAILED becomes its error with *limit set
 * (malloc'ed, may be ""), death becomes GG_E_UNAVAILABLE.
 */
GG_MUST_USE int inspector_expect(int sock, enum msg_type want,
    enum msg_type other, int64_t mono_deadline_ms, struct frame *f,
    char **limit, struct gg_error *err);

void gate_job_limits(const struct limits *l, struct job_limits *out);

/* Is a ref hidden from every client by the config? */
bool gate_ref_is_hidden(const struct repository *conf, const char *refname);
/* Absolute path of a repository's mirror; malloc'ed. */
char *gate_mirror_path(const struct config *c, const char *name);

#endif
