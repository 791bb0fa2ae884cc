#include "role/gate_limits.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/addr.h"
#include "http/rate.h"

#include <stdlib.h>

#define MINUTE_MS ((int64_t)60 * 1000)
#define FAILED_MS (15 * MINUTE_MS)
/* Known at a time; 200 bytes each. */
#define ADDRESSES  16384
#define PRINCIPALS 4096

enum kind { BY_ADDRESS, BY_PRINCIPAL, BY_FAILURES, KINDS };
static const char *const keys[KINDS] = { "requests-per-address",
	"requests-per-principal", "failed-auth" };

struct gate_limits {
	struct rate *rate[KINDS];
	atomic_ullong refused[KINDS];
	atomic_llong told_ms[KINDS];
};

int
gate_limits_new(struct gate *g, struct gg_error *err)
{
	struct gate_limits *x = calloc(1, sizeof(*x));
	int rc;

	if (x == NULL)
		return gg_fail(err, GG_E_NOMEM, "limits");
	g->limits = x;
	if ((rc = rate_new(ADDRESSES, &x->rate[BY_ADDRESS], err)) != 0 ||
	    (rc = rate_new(PRINCIPALS, &x->rate[BY_PRINCIPAL], err)) != 0)
		return rc;
	return rate_new(ADDRESSES, &x->rate[BY_FAILURES], err);
}

static unsigned
take(struct gate *g, enum kind kind, const char *who, uint64_t most)
{
	struct gate_limits *x = g->limits;
	int64_t now = clock_mono_ms();
	long long told = atomic_load(&x->told_ms[kind]);
	unsigned wait = rate_take(x->rate[kind], who, most,
	    kind == BY_FAILURES ? FAILED_MS : MINUTE_MS, now);

	if (wait == 0)
		return 0;
	atomic_fetch_add(&x->refused[kind], 1);
	if ((told == 0 || now - told >= MINUTE_MS) &&
	    atomic_compare_exchange_strong(&x->told_ms[kind], &told, now))
		log_event(EV_limited, kv_str("limit", keys[kind]),
		    kv_str("who", who));
	return wait;
}

unsigned
gate_limit_address(struct gate *g, const struct limits *l,
    const struct http_request *rq)
{
	char group[ADDR_SIZE];

	addr_group(http_client_addr(rq), group);
	return take(g, BY_ADDRESS, group, l->requests_per_address);
}

unsigned
gate_limit_principal(void *ctx, const char *name)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(ctx);

	return take(ctx, BY_PRINCIPAL, name,
	    snap->config->limits.requests_per_principal);
}

unsigned
gate_limit_failed(void *ctx, const char *addr)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(ctx);
	char group[ADDR_SIZE];

	addr_group(addr, group);
	return take(ctx, BY_FAILURES, group, snap->config->limits.failed_auth);
}

void
gate_reply_limited(struct http_request *rq, const char *limit, unsigned seconds)
{
	http_retry_after(rq, seconds);
	http_reply_text(rq, 429,
	    "gitgate: limit %s: too many requests; try again in %u s", limit,
	    seconds);
}

void
gate_limited(void *ctx, struct http_request *rq)
{
	const char *path = http_path(rq);

	(void)ctx;
	if (strcmp(path, "/") == 0 || strncmp(path, "/-/", 3) == 0)
		web_reply_limited(rq, keys[BY_ADDRESS]);
	else
		gate_reply_limited(rq, keys[BY_ADDRESS],
		    http_retry_seconds(rq));
}

void
gate_limits_metrics(struct gate *g, struct buf *out)
{
	static const char name[] = "gitgate_limited_total";

	buf_addf(out,
	    "# HELP %s Refusals by limits on requests and refused "
	    "credentials.\n# TYPE %s counter\n",
	    name, name);
	for (size_t i = 0; i < KINDS; i++)
		buf_addf(out, "%s{limit=\"%s\"} %llu\n", name, keys[i],
		    (unsigned long long)atomic_load(&g->limits->refused[i]));
}
