/* From documents to records: what all formats have in common. */
#include "provenance/read.h"

#include "base/text.h"
#include "provenance/read_priv.h"

#include <stdarg.h>
#include <string.h>

enum { DEPTH_MAX = 32, RANGE_END_MAX = INT32_MAX, REASON_MAX = 300 };

/* -- records -- */

void
record_cut(json_t *record)
{
	json_put(record, "cut", json_true());
}

json_t *
reading_add(struct reading *r, const struct document *d, const char *source)
{
	size_t n = json_array_size(r->out);
	json_t *record;
	char hex[OID_HEX + 1];

	if (n == PROVENANCE_RECORDS_MAX) {
		record_cut(json_array_get(r->out, n - 1));
		return NULL;
	}
	record = json_or_die(json_object());
	json_push(r->out, record);
	json_put(record, "source", json_string(source));
	json_put(record, "update", json_integer(d->update));
	if (d->commit < r->report->n_commits) {
		oid_format(&r->report->commits[d->commit].oid, hex);
		json_put(record, "commit", json_string(hex));
	}
	if (d->cut || d->masked)
		record_cut(record);
	return record;
}

bool
record_key_commit(json_t *record, struct view hex)
{
	unsigned char raw[OID_BYTES];
	char text[sizeof("commit:") + OID_HEX] = "commit:";

	if (!hex_decode(hex, raw, sizeof(raw)))
		return false;
	hex_encode(raw, sizeof(raw), text + strlen("commit:"));
	json_put(record, "key", json_string(text));
	return true;
}

void
record_unreadable(json_t *record, const char *fmt, ...)
{
	GG_AUTO_RELEASE(buf) safe = BUF_INIT((size_t)REASON_MAX * 12);
	char text[REASON_MAX];
	va_list ap;

	if (json_object_get(record, "unreadable") != NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_safe_add(&safe, text);
	json_put(record, "unreadable", json_string(buf_str(&safe)));
}

/* -- texts -- */

bool
put_view(json_t *object, const char *member, struct view text)
{
	GG_AUTO_RELEASE(buf) safe = BUF_INIT((size_t)PROVENANCE_TEXT_MAX * 12);
	GG_AUTO_MEM char *raw = NULL;

	if (text.n == 0)
		return true;
	if (text.n > PROVENANCE_TEXT_MAX ||
	    memchr(text.p, '\0', text.n) != NULL)
		return false;
	if ((raw = view_dup(text)) == NULL)
		gg_die("no memory for a record");
	text_safe_add(&safe, raw);
	if (safe.n > PROVENANCE_TEXT_MAX)
		return false;
	json_put(object, member, json_string(buf_str(&safe)));
	return true;
}

bool
put_text(json_t *object, const char *member, const json_t *text)
{
	return !json_is_string(text) ||
	    put_view(object, member,
		view_of(json_string_value(text), json_string_length(text)));
}

bool
put_link(json_t *object, const char *member, const json_t *text)
{
	struct view v = view_of(json_string_value(text),
	    json_string_length(text));

	if (!json_is_string(text) || !view_has_prefix(v, "https://") ||
	    v.n > PROVENANCE_LINK_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", v.p[i]) != NULL)
			return false;
	json_put(object, member, json_stringn(v.p, v.n));
	return true;
}

/* -- files and lines -- */

bool
path_is_sane(struct view path)
{
	struct view part, rest = path;
	bool more;

	do {
		more = view_cut(&rest, '/', &part);
		if (!more)
			part = rest;
		if (part.n == 0 || view_eq_str(part, ".") ||
		    view_eq_str(part, ".."))
			return false;
	} while (more);
	return memchr(path.p, '\0', path.n) == NULL;
}

json_t *
file_add(struct reading *r, json_t *record, struct view path, const char *by)
{
	json_t *files = json_object_get(record, "files"), *file;
	GG_AUTO_RELEASE(buf) safe = BUF_INIT((size_t)1 << 16);
	GG_AUTO_MEM char *raw = NULL;

	/* an entry is a few bytes, its path may be as long as all of it */
	if (r->files_left == 0 || r->bytes_left == 0 ||
	    path.n > PROVENANCE_PATH_MAX) {
		record_cut(record);
		return NULL;
	}
	r->files_left--;
	if ((raw = view_dup(path)) == NULL)
		gg_die("no memory for a record");
	if (path_is_sane(path))
		text_safe_add(&safe, raw);
	if (safe.n == 0 || safe.failed != 0) {
		record_cut(record);
		return NULL;
	}
	if (files == NULL) {
		files = json_or_die(json_array());
		json_put(record, "files", files);
	}
	file = json_or_die(json_object());
	json_push(files, file);
	json_put(file, "path", json_string(buf_str(&safe)));
	json_put(file, "by", json_string(by));
	return file;
}

void
file_done(struct reading *r, const json_t *file)
{
	/* jansson's iterators want a pointer to what they do not change */
	json_t *o = (json_t *)(uintptr_t)file, *text;
	const char *name;
	size_t n = 0;

	json_object_foreach(o, name, text) n += json_string_length(text);
	r->bytes_left -= n < r->bytes_left ? n : r->bytes_left;
}

bool
range_add(struct reading *r, json_t *record, json_t *file, json_int_t first,
    json_int_t last)
{
	json_t *ranges = json_object_get(file, "ranges"), *range;

	if (first < 1 || last < first || last > RANGE_END_MAX)
		return false;
	if (r->ranges_left == 0) {
		record_cut(record);
		return true;
	}
	r->ranges_left--;
	if (ranges == NULL) {
		ranges = json_or_die(json_array());
		json_put(file, "ranges", ranges);
	}
	range = json_or_die(json_array());
	json_push(ranges, range);
	json_push(range, json_integer(first));
	json_push(range, json_integer(last));
	return true;
}

/* -- JSON -- */

/* Jansson's own bound is too deep for the stacks of our threads. */
static bool
is_shallow(struct view text)
{
	bool string = false;
	int depth = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']'))
			depth--;
		if (depth > DEPTH_MAX)
			return false;
	}
	return true;
}

