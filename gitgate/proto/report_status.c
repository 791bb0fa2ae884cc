#include "proto/report_status.h"

#include "base/text.h"
#include "proto/pktline.h"
#include "proto/sideband.h"

#include <string.h>

#define REPORT_MAX_BYTES ((size_t)256 << 20)

void
report_clean_text(const char *text, size_t max, struct buf *out)
{
	struct view v = view_str(text);
	size_t done = 0;

	while (v.n > 0) {
		size_t n = utf8_len(v);
		unsigned char c = (unsigned char)v.p[0];

		if (done + (n ? n : 1) > max)
			break;
		done += n ? n : 1;
		if (n == 0)
			buf_addc(out, '?');
		else if (c < 0x20 || c == 0x7f)
			buf_addc(out, ' ');
		else
			buf_add(out, v.p, n);
		view_skip(&v, n ? n : 1);
	}
}

static void
add_line(const struct report_line *l, bool v2, struct buf *out)
{
	GG_AUTO_RELEASE(buf) reason = BUF_INIT(REPORT_REASON_MAX_BYTES);

	if (!l->ok) {
		report_clean_text(l->reason ? l->reason : "",
		    REPORT_REASON_MAX_BYTES, &reason);
		pkt_addf(out, "ng %s %s\n", l->refname,
		    reason.n > 0 ? buf_str(&reason) : "failed");
		return;
	}
	pkt_addf(out, "ok %s\n", l->refname);
	if (!v2 || l->options == NULL)
		return;
	for (size_t i = 0; i < l->options->n; i++) {
		buf_clear(&reason);
		report_clean_text(l->options->v[i], REPORT_REASON_MAX_BYTES,
		    &reason);
		pkt_addf(out, "%s\n", buf_str(&reason));
	}
}

static void
add_unpack(const char *unpack, struct buf *out)
{
	GG_AUTO_RELEASE(buf) words = BUF_INIT(REPORT_REASON_MAX_BYTES);

	if (unpack != NULL)
		report_clean_text(unpack, REPORT_REASON_MAX_BYTES, &words);
	/* "ok" as a reason for a failure would be read as success */
	if (unpack != NULL &&
	    (words.n == 0 || strcmp(buf_str(&words), "ok") == 0)) {
		buf_clear(&words);
		buf_adds(&words, "failed");
	}
	pkt_addf(out, "unpack %s\n", unpack == NULL ? "ok" : buf_str(&words));
}

void
report_status_format(enum report_kind kind, bool side_band, const char *unpack,
    const struct report_line *lines, size_t n, struct buf *out)
{
	GG_AUTO_RELEASE(buf) report = BUF_INIT(REPORT_MAX_BYTES);

	if (kind != REPORT_STATUS_NONE) {
		add_unpack(unpack, &report);
		for (size_t i = 0; i < n; i++)
			add_line(&lines[i], kind == REPORT_STATUS_V2, &report);
		pkt_flush(&report);
	}
	if (report.failed != 0)
		out->failed = report.failed;
	else if (side_band && report.n > 0)
		sideband_add(out, SIDEBAND_DATA, buf_view(&report));
	else
		buf_addv(out, buf_view(&report));
	if (side_band)
		pkt_flush(out);
}
