#include "role/gate_signin.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/wait.h"
#include "identity/key_cache.h"
#include "role/gate.h"
#include "role/gate_messenger.h"

#include <stdlib.h>
#include <string.h>

#define COOL_LEAST_MS 1000
#define SLACK_MS      15000 /* beyond what two errands take */

/* What is known of one provider, as long as the configuration says the same
 * of where it is. Document and keys are fetched together. */
struct site {
	struct site *next;
	char *name, *issuer, *ca_file;
	struct key_cache cache;
	struct oidc_site where; /* good where the cache has a set */
	unsigned users;         /* requests that are at it */
};

struct signin {
	pthread_mutex_t mutex;
	pthread_cond_t cond; /* a fetch ended */
	struct site *list;
	uint64_t n_waiting; /* requests that wait for a provider */
};

int
signin_new(struct gate *g, struct gg_error *err)
{
	struct signin *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "sign-ins");
	pthread_mutex_init(&s->mutex, NULL);
	cond_init(&s->cond);
	g->signin = s;
	return 0;
}

/* -- which provider -- */

static void
site_free(struct site *x)
{
	key_cache_release(&x->cache);
	oidc_site_release(&x->where);
	free(x->name);
	free(x->issuer);
	free(x->ca_file);
	free(x);
}

static bool
is_of(const struct site *x, const struct provider *p)
{
	return str_same(x->name, p->name) && str_same(x->issuer, p->issuer) &&
	    str_same(x->ca_file, p->ca_file);
}

/* With the mutex held. What the name meant before a reload goes, unless
 * somebody is at it. */
static struct site *
site_use(struct signin *s, const struct provider *p)
{
	struct site *found = NULL;

	for (struct site **at = &s->list; *at != NULL;) {
		struct site *x = *at;

		if (is_of(x, p)) {
			found = x;
		} else if (str_same(x->name, p->name) && x->users == 0) {
			*at = x->next;
			site_free(x);
			continue;
		}
		at = &x->next;
	}
	if (found == NULL) {
		if ((found = calloc(1, sizeof(*found))) == NULL)
			gg_die("no memory for a provider");
		found->name = str_copy(p->name);
		found->issuer = str_copy(p->issuer);
		found->ca_file = str_copy(p->ca_file);
		found->next = s->list;
		s->list = found;
	}
	found->users++;
	return found;
}

/* -- fetching -- */

/* What the messenger may not do is not the person's fault. */
static int
run(struct gate *g, const struct errand *e, struct errand_answer *a,
    struct gg_error *err)
{
	int rc = messenger_run(g, e, a, err);

	return rc != 0 ?
	    gg_wrap(err, GG_E_UNAVAILABLE, "provider %s", e->name) :
	    0;
}

static int
get(struct gate *g, const struct provider *p, const char *url,
    struct errand_answer *a, struct gg_error *err)
{
	const struct errand e = {
		.kind = ERRAND_PROVIDER, .name = p->name, .url = url
	};
	int rc = run(g, &e, a, err);

	if (rc != 0)
		return rc;
	if (a->status != 200)
		return gg_fail(err, GG_E_UNAVAILABLE, "it answered HTTP %u",
		    a->status);
	return 0;
}

struct fetched {
	struct oidc_site where;
	struct jwks *keys;
	uint64_t max_age_s, retry_after_s;
};

static int
fetch(struct gate *g, const struct provider *p, struct fetched *f,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(errand_answer) doc = { 0 };
	GG_AUTO_RELEASE(errand_answer) keys = { 0 };
	GG_AUTO_RELEASE(buf) url = BUF_INIT(OIDC_URL_MAX_BYTES);
	int rc;

	oidc_discovery_url(p, &url);
	if ((rc = buf_check(&url, err)) != 0)
		return rc;
	rc = get(g, p, buf_str(&url), &doc, err);
	f->retry_after_s = doc.retry_after_s;
	if (rc != 0 ||
	    (rc = oidc_site_read(p, buf_view(&doc.body), &f->where, err)) != 0)
		return rc;
	rc = get(g, p, f->where.jwks, &keys, err);
	f->retry_after_s = keys.retry_after_s;
	f->max_age_s = keys.max_age_s;
	return rc != 0 ? rc :
			 jwks_parse(buf_view(&keys.body), "sig", &f->keys, err);
}

