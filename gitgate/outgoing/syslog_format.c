#include "outgoing/syslog.h"

#include <string.h>

#define FACILITY_AUDIT 13
#define MSGID_MAX      32
#define HOST_MAX       64
#define SD_ID          "gitgate@32473" /* the number of RFC 5612: we have none */
#define TYPE_MAX       64

/* PRINTUSASCII, as header fields have it; "-" where nothing is left. */
static void
add_word(struct buf *out, struct view v, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n && n < max; i++)
		if (v.p[i] > ' ' && v.p[i] < 127) {
			buf_addc(out, v.p[i]);
			n++;
		}
	if (n == 0)
		buf_addc(out, '-');
}

/* A parameter's value: types are words with dots, nothing is to be escaped. */
static void
add_type(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n && i < TYPE_MAX; i++)
		if (strchr("\"]\\", v.p[i]) == NULL && v.p[i] >= ' ')
			buf_addc(out, v.p[i]);
}

static void
add_head(struct buf *out, const struct record *r, const char *host,
    unsigned part, unsigned parts)
{
	buf_addf(out, "<%u>1 ", FACILITY_AUDIT * 8U + r->severity);
	add_word(out, r->time, 32);
	buf_addc(out, ' ');
	add_word(out, view_str(host), HOST_MAX);
	buf_adds(out, " gitgate - ");
	add_word(out, r->type, MSGID_MAX);
	buf_addf(out, " [" SD_ID " seq=\"%llu\" type=\"",
	    (unsigned long long)r->seq);
	add_type(out, r->type);
	buf_addc(out, '"');
	if (parts > 1)
		buf_addf(out, " part=\"%u\" parts=\"%u\"", part, parts);
	buf_adds(out, "] ");
}

/* At most room bytes of whole characters. */
static size_t
piece(struct view text, size_t room)
{
	size_t n = room;

	if (text.n <= room)
		return text.n;
	while (n > 1 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static unsigned
count_parts(struct view text, size_t room)
{
	unsigned n = 0;

	do {
		view_skip(&text, piece(text, room));
		n++;
	} while (text.n > 0);
	return n;
}

bool
syslog_format(const struct record *r, const char *host, size_t max_message,
    unsigned part, struct buf *out)
{
	GG_AUTO_RELEASE(buf) widest = BUF_INIT(1024);
	struct view text = r->text;
	unsigned parts = 1;
	size_t room;

	while (text.n > 0 && strchr("\r\n", text.p[text.n - 1]) != NULL)
		text.n--;
	add_head(&widest, r, host, 1, 1);
	if (widest.n + text.n > max_message) {
		buf_clear(&widest);
		add_head(&widest, r, host, 9999999, 9999999);
		room = widest.n < max_message ? max_message - widest.n : 1;
		parts = count_parts(text, room);
		for (unsigned i = 1; i < part; i++)
			view_skip(&text, piece(text, room));
		text.n = piece(text, room);
	}
	add_head(out, r, host, part, parts);
	buf_addv(out, text);
	return part < parts;
}
