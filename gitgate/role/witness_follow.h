/*
 * A witness that nobody can reach: it reads logs itself, every so often, makes
 * the proof from their tiles (C2SP tlog-tiles), and signs or sounds an alarm.
 */
#ifndef GITGATE_ROLE_WITNESS_FOLLOW_H
#define GITGATE_ROLE_WITNESS_FOLLOW_H

#include "base/strv.h"
#include "role/witness_server.h"

struct witness_follow_config {
	const struct strv *urls; /* of logs: where "checkpoint" is; borrowed */
	const struct tlog_policy *logs;
	const char *ca_file; /* NULL: the system's */
	int64_t pause_ms;
	struct witness_service *service;
};

struct witness_follower;
/* Begin, in a thread of its own. */
GG_MUST_USE int witness_follow_start(const struct witness_follow_config *c,
    struct witness_follower **out, struct gg_error *err);
/* Ends what is under way; NULL is fine. */
void witness_follow_stop(struct witness_follower *f);

#endif