/* With the mutex held, which is given up meanwhile. */
static void
fetch_into(struct gate *g, const struct provider *p, struct site *x)
{
	struct signin *s = g->signin;
	struct fetched f = { 0 };
	struct gg_error err = { 0 };
	int rc;

	pthread_mutex_unlock(&s->mutex);
	rc = fetch(g, p, &f, &err);
	if (rc != 0)
		log_event(EV_provider_failed, kv_str("provider", p->name),
		    kv_err(&err));
	pthread_mutex_lock(&s->mutex);
	if (rc == 0) {
		oidc_site_release(&x->where);
		x->where = f.where;
		key_cache_got(&x->cache, f.keys, f.max_age_s, clock_mono_ms());
	} else {
		oidc_site_release(&f.where);
		key_cache_failed(&x->cache, &err, f.retry_after_s,
		    clock_mono_ms());
	}
	pthread_cond_broadcast(&s->cond);
}

static int
down(const struct provider *p, struct gg_error *err)
{
	return gg_fail(err, GG_E_UNAVAILABLE, "provider %s cannot be asked now",
	    p->name);
}

/* With the mutex held. kid NULL: the document is what matters. */
static int
make_known(struct gate *g, const struct provider *p, struct site *x,
    const char *kid, int64_t deadline, struct gg_error *err)
{
	bool fetched = false;

	for (;;) {
		enum key_advice say = key_cache_ask(&x->cache, kid,
		    clock_mono_ms());

		/* One sign-in asks once, however short the cool-down is. */
		if (say == KEY_FETCH && fetched) {
			x->cache.fetching = false;
			pthread_cond_broadcast(&g->signin->cond);
			say = x->cache.failed ? KEY_DOWN : KEY_UNKNOWN;
		}
		if (say == KEY_USE ||
		    (say == KEY_UNKNOWN && kid == NULL && x->cache.set != NULL))
			return 0;
		if (say == KEY_UNKNOWN)
			return gg_fail(err, GG_E_REFUSED,
			    "the token's key is none that it shows");
		if (say == KEY_DOWN)
			return down(p, err);
		if (say == KEY_FETCH) {
			fetch_into(g, p, x);
			fetched = true;
		} else if (!cond_wait_until(&g->signin->cond, &g->signin->mutex,
			       deadline))
			return down(p, err);
	}
}

/* Either of where and keys may be NULL. */
static int
know(struct gate *g, const struct config *c, const struct provider *p,
    const char *kid, struct oidc_site *where, struct key_set **keys,
    struct gg_error *err)
{
	struct signin *s = g->signin;
	int64_t deadline = clock_mono_ms() +
	    2 * (int64_t)c->limits.messenger_ms + SLACK_MS;
	struct site *x;
	int rc;

	pthread_mutex_lock(&s->mutex);
	x = site_use(s, p);
	/* never without a pause: whoever is down would be asked in a loop */
	x->cache.cool_ms = (int64_t)c->limits.issuer_cool_ms;
	if (x->cache.cool_ms < COOL_LEAST_MS)
		x->cache.cool_ms = COOL_LEAST_MS;
	rc = make_known(g, p, x, kid, deadline, err);
	if (rc == 0 && where != NULL)
		oidc_site_copy(where, &x->where);
	if (rc == 0 && keys != NULL)
		*keys = key_set_ref(x->cache.set);
	x->users--;
	pthread_mutex_unlock(&s->mutex);
	return rc;
}

