#include "role/gate_grants.h"
#include "role/gate_provenance.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "ipc/codec.h"
#include "provenance/read.h"
#include "role/kept_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long an inspector that is told to end may take. */
#define STOP_INSPECTOR_MS 10000

void
push_mark(struct push *p, const char *what)
{
	json_t *t = json_object_get(p->rec.request, "timings");

	if (t == NULL) {
		t = json_object();
		(void)json_object_set_new(p->rec.request, "timings", t);
	}
	(void)json_object_set_new(t, what,
	    json_integer((json_int_t)clock_wall_ms()));
}

static int
open_beside(const struct push *p, const char *name, int flags,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->dir, name);
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		gg_fail(err, GG_E_SYS, "%s", name);
	return fd;
}

static bool
mirror_is_clean(const struct push *p)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);
	bool clean;

	pthread_mutex_lock(&st->mutex);
	clean = st->clean;
	pthread_mutex_unlock(&st->mutex);
	return clean;
}

/* A pusher may take its time over a pack: what came to be kept meanwhile lay
 * in the mirror, too, and nothing told it from upstream's. */
static int
check_mirror(const struct push *p, struct gg_error *err)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);
	bool fed;

	pthread_mutex_lock(&st->mutex);
	fed = st->n_fed != p->n_fed;
	pthread_mutex_unlock(&st->mutex);
	return fed && p->trusts_mirror && !p->kept_is_base &&
		!kept_any(p->has->advert) ?
	    gg_fail(err, GG_E_STALE,
		"refs came to be kept at the gate meanwhile: push again") :
	    0;
}

static struct oid
upstream_head(const struct push *p)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);
	struct oid head = { { 0 } };

	pthread_mutex_lock(&st->mutex);
	if (st->seen != NULL)
		head = st->seen->advert->head_oid;
	pthread_mutex_unlock(&st->mutex);
	return head;
}

static struct inspection_order
order_of(const struct push *p)
{
	return (struct inspection_order){
		.config = p->who.snap->config,
		.ruleset = p->who.snap->ruleset,
		.repo = &p->who.repo,
		.principal = &p->who.principal,
		.updates = &p->updates,
		.upstream = p->has->advert,
		.kept_is_base = p->kept_is_base,
		.head = upstream_head(p),
		.shallow = &p->shallow,
		.push_id = p->rec.id,
		.quarantine = p->quarantine,
		.has_pack = p->has_pack,
		.mirror_clean = p->trusts_mirror,
		.sandbox_required = p->gate->sandbox_required,
		.rules_fd = p->who.snap->rules_fd,
		.salt = p->gate->salt,
	};
}

int
push_begin_inspection(struct push *p, const char *pack_file,
    struct gg_error *err)
{
	struct inspection_order o = { 0 };
	GG_AUTO_FD pack = -1;
	GG_AUTO_FD report = -1;
	char head[OID_HEX + 1];
	int rc;

	p->trusts_mirror = mirror_is_clean(p);
	o = order_of(p);
	if ((pack = open(pack_file, O_RDONLY | O_CLOEXEC)) < 0)
		return gg_fail(err, GG_E_SYS, "pack");
	report = open_beside(p, "report", O_RDWR | O_CREAT | O_TRUNC, err);
	if (report < 0)
		return err->code;
	if ((rc = inspectors_take(p->gate, &p->inspector, err)) != 0)
		return rc;
	oid_format(&o.head, head);
	(void)json_object_set_new(p->rec.request, "head", json_string(head));
	push_mark(p, "inspecting");
	return inspection_order_send(&o, p->inspector, pack, report, err);
}

/* Its client saw kept refs, and may have left out what they reach. */
static void
advise_kept(struct gg_error *err)
{
	struct gg_error why = *err;

	if (strstr(why.msg, "missing ") != NULL)
		(void)gg_fail(err, GG_E_PEER,
		    "%.200s; if it stands on a ref that only the gate keeps, "
		    "delete that ref at the gate and push again",
		    why.msg);
}

int
push_end_inspection(struct push *p, uint64_t n, char **limit,
    struct gg_error *err)
{
	struct inspection_order o = order_of(p);
	GG_AUTO_FD report = open_beside(p, "report", O_RDONLY, err);
	char digest[65];
	int rc;

