#include "base/log.h"

#include "base/buf.h"

#include <unistd.h>

#define LOG_LINE_MAX_BYTES  8192
#define LOG_VALUE_MAX_BYTES 1024

static const struct {
	const char *name;
	enum log_level level;
	const char *doc;
} events[] = {
#define EVENT(name, level, doc) { #name, LOG_##level, doc },
#include "base/events.def"
#undef EVENT
};

static const char *log_role = "gitgate";
static enum log_level log_most = LOG_INFO;

void
log_setup(const char *role, enum log_level most)
{
	log_role = role;
	log_most = most;
}

static void
add_value(struct buf *b, const char *s)
{
	size_t n = 0;

	buf_addc(b, '"');
	for (; s != NULL && *s != '\0' && n < LOG_VALUE_MAX_BYTES; s++, n++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

void
log_emit(enum log_event_id ev, const struct log_kv *kv, size_t n)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LOG_LINE_MAX_BYTES);
	ssize_t done;

	if (ev >= EV_COUNT || events[ev].level > log_most)
		return;
	buf_addf(&b, "<%d>event=%s role=%s", (int)events[ev].level,
	    events[ev].name, log_role);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&b, " %s=", kv[i].key);
		if (kv[i].kind == LOG_KV_U64)
			buf_addf(&b, "%llu", (unsigned long long)kv[i].u64);
		else
			add_value(&b, kv[i].str);
	}
	if (b.failed != 0) {
		b.failed = 0;
		b.n = b.n > 16 ? b.n - 16 : 0;
	}
	buf_addc(&b, '\n');
	/* One write: lines of several processes do not mix. */
	done = write(STDERR_FILENO, b.p, b.n);
	(void)done; /* a log that cannot be written must not stop a push */
}

const char *
log_event_name(enum log_event_id ev)
{
	return ev < EV_COUNT ? events[ev].name : NULL;
}

const char *
log_event_doc(enum log_event_id ev)
{
	return ev < EV_COUNT ? events[ev].doc : NULL;
}
