#include "role/gate_witness.h"

#include "role/gate_messenger.h"
#include "role/gate_push.h"
#include "role/witness_policy.h"

#include "audit/tlog_policy.h"
#include "audit/witness.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS       50
#define FAILS_MAX     6 /* pauses double so often */
#define BODY_MAX      ((size_t)256 * 1024)
#define LINE_MAX_SIZE 512

/* What is known of one witness. */
struct witness_state {
	char *name; /* the config's */
	char *vkey_text;
	struct note_vkey key;
	uint64_t size; /* the last one that it signed, as far as we know */
	unsigned fails;
	int64_t next_mono_ms;
	bool is_forked;
	/* its line for the checkpoint in hand */
	bool has_line;
	char line[LINE_MAX_SIZE];
};

struct witnesses {
	pthread_t thread;
	/* the thread's own */
	struct witness_state *v;
	size_t n;
	int64_t round_mono_ms; /* when the last one began */
	/* guarded by mutex: for requests */
	pthread_mutex_t mutex;
	bool is_confirmed;        /* a quorum signed since the start */
	uint64_t size;            /* that it signed */
	int64_t quorum_mono_ms;   /* when */
	int64_t waiting_since_ms; /* mono; 0: all is signed */
	size_t n_forked;
	bool is_hopeless; /* the others are no quorum */
};

/* The checkpoint that is sent around. */
struct round {
	struct gate *gate;
	struct witnesses *all;
	const struct config *config;
	const struct tlog_policy *policy; /* witnesses in config's order */
	struct buf note;
	struct checkpoint c; /* borrows from note */
};

static const char *
name_of(const struct witness_state *s)
{
	return s->name;
}

/* -- which there are -- */

/* A policy that names keys of our log names one that signs: the newest, or the
 * one before for as long as both sign each checkpoint. */
static int
check_key(const struct gate *g, const struct config *c,
    const struct tlog_policy *p, struct gg_error *err)
{
	if (g->log == NULL || p->n_logs == 0)
		return 0;
	for (size_t i = 0; i < p->n_logs; i++)
		if (auditlog_signs_as(g->log, &p->logs[i].key))
			return 0;
	return gg_fail(err, GG_E_INPUT,
	    "%s: it does not name a key that signs this log; add the line: "
	    "log %s",
	    c->witness_policy, auditlog_vkey(g->log));
}

int
witness_load(struct gate *g, struct config *c, int policy_fd,
    struct tlog_policy **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(TLOG_POLICY_MAX_BYTES + 1);
	GG_AUTO(tlog_policy) p = NULL;
	int rc = 0;

	if (c->witness_policy != NULL && policy_fd < 0)
		rc = gg_fail(err, GG_E_PEER, "a config without its policy");
	else if (c->witness_policy != NULL)
		rc = fd_pread_all(policy_fd, &text, err);
	if (rc != 0 ||
	    (rc = witness_policy_apply(c, buf_view(&text), &p, err)) != 0 ||
	    (rc = check_key(g, c, p, err)) != 0)
		return rc;
	*out = gg_take(p);
	return 0;
}

static void
states_free(struct witness_state *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].vkey_text);
	}
	free(v);
}

/* How far a witness had come before the gate was started. */
static void
recall(struct gate *g, struct witness_state *s)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(NOTE_MAX_BYTES);
	struct checkpoint c;
	struct note n;

	if (auditlog_checkpoint(g->log, true, &text, NULL) == 0 &&
	    note_parse(buf_view(&text), &n, NULL) == 0 &&
	    note_verify(&n, &s->key, NULL, NULL) == 0 &&
	    checkpoint_parse(n.text, &c, NULL) == 0)
		s->size = c.size;
}

static bool
are_same(const struct witnesses *w, const struct config *c)
{
	if (w->n != c->n_witnesses)
		return false;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i].vkey_text, c->witnesses[i].vkey) != 0 ||
		    strcmp(w->v[i].name, c->witnesses[i].name) != 0)
			return false;
	return true;
}

