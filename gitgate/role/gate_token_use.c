/*
 * A token serves one repository: the first one that it touches. It is a
 * bearer's: whoever gets hold of it, in a log or a cache of a pipeline, cannot
 * take it elsewhere. The store knows, for other processes and the next start;
 * what was seen is kept in memory, so that a request more costs no query.
 */
#include "base/log.h"
#include "crypto/digest.h"
#include "identity/id_token.h"
#include "role/gate.h"
#include "role/gate_issuers.h"

#include <arpa/inet.h>
#include <string.h>

#define SEEN_SLOTS 1024
#define KEPT_MS    (2 * ID_TOKEN_SKEW_MS)

/* Bindings are for good: what is here is true, but that a network may have been
 * erased since. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct seen {
	char hash[DIGEST_SHA256_HEX_SIZE]; /* "": free */
	char repository[REPOSITORY_MAX_BYTES + 1];
	char client[TOKEN_NETWORK_SIZE];
} seen[SEEN_SLOTS];

static struct seen *
slot_of(const char *hash)
{
	unsigned n = 0;

	for (size_t i = 0; i < 4; i++)
		n = n * 31 + (unsigned char)hash[i];
	return &seen[n % SEEN_SLOTS];
}

static bool
recall(const char *hash, struct seen *out)
{
	bool found;

	pthread_mutex_lock(&mutex);
	*out = *slot_of(hash);
	found = strcmp(out->hash, hash) == 0;
	pthread_mutex_unlock(&mutex);
	return found;
}

static void
keep(const struct seen *s)
{
	pthread_mutex_lock(&mutex);
	*slot_of(s->hash) = *s;
	pthread_mutex_unlock(&mutex);
}

void
token_uses_forget(void)
{
	pthread_mutex_lock(&mutex);
	memset(seen, 0, sizeof(seen));
	pthread_mutex_unlock(&mutex);
}

void
token_network(const char *addr, char out[TOKEN_NETWORK_SIZE])
{
	unsigned char b[16] = { 0 };

	out[0] = '\0';
	if (inet_pton(AF_INET, addr, b) == 1)
		(void)snprintf(out, TOKEN_NETWORK_SIZE, "%u.%u.%u.0/24", b[0],
		    b[1], b[2]);
	else if (inet_pton(AF_INET6, addr, b) == 1)
		(void)snprintf(out, TOKEN_NETWORK_SIZE, "%x:%x:%x::/48",
		    (unsigned)b[0] << 8 | b[1], (unsigned)b[2] << 8 | b[3],
		    (unsigned)b[4] << 8 | b[5]);
}

/* 0: the token's binding, made now if there was none. */
static int
bind_stored(struct gate *g, const struct issuer *i, const json_t *claims,
    const char *repository, struct seen *s, struct gg_error *err)
{
	int64_t exp = json_integer_value(json_object_get(claims, "exp"));
	GG_AUTO_RELEASE(stored_token_use) use = { 0 };
	int64_t kept;
	int rc;

	if (__builtin_mul_overflow(exp, 1000, &kept) ||
	    __builtin_add_overflow(kept, KEPT_MS, &kept))
		return gg_fail(err, GG_E_REFUSED, "the token lives too long");
	rc = store_token_use(g->store, s->hash,
	    &(struct token_use){ i->name, repository, s->client, kept }, &use,
	    err);
	if (rc != 0)
		return rc;
	(void)snprintf(s->repository, sizeof(s->repository), "%s",
	    use.repository);
	(void)snprintf(s->client, sizeof(s->client), "%s", use.client);
	keep(s);
	return 0;
}

int
token_bind(struct gate *g, const struct config *c, struct view token,
    const char *repository, const char *client_addr, struct gg_error *err)
{
	GG_AUTO_RELEASE(jws) j = { 0 };
	const struct issuer *i;
	char hash[DIGEST_SHA256_HEX_SIZE], client[TOKEN_NETWORK_SIZE];
	struct seen s;
	int rc = jws_parse(token, issuer_token_types, &j, err);

	if (rc != 0)
		return rc;
	i = issuer_select(c->identity.issuers, c->identity.n_issuers, j.claims);
	if (i == NULL) /* the config changed since it was verified */
		return gg_fail(err, GG_E_REFUSED,
		    "the token is of no issuer that this gate knows");
	if ((rc = issuer_repository(i, j.claims, repository, err)) != 0)
		return rc;
	/* Of what is signed: a signature can be written in two ways. */
	digest_sha256_hex(j.signed_bytes, hash);
	token_network(client_addr, client);
	if (!recall(hash, &s)) {
		memcpy(s.hash, hash, sizeof(s.hash));
		memcpy(s.client, client, sizeof(s.client));
		if ((rc = bind_stored(g, i, j.claims, repository, &s, err)) !=
		    0)
			return rc;
	}
	if (strcmp(s.repository, repository) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "this token was used for another repository; a token "
		    "serves one: ask the pipeline for a fresh one");
	/* "": erased, so nobody knows */
	if (s.client[0] != '\0' && strcmp(s.client, client) != 0)
		log_event(EV_token_moved, kv_str("issuer", i->name),
		    kv_str("repository", repository),
		    kv_str("addr", client_addr), kv_str("first", s.client));
	return 0;
}
