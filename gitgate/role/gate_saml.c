#include "role/gate_saml.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/wait.h"
#include "ipc/codec.h"
#include "role/gate.h"
#include "saml/saml.h"

#include <stdlib.h>

#define METADATA_AT_ONCE 2
#define START_MS         15000
#define ANSWER_MS        30000 /* more than its CPU time: a busy machine */
#define ANSWER_MAX_BYTES ((size_t)2 << 20)

/* Who waits for a process of which ticket. */
struct saml_desk {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	uint32_t last;
	struct {
		uint32_t ticket; /* 0: free */
		int fd;          /* -1: not there yet */
	} slot[SAML_AT_ONCE];
};

int
saml_new(struct gate *g, struct gg_error *err)
{
	struct saml_desk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return gg_fail(err, GG_E_NOMEM, "SAML");
	for (size_t i = 0; i < SAML_AT_ONCE; i++)
		d->slot[i].fd = -1;
	pthread_mutex_init(&d->mutex, NULL);
	cond_init(&d->cond);
	g->saml = d;
	return 0;
}

void
saml_connected(struct gate *g, uint32_t ticket, int fd)
{
	struct saml_desk *d = g->saml;
	GG_AUTO_FD mine = fd;

	pthread_mutex_lock(&d->mutex);
	for (size_t i = 0; i < SAML_AT_ONCE; i++)
		if (ticket != 0 && d->slot[i].ticket == ticket &&
		    d->slot[i].fd < 0)
			d->slot[i].fd = fd_take(&mine);
	pthread_cond_broadcast(&d->cond);
	pthread_mutex_unlock(&d->mutex);
}

/* A slot and its ticket; false: all are taken. Anybody may ask for our
 * metadata, so that has few of them. */
static bool
enter(struct saml_desk *d, enum saml_act act, size_t *slot, uint32_t *ticket)
{
	size_t n = act == SAML_METADATA ? METADATA_AT_ONCE : SAML_AT_ONCE;
	bool found = false;

	pthread_mutex_lock(&d->mutex);
	for (size_t i = 0; i < n && !found; i++) {
		if (d->slot[i].ticket != 0)
			continue;
		if (++d->last == 0)
			d->last = 1;
		d->slot[i].ticket = *ticket = d->last;
		*slot = i;
		found = true;
	}
	pthread_mutex_unlock(&d->mutex);
	return found;
}

static void
leave(struct saml_desk *d, size_t slot)
{
	pthread_mutex_lock(&d->mutex);
	fd_close(fd_take(&d->slot[slot].fd));
	d->slot[slot].ticket = 0;
	pthread_mutex_unlock(&d->mutex);
}

/* The slot keeps the socket; -1: nobody came. */
static int
wait_for(struct saml_desk *d, size_t slot)
{
	int64_t until = clock_mono_ms() + START_MS;
	bool in_time = true;
	int fd;

	pthread_mutex_lock(&d->mutex);
	while (d->slot[slot].fd < 0 && in_time)
		in_time = cond_wait_until(&d->cond, &d->mutex, until);
	fd = d->slot[slot].fd;
	pthread_mutex_unlock(&d->mutex);
	return fd;
}

struct order {
	enum saml_act act;
	const char *request_id, *relay_state;
	struct view response;
};

static int
ask_for_one(struct gate *g, const struct provider *p, enum saml_act act,
    uint32_t ticket, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(256);
	int rc;

	enc_str(&body, p->name);
	enc_u8(&body, (uint8_t)act);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	return frame_send(g->supervisor, MSG_SAML_WANTED, ticket,
	    buf_view(&body), NULL, 0, err);
}

static int
send_job(const struct config *c, const struct provider *p, int sock,
    const struct order *o, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8192);
	GG_AUTO_MEM char *consumer = path_f("%s/-/saml/%s/acs", c->public_url,
	    p->name);
	GG_AUTO_FD input = -1;
	int rc;

	enc_u8(&body, (uint8_t)o->act);
	enc_str(&body, p->entity_id);
	enc_str(&body, consumer);
	enc_str(&body, o->request_id);
	enc_str(&body, o->relay_state);
	enc_i64(&body, clock_wall_ms());
	enc_u8(&body, p->require_signed_response ? 1 : 0);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	if (o->act == SAML_RESPONSE &&
	    (input = fd_memfile("saml-response", o->response, err)) < 0)
		return err->code;
	return frame_send(sock, MSG_JOB_SAML, 0, buf_view(&body), &input,
	    input >= 0 ? 1 : 0, err);
}

