/*
 * The body of a push, as it arrives: commands, then the pack, which goes to its
 * file while the inspector reads it. intake_body() runs on a network thread,
 * the rest on the request's worker.
 */
#ifndef GITGATE_ROLE_GATE_INTAKE_H
#define GITGATE_ROLE_GATE_INTAKE_H

#include "role/gate_push.h"

struct intake {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct receive_request *parser;
	struct digest_ctx *digest;
	uint64_t max_bytes;
	uint64_t reserve;   /* bytes of the disk that no pack may take */
	uint64_t room_seen; /* n when the disk was last looked at */
	uint64_t n;         /* bytes of the pack so far */
	uint64_t told;      /* of which the inspector knows */
	int inspector;      /* socket, -1: not yet */
	int fd;             /* the pack file */
	bool parsed;        /* commands are complete */
	bool refused;       /* stop writing: err says why */
	bool quiet;         /* the handler wants no more bytes */
	bool ended, gone;
	const char *limit;
	struct gg_error err;
};

/* Begin with fd -1; the limits are those of the push's configuration. */
void intake_init(struct intake *in, const struct push *p);
void intake_release(struct intake *in);
/* For http_body_accept(); arg is the intake. */
bool intake_body(void *arg, struct view piece, bool end);
/* Until the commands are complete, or never will be. */
void intake_wait_parsed(struct intake *in);
/* Until the client has said all (or a refusal has been read to its end). */
void intake_wait_end(struct intake *in);
/* The answer is known: the rest is read and dropped. */
void intake_hush(struct intake *in);
/* From now on this inspector (its socket; -1: none) is told of new bytes. */
void intake_tell(struct intake *in, int inspector);

#endif
