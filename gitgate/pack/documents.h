/*
 * Documents of provenance (model/report.h): what agents' tools wrote down
 * beside the code, copied out of what a push brings. docs/inspection.md,
 * "Provenance".
 */
#ifndef GITGATE_PACK_DOCUMENTS_H
#define GITGATE_PACK_DOCUMENTS_H

#include "base/error.h"

struct inspection;

/*
 * Fill the report's documents; after secrets_scan(), whose finds are masked
 * in them. A limit or an object that cannot be read leaves things out and the
 * report says so; only want of memory or of the disk fails.
 */
GG_MUST_USE int documents_collect(struct inspection *in, struct gg_error *err);

#endif
