/* Reading a push: the advertisement, then commands and pack as they arrive. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "crypto/digest.h"
#include "proto/caps.h"
#include "proto/pktline.h"
#include "proto/report_status.h"
#include "role/gate_intake.h"
#include "role/gate_witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADVERTISEMENT_TYPE "application/x-git-receive-pack-advertisement"
#define RESULT_TYPE        "application/x-git-receive-pack-result"
#define REQUEST_TYPE       "application/x-git-receive-pack-request"
/* -- the advertisement -- */

/* gitgate's own capabilities; the two that upstream must have as well are
 * offered only then. Push options are always taken: gitgate has its own. */
static void
offered_caps(const struct advert *upstream, struct buf *out)
{
	buf_adds(out,
	    "report-status report-status-v2 delete-refs "
	    "side-band-64k quiet ofs-delta push-options");
	if (advert_has_cap(upstream, "atomic"))
		buf_adds(out, " atomic");
	buf_adds(out, " object-format=sha1 agent=gitgate/" GG_VERSION);
}

static bool
is_hidden(void *ctx, const char *refname)
{
	return gate_ref_is_hidden(ctx, refname);
}

/*
 * A client packs before it speaks again, perhaps for longer than request-idle.
 * Over TLS libcurl before 8.1 does not see that a connection was closed
 * meanwhile, and the push fails: there it makes a new one.
 */
static void
advertise(struct http_request *rq, const struct config *c, struct view refs)
{
	static const struct http_headers close[] = {
		{ "Connection", "close" },
		{ NULL, NULL },
	};

	http_reply(rq, 200, ADVERTISEMENT_TYPE, refs,
	    c->tls.certificate_file != NULL ? close : NULL);
}

void
gate_info_refs_receive(void *ctx, struct http_request *rq)
{
	struct gate *g = ctx;
	GG_AUTO_RELEASE(git_request) who = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO_RELEASE(buf) caps = BUF_INIT(1024);
	GG_AUTO_ADVERT up = NULL;
	GG_AUTO_ADVERT has = NULL;
	struct gg_error err = { 0 };
	const char *limit;
	int64_t kept;

	if (!git_request_open(g, rq, ACCESS_PUSH, &who))
		return;
	/* Better now than when the pack was sent. */
	if (gate_is_full(g, &who.snap->config->limits, who.principal.name,
		&limit)) {
		http_retry_after(rq, GATE_FULL_RETRY_S);
		http_reply_text(rq, 429,
		    "gitgate: limit %s: too many pushes are in hand; try again "
		    "in a moment",
		    limit);
		return;
	}
	if (witness_admit(g, who.snap->config, &err) != 0) {
		http_reply_text(rq, 503, "gitgate: gate unavailable: %s",
		    err.msg);
		return;
	}
	if (push_read_upstream(g, &who, &up, &err) != 0 ||
	    kept_merge(g, who.repo.name, up, &has, &kept, &err) != 0) {
		log_event(EV_upstream_failed,
		    kv_str("repository", who.repo.name), kv_err(&err));
		gate_hide_places(who.snap->config, err.msg);
		http_reply_text(rq, 503, "gitgate: gate unavailable: %s",
		    err.msg);
		return;
	}
	mirror_refresh_later(g, who.repo.name);
	offered_caps(up->advert, &caps);
	pkt_addf(&out, "# service=git-receive-pack\n");
	pkt_flush(&out);
	advert_format_receive_pack(has->advert, buf_str(&caps), is_hidden,
	    (void *)(uintptr_t)who.repo.conf, &out);
	if (buf_check(&out, &err) != 0)
		http_reply_text(rq, 503, "gitgate: gate unavailable: %s",
		    err.msg);
	else
		advertise(rq, who.snap->config, buf_view(&out));
}

/* -- the push behind it -- */

void
push_release(struct push *p)
{
	git_request_release(&p->who);
	stored_push_release(&p->rec);
	ref_updates_release(&p->updates);
	strv_release(&p->options);
	strv_release(&p->shallow);
	free(p->dir);
	free(p->quarantine);
	shared_advert_unref(p->upstream);
	shared_advert_unref(p->has);
	shared_advert_unref(p->seen);
	free(p->symref_targets);
	free(p->places);
	fd_close(p->inspector);
	change_report_free(p->report);
	json_decref(p->records);
	decision_free(p->decision);
	*p = (struct push){ .inspector = -1 };
}

void
push_leave(struct push *p)
{
	if (p->admitted)
		gate_leave_push(p->gate, p->rec.principal);
	p->admitted = false;
}

