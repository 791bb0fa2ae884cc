#include "role/gate_issuers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "crypto/digest.h"
#include "identity/id_token.h"
#include "identity/key_cache.h"
#include "role/gate.h"
#include "role/gate_messenger.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

#define DISCOVERY    "/.well-known/openid-configuration"
#define URL_MAX      2048
#define SHORT_ID_HEX 16
#define SLACK_MS     15000 /* beyond what two errands take */

/* The keys of one issuer, as long as the configuration says the same of where
 * they come from. */
struct issuer_keys {
	struct issuer_keys *next;
	char *name, *issuer, *jwks_uri, *jwks_file, *ca_file;
	struct key_cache cache;
	unsigned users; /* requests that are at it */
	bool dropped;   /* out of the list: the last user frees it */
};

struct issuers {
	pthread_mutex_t mutex;
	pthread_cond_t cond; /* a fetch ended */
	struct issuer_keys *list;
	unsigned n_waiting; /* requests that fetch or wait */
};

int
issuers_new(struct gate *g, struct gg_error *err)
{
	struct issuers *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "issuers");
	pthread_mutex_init(&s->mutex, NULL);
	cond_init(&s->cond);
	g->issuers = s;
	return 0;
}

/* -- which keys are whose -- */

static void
keys_free(struct issuer_keys *k)
{
	key_cache_release(&k->cache);
	free(k->name);
	free(k->issuer);
	free(k->jwks_uri);
	free(k->jwks_file);
	free(k->ca_file);
	free(k);
}

static bool
is_of(const struct issuer_keys *k, const struct issuer *i)
{
	return str_same(k->name, i->name) && str_same(k->issuer, i->issuer) &&
	    str_same(k->jwks_uri, i->jwks_uri) &&
	    str_same(k->jwks_file, i->jwks_file) &&
	    str_same(k->ca_file, i->ca_file);
}

/* With the mutex held. */
static struct issuer_keys *
keys_use(struct issuers *s, const struct issuer *i)
{
	struct issuer_keys *k = s->list;

	while (k != NULL && !is_of(k, i))
		k = k->next;
	if (k == NULL) {
		if ((k = calloc(1, sizeof(*k))) == NULL)
			gg_die("no memory for an issuer");
		k->name = str_copy(i->name);
		k->issuer = str_copy(i->issuer);
		k->jwks_uri = str_copy(i->jwks_uri);
		k->jwks_file = str_copy(i->jwks_file);
		k->ca_file = str_copy(i->ca_file);
		k->next = s->list;
		s->list = k;
	}
	k->users++;
	return k;
}

static void
keys_leave(struct issuer_keys *k)
{
	if (--k->users == 0 && k->dropped)
		keys_free(k);
}

/* A pinned file is read again, whatever else is the same. */
static bool
is_kept(const struct issuer_keys *k, const struct identity *now)
{
	for (size_t i = 0; i < now->n_issuers; i++)
		if (is_of(k, &now->issuers[i]))
			return k->jwks_file == NULL;
	return false;
}

void
issuers_reloaded(struct gate *g)
{
	struct issuers *s = g->issuers;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->mutex);
	for (struct issuer_keys **at = &s->list; *at != NULL;) {
		struct issuer_keys *k = *at;

		if (is_kept(k, &snap->config->identity)) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		k->dropped = true;
		k->users++;
		keys_leave(k);
	}
	pthread_mutex_unlock(&s->mutex);
}

/* -- fetching -- */

struct fetched {
	struct jwks *keys;
	uint64_t max_age_s;
	uint64_t retry_after_s;
};

static int
get(struct gate *g, const struct issuer *i, const char *url,
    struct errand_answer *a, struct gg_error *err)
{
	const struct errand e = {
		.kind = ERRAND_ISSUER, .name = i->name, .url = url
	};
	int rc = messenger_run(g, &e, a, err);

	if (rc != 0)
		return rc;
	if (a->status != 200)
		return gg_fail(err, GG_E_UNAVAILABLE, "it answered HTTP %u",
		    a->status);
	return 0;
}

