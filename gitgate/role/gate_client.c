/* What the pusher is told: sideband text and the report. */
#include "role/gate_push.h"

#include "proto/report_status.h"
#include "proto/sideband.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this much unread text a client counts as gone. */
#define CLIENT_BUFFERED_MAX ((size_t)1 << 20)
/* Proxies cut a silent answer after 60 s. */
#define CLIENT_KEEPALIVE_MS 5000
#define CLIENT_LINE_MAX     2000

void
ref_statuses_release(struct ref_statuses *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].reason);
		strv_release(&s->v[i].options);
	}
	free(s->v);
	*s = (struct ref_statuses){ 0 };
}

void
ref_statuses_init(struct ref_statuses *s, const struct ref_updates *u)
{
	s->v = calloc(u->n ? u->n : 1, sizeof(*s->v));
	if (s->v == NULL)
		gg_die("no memory for a report");
	s->n = u->n;
	for (size_t i = 0; i < u->n; i++)
		s->v[i].refname = u->v[i].refname;
}

void
ref_status_set(struct ref_status *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		gg_die("no memory for a reason");
	va_end(ap);
	free(s->reason);
	s->reason = text;
	s->ok = false;
}

void
ref_statuses_refuse(struct ref_statuses *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		gg_die("no memory for a reason");
	va_end(ap);
	for (size_t i = 0; i < s->n; i++)
		ref_status_set(&s->v[i], "%s", text);
	free(text);
}

void
client_open(struct client *c, struct http_request *rq)
{
	static const char keepalive[] = "0005\1";
	struct view alive = view_of(keepalive, c->side_band ? 5 : 0);

	c->stream = http_stream_open(rq, 200,
	    "application/x-git-receive-pack-result", CLIENT_BUFFERED_MAX, alive,
	    CLIENT_KEEPALIVE_MS);
}

void
client_say(struct client *c, const char *fmt, ...)
{
	GG_AUTO_RELEASE(buf) clean = BUF_INIT((size_t)64 << 10);
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)128 << 10);
	char line[CLIENT_LINE_MAX];
	va_list ap;

	if (c->stream == NULL || !c->side_band)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	report_clean_text(line, sizeof(line), &clean);
	sideband_text(&out, buf_str(&clean));
	if (out.failed == 0)
		http_stream_write(c->stream, buf_view(&out));
}

void
client_relay(struct client *c, struct view text)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)128 << 10);

	if (c->stream == NULL || !c->side_band)
		return;
	sideband_add(&out, SIDEBAND_TEXT, text);
	if (out.failed == 0)
		http_stream_write(c->stream, buf_view(&out));
}

void
client_end(struct client *c, const struct ref_statuses *s)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)16 << 20);
	struct report_line *lines;

	if (c->stream == NULL)
		return;
	if ((lines = calloc(s->n ? s->n : 1, sizeof(*lines))) == NULL)
		gg_die("no memory for a report");
	for (size_t i = 0; i < s->n; i++)
		lines[i] = (struct report_line){ s->v[i].refname, s->v[i].ok,
			s->v[i].reason ? s->v[i].reason : "refused",
			&s->v[i].options };
	report_status_format(c->report, c->side_band, NULL, lines, s->n, &out);
	free(lines);
	if (out.failed == 0)
		http_stream_write(c->stream, buf_view(&out));
	http_stream_close(c->stream);
	c->stream = NULL;
}

bool
client_gone(const struct client *c)
{
	return c->stream == NULL || http_stream_gone(c->stream);
}