/* Own options are taken out, claims kept, the rest goes to upstream. */
static int
sort_option(struct push *p, const char *opt, json_t *claimed,
    struct gg_error *err)
{
	const char *eq = strchr(opt, '=');

	if (strncmp(opt, "gitgate.wait=", 13) == 0)
		return num_parse_duration(view_str(opt + 13), &p->wait_ms, err);
	if (strcmp(opt, "gitgate.dry-run") == 0) {
		p->dry_run = true;
		return 0;
	}
	if (strncmp(opt, "gitgate.", 8) == 0)
		return gg_fail(err, GG_E_PEER, "unknown push option %s", opt);
	if (strncmp(opt, "agent.", 6) == 0 && eq != NULL) {
		GG_AUTO_MEM char *key = path_f("%.*s", (int)(eq - opt), opt);

		(void)json_object_set_new(claimed, key,
		    audit_text_cut(eq + 1, SIZE_MAX / 2));
		return 0;
	}
	strv_add(&p->options, opt);
	return strv_check(&p->options, err);
}

static int
sort_options(struct push *p, const struct strv *options, json_t *claimed,
    struct gg_error *err)
{
	int rc = 0;

	p->wait_ms = -1;
	for (size_t i = 0; i < options->n && rc == 0; i++)
		rc = sort_option(p, options->v[i], claimed, err);
	if (rc == GG_E_INPUT)
		return gg_fail(err, GG_E_PEER,
		    "gitgate.wait is a duration "
		    "like 90s, 15m or 2h");
	if (rc == 0 && p->options.n > 0 &&
	    !advert_has_cap(p->upstream->advert, "push-options"))
		return gg_fail(err, GG_E_PEER,
		    "upstream takes no push options (%s)", p->options.v[0]);
	return rc;
}

static json_t *
plain_updates(const struct ref_updates *u)
{
	json_t *a = json_array();
	char x[OID_HEX + 1], y[OID_HEX + 1];

	for (size_t i = 0; i < u->n; i++) {
		oid_format(&u->v[i].old_oid, x);
		oid_format(&u->v[i].new_oid, y);
		(void)json_array_append_new(a,
		    json_pack("{s:s, s:s, s:s}", "ref", u->v[i].refname, "old",
			x, "new", y));
	}
	return a;
}

/* The push gets an id; nothing is known of it yet. */
static void
open_record(struct push *p)
{
	const char *state_dir = p->who.snap->config->state_dir;
	char id[ULID_SIZE];

	ulid_new(id);
	p->rec.id = path_f("%s", id);
	p->rec.repository = path_f("%s", p->who.repo.name);
	p->rec.principal = path_f("%s", p->who.principal.name);
	strv_copy(&p->rec.groups, &p->who.principal.groups);
	p->rec.identity = push_identity(&p->who.principal);
	p->rec.auth_method = path_f("%s",
	    auth_method_name(p->who.principal.method));
	p->rec.credential_id = path_f("%s",
	    p->who.principal.credential_id ? p->who.principal.credential_id :
					     "");
	p->rec.client_addr = path_f("%s", p->who.client_addr);
	p->rec.client_agent = path_f("%s", p->who.client_agent);
	p->rec.policy_digest = path_f("%s", "");
	p->rec.report_digest = path_f("%s", "");
	p->rec.state = PUSH_RECEIVING;
	p->rec.created_ms = clock_wall_ms();
	p->rec.request = json_object();
	p->rec.updates = json_array();
	p->dir = path_f("%s/pushes/%s", state_dir, id);
	p->quarantine = path_f("%s/quarantine/%s", state_dir, id);
	(void)gate_take_live(p->gate, id); /* it is ours: it was made now */
}

static void
describe_request(struct push *p, const struct receive_request *rq)
{
	json_t *r = p->rec.request;

	(void)json_object_set_new(r, "atomic", json_boolean(rq->atomic));
	(void)json_object_set_new(r, "options",
	    strv_to_json(&rq->push_options));
	(void)json_object_set_new(r, "upstream_options",
	    strv_to_json(&p->options));
	(void)json_object_set_new(r, "caps", strv_to_json(&rq->caps));
	(void)json_object_set_new(r, "shallow", strv_to_json(&rq->shallow));
	(void)json_object_set_new(r, "has_pack", json_boolean(p->has_pack));
}

static int
take_request(struct push *p, const struct receive_request *rq,
    struct gg_error *err)
{
	json_t *claimed = json_object();
	int rc = 0;

