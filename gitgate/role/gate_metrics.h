/* /healthz, /readyz and /metrics (Prometheus text format 0.0.4). */
#ifndef GITGATE_ROLE_GATE_METRICS_H
#define GITGATE_ROLE_GATE_METRICS_H

#include "http/server.h"

/* 200 while the process answers at all. */
void gate_healthz(void *ctx, struct http_request *rq);
/* 200 when pushes can be taken: store, log, courier; else 503 and why. */
void gate_readyz(void *ctx, struct http_request *rq);
void gate_metrics(void *ctx, struct http_request *rq);

#endif
