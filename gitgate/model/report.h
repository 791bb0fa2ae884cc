/*
 * The change report: what inspection found about a push. Made by the
 * inspector, encoded into a file, decoded by the gate as hostile input
 * (every index and count is checked against the report itself).
 *
 * The terms are those of docs/inspection.md: a scope is a set of refnames
 * (some rules' `refs` condition); for each ref update and scope the report
 * says which commits the update brings that the present upstream values of
 * the scope's refs do not already have.
 */
#ifndef GITGATE_MODEL_REPORT_H
#define GITGATE_MODEL_REPORT_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "model/oid.h"

#include <stdint.h>

#define REPORT_MAX_SCOPES 64
/* Ceilings of the encoded form, whatever an inspector says. */
#define REPORT_MAX_COMMITS   1000000
#define REPORT_MAX_PATHS     1000000
#define REPORT_MAX_FINDINGS  1000
#define REPORT_SIGNATURE_MAX 16384
#define REPORT_PAYLOAD_MAX   131072
#define REPORT_OWNERS_MAX    262144
#define REPORT_MAX_DOCUMENTS 10000
#define REPORT_MAX_KNOWN     65536
/* of all documents' text together */
#define REPORT_DOCUMENTS_MAX ((size_t)8 << 20)

enum update_kind {
	UPDATE_CREATE,
	UPDATE_FAST_FORWARD,
	UPDATE_FORCE, /* not a fast-forward, and not a tag */
	UPDATE_DELETE,
	UPDATE_TAG_MOVE, /* an existing refs/tags/ ref gets another value */
};
const char *update_kind_name(enum update_kind k); /* as in policy files */

enum object_kind {
	OBJECT_NONE, /* a delete */
	OBJECT_COMMIT,
	OBJECT_TREE,
	OBJECT_BLOB,
	OBJECT_TAG,
};

/* Kinds of change of one path; a change may have several. */
enum {
	CHANGE_ADD = 1,
	CHANGE_MODIFY = 2,
	CHANGE_DELETE = 4,
	CHANGE_MODE = 8,       /* the executable bit or the type of entry */
	CHANGE_SYMLINK = 16,   /* either side is a symlink */
	CHANGE_SUBMODULE = 32, /* either side is a submodule (gitlink) */
	CHANGE_ALL = 63
};
/* The most telling word for a set of kinds: added, modified, deleted,
 * mode, symlink, submodule. */
const char *change_name(unsigned kinds);

struct path_change {
	char *path; /* bytes, NUL-terminated; "" where an update's object is a
	               blob without a path */
	unsigned kinds;
	uint32_t old_mode, new_mode; /* as in trees; 0: no such side */
	struct oid old_oid, new_oid; /* entry ids; zero: no such side */
	uint64_t new_bytes;          /* size of the new blob; 0 if unknown */
	/* Lines of a text file; 0 unless the job asked (WANT_LINES). */
	uint32_t lines_added, lines_removed;
};

struct path_changes {
	struct path_change *v;
	size_t n;
	size_t alloc;
};

/* One commit that the push brings to some ref. Names inside commits are
 * unproven; text fields hold the bytes as they are, cut to 1 KiB (message:
 * 64 KiB), NUL bytes never. */
struct commit_info {
	struct oid oid;
	struct oid tree;
	uint32_t n_parents;
	struct oid first_parent; /* zero for a root */
	char *author_name, *author_email;
	char *committer_name, *committer_email;
	int64_t author_time, committer_time; /* seconds since 1970 */
	char *message;
	struct path_changes paths; /* by the merge rule of docs/inspection.md */
	/* With JOB_WANT_SIGNATURES: the gpgsig header's text (armor, at most
	 * REPORT_SIGNATURE_MAX bytes; "" for none) and the commit's bytes
	 * without that header, which is what was signed. */
	char *signature;
	char *payload;
	size_t payload_n; /* bytes of payload */
};

enum finding_place {
	FINDING_BLOB,
	FINDING_COMMIT_MESSAGE,
	FINDING_TAG_MESSAGE,
	FINDING_PATH, /* in the name itself */
};

/* One secret that the push would bring. Never the secret itself. */
struct finding {
	enum finding_place place;
	char *rule;        /* id of the secret rule */
	char *description; /* of the rule, or "" */
	char *path;        /* of the blob; "" for messages */
	uint32_t commit;   /* index of the first commit that brings it;
	                      UINT32_MAX: none (see update) */
	uint32_t update;   /* where commit is UINT32_MAX: the ref update */
	uint32_t line;     /* from 1; 0 for FINDING_PATH */
	char *masked;      /* at most the first 4 characters and "..." */
	char *fingerprint; /* 64 hex: the same secret in the same rule and
	                      path has the same one, in every push */
};

