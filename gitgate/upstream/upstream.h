/*
 * Upstream, for the courier: reading its refs, fetching, relaying a push,
 * over HTTP, SSH or a local git. Blocking; one thread per exchange.
 *
 * All messages in err are redacted by the caller (redact_error()) with the
 * struct redact that the call filled; before they leave the machine's own logs
 * also with what upstream_redact_places() adds.
 */
#ifndef GITGATE_UPSTREAM_UPSTREAM_H
#define GITGATE_UPSTREAM_UPSTREAM_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"
#include "config/config.h"
#include "model/push.h"
#include "proto/advert.h"
#include "proto/relay.h"
#include "upstream/redact.h"

#include <stdbool.h>
#include <stdint.h>

enum upstream_service { UPSTREAM_UPLOAD_PACK, UPSTREAM_RECEIVE_PACK };
const char *upstream_service_name(enum upstream_service s);

/* Where the requests of one repository go: an own copy of what the config
 * says, so that a reload does not touch requests in hand. */
struct upstream {
	char *repository;
	enum upstream_kind kind;
	char *url;
	struct credential credential;
	struct limits limits;
	char *run_dir;
};

/* 0; GG_E_NOTFOUND for a repository the config does not have. */
GG_MUST_USE int upstream_new(const struct config *c, struct view repository,
    const char *run_dir, struct upstream **out, struct gg_error *err);
void upstream_free(struct upstream *u);
GG_DEFINE_AUTO(upstream);

/* Know what else is nobody's business outside: where the repository lies on its
 * server, where our files lie on ours. */
void upstream_redact_places(const struct upstream *u, struct redact *red);

/* Once per process, before the first thread. */
GG_MUST_USE int upstream_start(struct gg_error *err);
/* Forget kept-alive connections (after a new config). */
void upstream_forget_connections(void);

/* Upstream's refs and capabilities now. */
GG_MUST_USE int
upstream_list(const struct upstream *u, enum upstream_service service,
    struct redact *red, struct advert **out, struct gg_error *err);

/*
 * Fetch: lines are "want <oid>" and "have <oid>"; the pack's bytes are
 * written to pipe as they come, unread. *bytes: how many. The pack is whole
 * only when this returns 0.
 */
GG_MUST_USE int upstream_fetch(const struct upstream *u, struct view lines,
    int pipe, struct redact *red, uint64_t *bytes, struct gg_error *err);

struct relay_push {
	const struct ref_updates *updates;
	const struct strv *options;
	bool atomic;
	int pack;                /* file, read from offset 0; -1: none */
	const struct strv *caps; /* what receive-pack offered when it was last
	                            listed; NULL: unknown */
	/* Sideband text, clean; text.n is at most 4096. */
	void (*text)(void *ctx, struct view text);
	void *ctx;
};

/*
 * Relay a push. *begun: something may have reached upstream.
 * 0 with upstream's own report; GG_E_STALE, GG_E_REFUSED (nothing sent);
 * anything else: not known what became of it when *begun.
 */
GG_MUST_USE int upstream_relay(const struct upstream *u,
    const struct relay_push *p, struct redact *red, struct relay_result **out,
    bool *begun, struct gg_error *err);

#endif
