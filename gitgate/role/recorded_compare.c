/* Is a recorded push what was recorded, and does it come out the same? */
#include "role/recorded.h"

#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "role/kept_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* -- the files -- */

static int
file_digest(const char *path, char hex[DIGEST_SHA256_HEX_SIZE])
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	unsigned char raw[DIGEST_SHA256_BYTES];
	char piece[65536];
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		digest_ctx_update(d, piece, (size_t)n);
	}
	digest_ctx_final(d, raw);
	hex_encode(raw, sizeof(raw), hex);
	return 0;
}

static void
check_file(const char *dir, const char *name, const char *want,
    struct strv *faults)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	char hex[DIGEST_SHA256_HEX_SIZE];

	if (want == NULL || want[0] == '\0')
		return; /* none was recorded */
	if (file_digest(path, hex) != 0)
		strv_addf(faults, "the recorded %s is gone", name);
	else if (strcmp(hex, want) != 0)
		strv_addf(faults,
		    "the recorded %s has SHA-256 %s, it was recorded with %s",
		    name, hex, want);
}

int
recorded_check(const struct config *c, const struct stored_push *push,
    struct strv *faults, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/pushes/%s", c->state_dir, push->id);
	const json_t *rq = push->request;

	if (json_is_true(json_object_get(rq, "has_pack")))
		check_file(dir, "pack",
		    json_string_value(json_object_get(rq, "pack_sha256")),
		    faults);
	check_file(dir, "report", push->report_digest, faults);
	check_file(dir, "upstream",
	    json_string_value(json_object_get(rq, "refs_sha256")), faults);
	check_file(dir, "trace",
	    json_string_value(json_object_get(rq, "trace_sha256")), faults);
	return strv_check(faults, err);
}

/* -- what comes out -- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* "rule a hold, rule b deny" */
static void
reasons_text(const json_t *update, struct buf *out)
{
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(update, "reasons"), i, r)
	    buf_addf(out, "%srule %s says %s", out->n > 0 ? ", " : "",
		text_of(r, "rule"), text_of(r, "verdict"));
	if (out->n == 0)
		buf_adds(out, "no rule");
}

/* Messages may be another hook's words; the rest must be the same. */
static bool
same_reasons(const json_t *was, const json_t *now)
{
	const json_t *a = json_object_get(was, "reasons");
	const json_t *b = json_object_get(now, "reasons");
	static const char *const keys[] = { "rule", "verdict", "paths",
		"paths_total" };

	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		for (size_t k = 0; k < GG_COUNT(keys); k++) {
			const json_t *x = json_object_get(json_array_get(a, i),
			    keys[k]);
			const json_t *y = json_object_get(json_array_get(b, i),
			    keys[k]);

			if (x != y && !json_equal(x, y))
				return false;
		}
	return true;
}

static void
compare_ref(const json_t *was, const json_t *now, struct strv *out)
{
	GG_AUTO_RELEASE(buf) a = BUF_INIT((size_t)1 << 20);
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	/* A grant lifts what rules said; they are asked alone. */
	bool lifted = json_array_size(json_object_get(was, "grants")) > 0;
	const char *said = lifted ? "hold" : text_of(was, "verdict");

	if (strcmp(said, text_of(now, "verdict")) == 0 &&
	    strcmp(text_of(was, "kind"), text_of(now, "kind")) == 0 &&
	    same_reasons(was, now))
		return;
	reasons_text(was, &a);
	reasons_text(now, &b);
	strv_addf(out, "%s: %s %s (%s), now %s %s (%s)", text_of(was, "ref"),
	    text_of(was, "kind"), said, buf_str(&a), text_of(now, "kind"),
	    text_of(now, "verdict"), buf_str(&b));
}

void
recorded_compare(const struct stored_push *push, const struct rejudged *r,
    bool same_policy, struct strv *differences)
{
	json_t *now = decision_updates_json(r->decision);
	size_t n = json_array_size(push->updates);

	/* Another policy asks for other things to be reported. */
	if (same_policy && strcmp(push->report_digest, r->report_digest) != 0)
		strv_addf(differences,
		    "the change report has SHA-256 %s, now %s",
		    push->report_digest, r->report_digest);
	if (n != json_array_size(now))
		strv_addf(differences, "%zu ref updates, now %zu", n,
		    json_array_size(now));
	for (size_t i = 0; i < n && i < json_array_size(now); i++)
		compare_ref(json_array_get(push->updates, i),
		    json_array_get(now, i), differences);
	json_decref(now);
}