	*limit = NULL;
	if (report < 0)
		return err->code;
	rc = inspection_order_wait(&o, p->inspector, report, n, &p->report,
	    digest, limit, err);
	if (rc == GG_E_PEER && !p->kept_is_base && kept_any(p->has->advert))
		advise_kept(err);
	if (rc != 0 || (rc = check_mirror(p, err)) != 0)
		return rc;
	free(p->rec.report_digest);
	p->rec.report_digest = path_f("%s", digest);
	push_mark(p, "inspected");
	return 0;
}

int
push_write_diff(struct push *p, struct gg_error *err)
{
	uint64_t ceiling = p->who.snap->config->limits.diff_bytes;
	int64_t deadline = clock_mono_ms() +
	    (int64_t)p->who.snap->config->limits.inspection_ms;
	GG_AUTO_FD fd = open_beside(p, "diff", O_RDWR | O_CREAT | O_TRUNC, err);
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	struct stat st;
	int rc;

	if (fd < 0)
		return err->code;
	enc_u64(&body, ceiling);
	rc = frame_send(p->inspector, MSG_DIFF, 0, buf_view(&body), &fd, 1,
	    err);
	if (rc == 0)
		rc = inspector_expect(p->inspector, MSG_DIFF_DONE, MSG_NONE,
		    deadline, &f, &limit, err);
	if (rc != 0)
		return rc;
	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size > ceiling)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector wrote too large a diff");
	return 0;
}

/* -- deciding -- */

static int
evaluate(struct push *p, struct gg_error *err)
{
	int64_t now_ms = clock_wall_ms();
	GG_AUTO_RELEASE(strv) allowed = STRV_INIT;
	GG_AUTO_RELEASE(trace_keeper) keeper = { 0 };
	struct policy_input in = {
		.repository = p->who.repo.name,
		.principal = &p->who.principal,
		.updates = &p->updates,
		.symref_targets = p->symref_targets,
		.places = p->places,
		.report = p->report,
		.now_wall_ms = now_ms,
		.claimed = json_object_get(p->rec.request, "claimed"),
		.allowed_findings = &allowed,
		.hook = gate_ask_hook,
		.hook_ctx = p->gate,
		.trace = trace_begin(&keeper, p->who.snap->config,
		    p->who.snap->ruleset, p->updates.n),
	};
	int rc;

	push_mark(p, "judged");
	json_decref(p->records);
	p->records = NULL;
	if ((rc = provenance_read(p->report, &p->records, err)) != 0 ||
	    (rc = push_find_earlier(p, err)) != 0)
		return rc;
	in.records = p->records;
	in.earlier = json_object_get(p->rec.request, "earlier_records");
	if ((rc = push_allowed_findings(p, now_ms, &allowed, err)) != 0 ||
	    (rc = push_note_findings(p, &allowed, err)) != 0 ||
	    (rc = FAILPOINT_FAILS("gate.evaluate") ?
		    gg_fail(err, GG_E_CORRUPT,
			"the policy cannot be evaluated") :
		    policy_evaluate(p->who.snap->ruleset, &in, &p->decision,
			err)) != 0 ||
	    (rc = push_apply_grants(p, err)) != 0)
		return rc;
	json_decref(p->rec.updates);
	p->rec.updates = decision_updates_json(p->decision);
	free(p->rec.policy_digest);
	p->rec.policy_digest = path_f("%s", p->decision->policy_digest);
	if (p->rec.updates == NULL)
		return gg_fail(err, GG_E_NOMEM, "decision");
	push_sum_up_claims(p);
	if ((rc = push_note_paths(p, err)) != 0)
		return rc;
	return trace_keep(&keeper, p->dir, p->rec.policy_digest, p->rec.request,
	    err);
}

/* What made the rules match, for the person at the other end. */
#define MATCHES_SHOWN 10

