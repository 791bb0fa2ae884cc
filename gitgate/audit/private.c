#include "audit/private.h"

#include "audit/tile.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <stdlib.h>
#include <string.h>

enum kind { TEXT, OBJECT, LIST };

/*
 * What is personal. A place is sealed where the type of its entry begins so;
 * when an entry is read the place counts, whatever its type. Names stay clear:
 * the log is there to say who did what. New places go to the end.
 */
static const struct place {
	const char *name; /* "member" or "object.member" */
	const char *type;
	enum kind kind;
	bool is_address;
} places[] = {
	{ "client.addr", "", TEXT, true },
	{ "client.agent", "", TEXT, true },
	{ "reviewer_addr", "", TEXT, true },
	{ "asked_addr", "", TEXT, true },
	{ "by_addr", "", TEXT, true },
	{ "comment", "", TEXT, false },
	{ "claimed", "", OBJECT, false },
	{ "auth.verified", "", OBJECT, false },
	{ "auth.subject", "", TEXT, false },
	{ "reviewer_subject", "", TEXT, false },
	{ "provider_subject", "", TEXT, false },
	{ "emails", "", LIST, false },
	/* Others' reasons are the gate's own words. */
	{ "reason", "grant.", TEXT, false },
	{ "reason", "hold.", TEXT, false },
	{ "reason", "retention.", TEXT, false },
	{ "reason", "redaction", TEXT, false },
};

/* Several rows may say one name: its first row stands for it. */
static size_t
first_row(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(places[k].name, places[i].name) == 0)
			return k;
	return i;
}

const char *
private_place(size_t i)
{
	return i < GG_COUNT(places) ? places[i].name : NULL;
}

private_set
private_addresses(void)
{
	private_set set = 0;

	for (size_t i = 0; i < GG_COUNT(places); i++)
		if (places[i].is_address)
			set |= 1U << i;
	return set;
}

private_set
private_place_find(const char *name)
{
	for (size_t i = 0; i < GG_COUNT(places); i++)
		if (strcmp(places[i].name, name) == 0)
			return 1U << i;
	return 0;
}

/* The object that holds a place's member, and the member's name. */
static json_t *
holder_of(const json_t *entry, const struct place *p, const char **member)
{
	const char *dot = strchr(p->name, '.');

	*member = dot != NULL ? dot + 1 : p->name;
	if (dot == NULL)
		return (json_t *)(uintptr_t)entry;
	return json_object_getn(entry, p->name, (size_t)(dot - p->name));
}

static json_t *
value_at(const json_t *entry, const struct place *p)
{
	const char *member;
	const json_t *holder = holder_of(entry, p, &member);

	return json_object_get(holder, member);
}

static int
put_at(json_t *entry, const struct place *p, json_t *value,
    struct gg_error *err)
{
	const char *member;
	json_t *holder = holder_of(entry, p, &member);

	return json_object_set_new(holder, member, value) == 0 ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "no memory for an entry");
}

/* The hash of a commitment, or NULL: v is none. */
static const char *
commitment(const json_t *v)
{
	const json_t *h = json_object_get(v, "sha256");
	const char *s = json_string_value(h);

	if (json_object_size(v) != 1 || s == NULL ||
	    json_string_length(h) != DIGEST_SHA256_HEX_SIZE - 1 ||
	    strspn(s, "0123456789abcdef") != DIGEST_SHA256_HEX_SIZE - 1)
		return NULL;
	return s;
}

static char *
dump(const json_t *v)
{
	return json_dumps(v,
	    JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII |
		JSON_ENCODE_ANY);
}

static int
commit(const unsigned char salt[PRIVATE_SALT_BYTES], const json_t *value,
    char hex[DIGEST_SHA256_HEX_SIZE], struct gg_error *err)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	GG_AUTO_MEM char *text = dump(value);
	GG_AUTO(digest_ctx) d = digest_ctx_new();

	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	digest_ctx_update(d, salt, PRIVATE_SALT_BYTES);
	digest_ctx_update(d, text, strlen(text));
	digest_ctx_final(d, sum);
	hex_encode(sum, sizeof(sum), hex);
	return 0;
}

/* -- sealing -- */

