#include "base/auto.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A config as the supervisor has it, with what the messenger must not know. */
static void
encode(struct buf *out)
{
	static char name[] = "ci", iss[] = "https://i.example",
		    jwks[] = "/jwks", ca[] = "/ca", id[] = "client",
		    secret[] = "/secret", saml[] = "saml", hidden[] = "hidden",
		    hook[] = "hook", to[] = "a@example.com",
		    url[] = "smtps://mail.example";
	struct issuer issuers[] = {
		{ .name = name,
		    .issuer = iss,
		    .jwks_file = jwks,
		    .ca_file = ca,
		    .principal = hidden },
		{ .name = iss, .issuer = name, .jwks_uri = iss },
	};
	struct provider providers[] = {
		{ .name = saml, .kind = PROVIDER_SAML, .sp_key_file = hidden },
		{ .name = name,
		    .issuer = iss,
		    .client_id = id,
		    .client_secret_file = secret,
		    .title = hidden },
	};
	char *recipients[] = { to, NULL };
	struct notice_target notices[] = {
		{ .name = hook, .kind = NOTICE_PROGRAM, .program = hidden },
		{ .name = name,
		    .kind = NOTICE_EMAIL,
		    .url = url,
		    .password_file = secret,
		    .from = to,
		    .to = { .v = recipients, .n = 1 },
		    .allow_private = true },
	};
	char *types[] = { hidden, NULL };
	struct delivery_target deliveries[] = {
		{ .name = name,
		    .kind = DELIVER_SYSLOG,
		    .url = url,
		    .way = SYSLOG_UDP,
		    .host = to,
		    .port = 514,
		    .max_message = 2048,
		    .ca_file = ca,
		    .types = { .v = types, .n = 1 } },
		{ .name = hook, .kind = DELIVER_FILE, .path = jwks },
	};
	struct config c = { .deliveries = deliveries,
		.n_deliveries = 2,
		.state_dir = hidden,
		.store = hidden,
		.identity = { .issuers = issuers,
		    .n_issuers = 2,
		    .providers = providers,
		    .n_providers = 2 },
		.notices = notices,
		.n_notices = 2 };

	limits_default(&c.limits);
	c.limits.messenger_ms = 7000;
	config_messenger_encode(&c, out);
	assert_int_equal(buf_check(out, NULL), 0);
}

static void
test_round_trip(void **state)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(1 << 20);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(1 << 20);
	GG_AUTO(config) c = NULL;
	const struct delivery_target *d;
	const struct provider *p;

	(void)state;
	encode(&one);
	assert_int_equal(config_messenger_decode(buf_view(&one), &c, NULL), 0);
	config_messenger_encode(c, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_int_equal(c->limits.messenger_ms, 7000);
	assert_int_equal(c->identity.n_issuers, 2);
	assert_string_equal(config_find_issuer(c, "ci")->jwks_file, "/jwks");
	assert_null(config_find_issuer(c, "ci")->jwks_uri);
	/* SAML is not its business, nor are programs */
	assert_int_equal(c->identity.n_providers, 1);
	p = config_find_provider(c, "ci");
	assert_string_equal(p->client_secret_file, "/secret");
	assert_null(p->ca_file);
	assert_int_equal(c->n_notices, 1);
	assert_string_equal(config_find_notice(c, "ci")->to.v[0],
	    "a@example.com");
	assert_true(config_find_notice(c, "ci")->allow_private);
	assert_int_equal(c->n_deliveries, 2);
	d = config_find_delivery(c, "ci");
	assert_int_equal(d->kind, DELIVER_SYSLOG);
	assert_int_equal(d->way, SYSLOG_UDP);
	assert_int_equal(d->port, 514);
	assert_int_equal(d->max_message, 2048);
	assert_null(d->path);
	assert_string_equal(config_find_delivery(c, "hook")->path, "/jwks");
}

static void
test_nothing_else(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

	(void)state;
	encode(&b);
	assert_null(memmem(b.p, b.n, "hidden", 6));
}

/* Every cut and every byte too many is refused, and nothing is handed out. */
static void
test_damaged(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

	(void)state;
	encode(&b);
	for (size_t n = 0; n < b.n; n++) {
		GG_AUTO(config) c = NULL;

		assert_int_not_equal(config_messenger_decode(view_of(b.p, n),
					 &c, NULL),
		    0);
		assert_null(c);
	}
	for (size_t i = 0; i < b.n; i++) {
		GG_AUTO(config) c = NULL;
		char was = b.p[i];

		b.p[i] = (char)0xff;
		/* a text or a number may read differently, no more */
		if (config_messenger_decode(buf_view(&b), &c, NULL) == 0)
			assert_true(c->identity.n_issuers == 2);
		b.p[i] = was;
	}
	buf_addc(&b, 0);
	{
		GG_AUTO(config) c = NULL;

		assert_int_equal(config_messenger_decode(buf_view(&b), &c,
				     NULL),
		    GG_E_PEER);
		assert_null(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_nothing_else),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
