#include "role/delivery_records.h"

#include "audit/export.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <string.h>

#define LOOK_AT_ONCE 5000 /* entries that nobody wants */
#define RECORD_MAX   ((size_t)1 << 20)
#define DIGEST_SHOWN 16 /* hex digits of an id */

/* One batch being made. */
struct making {
	const struct delivery_target *target;
	enum export_format format;
	struct delivery_records *out;
	struct digest_ctx *digest;
	uint64_t first, last; /* seq */
	size_t bytes;
	struct buf record;
};

void
delivery_records_release(struct delivery_records *r)
{
	buf_release(&r->batch);
}

static struct view
text_of(const json_t *e, const char *key)
{
	return view_str(json_string_value(json_object_get(e, key)));
}

static bool
is_wanted(const struct delivery_target *t, struct view type)
{
	return t->types.n == 0 || glob_list_match(&t->types, type);
}

/* A record is one line: what a person wrote in several becomes one in a
 * table. (JSON escapes them.) */
static void
one_line(struct buf *record)
{
	size_t end = record->n >= 2 ? record->n - 2 : 0;

	for (size_t i = 0; i < end; i++)
		if (record->p[i] == '\r' || record->p[i] == '\n')
			record->p[i] = ' ';
}

static int
format(struct making *m, const json_t *e, struct gg_error *err)
{
	int rc;

	buf_clear(&m->record);
	if ((rc = export_entry(m->format, e, &m->record, err)) != 0)
		return rc;
	if (m->format == EXPORT_CSV)
		one_line(&m->record);
	return 0;
}

static void
add(struct making *m, uint64_t index, const json_t *e)
{
	struct delivery_records *out = m->out;
	const struct record r = { .seq = index,
		.severity = export_has_failed(e) ? RECORD_WARNING :
						   RECORD_NOTICE,
		.time = text_of(e, "time"),
		.type = text_of(e, "type"),
		.repository = text_of(e, "repository"),
		.ref = text_of(e, "ref"),
		.principal = text_of(e, "principal"),
		.push = text_of(e, "push"),
		.hold = text_of(e, "hold"),
		.text = buf_view(&m->record) };

	delivery_batch_add(&out->batch, &r);
	digest_ctx_update(m->digest, m->record.p, m->record.n);
	m->bytes += m->record.n;
	if (out->n++ == 0)
		m->first = index;
	m->last = index;
}

/* 1: it does not fit any more. */
static int
take(struct making *m, struct auditlog *log, const struct limits *limits,
    uint64_t index, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	uint64_t most = limits->delivery_bytes < DELIVERY_RECORDS_MAX ?
	    limits->delivery_bytes :
	    DELIVERY_RECORDS_MAX;
	json_t *e;
	int rc = auditlog_read_opened(log, index, &text, err);

	if (rc != 0)
		return rc;
	e = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	if (e == NULL)
		return gg_fail(err, GG_E_CORRUPT, "audit entry %llu",
		    (unsigned long long)index);
	if (is_wanted(m->target, text_of(e, "type"))) {
		rc = format(m, e, err);
		if (rc == 0 && m->out->n > 0 && m->bytes + m->record.n > most)
			rc = 1;
		if (rc == 0)
			add(m, index, e);
	}
	json_decref(e);
	return rc;
}

static void
set_id(struct making *m)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	char hex[DIGEST_SHA256_HEX_SIZE];

	digest_ctx_final(m->digest, sum);
	hex_encode(sum, sizeof(sum), hex);
	(void)snprintf(m->out->id, sizeof(m->out->id), "audit-%llu-%llu-%.*s",
	    (unsigned long long)m->first, (unsigned long long)m->last,
	    DIGEST_SHOWN, hex);
}

static int
read_on(struct making *m, struct auditlog *log, const struct limits *limits,
    uint64_t most, uint64_t end, struct gg_error *err)
{
	struct delivery_records *out = m->out;
	int rc = 0;

	while (out->to < end && out->n < most &&
	    out->to - out->from < LOOK_AT_ONCE + most) {
		if ((rc = take(m, log, limits, out->to, err)) != 0)
			break;
		out->to++;
	}
	if (rc < 0 && out->to == out->from)
		return rc;
	return 0; /* what could be read goes out; the rest says why itself */
}

int
delivery_records_read(struct auditlog *log, const struct delivery_target *t,
    const struct limits *limits, uint64_t most, uint64_t from, uint64_t end,
    struct delivery_records *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) head = BUF_INIT(4096);
	GG_AUTO(digest_ctx) digest = digest_ctx_new();
	struct making m = { .target = t, .out = out, .digest = digest };
	int rc;

	if (!export_format_parse(view_str(delivery_formats[t->format]),
		&m.format))
		return gg_fail(err, GG_E_INPUT, "format");
	export_head(m.format, &head);
	out->from = out->to = from;
	buf_init(&out->batch, DELIVERY_BATCH_MAX);
	buf_init(&m.record, RECORD_MAX);
	delivery_batch_begin(&out->batch, export_content_type(m.format),
	    buf_str(&head));
	rc = read_on(&m, log, limits, most, end, err);
	buf_release(&m.record);
	if (rc != 0)
		return rc;
	set_id(&m);
	return buf_check(&out->batch, err);
}