json_t *
json_read(struct view text, struct gg_error *err)
{
	json_error_t why;
	json_t *j;

	if (!is_shallow(text)) {
		gg_fail(err, GG_E_INPUT, "JSON that is nested too deep");
		return NULL;
	}
	j = json_loadb(text.n > 0 ? text.p : "", text.n, JSON_REJECT_DUPLICATES,
	    &why);
	if (j == NULL && json_error_code(&why) == json_error_out_of_memory)
		gg_die("no memory for a record");
	if (j == NULL)
		gg_fail(err, GG_E_INPUT, "no JSON: %s", why.text);
	return j;
}

/* -- all of them -- */

static bool
is_entire(const struct document *d)
{
	return d->kind >= DOCUMENT_ENTIRE_CHECKPOINT;
}

/* How many of d[0..n) are of the same checkpoint. */
static size_t
same_checkpoint(const struct document *d, size_t n)
{
	size_t i = 1;

	while (i < n && is_entire(&d[i]) && d[i].update == d->update &&
	    strcmp(d[i].key, d->key) == 0)
		i++;
	return i;
}

int
provenance_read(const struct change_report *r, json_t **out,
    struct gg_error *err)
{
	struct reading in = {
		.report = r,
		.out = json_array(),
		.files_left = PROVENANCE_FILES_MAX,
		.ranges_left = PROVENANCE_RANGES_MAX,
		.bytes_left = PROVENANCE_FILES_BYTES,
	};
	size_t step;

	if (in.out == NULL)
		return gg_fail(err, GG_E_NOMEM, "provenance");
	for (size_t i = 0; i < r->n_documents; i += step) {
		const struct document *d = &r->documents[i];

		step = 1;
		if (is_entire(d)) {
			step = same_checkpoint(d, r->n_documents - i);
			read_entire(&in, d, step);
		} else if (d->kind == DOCUMENT_AGENT_TRACE) {
			read_agent_trace(&in, d);
		} else {
			read_git_ai(&in, d);
		}
	}
	*out = in.out;
	return 0;
}
