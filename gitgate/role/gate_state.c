#include "role/gate.h"

#include "audit/tlog_policy.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "role/gate_issuers.h"
#include "role/gate_tls.h"
#include "role/gate_witness.h"
#include "role/kept_policy.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX_BYTES ((size_t)1 << 20)
/* Of the 32 workers that gate_main.c has beyond those for pushes. */
#define REFUSALS_MAX 8

/* -- snapshots -- */

struct snapshot *
gate_snapshot(struct gate *g)
{
	struct snapshot *s;

	pthread_mutex_lock(&g->mutex);
	s = g->snap;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&g->mutex);
	return s;
}

void
snapshot_unref(struct snapshot *s)
{
	struct snapshot **at;
	struct gate *g;

	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	g = s->gate;
	pthread_mutex_lock(&g->mutex);
	for (at = &g->snap; *at != NULL && *at != s; at = &(*at)->next)
		continue;
	if (*at != NULL)
		*at = s->next;
	pthread_mutex_unlock(&g->mutex);
	config_free(s->config);
	ruleset_free(s->ruleset);
	tlog_policy_free(s->witnesses);
	if (s->rules_fd > 0)
		fd_close(s->rules_fd);
	free(s);
}

struct snapshot *
gate_snapshot_of(struct gate *g, const struct config *c,
    const struct ruleset *rs)
{
	struct snapshot *s;

	pthread_mutex_lock(&g->mutex);
	for (s = g->snap; s != NULL; s = s->next)
		if ((c != NULL && s->config == c) ||
		    (rs != NULL && s->ruleset == rs))
			break;
	pthread_mutex_unlock(&g->mutex);
	return s;
}

