/* Failed sign-ins, counted by account and by address. */
#include "base/clock.h"
#include "http/addr.h"
#include "web/signin.h"

#define THROTTLE_MS (15 * 60 * (int64_t)1000)

void
throttle_keys(const struct web_call *c, const char *user, struct throttle *t)
{
	char group[ADDR_SIZE];

	t->user[0] = '\0';
	if (user != NULL)
		(void)snprintf(t->user, sizeof(t->user), "user:%s", user);
	addr_group(http_client_addr(c->rq), group);
	(void)snprintf(t->addr, sizeof(t->addr), "addr:%s", group);
}

static int
failures(const struct web_call *c, const char *key, uint64_t *n,
    struct gg_error *err)
{
	*n = 0;
	if (key[0] == '\0')
		return 0;
	return store_signin_count(c->ops->store, key,
	    clock_wall_ms() - THROTTLE_MS, n, err);
}

int
is_throttled(const struct web_call *c, const struct throttle *t,
    struct gg_error *err)
{
	uint64_t by_user = 0, by_addr = 0;
	int rc;

	if ((rc = failures(c, t->user, &by_user, err)) != 0 ||
	    (rc = failures(c, t->addr, &by_addr, err)) != 0)
		return rc;
	return by_user >= c->cfg->limits.signin_tries ||
	    by_addr >= c->cfg->limits.signin_tries;
}

int
count_failure(const struct web_call *c, const struct throttle *t,
    struct gg_error *err)
{
	int64_t now = clock_wall_ms();
	int rc = 0;

	if (t->user[0] != '\0')
		rc = store_signin_failed(c->ops->store, t->user, now, err);
	return rc != 0 ? rc :
			 store_signin_failed(c->ops->store, t->addr, now, err);
}

void
signin_reply_throttled(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	page_begin(c, &b, "Too many tries", "");
	html_lit(&b,
	    "<h1>Too many tries</h1><p>There were too many failed sign-ins. "
	    "Wait 15 minutes, then try again.</p>");
	page_reply_with(c, 429, &b, "Retry-After", "900");
}

bool
signin_may_try(struct web_call *c, const struct throttle *t)
{
	struct gg_error err = { 0 };
	int rc = is_throttled(c, t, &err);

	if (rc < 0)
		signin_unavailable(c, &err);
	else if (rc == 1)
		signin_reply_throttled(c);
	return rc == 0;
}