enum document_kind {
	DOCUMENT_GIT_AI_NOTE,
	DOCUMENT_AGENT_TRACE,       /* whole lines of a .jsonl; a .json whole */
	DOCUMENT_ENTIRE_CHECKPOINT, /* the root's metadata.json */
	DOCUMENT_ENTIRE_SESSION,    /* a session's metadata.json */
	DOCUMENT_ENTIRE_PROMPT,     /* prompt.txt */
	DOCUMENT_ENTIRE_TRANSCRIPT, /* never its text: content_hash.txt, and
	                               in `bytes` how long the transcript is */
};

/*
 * What agents' tools wrote down about how code came to be, and the push
 * brings (docs/formats.md, "Provenance records"). The inspector copies it and
 * understands nothing of it; provenance/read.h does.
 */
struct document {
	enum document_kind kind;
	uint32_t update; /* of which ref update */
	uint32_t commit; /* index of the commit that brings it; UINT32_MAX:
	                    that is the update's own */
	char *key;       /* a note: hex id of the commit it is about; a trace:
	                    its path; Entire: the checkpoint's id */
	char *part;      /* Entire: the session's directory; else "" */
	char *text;      /* any bytes, and a NUL behind them */
	size_t n;        /* bytes of text */
	uint64_t bytes;  /* of the whole in git, however much is in text */
	bool cut;        /* text is not all that there is */
	bool masked;     /* a secret was taken out of it */
};

/* Indexes into change_report.commits, newest first. */
struct commit_list {
	uint32_t *v;
	size_t n;
	size_t alloc;
};

struct update_report {
	enum update_kind kind;
	enum object_kind object; /* what new-oid names, not peeled */
	struct oid peeled;       /* the commit, tree or blob behind tags */
	bool too_large;      /* a limit cut the walk; lists are incomplete */
	char *too_large_why; /* the limit's name, "" otherwise */
	struct commit_list scopes[REPORT_MAX_SCOPES];
	/* Beside the commits: an update that is no fast-forward has the net
	 * difference of both ends here; a tree or blob behind a tag its
	 * paths. */
	struct path_changes net;
	/* With JOB_WANT_OWNERS: the CODEOWNERS file of the ref's present
	 * upstream value (for a create: of upstream's HEAD); "" for none. */
	char *owners_path;
	char *owners;
	size_t owners_n;
};

struct change_report {
	size_t n_scopes;
	struct commit_info *commits;
	size_t n_commits;
	struct update_report *updates; /* one per ref update, same order */
	size_t n_updates;
	uint64_t n_objects;  /* in the pack */
	uint64_t pack_bytes; /* as sent */
	struct finding *findings;
	size_t n_findings;     /* at most REPORT_MAX_FINDINGS */
	uint64_t findings_all; /* before the cut */
	/* 0; older reports counted. It would tell what of the push the mirror
	 * had already, and judged again from the recording a push would have
	 * another report. */
	uint64_t scanned_bytes;
	/* "" or why not everything was scanned (a blob too large, time): a
	 * rule with `secrets: true` then holds at least. */
	char *scan_incomplete;
	/* Those of one checkpoint stand together, its root's first. */
	struct document *documents;
	size_t n_documents;     /* at most REPORT_MAX_DOCUMENTS */
	uint64_t documents_all; /* that were met, taken or not */
	/* "" or the key of the limit for which some were cut or left out;
	 * unreadable-object where there is no limit to blame */
	char *documents_incomplete;
	/* Objects of the pack that were not scanned for secrets, since upstream
	 * had them; sorted, at most REPORT_MAX_KNOWN. Judged again the push is
	 * scanned by this list: the mirror has more by then. */
	struct oid *known;
	size_t n_known;
};

void path_changes_release(struct path_changes *c);
GG_DEFINE_AUTO_RELEASE(path_changes);
/* Add; path is copied. Dies without memory (bounded by the caller). */
struct path_change *path_changes_add(struct path_changes *c, struct view path);
void commit_list_add(struct commit_list *l, uint32_t index);

struct change_report *change_report_new(size_t n_updates, size_t n_scopes);
void change_report_free(struct change_report *r);
GG_DEFINE_AUTO(change_report);
/* Append an empty commit; its index is n_commits - 1. Pointers into commits
 * are invalid after it. */
struct commit_info *change_report_add_commit(struct change_report *r);

/* Append an empty finding, or NULL past REPORT_MAX_FINDINGS; counts all. */
struct finding *change_report_add_finding(struct change_report *r);

/* Append to known, unsorted; false where it is full. Dies without memory. */
bool change_report_add_known(struct change_report *r, const struct oid *o);
/* Append an empty document, or NULL past REPORT_MAX_DOCUMENTS; counts all. */
struct document *change_report_add_document(struct change_report *r);

/* Canonical bytes (ipc/codec), and back. decode: 0, GG_E_PEER, GG_E_LIMIT.
 * decode(encode(x)) = x and encode(decode(y)) = y. */
void change_report_encode(const struct change_report *r, struct buf *out);
GG_MUST_USE int change_report_decode(struct view v, struct change_report **out,
    struct gg_error *err);

#endif
