#include "base/sha256.h"

/* The first 32 bits of the fractional parts of the cube roots of the first
 * 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t round_constants[64] = { 0x428a2f98, 0x71374491,
	0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb,
	0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
	0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb,
	0xbef9a3f7, 0xc67178f2 };

static uint32_t
right(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void
schedule(const unsigned char block[64], uint32_t w[64])
{
	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 |
		    (uint32_t)block[4 * i + 1] << 16 |
		    (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (right(a, 7) ^ right(a, 18) ^ a >> 3) +
		    w[i - 7] + (right(b, 17) ^ right(b, 19) ^ b >> 10);
	}
}

/* v: the working variables a to h. */
static void
compress(uint32_t h[8], const unsigned char block[64])
{
	uint32_t w[64], v[8];

	schedule(block, w);
	memcpy(v, h, sizeof(v));
	for (size_t i = 0; i < 64; i++) {
		uint32_t one = v[7] +
		    (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) +
		    ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] +
		    w[i];
		uint32_t two = (right(v[0], 2) ^ right(v[0], 13) ^
				   right(v[0], 22)) +
		    ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += one;
		v[0] = one + two;
	}
	for (size_t i = 0; i < 8; i++)
		h[i] += v[i];
}

void
sha256_begin(struct sha256 *s)
{
	*s = (struct sha256){
		.h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	};
}

void
sha256_add(struct sha256 *s, struct view v)
{
	size_t have = s->n % 64, take;

	s->n += v.n;
	while (v.n > 0) {
		take = 64 - have < v.n ? 64 - have : v.n;
		memcpy(s->block + have, v.p, take);
		view_skip(&v, take);
		have += take;
		if (have == 64) {
			compress(s->h, s->block);
			have = 0;
		}
	}
}

void
sha256_end(struct sha256 *s, unsigned char out[SHA256_BYTES])
{
	static const unsigned char pad[64] = { 0x80 };
	uint64_t bits = s->n * 8;
	unsigned char length[8];

	sha256_add(s,
	    view_of(pad, s->n % 64 < 56 ? 56 - s->n % 64 : 120 - s->n % 64));
	for (size_t i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_add(s, view_of(length, sizeof(length)));
	for (size_t i = 0; i < SHA256_BYTES; i++)
		out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void
hmac_sha256_begin(struct hmac_sha256 *m, struct view key)
{
	unsigned char k[64] = { 0 }, pad[64];

	if (key.n > sizeof(k)) {
		sha256_begin(&m->inner);
		sha256_add(&m->inner, key);
		sha256_end(&m->inner, k);
	} else if (key.n > 0) {
		memcpy(k, key.p, key.n);
	}
	sha256_begin(&m->inner);
	sha256_begin(&m->outer);
	for (size_t i = 0; i < sizeof(k); i++)
		pad[i] = k[i] ^ 0x36;
	sha256_add(&m->inner, view_of(pad, sizeof(pad)));
	for (size_t i = 0; i < sizeof(k); i++)
		pad[i] = k[i] ^ 0x5c;
	sha256_add(&m->outer, view_of(pad, sizeof(pad)));
}

void
hmac_sha256_end(struct hmac_sha256 *m, unsigned char out[SHA256_BYTES])
{
	sha256_end(&m->inner, out);
	sha256_add(&m->outer, view_of(out, SHA256_BYTES));
	sha256_end(&m->outer, out);
}