/* One match in a few words: where, what, in which commit. */
void
push_match_words(const struct match *m, struct buf *out)
{
	char hex[OID_HEX + 1];
	bool path = *m->path != '\0', change = *m->change != '\0';

	oid_format(&m->commit, hex);
	hex[7] = '\0';
	if (oid_is_zero(&m->commit))
		buf_addf(out, path && change ? "%s (%s)" : "%s%s", m->path,
		    m->change);
	else if (path)
		buf_addf(out, "%s (%s, commit %s)", m->path, m->change, hex);
	else
		buf_addf(out, change ? "commit %s (%s)" : "commit %s%s", hex,
		    m->change);
}

static void
say_reason(struct client *c, const struct reason *r)
{
	client_say(c, "gitgate:   rule %s%s%s", r->rule,
	    *r->message != '\0' ? ": " : "", r->message);
	for (size_t i = 0; i < r->n_matches && i < MATCHES_SHOWN; i++) {
		GG_AUTO_RELEASE(buf) words = BUF_INIT(8192);

		push_match_words(&r->matches[i], &words);
		client_say(c, "gitgate:     %s", buf_str(&words));
	}
	if (r->n_matches_all > MATCHES_SHOWN)
		client_say(c, "gitgate:     and %zu more",
		    r->n_matches_all -
			(r->n_matches < MATCHES_SHOWN ? r->n_matches :
							MATCHES_SHOWN));
}

const char *
push_denying_rule(const struct ref_decision *r, const char **message)
{
	for (size_t i = 0; i < r->n_reasons; i++) {
		if (r->reasons[i].verdict != VERDICT_DENY)
			continue;
		*message = r->reasons[i].message;
		return r->reasons[i].rule;
	}
	*message = "";
	return "policy";
}

static const struct ref_decision *
first_with(const struct decision *d, enum verdict v)
{
	for (size_t i = 0; i < d->n_refs; i++)
		if (d->refs[i].verdict == v)
			return &d->refs[i];
	return NULL;
}

static void
deny_statuses(const struct push *p, struct ref_statuses *s)
{
	const struct decision *d = p->decision;
	const struct ref_decision *guilty = first_with(d, VERDICT_DENY);
	const char *message, *rule;

	for (size_t i = 0; i < d->n_refs; i++) {
		if (d->refs[i].verdict != VERDICT_DENY) {
			ref_status_set(&s->v[i],
			    "not forwarded: %s was refused",
			    guilty ? guilty->refname : "another ref");
			continue;
		}
		rule = push_denying_rule(&d->refs[i], &message);
		ref_status_set(&s->v[i], "denied by rule %s%s%s", rule,
		    *message != '\0' ? ": " : "", message);
	}
}

