#include "config/internal.h"

#include "ipc/codec.h"

#define MAX_THINGS     10000
#define MAX_RECIPIENTS 1000

static void
encode_issuer(const struct issuer *i, struct buf *out)
{
	enc_str(out, i->name);
	enc_str(out, i->issuer);
	slice_enc_optional(out, i->jwks_uri);
	slice_enc_optional(out, i->jwks_file);
	slice_enc_optional(out, i->ca_file);
}

static void
decode_issuer(struct dec *d, struct issuer *i)
{
	i->name = dec_str(d, SLICE_MAX_TEXT);
	i->issuer = dec_str(d, SLICE_MAX_TEXT);
	i->jwks_uri = slice_dec_optional(d);
	i->jwks_file = slice_dec_optional(d);
	i->ca_file = slice_dec_optional(d);
}

static void
encode_provider(const struct provider *p, struct buf *out)
{
	enc_str(out, p->name);
	enc_str(out, p->issuer);
	slice_enc_optional(out, p->client_id);
	slice_enc_optional(out, p->client_secret_file);
	slice_enc_optional(out, p->ca_file);
}

static void
decode_provider(struct dec *d, struct provider *p)
{
	p->kind = PROVIDER_OIDC;
	p->name = dec_str(d, SLICE_MAX_TEXT);
	p->issuer = dec_str(d, SLICE_MAX_TEXT);
	p->client_id = slice_dec_optional(d);
	p->client_secret_file = slice_dec_optional(d);
	p->ca_file = slice_dec_optional(d);
}

/* Who is told of what is the gate's to know. */
static void
encode_notice(const struct notice_target *t, struct buf *out)
{
	enc_str(out, t->name);
	enc_u8(out, (uint8_t)t->kind);
	slice_enc_optional(out, t->url_file);
	slice_enc_optional(out, t->url);
	slice_enc_optional(out, t->secret_file);
	slice_enc_optional(out, t->username);
	slice_enc_optional(out, t->password_file);
	slice_enc_optional(out, t->from);
	enc_strv(out, &t->to);
	slice_enc_optional(out, t->ca_file);
	enc_u8(out, t->allow_private);
}

static void
decode_notice(struct dec *d, struct notice_target *t)
{
	uint8_t kind, private;

	t->name = dec_str(d, SLICE_MAX_TEXT);
	kind = dec_u8(d);
	t->url_file = slice_dec_optional(d);
	t->url = slice_dec_optional(d);
	t->secret_file = slice_dec_optional(d);
	t->username = slice_dec_optional(d);
	t->password_file = slice_dec_optional(d);
	t->from = slice_dec_optional(d);
	dec_strv(d, &t->to, MAX_RECIPIENTS);
	t->ca_file = slice_dec_optional(d);
	private = dec_u8(d);
	if (kind >= NOTICE_PROGRAM || private > 1)
		d->failed = true;
	else
		t->kind = (enum notice_kind)kind;
	t->allow_private = private == 1;
}

static void
encode_witness(const struct witness *w, struct buf *out)
{
	enc_str(out, w->name);
	enc_str(out, w->url);
	slice_enc_optional(out, w->ca_file);
}

static void
decode_witness(struct dec *d, struct witness *w)
{
	w->name = dec_str(d, SLICE_MAX_TEXT);
	w->url = dec_str(d, SLICE_MAX_TEXT);
	w->ca_file = slice_dec_optional(d);
}

/* Which entries go there, and in which form, is the gate's to know. */
static void
encode_delivery(const struct delivery_target *t, struct buf *out)
{
	enc_str(out, t->name);
	enc_u8(out, (uint8_t)t->kind);
	slice_enc_optional(out, t->url);
	slice_enc_optional(out, t->path);
	enc_u8(out, (uint8_t)t->way);
	slice_enc_optional(out, t->host);
	enc_u32(out, t->port);
	enc_u64(out, t->max_message);
	slice_enc_optional(out, t->secret_file);
	slice_enc_optional(out, t->header_file);
	slice_enc_optional(out, t->ca_file);
	enc_u8(out, t->allow_private);
}