/* Whose document is it, and where are the keys? (OpenID Connect Discovery
 * 4.3: the issuer must be exactly the one that was asked for.) */
static int
read_discovery(const struct issuer *i, struct view json, struct buf *uri,
    struct gg_error *err)
{
	json_t *doc = json_loadb(json.p != NULL ? json.p : "", json.n,
	    JSON_REJECT_DUPLICATES, NULL);
	const char *iss = json_string_value(json_object_get(doc, "issuer"));
	const char *at = json_string_value(json_object_get(doc, "jwks_uri"));
	int rc = 0;

	if (iss == NULL || at == NULL || *at == '\0')
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "its discovery document is not one");
	else if (strcmp(iss, i->issuer) != 0)
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "its discovery document is of another issuer");
	else
		buf_adds(uri, at);
	json_decref(doc);
	if (rc == 0 && uri->failed != 0)
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "its discovery document names too long a URL");
	return rc;
}

static int
discover(struct gate *g, const struct issuer *i, struct buf *uri,
    uint64_t *retry_after_s, struct gg_error *err)
{
	GG_AUTO_RELEASE(errand_answer) a = { 0 };
	GG_AUTO_RELEASE(buf) url = BUF_INIT(URL_MAX);
	struct view base = view_str(i->issuer);
	int rc;

	if (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	buf_addv(&url, base);
	buf_adds(&url, DISCOVERY);
	if ((rc = buf_check(&url, err)) != 0)
		return rc;
	rc = get(g, i, buf_str(&url), &a, err);
	*retry_after_s = a.retry_after_s;
	return rc != 0 ? rc : read_discovery(i, buf_view(&a.body), uri, err);
}

static int
fetch(struct gate *g, const struct issuer *i, struct fetched *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(errand_answer) a = { 0 };
	GG_AUTO_RELEASE(buf) uri = BUF_INIT(URL_MAX);
	int rc = 0;

	/* Without a URL the messenger reads the issuer's pinned file. */
	if (i->jwks_file == NULL && i->jwks_uri != NULL)
		buf_adds(&uri, i->jwks_uri);
	else if (i->jwks_file == NULL)
		rc = discover(g, i, &uri, &out->retry_after_s, err);
	if (rc == 0 && (rc = buf_check(&uri, err)) == 0) {
		rc = get(g, i, buf_str(&uri), &a, err);
		out->retry_after_s = a.retry_after_s;
		out->max_age_s = a.max_age_s;
	}
	if (rc != 0)
		return rc;
	return jwks_parse(buf_view(&a.body), issuer_key_use(i), &out->keys,
	    err);
}

/* With the mutex held, which is given up meanwhile. */
static void
fetch_into(struct gate *g, const struct issuer *i, struct issuer_keys *k)
{
	struct issuers *s = g->issuers;
	struct fetched f = { 0 };
	struct gg_error err = { 0 };
	int rc;

	pthread_mutex_unlock(&s->mutex);
	rc = fetch(g, i, &f, &err);
	if (rc != 0)
		log_event(EV_issuer_failed, kv_str("issuer", i->name),
		    kv_err(&err));
	else
		log_event(EV_issuer_keys, kv_str("issuer", i->name),
		    kv_u64("keys", jwks_n(f.keys)));
	pthread_mutex_lock(&s->mutex);
	if (rc == 0)
		key_cache_got(&k->cache, f.keys, f.max_age_s, clock_mono_ms());
	else
		key_cache_failed(&k->cache, &err, f.retry_after_s,
		    clock_mono_ms());
	pthread_cond_broadcast(&s->cond);
}

/* -- the keys that a token needs -- */

static int
down(const struct issuer *i, struct gg_error *err)
{
	return gg_fail(err, GG_E_UNAVAILABLE,
	    "the keys of issuer %s cannot be had now; try again soon", i->name);
}

/* With the mutex held. */
static int
keys_for(struct gate *g, const struct config *c, const struct issuer *i,
    struct issuer_keys *k, const char *kid, struct gg_error *err)
{
	struct issuers *s = g->issuers;
	int64_t deadline = clock_mono_ms() +
	    2 * (int64_t)c->limits.messenger_ms + SLACK_MS;
	bool in_time = true;

	while (in_time) {
		enum key_advice say = key_cache_ask(&k->cache, kid,
		    clock_mono_ms());

		if (say == KEY_USE)
			return 0;
		if (say == KEY_UNKNOWN)
			return gg_fail(err, GG_E_REFUSED,
			    "issuer %s has no key with the token's key id",
			    i->name);
		if (say == KEY_DOWN)
			return down(i, err);
		s->n_waiting++;
		/* Slow issuers do not get all workers. */
		if (s->n_waiting > c->limits.issuer_waiting)
			in_time = false;
		if (say == KEY_FETCH && in_time)
			fetch_into(g, i, k);
		else if (say == KEY_FETCH)
			k->cache.fetching = false; /* left to the next one */
		else if (in_time)
			in_time = cond_wait_until(&s->cond, &s->mutex,
			    deadline);
		s->n_waiting--;
	}
	return down(i, err);
}

static int
find_keys(struct gate *g, const struct config *c, const struct issuer *i,
    const char *kid, struct key_set **out, struct gg_error *err)
{
	struct issuers *s = g->issuers;
	struct issuer_keys *k;
	int rc;

	pthread_mutex_lock(&s->mutex);
	k = keys_use(s, i);
	k->cache.cool_ms = (int64_t)c->limits.issuer_cool_ms;
	rc = keys_for(g, c, i, k, kid, err);
	if (rc == 0)
		*out = key_set_ref(k->cache.set);
	keys_leave(k);
	pthread_mutex_unlock(&s->mutex);
	return rc;
}

/* -- a token -- */

static int
read_token(const struct config *c, struct view token, struct jws *j,
    const struct issuer **i, struct gg_error *err)
{
	int rc = jws_parse(token, issuer_token_types, j, err);

	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_REFUSED, "the token is too large");
	if (rc != 0)
		return rc;
	if (j->claims == NULL)
		return gg_fail(err, GG_E_REFUSED, "the token has no claims");
	*i = issuer_select(c->identity.issuers, c->identity.n_issuers,
	    j->claims);
	if (*i == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the token is of no issuer that this gate knows");
	return 0;
}

/* What names the token where it has no id of its own. */
static int
fill_id(struct principal *p, struct view token, struct gg_error *err)
{
	char hash[DIGEST_SHA256_HEX_SIZE];

	if (p->credential_id != NULL && *p->credential_id != '\0')
		return 0;
	digest_sha256_hex(token, hash);
	free(p->credential_id);
	p->credential_id = view_dup(view_of(hash, SHORT_ID_HEX));
	return p->credential_id != NULL ? 0 :
					  gg_fail(err, GG_E_NOMEM, "principal");
}

int
issuers_verify(void *ctx, struct view token, struct principal *out,
    struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(principal) p = { 0 };
	GG_AUTO_RELEASE(jws) j = { 0 };
	const struct issuer *i = NULL;
	struct key_set *keys = NULL;
	int rc;

	if ((rc = read_token(snap->config, token, &j, &i, err)) != 0 ||
	    (rc = find_keys(g, snap->config, i, j.kid, &keys, err)) != 0)
		return rc;
	rc = issuer_verify(i, &j, keys->keys, err);
	key_set_unref(keys);
	if (rc == GG_E_NOTFOUND)
		rc = gg_fail(err, GG_E_REFUSED,
		    "issuer %s has no key for this token", i->name);
	if (rc != 0 ||
	    (rc = issuer_principal(i, j.claims, clock_wall_ms(), &p, err)) !=
		0 ||
	    (rc = fill_id(&p, token, err)) != 0)
		return rc;
	*out = p;
	p = (struct principal){ 0 };
	return 0;
}
