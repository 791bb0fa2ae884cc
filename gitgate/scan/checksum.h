/*
 * Tokens that carry a checksum of their own: GitHub's classic tokens, npm's
 * and gitgate's: a prefix of four characters, 30 of base 62, and the CRC-32
 * of those 30 as six digits of base 62.
 */
#ifndef GITGATE_SCAN_CHECKSUM_H
#define GITGATE_SCAN_CHECKSUM_H

#include "base/view.h"

enum checksum {
	CHECKSUM_NONE, /* not such a token */
	CHECKSUM_RIGHT,
	/* Does not fit: a placeholder, or a form that is newer than this
	 * program. Still reported, and said. */
	CHECKSUM_WRONG,
	/* Does not fit, and there are no tokens without one. */
	CHECKSUM_FORGED,
};

enum checksum checksum_of(struct view secret);

#endif