int
gate_load(struct gate *g, int config_fd, int policy_fd, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(CONFIG_MAX_BYTES);
	GG_AUTO(config) config = NULL;
	GG_AUTO(ruleset) ruleset = NULL;
	GG_AUTO(tlog_policy) witnesses = NULL;
	struct snapshot *fresh, *old;
	int rc;

	if ((rc = fd_pread_all(config_fd, &text, err)) != 0 ||
	    (rc = config_parse(buf_view(&text), g->config_file, &config,
		 err)) != 0 ||
	    (rc = ruleset_load(config->policy_dir, &ruleset, NULL, err)) != 0)
		return rc;
	if ((rc = witness_load(g, config, policy_fd, &witnesses, err)) != 0)
		return rc;
	if ((fresh = calloc(1, sizeof(*fresh))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "config");
	atomic_init(&fresh->refs, 1);
	fresh->config = gg_take(config);
	fresh->ruleset = gg_take(ruleset);
	fresh->witnesses = gg_take(witnesses);
	fresh->gate = g;
	/* At the start there is nobody yet who could compile. */
	if (g->inspectors != NULL &&
	    (rc = gate_rules_load(g, fresh, g->snap, err)) != 0) {
		snapshot_unref(fresh);
		return rc;
	}
	/* Last, as it cannot be undone. */
	if ((rc = gate_tls_reload(g, fresh->config, err)) != 0) {
		snapshot_unref(fresh);
		return rc;
	}
	if (kept_policy_add(fresh->config, fresh->ruleset, err) != 0)
		log_event(EV_policy_not_kept, kv_err(err));
	pthread_mutex_lock(&g->mutex);
	old = g->snap;
	fresh->next = old;
	g->snap = fresh;
	pthread_mutex_unlock(&g->mutex);
	snapshot_unref(old);
	issuers_reloaded(g);
	return 0;
}

/* -- what goes out -- */

void
gate_hide_places(const struct config *c, char *msg)
{
	static const char name[] = "[state]";
	size_t n = strlen(c->state_dir), keep = sizeof(name) - 1;

	/* Not longer than what it stands for: msg has room for no more. */
	keep = keep < n ? keep : n;
	while (n > 1 && (msg = strstr(msg, c->state_dir)) != NULL) {
		memcpy(msg, name, keep);
		memmove(msg + keep, msg + n, strlen(msg + n) + 1);
		msg += keep;
	}
}

/* -- adverts -- */

struct shared_advert *
shared_advert_new(struct advert *a)
{
	struct shared_advert *s = calloc(1, sizeof(*s));

	if (s == NULL)
		gg_die("no memory for refs");
	atomic_init(&s->refs, 1);
	s->advert = a;
	return s;
}

struct shared_advert *
shared_advert_ref(struct shared_advert *s)
{
	if (s != NULL)
		atomic_fetch_add(&s->refs, 1);
	return s;
}

void
shared_advert_unref(struct shared_advert *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	advert_free(s->advert);
	free(s);
}

/* -- repositories -- */

struct repo_state *
gate_repo(struct gate *g, const char *name)
{
	struct repo_state *r;

	pthread_mutex_lock(&g->mutex);
	for (r = g->repos; r != NULL; r = r->next)
		if (strcmp(r->name, name) == 0)
			break;
	if (r == NULL) {
		if ((r = calloc(1, sizeof(*r))) == NULL)
			gg_die("no memory for a repository");
		(void)snprintf(r->name, sizeof(r->name), "%s", name);
		pthread_mutex_init(&r->mutex, NULL);
		pthread_cond_init(&r->cond, NULL);
		r->next = g->repos;
		g->repos = r;
	}
	pthread_mutex_unlock(&g->mutex);
	return r;
}

/* -- admission -- */

/* The limit that one push more would be beyond, or NULL. Under the mutex. */
static const char *
full_by(const struct gate *g, const struct limits *l, const char *principal)
{
	const struct in_hand *h = g->hands;

	if (g->n_pushes >= l->pushes)
		return "concurrent-pushes";
	while (h != NULL && strcmp(h->principal, principal) != 0)
		h = h->next;
	return h != NULL && h->n >= l->pushes_per_principal ?
	    "concurrent-pushes-per-principal" :
	    NULL;
}

bool
gate_is_full(struct gate *g, const struct limits *l, const char *principal,
    const char **limit)
{
	pthread_mutex_lock(&g->mutex);
	*limit = full_by(g, l, principal);
	pthread_mutex_unlock(&g->mutex);
	return *limit != NULL;
}

static struct in_hand *
hand_of(struct gate *g, const char *principal)
{
	struct in_hand *h;

	for (h = g->hands; h != NULL; h = h->next)
		if (strcmp(h->principal, principal) == 0)
			return h;
	if ((h = calloc(1, sizeof(*h))) == NULL)
		gg_die("no memory for admission");
	(void)snprintf(h->principal, sizeof(h->principal), "%s", principal);
	h->next = g->hands;
	g->hands = h;
	return h;
}

int
gate_enter_push(struct gate *g, const struct limits *l, const char *principal,
    const char **limit, struct gg_error *err)
{
	pthread_mutex_lock(&g->mutex);
	*limit = full_by(g, l, principal);
	if (*limit == NULL) {
		g->n_pushes++;
		hand_of(g, principal)->n++;
	}
	pthread_mutex_unlock(&g->mutex);
	if (*limit == NULL)
		return 0;
	return gg_fail(err, GG_E_LIMIT,
	    "too many pushes are in hand; try again in a moment");
}

void
gate_leave_push(struct gate *g, const char *principal)
{
	struct in_hand **at;

	pthread_mutex_lock(&g->mutex);
	g->n_pushes--;
	for (at = &g->hands; *at != NULL; at = &(*at)->next) {
		struct in_hand *h = *at;

		if (strcmp(h->principal, principal) != 0)
			continue;
		if (--h->n == 0) {
			*at = h->next;
			free(h);
		}
		break;
	}
	pthread_mutex_unlock(&g->mutex);
}

bool
gate_enter_refusal(struct gate *g)
{
	bool room;

	pthread_mutex_lock(&g->mutex);
	room = g->n_refusals < REFUSALS_MAX;
	g->n_refusals += room;
	pthread_mutex_unlock(&g->mutex);
	return room;
}

void
gate_leave_refusal(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	g->n_refusals--;
	pthread_mutex_unlock(&g->mutex);
}

int
gate_enter_fetch(struct gate *g, const struct limits *l, struct gg_error *err)
{
	bool full;

	pthread_mutex_lock(&g->mutex);
	full = g->n_fetches >= l->fetches;
	if (!full)
		g->n_fetches++;
	pthread_mutex_unlock(&g->mutex);
	if (full)
		return gg_fail(err, GG_E_LIMIT,
		    "limit concurrent-fetches: too many fetches are in hand; "
		    "try again in a moment");
	gate_count(g, METRIC_FETCHES);
	return 0;
}

void
gate_leave_fetch(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	g->n_fetches--;
	pthread_mutex_unlock(&g->mutex);
}

bool
gate_take_live(struct gate *g, const char *id)
{
	bool had;

	pthread_mutex_lock(&g->mutex);
	had = strv_has(&g->live, id);
	if (!had)
		strv_add(&g->live, id);
	pthread_mutex_unlock(&g->mutex);
	return !had;
}

void
gate_drop_live(struct gate *g, const char *id)
{
	pthread_mutex_lock(&g->mutex);
	for (size_t i = 0; i < g->live.n; i++) {
		if (strcmp(g->live.v[i], id) != 0)
			continue;
		free(g->live.v[i]);
		g->live.v[i] = g->live.v[--g->live.n];
		g->live.v[g->live.n] = NULL;
		break;
	}
	pthread_mutex_unlock(&g->mutex);
}