/* The states of those that this config has; known ones stay as they are. */
static void
follow_config(struct gate *g, struct witnesses *w, const struct config *c)
{
	struct witness_state *v;

	if (are_same(w, c))
		return;
	v = calloc(c->n_witnesses > 0 ? c->n_witnesses : 1, sizeof(*v));
	if (v == NULL)
		gg_die("no memory for witnesses");
	for (size_t i = 0; i < c->n_witnesses; i++) {
		v[i].name = path_f("%s", c->witnesses[i].name);
		v[i].vkey_text = path_f("%s", c->witnesses[i].vkey);
		/* witness_load() has read it before */
		if (note_vkey_parse(view_str(v[i].vkey_text), &v[i].key,
			NULL) != 0)
			gg_die("a witness's key");
		recall(g, &v[i]);
		for (size_t k = 0; k < w->n; k++)
			if (strcmp(w->v[k].vkey_text, v[i].vkey_text) == 0) {
				v[i].size = w->v[k].size;
				v[i].is_forked = w->v[k].is_forked;
			}
	}
	states_free(w->v, w->n);
	w->v = v;
	w->n = c->n_witnesses;
	pthread_mutex_lock(&w->mutex);
	w->is_hopeless = false;
	pthread_mutex_unlock(&w->mutex);
}

/* Under new terms: is what was signed last by a quorum still that? */
static void
check_terms(struct gate *g, struct witnesses *w, const struct tlog_policy *p)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(NOTE_MAX_BYTES);
	struct tlog_policy_found found;
	struct checkpoint c;

	if (auditlog_checkpoint(g->log, true, &text, NULL) == 0 &&
	    tlog_policy_open(p, buf_view(&text), &c, &found, NULL) == 0 &&
	    found.is_met)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_confirmed = false;
	pthread_mutex_unlock(&w->mutex);
}

/* -- asking one -- */

static int
send_to(const struct round *r, const struct witness_state *s, uint64_t old,
    struct errand_answer *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(BODY_MAX);
	struct merkle_proof proof = { 0 };
	struct errand e = { .kind = ERRAND_WITNESS,
		.name = name_of(s),
		.url = "",
		.id = "",
		.subject = "" };
	GG_AUTO_MEM char *dir = path_f("%s/log", r->config->state_dir);
	int rc;

	rc = tile_prove_consistency(auditlog_fetch_dir, dir, old, r->c.size,
	    &proof, err);
	if (rc != 0)
		return rc;
	witness_request_format(old, &proof, buf_view(&r->note), &body);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	e.body = buf_view(&body);
	return messenger_run(r->gate, &e, out, err);
}

/* GG_E_STALE: *size is what it has; GG_E_CORRUPT: it knows another history. */
static int
judge(const struct round *r, struct witness_state *s,
    const struct errand_answer *a, uint64_t *size, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(LINE_MAX_SIZE - 1);
	uint64_t old = *size;
	int rc;

	switch (a->status) {
	case 200:
		rc = witness_take_line(buf_view(&r->note), buf_view(&a->body),
		    &s->key, (uint64_t)(clock_wall_ms() / 1000), &line, err);
		if (rc != 0)
			return rc;
		(void)snprintf(s->line, sizeof(s->line), "%s", buf_str(&line));
		return 0;
	case 409:
		if (!witness_take_size(buf_view(&a->body), size))
			return gg_fail(err, GG_E_PEER,
			    "it answers 409 without the size that it has");
		if (*size > r->c.size)
			return gg_fail(err, GG_E_CORRUPT,
			    "it signed %llu entries, and the log has %llu",
			    (unsigned long long)*size,
			    (unsigned long long)r->c.size);
		if (*size == old && old == r->c.size)
			return gg_fail(err, GG_E_CORRUPT,
			    "it signed %llu entries with another root",
			    (unsigned long long)old);
		return gg_fail(err, GG_E_STALE, "it has %llu entries",
		    (unsigned long long)*size);
	case 422:
		return gg_fail(err, GG_E_CORRUPT,
		    "the log is not a continuation of what it signed");
	case 403:
		return gg_fail(err, GG_E_REFUSED,
		    "it does not accept the log's key (403)");
	case 404:
		return gg_fail(err, GG_E_REFUSED,
		    "it does not know this log (404)");
	default:
		return gg_fail(err, GG_E_PEER, "it answers %u", a->status);
	}
}

static int
ask(const struct round *r, struct witness_state *s, struct gg_error *err)
{
	uint64_t old = s->size <= r->c.size ? s->size : 0;
	int rc = GG_E_STALE;

	/* Once more with the size that it says it has. */
	for (int i = 0; i < 2 && rc == GG_E_STALE; i++) {
		GG_AUTO_RELEASE(errand_answer) a = { 0 };

		if ((rc = send_to(r, s, old, &a, err)) != 0)
			return rc;
		rc = judge(r, s, &a, &old, err);
	}
	if (rc == 0)
		s->size = r->c.size;
	return rc;
}

/* -- what comes of it -- */

