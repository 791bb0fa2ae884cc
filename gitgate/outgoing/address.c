#include "outgoing/address.h"

#include "base/auto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* The IANA special-purpose registry, less what is reachable globally. */
static const struct {
	uint32_t net;
	unsigned bits;
} not_public4[] = {
	{ 0x00000000, 8 },  /* "this network" */
	{ 0x0a000000, 8 },  /* private */
	{ 0x64400000, 10 }, /* shared */
	{ 0x7f000000, 8 },  /* loopback */
	{ 0xa9fe0000, 16 }, /* link-local: metadata services */
	{ 0xac100000, 12 }, /* private */
	{ 0xc0000000, 24 }, /* protocol assignments */
	{ 0xc0000200, 24 }, /* documentation */
	{ 0xc0586300, 24 }, /* 6to4 relays */
	{ 0xc0a80000, 16 }, /* private */
	{ 0xc6120000, 15 }, /* benchmarks */
	{ 0xc6336400, 24 }, /* documentation */
	{ 0xcb007100, 24 }, /* documentation */
	{ 0xe0000000, 4 },  /* multicast */
	{ 0xf0000000, 4 },  /* reserved, broadcast */
};

static enum address_class
class4(uint32_t a)
{
	if (a >> 24 == 127)
		return ADDRESS_LOOPBACK;
	for (size_t i = 0; i < GG_COUNT(not_public4); i++) {
		unsigned shift = 32 - not_public4[i].bits;

		if (a >> shift == not_public4[i].net >> shift)
			return ADDRESS_PRIVATE;
	}
	return ADDRESS_PUBLIC;
}

static uint32_t
word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static enum address_class
class6(const unsigned char a[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const unsigned char loopback[16] = { [15] = 1 };
	uint32_t top = word(a);

	if (memcmp(a, loopback, 16) == 0)
		return ADDRESS_LOOPBACK;
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return class4(word(a + 12));
	/* Only 2000::/3 is given out; in it are Teredo and the like,
	 * documentation (twice) and 6to4. */
	if (top >> 29 != 1 || top >> 9 == 0x20010000 >> 9 ||
	    top == 0x20010db8 || top >> 16 == 0x2002 || top >> 12 == 0x3fff0)
		return ADDRESS_PRIVATE;
	return ADDRESS_PUBLIC;
}

enum address_class
address_class(const struct sockaddr *sa)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in4, sa, sizeof(in4));
		return class4(ntohl(in4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return class6(in6.sin6_addr.s6_addr);
	}
	return ADDRESS_PRIVATE;
}

enum address_class
address_class_text(const char *text)
{
	struct in_addr in4;
	struct in6_addr in6;

	if (inet_pton(AF_INET, text, &in4) == 1)
		return class4(ntohl(in4.s_addr));
	if (inet_pton(AF_INET6, text, &in6) == 1)
		return class6(in6.s6_addr);
	return ADDRESS_PRIVATE;
}
