#include "pack/objects.h"

#include "base/fd.h"
#include "pack/obj_check.h"

#include <fcntl.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TAG_CHAIN_MAX = 32,
	IDX_HEAD = 8,
	IDX_FANOUT = 1024,
	IDX_TAIL = 40,
	/* per object: id, CRC, offset */
	IDX_ENTRY = OID_BYTES + 4 + 4,
};

struct objects {
	git_odb *pack;
	git_odb *mirror;
	unsigned char *idx; /* mapped */
	size_t idx_bytes;
	uint32_t n;
};

static int
git_failed(struct gg_error *err, enum gg_code code, const char *what)
{
	const git_error *e = git_error_last();

	return gg_fail(err, code, "%s: %s", what,
	    e != NULL && e->message != NULL ? e->message : "unknown");
}

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

/* gitformat-pack(5), "Version 2 pack-*.idx files". */
static int
idx_check(struct objects *o, struct gg_error *err)
{
	static const unsigned char head[IDX_HEAD] = { 0xff, 't', 'O', 'c', 0, 0,
		0, 2 };
	uint32_t before = 0, here;

	if (o->idx_bytes < IDX_HEAD + IDX_FANOUT + IDX_TAIL ||
	    memcmp(o->idx, head, sizeof(head)) != 0)
		return gg_fail(err, GG_E_CORRUPT, "not a pack index");
	for (size_t i = 0; i < 256; i++) {
		here = be32(o->idx + IDX_HEAD + 4 * i);
		if (here < before)
			return gg_fail(err, GG_E_CORRUPT, "pack index: fanout");
		before = here;
	}
	o->n = before;
	if ((o->idx_bytes - IDX_HEAD - IDX_FANOUT - IDX_TAIL) / IDX_ENTRY <
	    o->n)
		return gg_fail(err, GG_E_CORRUPT, "pack index is cut off");
	return 0;
}

static int
idx_open(struct objects *o, const char *path, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "pack index");
	if (st.st_size <= 0)
		return gg_fail(err, GG_E_CORRUPT, "empty pack index");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return gg_fail(err, GG_E_SYS, "pack index");
	o->idx = p;
	o->idx_bytes = (size_t)st.st_size;
	return idx_check(o, err);
}

static int
pack_open(struct objects *o, const char *idx, struct gg_error *err)
{
	git_odb_backend *backend = NULL;
	int rc;

	if ((rc = idx_open(o, idx, err)) != 0)
		return rc;
	if (o->n == 0)
		return 0; /* libgit2 knows no empty packs */
	if (git_odb_new(&o->pack) != 0 ||
	    git_odb_backend_one_pack(&backend, idx) != 0)
		return git_failed(err, GG_E_CORRUPT, "quarantine");
	if (git_odb_add_backend(o->pack, backend, 1) != 0) {
		backend->free(backend);
		return git_failed(err, GG_E_CORRUPT, "quarantine");
	}
	return 0;
}

int
objects_open(const char *mirror, const char *idx, struct objects **out,
    struct gg_error *err)
{
	GG_AUTO(objects) o = calloc(1, sizeof(*o));
	GG_AUTO_MEM char *dir = path_f("%s/objects", mirror);
	int rc;

	if (o == NULL)
		return gg_fail(err, GG_E_NOMEM, "objects");
	if (git_odb_open(&o->mirror, dir) != 0)
		return git_failed(err, GG_E_CORRUPT, "mirror");
	if (idx != NULL && (rc = pack_open(o, idx, err)) != 0)
		return rc;
	*out = gg_take(o);
	return 0;
}

int
objects_add(struct objects *o, const char *dir, struct gg_error *err)
{
	if (access(dir, F_OK) != 0)
		return 0;
	return git_odb_add_disk_alternate(o->mirror, dir) == 0 ?
	    0 :
	    git_failed(err, GG_E_CORRUPT, "the mirror's attic");
}

void
objects_free(struct objects *o)
{
	if (o == NULL)
		return;
	git_odb_free(o->pack);
	git_odb_free(o->mirror);
	if (o->idx != NULL)
		(void)munmap(o->idx, o->idx_bytes);
	free(o);
}

uint32_t
objects_count(const struct objects *o)
{
	return o->n;
}

static const unsigned char *
idx_oid(const struct objects *o, uint32_t i)
{
	return o->idx + IDX_HEAD + IDX_FANOUT + (size_t)i * OID_BYTES;
}

void
objects_oid_at(const struct objects *o, uint32_t i, struct oid *out)
{
	memcpy(out->b, idx_oid(o, i), OID_BYTES);
}