static void
note_fork(struct gate *g, const struct witness_state *s,
    const struct checkpoint *c, const char *why)
{
	struct gg_error err = { 0 };

	gg_fail(&err, GG_E_CORRUPT, "%s", why);
	log_event(EV_witness_forked, kv_str("witness", name_of(s)),
	    kv_u64("size", c->size), kv_err(&err));
	audit_note(g,
	    json_pack("{s:s, s:s, s:I, s:s}", "type", "witness.forked",
		"witness", name_of(s), "size", (json_int_t)c->size, "reason",
		why));
}

static void
take_result(const struct round *r, struct witness_state *s, int rc,
    const struct gg_error *why)
{
	int64_t pause = (int64_t)r->config->limits.witness_pause_ms;
	bool was_forked = s->is_forked;

	if (rc == 0) {
		if (s->is_forked || s->fails > 0)
			log_event(EV_witness_agrees,
			    kv_str("witness", name_of(s)));
		s->fails = 0;
		s->is_forked = false;
		s->has_line = true;
		return;
	}
	s->next_mono_ms = clock_mono_ms() + (pause << s->fails);
	if (s->fails < FAILS_MAX)
		s->fails++;
	if (rc == GG_E_CORRUPT) {
		s->is_forked = true;
		if (!was_forked)
			note_fork(r->gate, s, &r->c, why->msg);
		return;
	}
	log_event(EV_witness_failed, kv_str("witness", name_of(s)),
	    kv_err(why));
}

/* Keep what was signed, and tell requests of it. */
static void
conclude(const struct round *r, int64_t began, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT(NOTE_MAX_BYTES);
	bool has[TLOG_POLICY_WITNESSES_MAX] = { false };
	bool may[TLOG_POLICY_WITNESSES_MAX] = { false };
	struct witnesses *w = r->all;
	size_t n_forked = 0;
	bool is_quorum;

	for (size_t i = 0; i < w->n; i++) {
		n_forked += w->v[i].is_forked;
		may[i] = !w->v[i].is_forked;
		has[i] = w->v[i].has_line;
		if (has[i])
			buf_adds(&lines, w->v[i].line);
	}
	is_quorum = tlog_policy_is_met(r->policy, has);
	if (is_quorum &&
	    auditlog_cosigned(r->gate->log, buf_view(&r->note),
		buf_view(&lines), err) != 0) {
		log_event(EV_audit_failed, kv_err(err));
		is_quorum = false;
	}
	pthread_mutex_lock(&w->mutex);
	w->n_forked = n_forked;
	w->is_hopeless = !tlog_policy_is_met(r->policy, may);
	if (is_quorum) {
		w->is_confirmed = true;
		w->size = r->c.size;
		w->quorum_mono_ms = clock_mono_ms();
		w->waiting_since_ms = auditlog_size(r->gate->log) > r->c.size ?
		    began :
		    0;
	}
	pthread_mutex_unlock(&w->mutex);
}

static void
go_round(struct round *r)
{
	struct witnesses *w = r->all;
	int64_t began = clock_mono_ms();
	bool asked = false;

	for (size_t i = 0; i < w->n; i++) {
		struct witness_state *s = &w->v[i];
		struct gg_error err = { 0 };
		int rc;

		if (s->has_line || clock_mono_ms() < s->next_mono_ms ||
		    atomic_load(&r->gate->stopping))
			continue;
		asked = true;
		rc = ask(r, s, &err);
		if (atomic_load(&r->gate->stopping))
			return;
		take_result(r, s, rc, &err);
	}
	if (asked) {
		struct gg_error err = { 0 };

		conclude(r, began, &err);
	}
}

/* -- the thread -- */

/* The checkpoint with the log's own signatures only. */
static void
add_bare(struct buf *out, struct view note, const char *origin)
{
	struct note n;

	if (note_parse(note, &n, NULL) != 0)
		return;
	buf_addv(out, n.text);
	buf_addc(out, '\n');
	for (size_t i = 0; i < n.n_sigs; i++)
		if (view_eq_str(n.sigs[i].name, origin))
			buf_addf(out, "\xe2\x80\x94 %s %.*s\n", origin,
			    (int)n.sigs[i].base64.n, n.sigs[i].base64.p);
}

/* The newest checkpoint into r->note; true: it is another one. */
static bool
read_note(struct round *r)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(NOTE_MAX_BYTES);
	struct note_vkey k;
	struct checkpoint c;

	if (note_vkey_parse(view_str(auditlog_vkey(r->gate->log)), &k, NULL) !=
		0 ||
	    auditlog_checkpoint(r->gate->log, false, &text, NULL) != 0 ||
	    checkpoint_open(buf_view(&text), &k, &c, NULL) != 0)
		return false;
	if (r->note.n > 0 && c.size == r->c.size)
		return false;
	buf_clear(&r->note);
	add_bare(&r->note, buf_view(&text), k.name);
	return checkpoint_open(buf_view(&r->note), &k, &r->c, NULL) == 0;
}