static void
decode_delivery(struct dec *d, struct delivery_target *t)
{
	uint32_t port;
	uint8_t kind, way, private;

	t->name = dec_str(d, SLICE_MAX_TEXT);
	kind = dec_u8(d);
	t->url = slice_dec_optional(d);
	t->path = slice_dec_optional(d);
	way = dec_u8(d);
	t->host = slice_dec_optional(d);
	port = dec_u32(d);
	t->max_message = dec_u64(d);
	t->secret_file = slice_dec_optional(d);
	t->header_file = slice_dec_optional(d);
	t->ca_file = slice_dec_optional(d);
	private = dec_u8(d);
	if (kind > DELIVER_JOURNALD || way > SYSLOG_UNIX || port > UINT16_MAX ||
	    private > 1) {
		d->failed = true;
		return;
	}
	t->kind = (enum delivery_kind)kind;
	t->way = (enum syslog_way)way;
	t->port = (uint16_t)port;
	t->allow_private = private == 1;
}

static uint32_t
count_providers(const struct config *c)
{
	uint32_t n = 0;

	for (size_t i = 0; i < c->identity.n_providers; i++)
		n += c->identity.providers[i].kind == PROVIDER_OIDC;
	return n;
}

/* A program is run by a hook runner. */
static uint32_t
count_notices(const struct config *c)
{
	uint32_t n = 0;

	for (size_t i = 0; i < c->n_notices; i++)
		n += c->notices[i].kind != NOTICE_PROGRAM;
	return n;
}

void
config_messenger_encode(const struct config *c, struct buf *out)
{
	const struct identity *id = &c->identity;

#define LIMIT(field, key, kind, value, doc) enc_u64(out, c->limits.field);
#include "config/limits.def"
#undef LIMIT
	enc_u32(out, (uint32_t)id->n_issuers);
	for (size_t i = 0; i < id->n_issuers; i++)
		encode_issuer(&id->issuers[i], out);
	enc_u32(out, count_providers(c));
	for (size_t i = 0; i < id->n_providers; i++)
		if (id->providers[i].kind == PROVIDER_OIDC)
			encode_provider(&id->providers[i], out);
	enc_u32(out, count_notices(c));
	for (size_t i = 0; i < c->n_notices; i++)
		if (c->notices[i].kind != NOTICE_PROGRAM)
			encode_notice(&c->notices[i], out);
	enc_u32(out, (uint32_t)c->n_witnesses);
	for (size_t i = 0; i < c->n_witnesses; i++)
		encode_witness(&c->witnesses[i], out);
	enc_u32(out, (uint32_t)c->n_deliveries);
	for (size_t i = 0; i < c->n_deliveries; i++)
		encode_delivery(&c->deliveries[i], out);
}

/* An array of as many as the next count says, each of at least item bytes. */
static void *
decode_array(struct dec *d, size_t item, size_t size, size_t *n)
{
	void *v;

	*n = dec_count(d, item);
	if (*n > MAX_THINGS) {
		d->failed = true;
		*n = 0;
	}
	if ((v = calloc(*n > 0 ? *n : 1, size)) == NULL)
		gg_die("no memory for the messenger's config");
	return v;
}

int
config_messenger_decode(struct view v, struct config **out,
    struct gg_error *err)
{
	GG_AUTO(config) c = calloc(1, sizeof(*c));
	struct dec d = dec_of(v);
	struct identity *id;
	int rc;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "messenger's config");
	id = &c->identity;
#define LIMIT(field, key, kind, value, doc) c->limits.field = dec_u64(&d);
#include "config/limits.def"
#undef LIMIT
	id->issuers = decode_array(&d, 11, sizeof(*id->issuers),
	    &id->n_issuers);
	for (size_t i = 0; i < id->n_issuers; i++)
		decode_issuer(&d, &id->issuers[i]);
	id->providers = decode_array(&d, 11, sizeof(*id->providers),
	    &id->n_providers);
	for (size_t i = 0; i < id->n_providers; i++)
		decode_provider(&d, &id->providers[i]);
	c->notices = decode_array(&d, 17, sizeof(*c->notices), &c->n_notices);
	for (size_t i = 0; i < c->n_notices; i++)
		decode_notice(&d, &c->notices[i]);
	c->witnesses = decode_array(&d, 9, sizeof(*c->witnesses),
	    &c->n_witnesses);
	for (size_t i = 0; i < c->n_witnesses; i++)
		decode_witness(&d, &c->witnesses[i]);
	c->deliveries = decode_array(&d, 25, sizeof(*c->deliveries),
	    &c->n_deliveries);
	for (size_t i = 0; i < c->n_deliveries; i++)
		decode_delivery(&d, &c->deliveries[i]);
	if ((rc = dec_end(&d, err)) < 0)
		return gg_wrap(err, rc, "messenger's config");
	*out = gg_take(c);
	return 0;
}
