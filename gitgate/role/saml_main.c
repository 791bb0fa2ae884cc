/*
 * gitgate-saml: reads or writes one SAML message for the gate, then ends. It
 * has no network, no files, no state and, where it reads a response, no key.
 *
 * argv: required|best-effort. Its first frame is the supervisor's, with the
 * files of the configuration; the second one the gate's job.
 */
#include "base/auto.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/certificate.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "role/saml_walls.h"
#include "saml/saml.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define INPUT_MAX_BYTES  ((size_t)4 << 20)
#define PEM_MAX_BYTES    65536
#define ANSWER_MAX_BYTES ((size_t)2 << 20)

struct job {
	uint8_t act;
	char *why; /* a file that could not be opened; "" */
	char *entity_id, *consumer, *request_id, *relay_state;
	struct saml_want want;
	struct buf metadata, own, input;
};

/* "" where there is none. */
static int
read_fd(struct frame *f, unsigned i, struct buf *out, struct gg_error *err)
{
	GG_AUTO_FD fd = frame_take_fd(f, i);

	return fd < 0 ? 0 : fd_pread_all(fd, out, err);
}

/* What the supervisor says this process is for. */
static int
read_files(struct frame *f, struct job *j, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	int rc;

	j->act = dec_u8(&d);
	j->why = dec_str(&d, 1000);
	if ((rc = dec_end(&d, err)) != 0 ||
	    (rc = read_fd(f, 0, &j->metadata, err)) != 0)
		return rc;
	return read_fd(f, 1, &j->own, err);
}

static int
read_job(struct frame *f, struct job *j, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	int rc;

	/* A key is there for requests only: the gate does not choose. */
	if (dec_u8(&d) != j->act)
		return gg_fail(err, GG_E_PEER, "the gate asks another act");
	j->entity_id = dec_str(&d, SAML_ENTITY_MAX_BYTES);
	j->consumer = dec_str(&d, SAML_ENTITY_MAX_BYTES);
	j->request_id = dec_str(&d, SAML_ID_MAX_BYTES);
	j->relay_state = dec_str(&d, SAML_ID_MAX_BYTES);
	j->want.now_ms = dec_i64(&d);
	j->want.response_signed = dec_u8(&d) != 0;
	j->want.request_id = j->request_id;
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	return read_fd(f, 0, &j->input, err);
}

static json_t *
do_request(const struct job *j, const struct saml_party *party,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) url = BUF_INIT(SAML_URL_MAX_BYTES);

	if (saml_request_url(party, j->request_id, j->relay_state,
		j->want.now_ms, buf_view(&j->own), &url, err) != 0)
		return NULL;
	return json_pack("{s:b, s:s}", "ok", 1, "url", buf_str(&url));
}

static json_t *
do_response(const struct job *j, const struct saml_party *party,
    struct gg_error *err)
{
	json_t *claims = NULL;

	if (saml_response_check(party, &j->want, buf_view(&j->input), &claims,
		err) != 0)
		return NULL;
	(void)json_object_set_new(claims, "ok", json_true());
	return claims;
}

static json_t *
do_metadata(const struct job *j, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) der = BUF_INIT(PEM_MAX_BYTES);
	GG_AUTO_RELEASE(buf) base64 = BUF_INIT(2 * PEM_MAX_BYTES);
	GG_AUTO_RELEASE(buf) xml = BUF_INIT(4 * PEM_MAX_BYTES);

	if (j->own.n > 0 &&
	    certificate_der(buf_view(&j->own), &der, err) != 0) {
		(void)gg_wrap(err, GG_E_INPUT, "sp-certificate-file");
		return NULL;
	}
	base64_encode(&base64, buf_view(&der));
	saml_sp_metadata(j->entity_id, j->consumer, buf_view(&base64), &xml);
	if (buf_check(&xml, err) != 0)
		return NULL;
	return json_pack("{s:b, s:s}", "ok", 1, "metadata", buf_str(&xml));
}

/* {"ok": true, ...} or {"ok": false, "code", "reason"}: a refusal is an
 * answer too. */
static json_t *
do_job(const struct job *j, struct gg_error *err)
{
	const struct saml_party party = { buf_view(&j->metadata), j->entity_id,
		j->consumer };
	json_t *o = NULL;

	if (j->why[0] != '\0')
		(void)gg_fail(err, GG_E_INPUT, "%s", j->why);
	else
		o = j->act == SAML_REQUEST  ? do_request(j, &party, err) :
		    j->act == SAML_RESPONSE ? do_response(j, &party, err) :
					      do_metadata(j, err);
	if (o == NULL)
		o = json_pack("{s:b, s:i, s:s}", "ok", 0, "code",
		    (int)err->code, "reason", err->msg);
	return o;
}

static int
answer(const json_t *o, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8);
	GG_AUTO_MEM char *text = json_dumps(o, JSON_COMPACT);
	GG_AUTO_FD fd = -1;

	if (text == NULL || strlen(text) > ANSWER_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT, "the answer is too large");
	if ((fd = fd_memfile("saml-answer", view_str(text), err)) < 0)
		return (int)err->code;
	enc_u8(&body, json_is_true(json_object_get(o, "ok")) ? 1 : 0);
	return frame_send(FRAME_PARENT_FD, MSG_SAML_DONE, 0, buf_view(&body),
	    &fd, 1, err);
}

int
main(int argc, char **argv)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct job j = { .metadata = BUF_INIT(SAML_METADATA_MAX_BYTES),
		.own = BUF_INIT(PEM_MAX_BYTES),
		.input = BUF_INIT(INPUT_MAX_BYTES) };
	struct gg_error err = { 0 };

	if (argc != 2)
		gg_die("gitgate-saml is started by `gitgate serve`");
	log_setup("saml", LOG_INFO);
	(void)fcntl(FRAME_PARENT_FD, F_SETFD, FD_CLOEXEC);
	(void)signal(SIGPIPE, SIG_IGN);
	if (saml_init(&err) != 0 ||
	    saml_walls(strcmp(argv[1], "best-effort") != 0, &err) != 0 ||
	    frame_recv(FRAME_PARENT_FD, ROLE_SUPERVISOR, ROLE_SAML, &f, &err) <=
		0 ||
	    read_files(&f, &j, &err) != 0 ||
	    frame_recv(FRAME_PARENT_FD, ROLE_GATE, ROLE_SAML, &f, &err) <= 0 ||
	    read_job(&f, &j, &err) != 0 ||
	    answer(do_job(&j, &err), &err) != 0) {
		if (err.code != 0)
			log_event(EV_saml_failed, kv_err(&err));
		return 1;
	}
	return 0;
}
