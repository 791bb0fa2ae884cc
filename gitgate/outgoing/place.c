#include "outgoing/place.h"

#include "base/num.h"

#include <string.h>
#include <strings.h>

/* By its name: what it resolves to is looked at, too. */
static bool
is_loopback_host(const char *host)
{
	return strcasecmp(host, "localhost") == 0 ||
	    strcmp(host, "[::1]") == 0 ||
	    address_class_text(host) == ADDRESS_LOOPBACK;
}

int
place_of(const char *scheme, const char *host, bool mail, bool named,
    struct place *out, struct gg_error *err)
{
	bool here = named && is_loopback_host(host);
	bool tls = strcasecmp(scheme, mail ? "smtps" : "https") == 0;
	bool other = strcasecmp(scheme, mail ? "smtp" : "http") == 0;

	*out = (struct place){ .named = named };
	if (tls) {
		out->protocols = mail ? "smtps" : "https";
		return 0;
	}
	if (other && (mail || here)) {
		out->protocols = mail ? "smtp" : "http";
		out->plain = here;
		return 0;
	}
	return gg_fail(err, GG_E_REFUSED,
	    "only %s URLs are gone to (without TLS only loopback that the "
	    "configuration names)",
	    mail ? "smtp and smtps" : "https");
}

bool
place_permits(const struct place *p, enum address_class class)
{
	if (p->plain)
		return class == ADDRESS_LOOPBACK;
	return p->named || class == ADDRESS_PUBLIC;
}

static struct view
trim(struct view v)
{
	while (v.n > 0 && strchr(" \t\r\n", v.p[0]) != NULL)
		view_skip(&v, 1);
	while (v.n > 0 && strchr(" \t\r\n", v.p[v.n - 1]) != NULL)
		v.n--;
	return v;
}

uint64_t
place_max_age(struct view value, uint64_t max)
{
	uint64_t found = 0;
	bool more = true;

	while (more) {
		struct view part;

		if (!(more = view_cut(&value, ',', &part)))
			part = value;
		part = trim(part);
		if ((part.n == 8 && strncasecmp(part.p, "no-store", 8) == 0) ||
		    (part.n == 8 && strncasecmp(part.p, "no-cache", 8) == 0))
			return 0;
		if (part.n <= 8 || strncasecmp(part.p, "max-age=", 8) != 0)
			continue;
		view_skip(&part, 8);
		if (num_parse(part, UINT64_MAX, &found, NULL) != 0)
			found = 0;
		found = found < max ? found : max;
	}
	return found;
}