static int
seal_one(json_t *entry, const struct place *p, json_t *opening,
    struct gg_error *err)
{
	unsigned char salt[PRIVATE_SALT_BYTES];
	char salt_hex[2 * PRIVATE_SALT_BYTES + 1];
	char hex[DIGEST_SHA256_HEX_SIZE];
	json_t *value = value_at(entry, p);
	int rc;

	random_bytes(salt, sizeof(salt));
	if ((rc = commit(salt, value, hex, err)) != 0)
		return rc;
	hex_encode(salt, sizeof(salt), salt_hex);
	if (json_object_set_new(opening, p->name,
		json_pack("{s:s, s:O}", "salt", salt_hex, "value", value)) != 0)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	return put_at(entry, p, json_pack("{s:s}", "sha256", hex), err);
}

static bool
is_of_type(const json_t *entry, const struct place *p)
{
	const char *type = json_string_value(json_object_get(entry, "type"));

	return type != NULL && strncmp(type, p->type, strlen(p->type)) == 0;
}

static int
add_opening(const json_t *opening, struct buf *out, struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;

	if (json_object_size(opening) == 0)
		return 0;
	if ((text = dump(opening)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	if (strlen(text) > PRIVATE_OPENING_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "an audit entry has %zu bytes of personal data, at most %d",
		    strlen(text), PRIVATE_OPENING_MAX_BYTES);
	buf_adds(out, text);
	return buf_check(out, err);
}

int
private_seal(json_t *entry, struct buf *out, struct gg_error *err)
{
	json_auto_t *opening = json_object();
	int rc;

	for (size_t i = 0; i < GG_COUNT(places); i++) {
		const struct place *p = &places[i];

		if (value_at(entry, p) == NULL || !is_of_type(entry, p))
			continue;
		if ((rc = seal_one(entry, p, opening, err)) != 0)
			return rc;
	}
	return add_opening(opening, out, err);
}

/* -- opening -- */

static private_set
find(const json_t *entry, bool sealed)
{
	private_set set = 0;

	for (size_t i = 0; i < GG_COUNT(places); i++) {
		const json_t *v = value_at(entry, &places[i]);

		if (v == NULL || (commitment(v) != NULL) != sealed)
			continue;
		if (sealed || is_of_type(entry, &places[i]))
			set |= 1U << first_row(i);
	}
	return set;
}

private_set
private_sealed(const json_t *entry)
{
	return find(entry, true);
}

private_set
private_clear(const json_t *entry)
{
	return find(entry, false);
}

static int
read_opening(struct view text, json_t **out, struct gg_error *err)
{
	json_error_t why;

	if (text.n == 0)
		*out = json_object();
	else
		*out = json_loadb(text.p, text.n,
		    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return gg_fail(err, GG_E_CORRUPT, "its opening is not JSON");
}

static json_t *
marker(enum kind k)
{
	switch (k) {
	case OBJECT:
		return json_pack("{s:b}", "erased", true);
	case LIST:
		return json_pack("[s]", PRIVATE_ERASED);
	case TEXT:
		break;
	}
	return json_string(PRIVATE_ERASED);
}

/* The value that `one`, {"salt", "value"}, opens hash as; borrowed. */
static int
open_one(const json_t *one, const char *hash, const char *name, json_t **value,
    struct gg_error *err)
{
	const json_t *salt_hex = json_object_get(one, "salt");
	const char *s = json_string_value(salt_hex);
	unsigned char salt[PRIVATE_SALT_BYTES];
	char hex[DIGEST_SHA256_HEX_SIZE];
	int rc;

	*value = json_object_get(one, "value");
	if (*value == NULL || s == NULL || json_object_size(one) != 2 ||
	    json_string_length(salt_hex) != sizeof(salt) * 2 ||
	    !hex_decode(view_str(s), salt, sizeof(salt)))
		return gg_fail(err, GG_E_CORRUPT,
		    "its opening of %s has not "
		    "the form of one",
		    name);
	if ((rc = commit(salt, *value, hex, err)) != 0)
		return rc;
	if (strcmp(hex, hash) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "its opening of %s is not what was logged", name);
	return 0;
}

static int
note_erased(json_t *entry, const struct place *p, struct gg_error *err)
{
	json_t *list = json_object_get(entry, PRIVATE_ERASED_KEY);

	if (list == NULL) {
		list = json_array();
		(void)json_object_set_new(entry, PRIVATE_ERASED_KEY, list);
	}
	if (json_array_append_new(list, json_string(p->name)) != 0)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	return put_at(entry, p, marker(p->kind), err);
}

static int
open_place(json_t *entry, const struct place *p, const json_t *opening,
    bool *was_there, struct gg_error *err)
{
	const json_t *one = json_object_get(opening, p->name);
	const char *hash = commitment(value_at(entry, p));
	json_t *value;
	int rc;

	*was_there = one != NULL;
	if (hash == NULL)
		return one == NULL ?
		    0 :
		    gg_fail(err, GG_E_CORRUPT,
			"it has an opening of %s and nothing to open", p->name);
	if (one == NULL)
		return note_erased(entry, p, err);
	if ((rc = open_one(one, hash, p->name, &value, err)) != 0)
		return rc;
	return put_at(entry, p, json_incref(value), err);
}

int
private_open(json_t *entry, struct view text, private_set *erased,
    struct gg_error *err)
{
	json_auto_t *opening = NULL;
	private_set sealed = private_sealed(entry), missing = 0;
	size_t n = 0;
	int rc;

	if ((rc = read_opening(text, &opening, err)) != 0)
		return rc;
	for (size_t i = 0; i < GG_COUNT(places); i++) {
		bool was_there;

		if (first_row(i) != i)
			continue;
		rc = open_place(entry, &places[i], opening, &was_there, err);
		if (rc != 0)
			return rc;
		n += was_there;
		if (!was_there)
			missing |= sealed & 1U << i;
	}
	if (n != json_object_size(opening))
		return gg_fail(err, GG_E_CORRUPT,
		    "it has an opening of something unknown");
	if (erased != NULL)
		*erased = missing;
	return 0;
}

int
private_open_text(struct view entry, struct view opening, struct buf *out,
    struct gg_error *err)
{
	json_auto_t *e = json_loadb(entry.n ? entry.p : "", entry.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_CORRUPT, "it is not JSON");
	if (opening.n == 0 && private_sealed(e) == 0) {
		buf_addv(out, entry);
		return buf_check(out, err);
	}
	if ((rc = private_open(e, opening, NULL, err)) != 0)
		return rc;
	if ((text = dump(e)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for an entry");
	buf_adds(out, text);
	return buf_check(out, err);
}

int
private_erase(struct view text, private_set set, struct buf *out,
    private_set *gone, struct gg_error *err)
{
	json_auto_t *opening = NULL;
	int rc;

	*gone = 0;
	if ((rc = read_opening(text, &opening, err)) != 0)
		return rc;
	for (size_t i = 0; i < GG_COUNT(places); i++)
		if (first_row(i) == i && (set & 1U << i) != 0 &&
		    json_object_del(opening, places[i].name) == 0)
			*gone |= 1U << i;
	return add_opening(opening, out, err);
}

/* -- bundles -- */

static const char magic[4] = { 'G', 'G', 'P', '1' };

void
private_bundle_format(struct view records, struct buf *out)
{
	unsigned char sum[DIGEST_SHA256_BYTES];

	digest_sha256(records.p, records.n, sum);
	buf_add(out, magic, sizeof(magic));
	buf_add(out, sum, sizeof(sum));
	buf_addv(out, records);
}

int
private_bundle_parse(struct view file, struct view *records,
    struct gg_error *err)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	struct view rest, one;
	unsigned n = 0;
	int rc;

	if (file.n < PRIVATE_HEAD_BYTES ||
	    memcmp(file.p, magic, sizeof(magic)) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "it is no bundle of openings");
	rest = view_of(file.p + PRIVATE_HEAD_BYTES,
	    file.n - PRIVATE_HEAD_BYTES);
	digest_sha256(rest.p, rest.n, sum);
	if (memcmp(file.p + sizeof(magic), sum, sizeof(sum)) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "it is not what was written (its hash differs)");
	*records = rest;
	while ((rc = tile_next_entry(&rest, &one, err)) == 1)
		if (++n > TILE_WIDTH)
			return gg_fail(err, GG_E_CORRUPT,
			    "it has more than %d openings", TILE_WIDTH);
	return rc;
}