uint32_t
objects_find(const struct objects *o, const struct oid *oid)
{
	uint32_t low, high, mid;
	int c;

	if (o->n == 0)
		return NOT_IN_PACK;
	low = oid->b[0] == 0 ?
	    0 :
	    be32(o->idx + IDX_HEAD + 4 * (size_t)(oid->b[0] - 1));
	high = be32(o->idx + IDX_HEAD + 4 * (size_t)oid->b[0]);
	while (low < high) {
		mid = low + (high - low) / 2;
		c = memcmp(idx_oid(o, mid), oid->b, OID_BYTES);
		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NOT_IN_PACK;
}

uint64_t
objects_offset(const struct objects *o, uint32_t i)
{
	const unsigned char *small = idx_oid(o, o->n) + 4 * (size_t)o->n;
	const unsigned char *large = small + 4 * (size_t)o->n;
	uint32_t at = be32(small + 4 * (size_t)i);

	if (!(at & 0x80000000U))
		return at;
	large += 8 * (size_t)(at & 0x7fffffffU);
	if (large + 8 > o->idx + o->idx_bytes - IDX_TAIL)
		return UINT64_MAX;
	return (uint64_t)be32(large) << 32 | be32(large + 4);
}

static void
to_git(git_oid *g, const struct oid *oid)
{
	memcpy(g->id, oid->b, OID_BYTES);
}

bool
objects_in_mirror(struct objects *o, const struct oid *oid)
{
	git_oid g;

	to_git(&g, oid);
	return git_odb_exists_ext(o->mirror, &g, GIT_ODB_LOOKUP_NO_REFRESH) ==
	    1;
}

static enum object_kind
kind_of(git_object_t t)
{
	return t == GIT_OBJECT_COMMIT ? OBJECT_COMMIT :
	    t == GIT_OBJECT_TREE      ? OBJECT_TREE :
	    t == GIT_OBJECT_BLOB      ? OBJECT_BLOB :
	    t == GIT_OBJECT_TAG       ? OBJECT_TAG :
					OBJECT_NONE;
}

const char *
object_kind_word(enum object_kind k)
{
	switch (k) {
	case OBJECT_COMMIT:
		return "commit";
	case OBJECT_TREE:
		return "tree";
	case OBJECT_BLOB:
		return "blob";
	case OBJECT_TAG:
		return "tag";
	case OBJECT_NONE:
		break;
	}
	return "object";
}

static int
unreadable(const struct oid *oid, int git_rc, struct gg_error *err)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	if (git_rc == GIT_ENOTFOUND)
		return gg_fail(err, GG_E_NOTFOUND, "missing object %s", hex);
	return git_failed(err, GG_E_CORRUPT, hex);
}

static git_odb *
holder(const struct objects *o, const struct oid *oid)
{
	return objects_find(o, oid) != NOT_IN_PACK ? o->pack : o->mirror;
}

int
objects_header(struct objects *o, const struct oid *oid, enum object_kind *kind,
    uint64_t *size, struct gg_error *err)
{
	git_object_t type = GIT_OBJECT_INVALID;
	size_t len = 0;
	git_oid g;
	int rc;

	to_git(&g, oid);
	rc = git_odb_read_header(&len, &type, holder(o, oid), &g);
	if (rc != 0)
		return unreadable(oid, rc, err);
	*kind = kind_of(type);
	*size = len;
	return 0;
}

void
object_release(struct object *obj)
{
	git_odb_object_free(obj->owner);
	*obj = (struct object){ 0 };
}

int
objects_read(struct objects *o, const struct oid *oid, uint64_t max,
    struct object *out, struct gg_error *err)
{
	git_odb_object *raw = NULL;
	uint64_t size = 0;
	char hex[OID_HEX + 1];
	git_oid g;
	int rc;

	if ((rc = objects_header(o, oid, &out->kind, &size, err)) != 0)
		return rc;
	if (size > max) {
		oid_format(oid, hex);
		return gg_fail(err, GG_E_PEER, "%s %s is too large",
		    object_kind_word(out->kind), hex);
	}
	to_git(&g, oid);
	if ((rc = git_odb_read(&raw, holder(o, oid), &g)) != 0)
		return unreadable(oid, rc, err);
	out->owner = raw;
	out->kind = kind_of(git_odb_object_type(raw));
	out->data = view_of(git_odb_object_data(raw), git_odb_object_size(raw));
	return 0;
}

int
objects_read_as(struct objects *o, const struct oid *oid, enum object_kind kind,
    struct object *out, struct gg_error *err)
{
	char hex[OID_HEX + 1];
	int rc;

	if ((rc = objects_read(o, oid, OBJECT_READ_MAX, out, err)) != 0)
		return rc;
	if (out->kind == kind)
		return 0;
	oid_format(oid, hex);
	rc = gg_fail(err, GG_E_PEER, "%s is a %s, not a %s", hex,
	    object_kind_word(out->kind), object_kind_word(kind));
	object_release(out);
	return rc;
}

int
objects_peel(struct objects *o, const struct oid *oid, struct oid *peeled,
    enum object_kind *kind, struct gg_error *err)
{
	struct tag_fields tag;
	uint64_t size;
	int rc;

	*peeled = *oid;
	for (int i = 0; i < TAG_CHAIN_MAX; i++) {
		GG_AUTO_RELEASE(object) obj = { 0 };

		if ((rc = objects_header(o, peeled, kind, &size, err)) != 0)
			return rc;
		if (*kind != OBJECT_TAG)
			return 0;
		if ((rc = objects_read_as(o, peeled, OBJECT_TAG, &obj, err)) !=
		    0)
			return rc;
		if ((rc = tag_parse(obj.data, &tag, err)) != 0)
			return rc;
		*peeled = tag.target;
	}
	return gg_fail(err, GG_E_PEER, "a chain of tags is too long");
}
