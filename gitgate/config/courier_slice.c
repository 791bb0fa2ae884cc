#include "config/internal.h"

#include "ipc/codec.h"

#define MAX_REPOSITORIES 100000

static void
encode_repository(const struct repository *r, struct buf *out)
{
	const struct credential *k = &r->credential;

	enc_str(out, r->path);
	enc_str(out, r->upstream);
	enc_u8(out, (uint8_t)r->kind);
	enc_u8(out, r->allow_plain_http);
	slice_enc_optional(out, k->username);
	slice_enc_optional(out, k->password_file);
	slice_enc_optional(out, k->token_file);
	slice_enc_optional(out, k->helper);
	slice_enc_optional(out, k->ssh_key);
	slice_enc_optional(out, k->known_hosts);
	slice_enc_optional(out, k->ca_file);
}

static void
decode_repository(struct dec *d, struct repository *r)
{
	struct credential *k = &r->credential;
	uint8_t kind, plain;

	r->path = dec_str(d, SLICE_MAX_TEXT);
	r->upstream = dec_str(d, SLICE_MAX_TEXT);
	kind = dec_u8(d);
	plain = dec_u8(d);
	if (kind > UPSTREAM_SSH || plain > 1)
		d->failed = true;
	else
		r->kind = (enum upstream_kind)kind;
	r->allow_plain_http = plain == 1;
	k->username = slice_dec_optional(d);
	k->password_file = slice_dec_optional(d);
	k->token_file = slice_dec_optional(d);
	k->helper = slice_dec_optional(d);
	k->ssh_key = slice_dec_optional(d);
	k->known_hosts = slice_dec_optional(d);
	k->ca_file = slice_dec_optional(d);
}

void
config_courier_encode(const struct config *c, struct buf *out)
{
#define LIMIT(field, key, kind, value, doc) enc_u64(out, c->limits.field);
#include "config/limits.def"
#undef LIMIT
	enc_u8(out, (uint8_t)c->sandbox);
	enc_u32(out, (uint32_t)c->n_repositories);
	for (size_t i = 0; i < c->n_repositories; i++)
		encode_repository(&c->repositories[i], out);
}

int
config_courier_decode(struct view v, struct config **out, struct gg_error *err)
{
	GG_AUTO(config) c = calloc(1, sizeof(*c));
	struct dec d = dec_of(v);
	uint8_t sandbox;
	uint32_t n;
	int rc;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "courier's config");
#define LIMIT(field, key, kind, value, doc) c->limits.field = dec_u64(&d);
#include "config/limits.def"
#undef LIMIT
	sandbox = dec_u8(&d);
	if (sandbox > SANDBOX_BEST_EFFORT)
		d.failed = true;
	c->sandbox = sandbox == SANDBOX_BEST_EFFORT ? SANDBOX_BEST_EFFORT :
						      SANDBOX_REQUIRED;
	/* two strings, two bytes, seven flags at least */
	n = dec_count(&d, 17);
	if (n > MAX_REPOSITORIES)
		return gg_fail(err, GG_E_LIMIT, "too many repositories");
	c->repositories = calloc(n ? n : 1, sizeof(*c->repositories));
	if (c->repositories == NULL)
		return gg_fail(err, GG_E_NOMEM, "courier's config");
	for (; c->n_repositories < n; c->n_repositories++)
		decode_repository(&d, &c->repositories[c->n_repositories]);
	if ((rc = dec_end(&d, err)) < 0)
		return gg_wrap(err, rc, "courier's config");
	*out = gg_take(c);
	return 0;
}
