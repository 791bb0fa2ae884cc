/*
 * The messenger: what of the outside world is not upstream. It fetches
 * issuers' keys, changes an OIDC code for a token, delivers notices. It holds
 * the secrets for that (client secrets, webhook keys, mail passwords) and has
 * neither upstream credentials nor state nor database; the gate names a thing
 * of the configuration and never sees its secret.
 */
#ifndef GITGATE_ROLE_GATE_MESSENGER_H
#define GITGATE_ROLE_GATE_MESSENGER_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

struct gate;

enum errand_kind {
	/* GET url on behalf of issuer `name`; url "": its pinned file */
	ERRAND_ISSUER,
	ERRAND_PROVIDER, /* GET url on behalf of OIDC provider `name` */
	ERRAND_TOKEN,    /* POST body (a form without client authentication)
	                    to url, as the client of provider `name` */
	ERRAND_NOTICE,   /* deliver body to notice target `name` */
	ERRAND_WITNESS,  /* POST body to the add-checkpoint of witness `name` */
	/* write body (role/delivery_batch.h) to target `name` of
	 * audit-delivery */
	ERRAND_DELIVERY,
	ERRAND_KIND_COUNT
};

struct errand {
	enum errand_kind kind;
	const char *name;
	const char *url;  /* ISSUER, PROVIDER, TOKEN */
	struct view body; /* TOKEN: form; NOTICE: the text or JSON;
	                     WITNESS: a checkpoint */
	/* NOTICE, DELIVERY: its id, the same for every try; NOTICE (e-mail): its
	 * subject line */
	const char *id;
	const char *subject;
};

struct errand_answer {
	unsigned status;    /* HTTP or SMTP */
	struct buf body;    /* bounded by `messenger-answer` */
	uint64_t max_age_s; /* of Cache-Control; 0: none said */
	uint64_t retry_after_s;
};
void errand_answer_release(struct errand_answer *a);
GG_DEFINE_AUTO_RELEASE(errand_answer);

/*
 * Send it and wait (worker threads only). 0: there was an answer, whatever
 * its status; GG_E_UNAVAILABLE: nobody answered; GG_E_REFUSED: the messenger
 * may not go there; GG_E_LIMIT: too slow or too large.
 */
GG_MUST_USE int messenger_run(struct gate *g, const struct errand *e,
    struct errand_answer *out, struct gg_error *err);

#endif
