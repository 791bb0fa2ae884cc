#include "audit/entry.h"

#include "base/clock.h"
#include "crypto/digest.h"

#include <string.h>

static int
check_key(const char *key, struct gg_error *err)
{
	if (*key == '\0')
		return gg_fail(err, GG_E_INPUT, "an entry has an empty key");
	for (; *key != '\0'; key++)
		if (*key <= 0x20 || *key >= 0x7f)
			return gg_fail(err, GG_E_INPUT,
			    "an entry's key is not printable ASCII");
	return 0;
}

/* Recursion ends at ENTRY_DEPTH_MAX. */
static int
check_value(const json_t *v, unsigned depth, struct gg_error *err)
{
	const char *key;
	json_t *child;
	size_t i;
	int rc = 0;

	if (depth > ENTRY_DEPTH_MAX)
		return gg_fail(err, GG_E_INPUT, "an entry is nested too deep");
	if (json_is_object(v)) {
		/* the macro wants a pointer that it does not write through */
		void *it = json_object_iter((json_t *)(uintptr_t)v);

		for (; it != NULL && rc == 0;
		     it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
			key = json_object_iter_key(it);
			/* Further down keys may be a pusher's words. */
			if (depth == 0)
				rc = check_key(key, err);
			if (rc == 0)
				rc = check_value(json_object_iter_value(it),
				    depth + 1, err);
		}
		return rc;
	}
	if (json_is_array(v)) {
		json_array_foreach(v, i,
		    child) if ((rc = check_value(child, depth + 1, err)) !=
		    0) return rc;
		return 0;
	}
	if (json_is_string(v) || json_is_integer(v) || json_is_boolean(v))
		return 0;
	return gg_fail(err, GG_E_INPUT,
	    "an entry has a value that is no string, integer or boolean");
}

static bool
type_is_valid(const json_t *type)
{
	const char *s = json_string_value(type);
	size_t n = json_string_length(type);

	if (s == NULL || n == 0 || n > ENTRY_TYPE_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '.' &&
		    s[i] != '-' && s[i] != '_')
			return false;
	return s[0] != '.' && s[n - 1] != '.';
}

int
entry_check(const json_t *entry, struct gg_error *err)
{
	if (!json_is_object(entry))
		return gg_fail(err, GG_E_INPUT, "an entry is no object");
	if (!type_is_valid(json_object_get(entry, "type")))
		return gg_fail(err, GG_E_INPUT,
		    "an entry has no type, or a bad one");
	return check_value(entry, 0, err);
}

bool
entry_pair_of(const json_t *entry, struct entry_pair *pair)
{
	const json_t *repository = json_object_get(entry, "repository");
	const json_t *ref = json_object_get(entry, "ref");
	GG_AUTO(digest_ctx) d = NULL;
	unsigned char sum[DIGEST_SHA256_BYTES], be[4];
	size_t n;

	if (!json_is_string(repository) || !json_is_string(ref))
		return false;
	d = digest_ctx_new();
	n = json_string_length(repository);
	for (int i = 0; i < 4; i++)
		be[i] = (unsigned char)(n >> (24 - 8 * i));
	digest_ctx_update(d, be, sizeof(be));
	digest_ctx_update(d, json_string_value(repository), n);
	digest_ctx_update(d, json_string_value(ref), json_string_length(ref));
	digest_ctx_final(d, sum);
	memcpy(pair->b, sum, sizeof(pair->b));
	return true;
}

int
entry_encode(const json_t *entry, struct buf *out, struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;
	size_t n;
	int rc;

	if ((rc = entry_check(entry, err)) != 0)
		return rc;
	text = json_dumps(entry,
	    JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	n = strlen(text);
	if (n > ENTRY_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "an audit entry has %zu bytes, at most %d", n,
		    ENTRY_MAX_BYTES);
	buf_add(out, text, n);
	return buf_check(out, err);
}

static bool
get_count(const json_t *entry, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(entry, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static int
read_facts(const json_t *j, struct entry_facts *f, struct gg_error *err)
{
	const json_t *time = json_object_get(j, "time");
	const char *type = json_string_value(json_object_get(j, "type"));
	uint64_t v = 0;

	if (!get_count(j, "v", &v) || v != ENTRY_VERSION)
		return gg_fail(err, GG_E_CORRUPT, "v is not %d", ENTRY_VERSION);
	if (!get_count(j, "seq", &f->seq))
		return gg_fail(err, GG_E_CORRUPT, "there is no seq");
	if (!json_is_string(time) ||
	    clock_parse(view_of(json_string_value(time),
			    json_string_length(time)),
		&f->time_ms, NULL) != 0)
		return gg_fail(err, GG_E_CORRUPT, "there is no time");
	f->has_pair = entry_pair_of(j, &f->pair);
	f->has_prev = json_object_get(j, "prev") != NULL;
	if (f->has_prev && !get_count(j, "prev", &f->prev))
		return gg_fail(err, GG_E_CORRUPT, "prev is no count");
	(void)snprintf(f->type, sizeof(f->type), "%s", type ? type : "");
	return 0;
}

int
entry_load(struct view line, struct entry_facts *out, json_t **entry,
    struct gg_error *err)
{
	struct entry_facts f = { 0 };
	json_auto_t *j = NULL;
	json_error_t why;
	int rc;

	if (line.n > ENTRY_MAX_BYTES)
		return gg_fail(err, GG_E_CORRUPT, "it is too long");
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 ||
		    (unsigned char)line.p[i] > 0x7e)
			return gg_fail(err, GG_E_CORRUPT,
			    "it is not one line of ASCII");
	j = json_loadb(line.n ? line.p : "", line.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (j == NULL)
		return gg_fail(err, GG_E_CORRUPT, "it is not JSON");
	if ((rc = entry_check(j, err)) == 0)
		rc = read_facts(j, &f, err);
	if (rc != 0) {
		if (err != NULL)
			err->code = GG_E_CORRUPT;
		return GG_E_CORRUPT;
	}
	*out = f;
	if (entry != NULL)
		*entry = gg_take(j);
	return 0;
}

int
entry_parse(struct view line, struct entry_facts *out, struct gg_error *err)
{
	return entry_load(line, out, NULL, err);
}
