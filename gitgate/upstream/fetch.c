/* Fetching: one round of the original protocol, the pack unread. */
#include "upstream/upstream.h"

#include "base/clock.h"
#include "base/fd.h"
#include "model/oid.h"
#include "proto/caps.h"
#include "proto/pktline.h"
#include "proto/sideband.h"
#include "upstream/pktreader.h"
#include "upstream/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define REQUEST_MAX_BYTES ((size_t)256 << 20)

/* Where the answer is. */
struct fetching {
	struct pktreader reader;
	int pipe;
	uint64_t bytes;
	bool began; /* the first sideband packet was there */
	bool ended; /* the flush-pkt was there */
	int64_t deadline;
	struct redact *red;
};

static void
add_caps(const struct strv *offered, struct buf *out)
{
	static const char *const wanted[] = { "side-band-64k", "ofs-delta",
		"thin-pack", "no-progress" };

	for (size_t i = 0; i < GG_COUNT(wanted); i++)
		if (caps_has(offered, wanted[i]))
			buf_addf(out, " %s", wanted[i]);
	if (caps_has(offered, "object-format"))
		buf_adds(out, " object-format=sha1");
	if (caps_has(offered, "agent"))
		buf_adds(out, " agent=gitgate/" GG_VERSION);
}

/* "want <oid>" lines, flush-pkt, "have <oid>" lines, "done". */
static int
format_request(struct view lines, const struct strv *offered, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) caps = BUF_INIT(1024);
	bool haves = false, any = false;
	struct view line, word;
	struct oid oid;

	add_caps(offered, &caps);
	while (view_cut(&lines, '\n', &line)) {
		bool have = view_has_prefix(line, "have ");

		if (!view_cut(&line, ' ', &word) || !oid_parse(line, &oid) ||
		    (!have && (haves || !view_eq_str(word, "want"))) ||
		    (have && !any))
			return gg_fail(err, GG_E_INPUT,
			    "the list of wants and haves is malformed");
		if (have && !haves)
			pkt_flush(out);
		haves = have;
		pkt_addf(out, "%.*s %.*s%s\n", (int)word.n, word.p, OID_HEX,
		    line.p, any ? "" : buf_str(&caps));
		any = true;
	}
	if (!any || lines.n != 0)
		return gg_fail(err, GG_E_INPUT, "nothing is wanted");
	if (!haves)
		pkt_flush(out);
	pkt_addf(out, "done\n");
	return buf_check(out, err);
}

/* The reader may be slow, but not for ever. */
static int
write_pack(struct fetching *f, struct view v, struct gg_error *err)
{
	struct pollfd p = { .fd = f->pipe, .events = POLLOUT };

	while (v.n > 0) {
		int64_t left = f->deadline - clock_mono_ms();
		ssize_t n;

		if (left <= 0)
			return gg_fail(err, GG_E_LIMIT,
			    "limit upstream-total: nobody takes the pack");
		if (poll(&p, 1, (int)(left < 60000 ? left : 60000)) <= 0)
			continue;
		n = write(f->pipe, v.p, v.n);
		if (n < 0 && errno == EPIPE)
			return gg_fail(err, GG_E_REFUSED,
			    "nobody wants the pack any more");
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "writing the pack");
		if (n > 0) {
			f->bytes += (uint64_t)n;
			view_skip(&v, (size_t)n);
		}
	}
	return 0;
}

static int
say(const char *what, struct view v, struct gg_error *err)
{
	v = pkt_text(v);
	if (v.n > 300)
		v.n = 300;
	return gg_fail(err, GG_E_UNAVAILABLE, "%s: %.*s", what, (int)v.n,
	    v.n > 0 ? v.p : "");
}

static int
take_packet(void *ctx, enum pkt_kind kind, struct view body,
    struct gg_error *err)
{
	struct fetching *f = ctx;
	int band;

	if (f->ended)
		return gg_fail(err, GG_E_PEER, "bytes after the pack");
	if (kind == PKT_FLUSH && f->began) {
		f->ended = true;
		return 0;
	}
	if (kind != PKT_DATA || body.n == 0)
		return gg_fail(err, GG_E_PEER,
		    "unexpected pkt-line in front of the pack");
	if (view_has_prefix(body, "ERR ")) {
		view_skip(&body, 4);
		return say("upstream refuses the fetch", body, err);
	}
	if (!f->began &&
	    (view_has_prefix(body, "NAK") || view_has_prefix(body, "ACK ")))
		return 0;
	band = (unsigned char)body.p[0];
	view_skip(&body, 1);
	f->began = true;
	if (band == SIDEBAND_DATA)
		return write_pack(f, body, err);
	if (band == SIDEBAND_TEXT)
		return 0;
	if (band == SIDEBAND_ERROR)
		return say("upstream broke off the fetch", body, err);
	return gg_fail(err, GG_E_PEER, "unknown sideband");
}

static int
take(void *ctx, struct view bytes, struct gg_error *err)
{
	struct fetching *f = ctx;
	int rc = pktreader_feed(&f->reader, bytes, take_packet, f, err);

	return rc != 0 ? rc : f->ended ? 1 : 0;
}

static int
fetch(struct session *s, struct view lines, struct fetching *f,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO_RELEASE(buf) request = BUF_INIT(REQUEST_MAX_BYTES);
	GG_AUTO(advert) a = NULL;
	struct session_body b = { .file = -1, .take = take, .ctx = f };
	int rc;

	if ((rc = session_advert(s, &bytes, err)) != 0 ||
	    (rc = advert_parse_v0(buf_view(&bytes), &a, err)) != 0)
		return rc;
	buf_release(&bytes);
	if (!caps_has(&a->caps, "side-band-64k"))
		return gg_fail(err, GG_E_PEER,
		    "upstream does not offer side-band-64k");
	if ((rc = format_request(lines, &a->caps, &request, err)) != 0)
		return rc;
	b.head = buf_view(&request);
	if ((rc = session_exchange(s, &b, err)) != 0)
		return rc;
	if (!f->ended)
		return gg_fail(err, GG_E_PEER, "upstream's pack ends early");
	return 0;
}

int
upstream_fetch(const struct upstream *u, struct view lines, int pipe,
    struct redact *red, uint64_t *bytes, struct gg_error *err)
{
	GG_AUTO_RELEASE(session) s = { .child = CARRIER_INIT };
	struct fetching f = { .pipe = pipe, .red = red };
	int rc = session_open(&s, u, UPSTREAM_UPLOAD_PACK, false, red, err);

	pktreader_init(&f.reader);
	f.deadline = s.deadline;
	if (rc == 0)
		rc = fetch(&s, lines, &f, err);
	pktreader_release(&f.reader);
	*bytes = f.bytes;
	return rc;
}