static bool
is_settled(const struct witnesses *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!w->v[i].has_line)
			return false;
	return true;
}

static void
note_waiting(struct witnesses *w)
{
	pthread_mutex_lock(&w->mutex);
	if (w->waiting_since_ms == 0)
		w->waiting_since_ms = clock_mono_ms();
	pthread_mutex_unlock(&w->mutex);
}

static void
turn(struct round *r)
{
	struct witnesses *w = r->all;
	int64_t now = clock_mono_ms();
	const struct config *c = r->config;

	follow_config(r->gate, w, c);
	if (w->n == 0 ||
	    (w->round_mono_ms != 0 &&
		now - w->round_mono_ms < (int64_t)c->limits.witness_pause_ms))
		return;
	if (read_note(r)) {
		for (size_t i = 0; i < w->n; i++)
			w->v[i].has_line = false;
		note_waiting(w);
	}
	if (r->note.n == 0 || is_settled(w))
		return;
	w->round_mono_ms = now;
	go_round(r);
}

static void *
work(void *arg)
{
	const struct timespec pause = { 0, TICK_MS * 1000000L };
	struct round r = { .gate = arg };
	struct snapshot *last = NULL; /* held, so that no other has its place */

	r.all = r.gate->witnesses;
	buf_init(&r.note, NOTE_MAX_BYTES);
	while (!atomic_load(&r.gate->stopping)) {
		GG_AUTO_SNAPSHOT snap = gate_snapshot(r.gate);
		struct snapshot *was = last;

		r.config = snap->config;
		r.policy = snap->witnesses;
		if (snap != last) {
			check_terms(r.gate, r.all, r.policy);
			last = gg_take(snap);
			snapshot_unref(was);
		}
		turn(&r);
		(void)nanosleep(&pause, NULL);
	}
	buf_release(&r.note);
	snapshot_unref(last);
	return NULL;
}

int
witness_start(struct gate *g, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct witnesses *w;
	int rc;

	/* when the policy was read there was no log yet */
	if ((rc = check_key(g, snap->config, snap->witnesses, err)) != 0)
		return rc;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "witnesses");
	pthread_mutex_init(&w->mutex, NULL);
	g->witnesses = w;
	if (pthread_create(&w->thread, NULL, work, g) != 0)
		return gg_fail(err, GG_E_SYS, "thread");
	return 0;
}

void
witness_stop(struct gate *g)
{
	(void)pthread_join(g->witnesses->thread, NULL);
}

/* -- for requests -- */

int
witness_admit(struct gate *g, const struct config *c, struct gg_error *err)
{
	struct witnesses *w = g->witnesses;
	int64_t since;
	bool confirmed, is_hopeless;

	if (!auditlog_is_writable(g->log))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the audit log cannot be written");
	if (!c->witness_required || c->n_witnesses == 0)
		return 0;
	pthread_mutex_lock(&w->mutex);
	confirmed = w->is_confirmed;
	since = w->waiting_since_ms;
	is_hopeless = w->is_hopeless;
	pthread_mutex_unlock(&w->mutex);
	if (is_hopeless)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "witnesses know another history of the audit log; its "
		    "operator must look at it");
	if (!confirmed)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the audit log's witnesses have not confirmed it yet");
	if (since != 0 &&
	    clock_mono_ms() - since > (int64_t)c->limits.witness_wait_ms)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "limit witness-wait: the audit log's witnesses do not "
		    "answer");
	return 0;
}

static void
add(struct buf *b, const char *name, const char *help, uint64_t value)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help,
	    name, name, (unsigned long long)value);
}

void
witness_metrics(struct gate *g, struct buf *b)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct witnesses *w = g->witnesses;
	uint64_t size = auditlog_size(g->log);

	if (snap->config->n_witnesses == 0)
		return;
	pthread_mutex_lock(&w->mutex);
	if (w->is_confirmed)
		add(b, "gitgate_witness_age_seconds",
		    "Since a quorum of witnesses last signed the audit log.",
		    (uint64_t)(clock_mono_ms() - w->quorum_mono_ms) / 1000);
	add(b, "gitgate_witness_behind_entries",
	    "Entries that no quorum of witnesses has signed yet.",
	    size > w->size ? size - w->size : 0);
	add(b, "gitgate_witnesses_forked",
	    "Witnesses that know another history of the audit log.",
	    w->n_forked);
	pthread_mutex_unlock(&w->mutex);
}
