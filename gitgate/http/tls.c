/*
 * TLS of the HTTP server: the library's, with a certificate that can be
 * replaced while it runs. Each handshake gets copies, so that nobody has to
 * know when the last one with an old certificate has ended.
 */
#include "http/server_priv.h"

#include <gnutls/x509.h>

#include <stdlib.h>

/* TLS 1.2 is what git 2.11 of 2016 speaks. */
const char tls_priorities[] =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

/* What one handshake message may be: a client's chain of certificates. */
#define HANDSHAKE_MAX_BYTES ((size_t)64 * 1024)

struct tls_pair {
	gnutls_x509_crt_t *chain;
	unsigned n;
	gnutls_x509_privkey_t key;
};

void
tls_pair_free(struct tls_pair *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->n; i++)
		gnutls_x509_crt_deinit(p->chain[i]);
	gnutls_free(p->chain);
	gnutls_x509_privkey_deinit(p->key);
	free(p);
}
GG_DEFINE_AUTO(tls_pair);

static gnutls_datum_t
datum_of(struct view v)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)v.p,
		(unsigned)v.n };
}

static int
pair_new(const struct http_tls *tls, struct tls_pair **out,
    struct gg_error *err)
{
	GG_AUTO(tls_pair) p = calloc(1, sizeof(*p));
	gnutls_datum_t chain = datum_of(tls->chain), key = datum_of(tls->key);
	int rc;

	if (p == NULL || gnutls_x509_privkey_init(&p->key) < 0)
		return gg_fail(err, GG_E_NOMEM, "certificate");
	rc = gnutls_x509_crt_list_import2(&p->chain, &p->n, &chain,
	    GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (rc < 0)
		return gg_fail(err, GG_E_INPUT, "certificate: %s",
		    gnutls_strerror(rc));
	rc = gnutls_x509_privkey_import2(p->key, &key, GNUTLS_X509_FMT_PEM,
	    NULL, 0);
	if (rc < 0)
		return gg_fail(err, GG_E_INPUT, "key: %s", gnutls_strerror(rc));
	*out = gg_take(p);
	return 0;
}

int
tls_set(struct http_server *s, const struct http_tls *tls, struct gg_error *err)
{
	GG_AUTO(tls_pair) fresh = NULL;
	struct tls_pair *old;
	int rc = pair_new(tls, &fresh, err);

	if (rc != 0)
		return rc;
	(void)pthread_mutex_lock(&s->tls_lock);
	old = s->tls;
	s->tls = gg_take(fresh);
	(void)pthread_mutex_unlock(&s->tls_lock);
	atomic_store(&s->tls_ask, tls->ask);
	tls_pair_free(old);
	return 0;
}

int
http_server_set_tls(struct http_server *s, const struct http_tls *tls,
    struct gg_error *err)
{
	/* It is never taken away again, so this needs no lock. */
	if (s->tls == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "the server was started without TLS");
	return tls_set(s, tls, err);
}

/* Copies for one handshake, which the library frees. */
static int
copy_chain(const struct tls_pair *p, gnutls_pcert_st **certs, unsigned *n)
{
	*n = 0;
	*certs = gnutls_calloc(p->n, sizeof(**certs));
	if (*certs == NULL)
		return -1;
	for (; *n < p->n; ++*n)
		if (gnutls_pcert_import_x509(&(*certs)[*n], p->chain[*n], 0) <
		    0)
			return -1;
	return 0;
}

static int
copy_key(const struct tls_pair *p, gnutls_privkey_t *key)
{
	if (gnutls_privkey_init(key) < 0)
		return -1;
	if (gnutls_privkey_import_x509(*key, p->key,
		GNUTLS_PRIVKEY_IMPORT_COPY) == 0)
		return 0;
	gnutls_privkey_deinit(*key);
	return -1;
}

static void
drop_chain(gnutls_pcert_st *certs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		gnutls_pcert_deinit(&certs[i]);
	gnutls_free(certs);
}

int
tls_give_pair(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certs, unsigned *n_certs, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
	struct http_server *s = gnutls_session_get_ptr(session);
	int rc;

	(void)info;
	*ocsp = NULL;
	*n_ocsp = 0;
	*flags = GNUTLS_CERT_RETR_DEINIT_ALL;
	(void)pthread_mutex_lock(&s->tls_lock);
	rc = copy_chain(s->tls, certs, n_certs);
	if (rc == 0)
		rc = copy_key(s->tls, key);
	(void)pthread_mutex_unlock(&s->tls_lock);
	if (rc != 0)
		drop_chain(*certs, *n_certs);
	return rc;
}

static gnutls_session_t
session_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info != NULL ? info->tls_session : NULL;
}

void
tls_begin(struct http_server *s, struct MHD_Connection *conn)
{
	static unsigned char http11[] = "http/1.1";
	const gnutls_datum_t alpn = { http11, sizeof(http11) - 1 };
	gnutls_session_t session = s->tls != NULL ? session_of(conn) : NULL;

	if (session == NULL)
		return;
	/* The library's own use of it is for pre-shared keys only. */
	gnutls_session_set_ptr(session, s);
	(void)gnutls_alpn_set_protocols(session, &alpn, 1, 0);
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_MAX_BYTES);
	gnutls_certificate_server_set_request(session,
	    atomic_load(&s->tls_ask) ? GNUTLS_CERT_REQUEST :
				       GNUTLS_CERT_IGNORE);
	/* Whom we trust can change; a client picks its certificate without a
	 * list. */
	gnutls_certificate_send_x509_rdn_sequence(session, 1);
}

void
tls_read_peer(struct http_request *rq)
{
	gnutls_session_t session = rq->s->tls != NULL ? session_of(rq->conn) :
							NULL;
	const gnutls_datum_t *sent;
	unsigned n = 0;
	size_t at = 0;

	if (session == NULL ||
	    (sent = gnutls_certificate_get_peers(session, &n)) == NULL)
		return;
	/* A longer chain stays incomplete, and will not verify. */
	if (n > HTTP_CERTIFICATES_MAX)
		n = HTTP_CERTIFICATES_MAX;
	buf_init(&rq->certificates, HANDSHAKE_MAX_BYTES);
	for (unsigned i = 0; i < n; i++)
		buf_add(&rq->certificates, sent[i].data, sent[i].size);
	if (rq->certificates.failed != 0) {
		rq->bad_head = true;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		rq->certificate[i] = view_of(rq->certificates.p + at,
		    sent[i].size);
		at += sent[i].size;
	}
	rq->n_certificates = n;
}
