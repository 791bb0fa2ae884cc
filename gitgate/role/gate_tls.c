#include "role/gate_tls.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "identity/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
/* Renewing usually happens 30 days before the end. */
#define SOON_MS (14 * DAY_MS)

/* All that `tls:` names, read at one time. */
struct loaded {
	struct buf chain, key;
	struct http_tls tls;
	struct x509_server facts;
	struct x509_trust *trust;
	char *stamp;
};

struct gate_tls {
	/* One who loads at a time. */
	pthread_mutex_t mutex;
	/* Whoever verifies a client reads; replacing writes. */
	pthread_rwlock_t trust_lock;
	struct x509_trust *trust; /* NULL: no client certificates */
	struct loaded first;
	bool has_pair;
	char *stamp; /* of the files in force */
	char *seen;  /* of the files when last looked at: a change is taken
	                when nothing moved for one round */
	char *bad;   /* of files that could not be used: said once */
	int64_t warned_ms;
	atomic_llong ends_ms, crl_ends_ms;
	atomic_ullong loads, failures;
	atomic_bool is_used; /* the config has a `tls:` */
	atomic_bool stale;   /* the files are not what is in force */
};

static void
loaded_release(struct loaded *l)
{
	if (l->key.p != NULL)
		explicit_bzero(l->key.p, l->key.n);
	buf_release(&l->chain);
	buf_release(&l->key);
	x509_trust_free(l->trust);
	free(l->stamp);
	*l = (struct loaded){ 0 };
}
GG_DEFINE_AUTO_RELEASE(loaded);

/* -- files -- */

static void
stamp_file(const char *path, struct buf *out)
{
	struct stat st;

	if (path == NULL)
		return;
	if (stat(path, &st) != 0)
		buf_addf(out, "%d;", errno);
	else
		buf_addf(out, "%llu:%llu:%lld:%lld.%ld;",
		    (unsigned long long)st.st_dev,
		    (unsigned long long)st.st_ino, (long long)st.st_size,
		    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* Another text when a file was replaced or written; no text: no memory. */
static char *
stamp_of(const struct tls *t)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)64 * 1024);

	buf_adds(&b, "tls;");
	stamp_file(t->certificate_file, &b);
	stamp_file(t->key_file, &b);
	stamp_file(t->client_ca_file, &b);
	for (size_t i = 0; i < t->client_crl_files.n; i++)
		stamp_file(t->client_crl_files.v[i], &b);
	return buf_check(&b, NULL) == 0 ? buf_take(&b) : NULL;
}

static bool
is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Group may read it (Debian's ssl-cert), others not. */
static int
check_key_mode(const char *path, struct gg_error *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 007) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s is open to others (mode %03o, 600 is right)", path,
		    (unsigned)st.st_mode & 0777);
	return 0;
}

static int
read_file(const char *path, struct buf *out, struct gg_error *err)
{
	int rc;

	out->max = X509_FILE_MAX_BYTES;
	rc = file_read(path, out, err);
	if (rc == GG_E_SYS && errno == EACCES)
		return gg_fail(err, GG_E_INPUT,
		    "%s may not be read by the gate (a directory that was not "
		    "named at its start needs a restart)",
		    path);
	return rc == 0 ? 0 : gg_wrap(err, GG_E_INPUT, "%s", path);
}

/* "https://host:port" to the host. */
static char *
host_of(const char *url)
{
	const char *host = strstr(url, "://");
	size_t n;

	host = host != NULL ? host + 3 : url;
	if (host[0] == '[')
		return path_f("%.*s", (int)strcspn(host + 1, "]"), host + 1);
	n = strcspn(host, ":/");
	return path_f("%.*s", (int)n, host);
}

static int
load_pair(const struct config *c, struct loaded *l, struct gg_error *err)
{
	GG_AUTO_MEM char *host = host_of(c->public_url);
	int rc;

	if (c->tls.certificate_file == NULL)
		return 0;
	if ((rc = read_file(c->tls.certificate_file, &l->chain, err)) != 0 ||
	    (rc = read_file(c->tls.key_file, &l->key, err)) != 0 ||
	    (rc = check_key_mode(c->tls.key_file, err)) != 0 ||
	    (rc = x509_server_check(buf_view(&l->chain), buf_view(&l->key),
		 host, &l->facts, err)) != 0)
		return rc;
	l->tls = (struct http_tls){
		.chain = buf_view(&l->chain),
		.key = buf_view(&l->key),
		.ask = c->tls.client_ca_file != NULL,
	};
	return 0;
}