/* A slow provider does not get all workers. */
static int
enter(struct signin *s, const struct config *c, struct gg_error *err)
{
	bool full;

	pthread_mutex_lock(&s->mutex);
	full = s->n_waiting >= c->limits.sign_ins_waiting;
	if (!full)
		s->n_waiting++;
	pthread_mutex_unlock(&s->mutex);
	return full ? gg_fail(err, GG_E_UNAVAILABLE,
			  "too many sign-ins at once (sign-ins-waiting)") :
		      0;
}

static void
leave(struct signin *s)
{
	pthread_mutex_lock(&s->mutex);
	s->n_waiting--;
	pthread_mutex_unlock(&s->mutex);
}

int
gate_oidc_site(void *ctx, const struct provider *p, struct oidc_site *out,
    struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	int rc = enter(g->signin, snap->config, err);

	if (rc != 0)
		return rc;
	rc = know(g, snap->config, p, NULL, out, NULL, err);
	leave(g->signin);
	return rc;
}

/* -- a code -- */

static int
change_code(struct gate *g, const struct provider *p,
    const struct oidc_site *site, const struct oidc_exchange *x,
    struct oidc_tokens *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(errand_answer) a = { 0 };
	struct buf form = BUF_INIT(32768);
	struct errand e = {
		.kind = ERRAND_TOKEN, .name = p->name, .url = site->token
	};
	int rc;

	oidc_token_form(x->code, x->verifier, x->redirect_uri, &form);
	if ((rc = buf_check(&form, err)) == 0) {
		e.body = buf_view(&form);
		rc = run(g, &e, &a, err);
	}
	if (form.p != NULL)
		explicit_bzero(form.p, form.n);
	buf_release(&form);
	if (rc == 0 && (a.status >= 500 || a.status == 429))
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "the token endpoint answered HTTP %u", a.status);
	else if (rc == 0 && a.status != 200)
		rc = gg_fail(err, GG_E_REFUSED, "the code was not taken");
	if (rc == 0)
		rc = oidc_tokens_read(buf_view(&a.body), out, err);
	if (a.body.p != NULL)
		explicit_bzero(a.body.p, a.body.n);
	return rc;
}

/* Its signature, then what it says. */
static int
verify(struct gate *g, const struct config *c, const struct provider *p,
    const struct oidc_exchange *x, const struct oidc_tokens *t, struct jws *j,
    struct gg_error *err)
{
	struct key_set *keys = NULL;
	int rc = jws_parse(view_str(t->id_token), oidc_token_types, j, err);

	if (rc != 0 || (rc = know(g, c, p, j->kid, NULL, &keys, err)) != 0)
		return rc;
	rc = jws_verify(j, keys->keys, oidc_algorithms(p), err);
	key_set_unref(keys);
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_REFUSED,
		    "no key of the provider fits the token");
	return rc != 0 ?
	    rc :
	    oidc_check(p, j, t->access_token, x->nonce, clock_wall_ms(), err);
}

static int
not_good(const struct provider *p, struct gg_error *err)
{
	GG_AUTO_MEM char *why = path_f("%s", err->msg);

	return gg_fail(err, GG_E_REFUSED,
	    "The answer of %s is not good: %s. Try again.", p->title, why);
}

int
gate_oidc_code(void *ctx, const struct provider *p,
    const struct oidc_exchange *x, struct oidc_person *out,
    struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(oidc_site) site = { 0 };
	GG_AUTO_RELEASE(oidc_tokens) tokens = { 0 };
	GG_AUTO_RELEASE(jws) j = { 0 };
	int rc = enter(g->signin, snap->config, err);

	if (rc != 0)
		return rc;
	if ((rc = know(g, snap->config, p, NULL, &site, NULL, err)) == 0 &&
	    (rc = change_code(g, p, &site, x, &tokens, err)) == 0)
		rc = verify(g, snap->config, p, x, &tokens, &j, err);
	leave(g->signin);
	if (rc == GG_E_REFUSED || rc == GG_E_LIMIT)
		return not_good(p, err);
	return rc != 0 ? rc : oidc_person_of(p, j.claims, out, err);
}
