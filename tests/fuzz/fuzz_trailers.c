/* Commit messages: claims are bounded, readable and said once. */
#include "fuzz.h"

#include "base/text.h"
#include "model/provenance.h"

static void
check_trailer(void *ctx, struct view key, struct view value)
{
	struct view message = *(const struct view *)ctx;

	FUZZ_CHECK(key.n > 0 && key.n + value.n <= message.n + 1);
	FUZZ_CHECK(memchr(key.p, ' ', key.n) == NULL);
	FUZZ_CHECK(value.n == 0 || memchr(value.p, '\n', value.n) == NULL);
}

static void
check_claim(const struct claims *c, size_t i)
{
	struct view v = view_str(c->v[i].value);

	FUZZ_CHECK(v.n > 0 && v.n <= CLAIM_VALUE_MAX * 12);
	FUZZ_CHECK(utf8_is_valid(v) && c->v[i].from != NULL);
	FUZZ_CHECK(*claim_kind_name(c->v[i].kind) != '\0');
	for (size_t at = 0, len; at < v.n; at += len)
		FUZZ_CHECK(!char_is_deceptive(utf8_char(view_of(v.p + at,
							    v.n - at),
		    &len)));
	for (size_t j = 0; j < i; j++)
		FUZZ_CHECK(c->v[j].kind != c->v[i].kind ||
		    strcmp(c->v[j].value, c->v[i].value) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(claims) c = { .n = 0 };
	GG_AUTO_MEM char *text = view_dup(view_of(data, size));
	struct view message = view_str(text); /* up to the first NUL */

	trailers_each(message, check_trailer, &message);
	claims_of_message(&c, message);
	FUZZ_CHECK(c.n <= CLAIMS_MAX);
	for (size_t i = 0; i < c.n; i++)
		check_claim(&c, i);
	return 0;
}