/* Its texts are needed no longer than this call. */
static int
load_trust(const struct config *c, struct loaded *l, struct gg_error *err)
{
	const struct strv *files = &c->tls.client_crl_files;
	GG_AUTO_RELEASE(buf) ca = { 0 };
	struct buf *texts;
	struct view *crls;
	int rc;

	if (c->tls.client_ca_file == NULL)
		return 0;
	if ((rc = read_file(c->tls.client_ca_file, &ca, err)) != 0)
		return rc;
	texts = calloc(files->n + 1, sizeof(*texts));
	crls = calloc(files->n + 1, sizeof(*crls));
	if (texts == NULL || crls == NULL)
		rc = gg_fail(err, GG_E_NOMEM, "client-crl");
	for (size_t i = 0; i < files->n && rc == 0; i++) {
		rc = read_file(files->v[i], &texts[i], err);
		crls[i] = buf_view(&texts[i]);
	}
	if (rc == 0)
		rc = x509_trust_new(buf_view(&ca), crls, files->n, &l->trust,
		    err);
	for (size_t i = 0; texts != NULL && i < files->n; i++)
		buf_release(&texts[i]);
	free(texts);
	free(crls);
	return rc;
}

static int
load(const struct config *c, struct loaded *l, struct gg_error *err)
{
	int rc;

	/* The stamp first: what changes while we read is read again. */
	if ((l->stamp = stamp_of(&c->tls)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "tls");
	if ((rc = load_pair(c, l, err)) != 0 ||
	    (rc = load_trust(c, l, err)) != 0)
		return gg_wrap(err, rc, "tls");
	return 0;
}

/* -- putting in force -- */

static void
warn_of_end(struct gate_tls *t, const char *what, int64_t ends_ms,
    int64_t soon_ms)
{
	char when[CLOCK_RFC3339_SIZE];
	int64_t now = clock_wall_ms();

	if (ends_ms == 0 || ends_ms - now > soon_ms)
		return;
	t->warned_ms = now;
	clock_format(ends_ms, when);
	log_event(EV_tls_expires, kv_str("what", what), kv_str("at", when));
}

static void
warn(struct gate_tls *t)
{
	warn_of_end(t, "certificate", atomic_load(&t->ends_ms), SOON_MS);
	warn_of_end(t, "client-crl", atomic_load(&t->crl_ends_ms), 0);
}

static void
say_loaded(const struct gate_tls *t, const struct loaded *l)
{
	char until[CLOCK_RFC3339_SIZE] = "";

	if (t->has_pair)
		clock_format(l->facts.not_after_ms, until);
	log_event(EV_tls_loaded, kv_str("until", until),
	    kv_str("warning",
		t->has_pair && !l->facts.fits_host ?
		    "the certificate is not for the host of public-url" :
		    ""));
}

/* What the server does not need to know. Takes trust and stamp. */
static void
put_in_force(struct gate_tls *t, struct loaded *l)
{
	struct x509_trust *old;

	(void)pthread_rwlock_wrlock(&t->trust_lock);
	old = t->trust;
	t->trust = gg_take(l->trust);
	(void)pthread_rwlock_unlock(&t->trust_lock);
	atomic_store(&t->crl_ends_ms,
	    t->trust != NULL ? x509_trust_ends_ms(t->trust) : 0);
	atomic_store(&t->ends_ms, l->facts.not_after_ms);
	atomic_store(&t->stale, false);
	atomic_store(&t->is_used, true);
	x509_trust_free(old);
	free(t->stamp);
	t->stamp = gg_take(l->stamp);
	free(gg_take(t->bad));
	say_loaded(t, l);
	warn(t);
}

int
gate_tls_open(struct gate *g, const struct config *c,
    const struct http_tls **tls, struct gg_error *err)
{
	struct gate_tls *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return gg_fail(err, GG_E_NOMEM, "tls");
	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_rwlock_init(&t->trust_lock, NULL);
	g->tls = t;
	*tls = NULL;
	if (c->tls.line == 0)
		return 0;
	if ((rc = load(c, &t->first, err)) != 0)
		return rc;
	t->has_pair = c->tls.certificate_file != NULL;
	if (t->has_pair)
		*tls = &t->first.tls;
	put_in_force(t, &t->first);
	return 0;
}

void
gate_tls_started(struct gate *g)
{
	loaded_release(&g->tls->first);
}

/* Under the mutex. */
static int
replace(struct gate *g, const struct config *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(loaded) l = { 0 };
	struct gate_tls *t = g->tls;
	int rc;

	if ((c->tls.certificate_file != NULL) != t->has_pair)
		return gg_fail(err, GG_E_INPUT,
		    "tls: switching TLS on or off needs a restart");
	if (c->tls.line == 0 && t->stamp == NULL)
		return 0;
	if ((rc = load(c, &l, err)) != 0 ||
	    (t->has_pair &&
		(rc = http_server_set_tls(g->http, &l.tls, err)) != 0))
		return rc;
	atomic_fetch_add(&t->loads, 1);
	put_in_force(t, &l);
	return 0;
}

int
gate_tls_reload(struct gate *g, const struct config *c, struct gg_error *err)
{
	struct gate_tls *t = g->tls;
	int rc;

	if (g->http == NULL)
		return 0;
	(void)pthread_mutex_lock(&t->mutex);
	rc = replace(g, c, err);
	(void)pthread_mutex_unlock(&t->mutex);
	return rc;
}

/* Under the mutex; takes now. */
static void
look(struct gate *g, const struct config *c, char *now)
{
	struct gate_tls *t = g->tls;
	bool settled = is_same(now, t->seen);
	struct gg_error err = { 0 };

	free(t->seen);
	t->seen = now;
	if (is_same(now, t->stamp)) {
		atomic_store(&t->stale, false);
		free(gg_take(t->bad));
		return;
	}
	if (!settled || is_same(now, t->bad) || replace(g, c, &err) == 0)
		return;
	atomic_fetch_add(&t->failures, 1);
	atomic_store(&t->stale, true);
	log_event(EV_tls_reload_failed, kv_err(&err));
	free(t->bad);
	t->bad = view_dup(view_str(now));
}

void
gate_tls_tick(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	const struct config *c = snap->config;
	struct gate_tls *t = g->tls;
	char *now;

	if (c->tls.line == 0 || (now = stamp_of(&c->tls)) == NULL)
		return;
	(void)pthread_mutex_lock(&t->mutex);
	look(g, c, now);
	if (clock_wall_ms() - t->warned_ms > DAY_MS)
		warn(t);
	(void)pthread_mutex_unlock(&t->mutex);
}

/* -- metrics -- */

static void
add_metric(struct buf *b, const char *name, const char *kind, const char *help,
    long long value)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name,
	    kind, name, value);
}

