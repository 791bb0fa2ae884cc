#include "http/addr.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Every address as 16 bytes (IPv4 mapped), so that one compare does. */
static bool
addr_bytes(const char *text, unsigned char out[16])
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(out, 0, 10);
		memset(out + 10, 0xff, 2);
		memcpy(out + 12, &v4, 4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return false;
	memcpy(out, &v6, 16);
	return true;
}

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static void
bytes_format(const unsigned char b[16], char out[ADDR_SIZE])
{
	if (memcmp(b, mapped, 12) == 0)
		(void)inet_ntop(AF_INET, b + 12, out, ADDR_SIZE);
	else
		(void)inet_ntop(AF_INET6, b, out, ADDR_SIZE);
}

void
addr_format(const struct sockaddr *sa, char out[ADDR_SIZE])
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	memcpy(out, "?", 2);
	if (sa == NULL)
		return;
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, out, ADDR_SIZE);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		bytes_format(v6.sin6_addr.s6_addr, out);
	}
}

static bool
prefix_covers(const char *entry, const unsigned char addr[16])
{
	unsigned char net[16];
	char text[ADDR_SIZE];
	struct view v = view_str(entry), host = { 0 };
	uint64_t bits = 128;
	bool cut = view_cut(&v, '/', &host);

	if (!cut)
		host = v;
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (!addr_bytes(text, net))
		return false;
	if (cut) {
		bool v4 = memchr(text, ':', host.n) == NULL;

		if (num_parse(v, v4 ? 32 : 128, &bits, NULL) != 0)
			return false;
		bits += v4 ? 96 : 0;
	}
	/* "::/8" is about IPv6, whatever we make of IPv4 addresses. */
	if (bits < 96 && memcmp(addr, mapped, sizeof(mapped)) == 0)
		return false;
	if (memcmp(net, addr, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	    ((net[bits / 8] ^ addr[bits / 8]) >> (8 - bits % 8)) == 0;
}

bool
addr_in_list(const char *addr, const struct strv *list)
{
	unsigned char b[16];

	if (list == NULL || !addr_bytes(addr, b))
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (prefix_covers(list->v[i], b))
			return true;
	return false;
}

bool
addr_clean(const char *text, char out[ADDR_SIZE])
{
	unsigned char b[16];

	if (!addr_bytes(text, b))
		return false;
	bytes_format(b, out);
	return true;
}

void
addr_group(const char *addr, char out[ADDR_SIZE])
{
	unsigned char b[16];
	char net[ADDR_SIZE];

	(void)snprintf(out, ADDR_SIZE, "%s", addr);
	if (!addr_bytes(addr, b) || memcmp(b, mapped, sizeof(mapped)) == 0)
		return;
	memset(b + 8, 0, 8);
	bytes_format(b, net);
	(void)snprintf(out, ADDR_SIZE, "%.*s/64", INET6_ADDRSTRLEN, net);
}

/* Some proxies add the port: "192.0.2.1:80", "[2001:db8::1]:80". */
static void
cut_port(struct view *v)
{
	const char *colon;

	if (v->n > 0 && v->p[0] == '[') {
		const char *end = memchr(v->p, ']', v->n);

		if (end != NULL)
			*v = view_of(v->p + 1, (size_t)(end - v->p) - 1);
		return;
	}
	colon = memchr(v->p, ':', v->n);
	if (colon != NULL && memchr(v->p, '.', (size_t)(colon - v->p)) != NULL)
		v->n = (size_t)(colon - v->p);
}

/* The last element of the comma list, cut off its end. */
static struct view
cut_last(struct view *list)
{
	size_t at = list->n;
	struct view v;

	while (at > 0 && list->p[at - 1] != ',')
		at--;
	v = view_of(list->p + at, list->n - at);
	list->n = at > 0 ? at - 1 : 0;
	while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
		view_skip(&v, 1);
	while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

void
addr_client(const char *peer, struct view forwarded, const struct strv *trusted,
    char out[ADDR_SIZE])
{
	unsigned char b[16];
	char text[ADDR_SIZE];

	(void)snprintf(out, ADDR_SIZE, "%s", peer);
	while (forwarded.n > 0 && addr_in_list(out, trusted)) {
		struct view v = cut_last(&forwarded);

		cut_port(&v);
		if (v.n == 0 || v.n >= sizeof(text))
			return;
		memcpy(text, v.p, v.n);
		text[v.n] = '\0';
		if (!addr_bytes(text, b))
			return;
		bytes_format(b, out);
	}
}
