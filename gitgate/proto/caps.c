#include "proto/caps.h"

static int
check_one(struct view cap, struct gg_error *err)
{
	if (cap.n > CAPS_ONE_MAX_BYTES)
		return gg_fail(err, GG_E_PEER, "capability of %zu bytes",
		    cap.n);
	if (cap.p[0] == '=')
		return gg_fail(err, GG_E_PEER, "capability without a name");
	for (size_t i = 0; i < cap.n; i++) {
		unsigned char c = (unsigned char)cap.p[i];

		if (c < 0x20 || c == 0x7f)
			return gg_fail(err, GG_E_PEER,
			    "control byte in a capability");
	}
	return 0;
}

int
caps_parse(struct view list, struct strv *out, struct gg_error *err)
{
	struct view one;
	bool more = true;
	int rc;

	while (more) {
		more = view_cut(&list, ' ', &one);
		if (!more)
			one = list;
		if (one.n == 0)
			continue;
		if (out->n >= CAPS_MAX)
			return gg_fail(err, GG_E_PEER,
			    "more than %d capabilities", CAPS_MAX);
		if ((rc = check_one(one, err)) != 0)
			return rc;
		strv_addv(out, one);
	}
	return strv_check(out, err);
}

const char *
caps_value(const struct strv *caps, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < caps->n; i++) {
		const char *c = caps->v[i];

		if (strncmp(c, name, n) != 0)
			continue;
		if (c[n] == '\0')
			return c + n;
		if (c[n] == '=')
			return c + n + 1;
	}
	return NULL;
}

bool
caps_has(const struct strv *caps, const char *name)
{
	return caps_value(caps, name) != NULL;
}
