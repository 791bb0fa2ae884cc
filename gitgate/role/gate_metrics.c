#include "role/gate_metrics.h"
#include "role/gate_erasure.h"

#include "role/gate_delivery.h"
#include "role/gate_limits.h"
#include "role/gate_push.h"
#include "role/gate_retention.h"
#include "role/gate_tls.h"
#include "role/gate_witness.h"

static const struct {
	const char *name, *help;
} counters[METRIC_COUNT] = {
	[METRIC_PUSHES] = { "gitgate_pushes_total", "Pushes received." },
	[METRIC_DENIED] = { "gitgate_pushes_denied_total",
	    "Pushes that policy denied." },
	[METRIC_HELD] = { "gitgate_pushes_held_total",
	    "Pushes held for approval." },
	[METRIC_FORWARDED] = { "gitgate_pushes_forwarded_total",
	    "Pushes that upstream accepted." },
	[METRIC_FAILED] = { "gitgate_pushes_failed_total",
	    "Forwards that upstream did not accept." },
	[METRIC_INVALID] = { "gitgate_pushes_invalid_total",
	    "Pushes refused before policy." },
	[METRIC_ABORTED] = { "gitgate_pushes_aborted_total",
	    "Pushes whose client went away." },
	[METRIC_FETCHES] = { "gitgate_fetches_total",
	    "Fetch requests served." },
	[METRIC_REFRESHES] = { "gitgate_mirror_refreshes_total",
	    "Mirror refreshes." },
	[METRIC_AUTH_FAILURES] = { "gitgate_auth_failures_total",
	    "Credentials refused." },
	[METRIC_NOTICES] = { "gitgate_notices_total", "Notices delivered." },
	[METRIC_NOTICES_FAILED] = { "gitgate_notices_failed_total",
	    "Tries to deliver a notice that failed." },
	[METRIC_KEPT] = { "gitgate_pushes_kept_total",
	    "Pushes of refs that the gate keeps." },
	[METRIC_OUT_OF_BAND] = { "gitgate_out_of_band_total",
	    "Movements of upstream's refs that no push of ours explains." },
};

void
gate_healthz(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 200, "ok");
}

static const char *
not_ready(struct gate *g, const struct config *c, struct gg_error *err)
{
	if (atomic_load(&g->stopping))
		return "stopping";
	if (!atomic_load(&g->recovered))
		return "closing what the last run left open";
	if (witness_admit(g, c, err) != 0)
		return err->msg;
	if (store_ping(g->store, err) != 0)
		return "the database does not answer";
	if (!courier_is_connected(g))
		return "the courier is not running";
	return NULL;
}

void
gate_readyz(void *ctx, struct http_request *rq)
{
	struct gg_error err = { 0 };
	GG_AUTO_SNAPSHOT snap = gate_snapshot(ctx);
	const char *why = not_ready(ctx, snap->config, &err);

	if (why == NULL)
		http_reply_text(rq, 200, "ready");
	else
		http_reply_text(rq, 503, "not ready: %s", why);
}

static void
add_gauge(struct buf *b, const char *name, const char *help, uint64_t value)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help,
	    name, name, (unsigned long long)value);
}

void
gate_metrics(void *ctx, struct http_request *rq)
{
	struct gate *g = ctx;
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)128 << 10);
	uint64_t pending = 0, active = 0, streams = 0, connections = 0;
	struct gg_error err = { 0 };

	for (size_t i = 0; i < METRIC_COUNT; i++)
		buf_addf(&b, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n",
		    counters[i].name, counters[i].help, counters[i].name,
		    counters[i].name,
		    (unsigned long long)atomic_load(&g->metrics[i]));
	if (store_hold_count(g->store, &pending, &err) == 0)
		add_gauge(&b, "gitgate_holds_pending",
		    "Holds that wait for a review.", pending);
	if (store_notice_count(g->store, NOTICE_DUE, &pending, &err) == 0)
		add_gauge(&b, "gitgate_notices_due",
		    "Notices that are not delivered yet.", pending);
	http_server_counts(g->http, &active, &streams, &connections);
	add_gauge(&b, "gitgate_http_requests", "Requests in hand.", active);
	add_gauge(&b, "gitgate_http_streams", "Answers being streamed.",
	    streams);
	add_gauge(&b, "gitgate_http_connections", "Open connections.",
	    connections);
	add_gauge(&b, "gitgate_waiting_clients",
	    "Clients that wait for a review.", waiters_count(g));
	add_gauge(&b, "gitgate_audit_entries", "Entries in the audit log.",
	    auditlog_size(g->log));
	add_gauge(&b, "gitgate_audit_writable",
	    "1 while the audit log can be written.",
	    auditlog_is_writable(g->log) ? 1 : 0);
	retention_metrics(&b);
	erasure_metrics(&b);
	gate_limits_metrics(g, &b);
	gate_tls_metrics(g, &b);
	witness_metrics(g, &b);
	deliveries_metrics(g, &b);
	http_reply(rq, 200, "text/plain; version=0.0.4; charset=utf-8",
	    buf_view(&b), NULL);
}