	(void)json_object_set_new(p->rec.request, "claimed", claimed);
	p->client.report = rq->report;
	p->client.side_band = rq->side_band_64k;
	p->atomic = rq->atomic;
	p->has_pack = receive_request_wants_pack(rq);
	strv_copy(&p->shallow, &rq->shallow);
	for (size_t i = 0; i < rq->updates.n && rc == 0; i++)
		rc = ref_updates_add(&p->updates, &rq->updates.v[i].old_oid,
		    &rq->updates.v[i].new_oid,
		    view_str(rq->updates.v[i].refname), SIZE_MAX, err);
	json_decref(p->rec.updates);
	p->rec.updates = plain_updates(&p->updates);
	describe_request(p, rq);
	push_mark(p, "commands");
	if (rc == 0)
		rc = store_push_add(p->gate->store, &p->rec, err);
	return rc;
}

/* Everything up to the inspector's start; runs while the pack arrives. */
static int
prepare(struct push *p, struct intake *in, const char *pack,
    struct gg_error *err)
{
	json_t *claimed = json_object_get(p->rec.request, "claimed");
	int rc;

	if ((rc = push_get_upstream(p, err)) != 0 ||
	    (rc = push_check_updates(p, err)) != 0 ||
	    (rc = sort_options(p, &in->parser->push_options, claimed, err)) !=
		0)
		return rc;
	describe_request(p, in->parser);
	if ((rc = push_find_symrefs(p, err)) != 0)
		return rc;
	p->kept_is_base = kept_is_base(p->who.snap->ruleset, p->who.repo.name,
	    &p->who.principal, &p->updates, p->has->advert);
	p->places = kept_places(&p->updates, p->has->advert);
	if ((rc = recorded_keep_refs(p->who.snap->config, p->has->advert,
		 p->dir, p->rec.request, err)) != 0 ||
	    (rc = push_begin_inspection(p, pack, err)) != 0)
		return rc;
	intake_tell(in, p->inspector);
	return 0;
}

static void
finish_request(struct push *p, struct intake *in)
{
	unsigned char raw[DIGEST_SHA256_BYTES];
	char hex[DIGEST_SHA256_HEX_SIZE];

	digest_ctx_final(in->digest, raw);
	hex_encode(raw, sizeof(raw), hex);
	(void)json_object_set_new(p->rec.request, "pack_bytes",
	    json_integer((json_int_t)in->n));
	(void)json_object_set_new(p->rec.request, "pack_sha256",
	    json_string(hex));
}

/* What goes wrong from here on is told as a git refusal. */
static void
run_push(struct push *p, struct intake *in, struct http_request *rq,
    const char *pack)
{
	GG_AUTO_MEM char *limit = NULL;
	struct gg_error err = { 0 };
	int rc = prepare(p, in, pack, &err);

	if (rc != 0)
		intake_hush(in);
	intake_wait_end(in);
	intake_tell(in, -1);
	push_mark(p, "received");
	finish_request(p, in);
	client_open(&p->client, rq);
	if (in->gone) {
		(void)gg_fail(&err, GG_E_PEER, "the client went away");
		push_refuse(p, PUSH_ABORTED, "", &err);
		return;
	}
	if (in->refused) {
		push_refuse(p, PUSH_INVALID, in->limit, &in->err);
		return;
	}
	if (rc == 0 && p->has_pack && in->n == 0)
		rc = gg_fail(&err, GG_E_PEER, "the pack is missing");
	if (rc == 0) {
		FAILPOINT("gate.received");
		rc = push_end_inspection(p, in->n, &limit, &err);
	}
	if (rc != 0)
		push_refuse(p, PUSH_INVALID, limit ? limit : "", &err);
	else
		push_decide(p);
}

/* -- the request -- */

/* Nothing is recorded of what could not even be read, but that it came. */
static void
refuse_unread(struct push *p, struct intake *in, struct http_request *rq)
{
	const struct receive_request *parser = in->parser;
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)1 << 20);
	bool is_limit = in->limit != NULL && *in->limit != '\0';
	GG_AUTO_MEM char *text = path_f("%s%s: %s",
	    is_limit ? "limit " : "invalid push", is_limit ? in->limit : "",
	    in->refused ? in->err.msg : "it ends before its commands do");
	json_t *e = audit_of_push("push.refused", &p->rec);

	(void)json_object_set_new(e, "reason", audit_words(text));
	audit_note(p->gate, e);
	gate_count(p->gate, METRIC_INVALID);
	log_event(EV_peer_malformed, kv_str("principal", p->rec.principal),
	    kv_str("error", text));
	intake_wait_end(in);
	push_leave(p);
	if (parser->report == REPORT_STATUS_NONE) {
		http_reply_text(rq, 400, "gitgate: %s", text);
		return;
	}
	report_status_format(parser->report, parser->side_band_64k, text, NULL,
	    0, &out);
	http_reply(rq, 200, RESULT_TYPE, buf_view(&out), NULL);
}