static int
parse_answer(int fd, json_t **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(ANSWER_MAX_BYTES);
	int rc = fd_pread_all(fd, &text, err);

	if (rc != 0)
		return rc;
	*out = json_loadb(buf_str(&text), text.n, JSON_REJECT_DUPLICATES, NULL);
	return *out != NULL ? 0 :
			      gg_fail(err, GG_E_PEER,
				  "the SAML process does not answer with JSON");
}

/* What it refused, in its words; its code is one of ours or nonsense. */
static int
refused(json_t *o, struct gg_error *err)
{
	const char *reason = json_string_value(json_object_get(o, "reason"));
	json_int_t code = json_integer_value(json_object_get(o, "code"));
	enum gg_code rc = code == GG_E_INPUT ? GG_E_INPUT : GG_E_REFUSED;

	(void)gg_fail(err, rc, "%s",
	    reason != NULL ? reason : "it was refused");
	json_decref(o);
	return rc;
}

static int
take_answer(int sock, json_t **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_FD fd = -1;
	json_t *o = NULL;
	int rc = frame_recv_until(sock, ROLE_SAML, ROLE_GATE,
	    clock_mono_ms() + ANSWER_MS, &f, err);

	if (rc == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the SAML process ended without an answer: the message "
		    "takes too much of its time or memory");
	if (rc < 0)
		return rc;
	if ((fd = frame_take_fd(&f, 0)) < 0)
		return gg_fail(err, GG_E_PEER, "the SAML answer is missing");
	if ((rc = parse_answer(fd, &o, err)) != 0)
		return rc;
	if (!json_is_true(json_object_get(o, "ok")))
		return refused(o, err);
	*out = o;
	return 0;
}

static int
run_in(struct gate *g, const struct config *c, const struct provider *p,
    size_t slot, uint32_t ticket, const struct order *o, json_t **out,
    struct gg_error *err)
{
	int rc, sock;

	if ((rc = ask_for_one(g, p, o->act, ticket, err)) != 0)
		return rc;
	if ((sock = wait_for(g->saml, slot)) < 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "no SAML process could be started");
	if ((rc = send_job(c, p, sock, o, err)) != 0)
		return rc;
	return take_answer(sock, out, err);
}

static int
run(struct gate *g, const struct config *c, const struct provider *p,
    const struct order *o, json_t **out, struct gg_error *err)
{
	uint32_t ticket;
	size_t slot;
	int rc;

	if (!enter(g->saml, o->act, &slot, &ticket))
		return gg_fail(err, GG_E_LIMIT,
		    "%d SAML messages are in hand already", SAML_AT_ONCE);
	rc = run_in(g, c, p, slot, ticket, o, out, err);
	leave(g->saml, slot);
	if (rc != 0)
		log_event(EV_saml_failed, kv_str("provider", p->name),
		    kv_err(err));
	return rc;
}

/* The one text that an act answers with. */
static int
run_for_text(struct gate *g, const struct config *c, const struct provider *p,
    const struct order *o, const char *key, char **out, struct gg_error *err)
{
	json_t *answer = NULL;
	const char *text;
	int rc = run(g, c, p, o, &answer, err);

	if (rc != 0)
		return rc;
	text = json_string_value(json_object_get(answer, key));
	*out = text != NULL ? view_dup(view_str(text)) : NULL;
	json_decref(answer);
	return *out != NULL ?
	    0 :
	    gg_fail(err, GG_E_PEER, "the SAML process gave no %s", key);
}

int
saml_begin(void *ctx, const struct config *c, const struct provider *p,
    const char *request_id, const char *relay_state, char **url,
    struct gg_error *err)
{
	const struct order o = { SAML_REQUEST, request_id, relay_state,
		view_str("") };

	return run_for_text(ctx, c, p, &o, "url", url, err);
}

int
saml_finish(void *ctx, const struct config *c, const struct provider *p,
    const char *request_id, struct view xml, json_t **out, struct gg_error *err)
{
	const struct order o = { SAML_RESPONSE, request_id, "", xml };

	return run(ctx, c, p, &o, out, err);
}

int
saml_our_metadata(void *ctx, const struct config *c, const struct provider *p,
    char **xml, struct gg_error *err)
{
	const struct order o = { SAML_METADATA, "", "", view_str("") };

	return run_for_text(ctx, c, p, &o, "metadata", xml, err);
}