static int
record_denial(struct push *p, struct gg_error *err)
{
	size_t n = p->decision->n_refs;
	json_t **e = calloc(n + 1, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	e[0] = audit_of_push("push.received", &p->rec);
	for (size_t i = 0; i < n; i++)
		e[1 + i] = audit_of_ref("ref.update", &p->rec,
		    &p->decision->refs[i]);
	rc = audit_write(p->gate, e, n + 1, err);
	free(e);
	if (rc != 0)
		return rc;
	p->rec.state = PUSH_DENIED;
	p->rec.decided_ms = p->rec.done_ms = clock_wall_ms();
	p->rec.outcome = json_pack("{s:s, s:s}", "state", "denied", "message",
	    "policy denied it");
	rc = store_push_update(p->gate->store, &p->rec, PUSH_RECEIVING, err);
	if (rc != 0)
		p->rec.state = PUSH_RECEIVING;
	return rc;
}

void
push_say_reasons(struct push *p)
{
	for (size_t i = 0; i < p->decision->n_refs; i++) {
		const struct ref_decision *r = &p->decision->refs[i];

		if (r->n_reasons > 0)
			client_say(&p->client, "gitgate: %s (%s)", r->refname,
			    verdict_name(r->verdict));
		for (size_t k = 0; k < r->n_reasons; k++)
			if (r->reasons[k].verdict != VERDICT_ALLOW)
				say_reason(&p->client, &r->reasons[k]);
	}
	push_say_findings(p);
}

static void
deny(struct push *p)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };

	if (record_denial(p, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	ref_statuses_init(&s, &p->updates);
	deny_statuses(p, &s);
	(void)dir_remove(p->quarantine, &err);
	client_say(&p->client, "gitgate: denied, nothing was forwarded");
	push_say_reasons(p);
	gate_count(p->gate, METRIC_DENIED);
	log_event(EV_push_denied, kv_str("push", p->rec.id),
	    kv_str("repository", p->rec.repository),
	    kv_str("principal", p->rec.principal));
	push_leave(p);
	client_end(&p->client, &s);
}

void
push_decide(struct push *p)
{
	struct gg_error err = { 0 };

	if (evaluate(p, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	/* Its base has what upstream has not. Policy denies what would come
	 * here: this is the wall behind it. */
	if (p->kept_is_base && p->decision->verdict != VERDICT_DENY &&
	    !decision_keeps(p->decision)) {
		(void)gg_fail(&err, GG_E_CORRUPT,
		    "what was to be kept at the gate would go upstream");
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	if (p->dry_run) {
		push_say_verdict(p);
		return;
	}
	if (p->decision->verdict != VERDICT_DENY &&
	    push_keep_provenance(p, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	switch (p->decision->verdict) {
	case VERDICT_ALLOW:
		if (decision_keeps(p->decision))
			push_keep(p);
		else
			push_forward(p);
		return;
	case VERDICT_HOLD:
		push_hold(p);
		return;
	case VERDICT_DENY:
		deny(p);
		return;
	}
	deny(p);
}

/* -- refusing before policy -- */

/*
 * An inspector that has just got its job may still make its directories: it
 * must have ended before they are removed.
 */
static void
stop_inspector(struct push *p)
{
	struct pollfd end = { .fd = p->inspector, .events = 0 };

	if (p->inspector < 0)
		return;
	(void)shutdown(p->inspector, SHUT_WR);
	if (poll(&end, 1, STOP_INSPECTOR_MS) <= 0)
		log_event(EV_inspector_failed, kv_str("push", p->rec.id),
		    kv_str("error", "it does not end"));
	fd_close(fd_take(&p->inspector));
}

static void
refusal_text(char *out, size_t n, const char *limit, const struct gg_error *why)
{
	if (limit != NULL && *limit != '\0')
		(void)snprintf(out, n, "limit %s: %s", limit, why->msg);
	else if (why->code == GG_E_PEER)
		(void)snprintf(out, n, "invalid push: %s", why->msg);
	else if (why->code == GG_E_STALE)
		(void)snprintf(out, n, "stale: %s", why->msg);
	else
		(void)snprintf(out, n, "gate unavailable: %s", why->msg);
}

void
push_refuse(struct push *p, enum push_state state, const char *limit,
    const struct gg_error *why)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	GG_AUTO_MEM char *pack = path_f("%s/pack", p->dir);
	struct gg_error err = { 0 };
	enum push_state was = p->rec.state;
	char text[500];
	json_t *e;

	refusal_text(text, sizeof(text), limit, why);
	gate_hide_places(p->who.snap->config, text);
	ref_statuses_init(&s, &p->updates);
	ref_statuses_refuse(&s, "%s", text);
	e = audit_of_push("push.refused", &p->rec);
	(void)json_object_set_new(e, "reason", audit_words(text));
	audit_note(p->gate, e);
	p->rec.state = state;
	p->rec.done_ms = clock_wall_ms();
	json_decref(p->rec.outcome);
	p->rec.outcome = json_pack("{s:s, s:o}", "state",
	    push_state_name(state), "message", audit_words(text));
	if (store_push_update(p->gate->store, &p->rec, was, &err) != 0)
		log_event(EV_store_failed, kv_str("push", p->rec.id),
		    kv_err(&err));
	stop_inspector(p);
	(void)dir_remove(p->quarantine, &err);
	(void)unlink(pack);
	gate_count(p->gate,
	    state == PUSH_ABORTED ? METRIC_ABORTED : METRIC_INVALID);
	log_event(EV_push_refused, kv_str("push", p->rec.id),
	    kv_str("repository", p->rec.repository), kv_str("reason", text),
	    kv_err(why));
	push_leave(p);
	client_end(&p->client, &s);
}
