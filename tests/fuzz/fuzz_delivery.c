/* A batch of the audit log, and the messages that its records become. */
#include "outgoing/journal.h"
#include "outgoing/syslog.h"
#include "role/delivery_batch.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Joined, the messages' texts are the record's; none is longer than told. */
static void
check_syslog(const struct record *r, size_t max)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(1 << 20);
	GG_AUTO_RELEASE(buf) all = BUF_INIT(1 << 20);
	struct view text = r->text;
	unsigned part = 1;
	bool more;

	while (text.n > 0 && strchr("\r\n", text.p[text.n - 1]) != NULL)
		text.n--;
	do {
		const char *at;

		buf_clear(&one);
		more = syslog_format(r, "host", max, part++, &one);
		assert(one.failed == 0 && one.n <= max);
		at = memmem(one.p, one.n, "] ", 2);
		assert(at != NULL);
		at += 2;
		buf_add(&all, at, one.n - (size_t)(at - one.p));
	} while (more);
	assert(view_eq(buf_view(&all), text));
}

static void
check_journal(const struct record *r)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(1 << 20);

	journal_format(r, &out);
	assert(out.failed == 0 && out.n > 0 && out.p[out.n - 1] == '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(delivery_batch) b = { 0 };
	GG_AUTO_RELEASE(buf) again = BUF_INIT(1 << 20);
	size_t max = size > 0 ? 480 + data[0] : 480;

	if (size > 65536 ||
	    delivery_batch_decode(view_of(data, size), &b, NULL) != 0)
		return 0;
	delivery_batch_begin(&again, b.content_type, b.head);
	for (size_t i = 0; i < b.n; i++) {
		delivery_batch_add(&again, &b.v[i]);
		check_syslog(&b.v[i], max);
		check_journal(&b.v[i]);
	}
	assert(view_eq(buf_view(&again), view_of(data, size)));
	return 0;
}