static bool
check_headers(struct http_request *rq)
{
	const char *type = http_header(rq, "Content-Type");
	const char *coding = http_header(rq, "Content-Encoding");

	if (type == NULL || strcmp(type, REQUEST_TYPE) != 0) {
		http_reply_text(rq, 415, "gitgate: not a push");
		return false;
	}
	if (coding != NULL && strcasecmp(coding, "identity") != 0) {
		http_reply_text(rq, 415,
		    "gitgate: a push may not have a content encoding");
		return false;
	}
	return true;
}

static void
receive(struct push *p, struct intake *in, struct http_request *rq,
    const char *pack, const struct gg_error *refusal, const char *limit)
{
	struct gg_error err = { 0 };
	bool unread;
	int rc;

	pthread_mutex_lock(&in->mutex);
	unread = !in->parsed || in->gone;
	pthread_mutex_unlock(&in->mutex);
	if (unread) {
		refuse_unread(p, in, rq);
		return;
	}
	if (in->parser->probe) {
		intake_wait_end(in);
		push_leave(p);
		http_reply(rq, 200, RESULT_TYPE, view_str(""), NULL);
		return;
	}
	rc = take_request(p, in->parser, &err);
	if (rc == 0 && refusal == NULL) {
		run_push(p, in, rq, pack);
		return;
	}
	intake_hush(in);
	intake_wait_end(in);
	client_open(&p->client, rq);
	push_refuse(p, PUSH_INVALID, rc == 0 ? limit : "",
	    rc == 0 ? refusal : &err);
}

static bool
is_kept(enum push_state s)
{
	return s != PUSH_RECEIVING && s != PUSH_INVALID && s != PUSH_ABORTED;
}

/*
 * May it begin? What speaks against it is told when the body was read, as a
 * refusal of each ref: git shows nothing of an HTTP error at this point.
 */
static int
admit(struct push *p, struct intake *in, const char *pack, const char **limit,
    struct gg_error *err)
{
	struct gate *g = p->gate;
	int rc;

	if ((rc = witness_admit(g, p->who.snap->config, err)) != 0)
		return rc;
	if (p->who.limited != NULL) {
		*limit = p->who.limited;
		return gg_fail(err, GG_E_LIMIT,
		    "too many requests; try again in %u s",
		    p->who.retry_seconds);
	}
	rc = gate_enter_push(g, &p->who.snap->config->limits, p->rec.principal,
	    limit, err);
	p->admitted = rc == 0;
	if (rc != 0 || (rc = dir_make(p->dir, 0700, err)) != 0)
		return rc;
	in->fd = open(pack, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return in->fd >= 0 ? 0 : gg_fail(err, GG_E_SYS, "recorded pack");
}

void
gate_receive_pack(void *ctx, struct http_request *rq)
{
	struct gate *g = ctx;
	GG_AUTO_RELEASE(push) p = { .gate = g, .inspector = -1 };
	GG_AUTO_MEM char *pack = NULL;
	struct gg_error why = { 0 }, err = { 0 };
	struct intake in = { .fd = -1, .inspector = -1 };
	const char *limit = "";
	bool probe, refused;
	int rc;

	if (!git_request_open(g, rq, ACCESS_PUSH, &p.who) || !check_headers(rq))
		return;
	open_record(&p);
	pack = path_f("%s/pack", p.dir);
	intake_init(&in, &p);
	rc = admit(&p, &in, pack, &limit, &why);
	refused = !p.admitted;
	if (refused && !gate_enter_refusal(g)) {
		http_reply_text(rq, 503, "gitgate: gate unavailable: %s",
		    why.msg);
		refused = false;
	} else {
		http_body_accept(rq, intake_body, &in,
		    p.who.snap->config->limits.pack_bytes);
		intake_wait_parsed(&in);
		receive(&p, &in, rq, pack, rc == 0 ? NULL : &why, limit);
	}
	if (refused)
		gate_leave_refusal(g);
	probe = in.parser->probe;
	if (!is_kept(p.rec.state))
		(void)dir_remove(p.dir, &err);
	intake_release(&in);
	push_leave(&p);
	gate_drop_live(g, p.rec.id);
	if (!probe)
		gate_count(g, METRIC_PUSHES);
}
