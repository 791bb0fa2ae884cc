/*
 * Reading objects: the push's own pack in the quarantine, and the mirror.
 * The two are kept apart, because what lies in the mirror may be a base and
 * what lies in the quarantine has to be looked at.
 *
 * libgit2 is used as an object database only (docs/inspection.md, "What is
 * not taken from libgit2").
 */
#ifndef GITGATE_PACK_OBJECTS_H
#define GITGATE_PACK_OBJECTS_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"
#include "model/oid.h"
#include "model/report.h"

#include <stdint.h>

struct objects;

/* Commits, trees and tags above this are refused, never read. */
#define OBJECT_READ_MAX (64U << 20)
#define NOT_IN_PACK     UINT32_MAX

/*
 * mirror: a bare repository. idx: the path of the pack's index (version 2),
 * or NULL without a pack. 0; GG_E_SYS; GG_E_CORRUPT.
 */
GG_MUST_USE int objects_open(const char *mirror, const char *idx,
    struct objects **out, struct gg_error *err);
/* An object directory more beside the mirror's; one that is not there adds
 * nothing. 0 or GG_E_CORRUPT. */
GG_MUST_USE int
objects_add(struct objects *o, const char *dir, struct gg_error *err);
void objects_free(struct objects *o);
GG_DEFINE_AUTO(objects);

/* The pack's objects, ordered by id; 0 without a pack. */
uint32_t objects_count(const struct objects *o);
void objects_oid_at(const struct objects *o, uint32_t i, struct oid *out);
uint32_t objects_find(const struct objects *o, const struct oid *oid);
/* Where it begins in the pack file; what --fix-thin adds stands at the end. */
uint64_t objects_offset(const struct objects *o, uint32_t i);
bool objects_in_mirror(struct objects *o, const struct oid *oid);

/*
 * Kind and size, from the pack or else the mirror. 0; GG_E_NOTFOUND;
 * GG_E_CORRUPT when it cannot be read.
 */
GG_MUST_USE int objects_header(struct objects *o, const struct oid *oid,
    enum object_kind *kind, uint64_t *size, struct gg_error *err);

/* An object's bytes, as stored. */
struct object {
	enum object_kind kind;
	struct view data;
	void *owner;
};
void object_release(struct object *obj);
GG_DEFINE_AUTO_RELEASE(object);
/*
 * Read one whole. As objects_header(); GG_E_PEER "object ... is too large"
 * over max. *out must be empty.
 */
GG_MUST_USE int objects_read(struct objects *o, const struct oid *oid,
    uint64_t max, struct object *out, struct gg_error *err);
/* Read one that has to be of this kind: else GG_E_PEER. */
GG_MUST_USE int objects_read_as(struct objects *o, const struct oid *oid,
    enum object_kind kind, struct object *out, struct gg_error *err);

/* What stands behind a chain of tags (bounded), and its kind. */
GG_MUST_USE int objects_peel(struct objects *o, const struct oid *oid,
    struct oid *peeled, enum object_kind *kind, struct gg_error *err);

const char *object_kind_word(enum object_kind k);

#endif
