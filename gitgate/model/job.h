/*
 * What the gate asks of an inspector, as bytes of the JOB_* messages. The
 * inspector trusts the gate; the gate does not trust the inspector.
 */
#ifndef GITGATE_MODEL_JOB_H
#define GITGATE_MODEL_JOB_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/oid.h"
#include "model/push.h"
#include "model/report.h"

#include <stdint.h>

/* Ceilings that apply inside the inspector (config limits). */
struct job_limits {
	uint64_t pack_bytes, pack_objects, object_bytes, delta_depth;
	uint64_t path_bytes, tree_depth;
	uint64_t walk_commits, walk_entries, listed_paths;
	uint64_t wall_ms, cpu_ms, memory_bytes;
	uint64_t scan_blob_bytes; /* larger blobs are not scanned */
	/* Of provenance: how many documents are taken, how much of one and of
	 * all, and how much is read to find them. */
	uint64_t documents, document_bytes, documents_bytes, documents_read;
};

/* What the change report shall hold beside the paths: only what some rule
 * asks for is computed. */
enum {
	JOB_WANT_LINES = 1,
	JOB_WANT_SIGNATURES = 2,
	JOB_WANT_OWNERS = 4,
	JOB_WANT_SECRETS = 8, /* a fourth fd: the compiled secret rules */
	JOB_WANT_ALL = 15
};

/* The key that findings are named with: of this installation, so that nobody
 * can try out what a low-entropy secret was from its fingerprint. */
#define JOB_SALT_BYTES 32

/* Below a mirror: objects that upstream does not have any more. Only what was
 * recorded may stand on them; git's layout of an object directory. */
#define MIRROR_ATTIC "attic"

struct push_job {
	char *push_id;
	char *mirror;      /* absolute path of the bare mirror */
	char *quarantine;  /* absolute path; empty directory, made by the
	                          gate; the inspector makes objects/pack in it */
	bool has_pack;     /* false: only deletes, or nothing new */
	bool mirror_clean; /* every object in the mirror is reachable from
	                          upstream's refs that clients may see */
	bool sandbox_required;
	bool recorded; /* a push is judged again: it may stand on objects that
	                  upstream does not have any more (the mirror's attic) */
	uint8_t wants; /* JOB_WANT_* */
	unsigned char salt[JOB_SALT_BYTES];
	struct strv fsck;    /* "msg-id=severity" overrides */
	struct strv shallow; /* hex oids of the client's shallow lines */
	struct job_limits limits;
};
void push_job_release(struct push_job *j);
GG_DEFINE_AUTO_RELEASE(push_job);
void push_job_encode(const struct push_job *j, struct buf *out);
GG_MUST_USE int
push_job_decode(struct view v, struct push_job *out, struct gg_error *err);

/*
 * The refs part of a push job, in a file of its own since it may be large:
 * the updates; which oids are advertised (the base that new objects may stand
 * on: upstream's visible refs, peeled ones too); per scope the present
 * upstream values of the refs that it covers.
 */
struct push_job_scope {
	bool needed;     /* false: leave its commit lists empty */
	bool covers_all; /* every visible upstream ref: oids is empty then and
	                    `advertised` is meant */
	struct oid *oids;
	size_t n_oids;
};
struct push_job_refs {
	struct ref_updates updates;
	struct oid *advertised;
	size_t n_advertised;
	struct oid head; /* upstream's HEAD, for the diff's base; may be zero */
	struct push_job_scope scopes[REPORT_MAX_SCOPES];
	size_t n_scopes;
	/* A push is judged again: what its first report says of `known`,
	 * sorted, and not what the mirror has by now. */
	bool judged_before;
	struct oid *known;
	size_t n_known;
};
void push_job_refs_release(struct push_job_refs *r);
GG_DEFINE_AUTO_RELEASE(push_job_refs);
void push_job_refs_encode(const struct push_job_refs *r, struct buf *out);
GG_MUST_USE int push_job_refs_decode(struct view v, struct push_job_refs *out,
    struct gg_error *err);

/*
 * JOB_VIEW: one bounded question about a push that is held, for a reviewer.
 * Reads the mirror and the quarantine, writes one file that is passed along.
 */
enum view_kind {
	VIEW_NET,    /* diff records: from one tip to another */
	VIEW_COMMIT, /* diff records: what the commit `to` changes */
	VIEW_BLOB,   /* the bytes of the blob `to`, secrets masked */
	VIEW_KIND_COUNT
};
struct view_job {
	struct push_job push; /* as it was inspected; wants: only secrets */
	enum view_kind kind;
	char *ref;       /* NET: the name that the records say */
	struct oid from; /* NET; zero: nothing */
	struct oid to;
	char *path;         /* BLOB: known by this name to secret rules */
	uint64_t skip;      /* NET, COMMIT: files to leave out at the start */
	uint64_t max_bytes; /* of the answer */
};
void view_job_release(struct view_job *j);
GG_DEFINE_AUTO_RELEASE(view_job);
void view_job_encode(const struct view_job *j, struct buf *out);
GG_MUST_USE int
view_job_decode(struct view v, struct view_job *out, struct gg_error *err);

/* JOB_MIRROR, JOB_REPACK */
struct mirror_job {
	char *mirror;     /* absolute path; made by the inspector if missing
	                      (the gate has made its parent directories) */
	struct strv refs; /* globs that narrow what is carried; empty: all */
	bool sandbox_required;
	struct job_limits limits;
};
void mirror_job_release(struct mirror_job *j);
GG_DEFINE_AUTO_RELEASE(mirror_job);
void mirror_job_encode(const struct mirror_job *j, struct buf *out);
GG_MUST_USE int
mirror_job_decode(struct view v, struct mirror_job *out, struct gg_error *err);

/* JOB_SERVE: git upload-pack --stateless-rpc over one mirror */
struct serve_job {
	char *mirror;
	bool advertise;        /* --http-backend-info-refs: answer info/refs */
	char *protocol;        /* "", "version=1" or "version=2": for
	                           GIT_PROTOCOL, already checked */
	struct strv hide_refs; /* for uploadpack.hideRefs; globs are resolved
	                           to full names by the gate */
	struct strv wants;     /* hex: wants that are no advertised tip; each
	                           must be reachable from what is advertised */
	bool mirror_clean;     /* then being in the mirror is enough */
	bool sandbox_required;
	struct job_limits limits;
};
void serve_job_release(struct serve_job *j);
GG_DEFINE_AUTO_RELEASE(serve_job);
void serve_job_encode(const struct serve_job *j, struct buf *out);
GG_MUST_USE int
serve_job_decode(struct view v, struct serve_job *out, struct gg_error *err);

#endif