void
gate_tls_metrics(struct gate *g, struct buf *out)
{
	struct gate_tls *t = g->tls;

	if (!atomic_load(&t->is_used))
		return;
	if (atomic_load(&t->ends_ms) != 0)
		add_metric(out, "gitgate_tls_certificate_expiry_seconds",
		    "gauge", "When the gate's certificate ends (Unix time).",
		    atomic_load(&t->ends_ms) / 1000);
	if (atomic_load(&t->crl_ends_ms) != 0)
		add_metric(out, "gitgate_tls_client_crl_expiry_seconds",
		    "gauge", "When the first client-crl ends (Unix time).",
		    atomic_load(&t->crl_ends_ms) / 1000);
	add_metric(out, "gitgate_tls_stale", "gauge",
	    "1 while the files of TLS cannot be used and older ones are in "
	    "force.",
	    atomic_load(&t->stale) ? 1 : 0);
	add_metric(out, "gitgate_tls_reloads_total", "counter",
	    "Changed certificates, client CAs and CRLs put in force.",
	    (long long)atomic_load(&t->loads));
	add_metric(out, "gitgate_tls_reload_failures_total", "counter",
	    "Changed certificates, client CAs and CRLs that cannot be used.",
	    (long long)atomic_load(&t->failures));
}

/* -- clients -- */

static int
verify(struct gate *g, const struct view *chain, size_t n,
    struct x509_client *out, struct gg_error *err)
{
	struct gate_tls *t = g->tls;
	int rc;

	(void)pthread_rwlock_rdlock(&t->trust_lock);
	/* Nobody asked for it: it says nothing. */
	rc = t->trust == NULL ?
	    gg_fail(err, GG_E_NOTFOUND, "no client CA") :
	    x509_client_verify(t->trust, chain, n, clock_wall_ms(), out, err);
	(void)pthread_rwlock_unlock(&t->trust_lock);
	return rc;
}

/* 0; GG_E_NOTFOUND where the proxy says that there is none. */
static int
verify_header(struct gate *g, struct http_request *rq, struct x509_client *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(certificate_chain) chain = { 0 };
	const char *leaf = http_header(rq, "Client-Cert");
	int rc;

	if (leaf == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no client certificate");
	/* A second one was planted by a client, and the proxy let it pass. */
	if (http_header_count(rq, "Client-Cert") > 1 ||
	    http_header_count(rq, "Client-Cert-Chain") > 1)
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: the proxy sent several");
	if ((rc = certificate_header_parse(view_str(leaf),
		 view_str(http_header(rq, "Client-Cert-Chain")), &chain,
		 err)) != 0)
		return rc;
	return verify(g, chain.v, chain.n, out, err);
}

/* A trusted proxy's own certificate says who the proxy is, not who its
 * client is. */
static int
verify_any(struct gate *g, const struct config *c, struct http_request *rq,
    struct x509_client *out, struct gg_error *err)
{
	const struct view *chain;
	size_t n;

	if (http_peer_is_trusted(rq))
		return c->tls.client_certificate_header ?
		    verify_header(g, rq, out, err) :
		    gg_fail(err, GG_E_NOTFOUND, "no client certificate");
	chain = http_peer_certificates(rq, &n);
	return n > 0 ? verify(g, chain, n, out, err) :
		       gg_fail(err, GG_E_NOTFOUND, "no client certificate");
}

int
gate_tls_identify(void *ctx, struct http_request *rq, struct principal *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(x509_client) who = { 0 };
	GG_AUTO_SNAPSHOT snap = gate_snapshot(ctx);
	const struct identity *id = &snap->config->identity;
	int rc = verify_any(ctx, snap->config, rq, &who, err);

	return rc != 0 ? rc :
			 certificate_principal(id->certificates,
			     id->n_certificates, &who, out, err);
}
