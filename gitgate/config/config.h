/*
 * gitgate.yaml as one immutable struct (DESIGN section 7). Every complaint
 * names file and line. No secret is in it: only names of files and helpers.
 */
#ifndef GITGATE_CONFIG_CONFIG_H
#define GITGATE_CONFIG_CONFIG_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

struct limits {
#define LIMIT(field, key, kind, value, doc) uint64_t field;
#include "config/limits.def"
#undef LIMIT
};
void limits_default(struct limits *l);

enum upstream_kind {
	UPSTREAM_LOCAL, /* a bare repository on this machine (absolute path) */
	UPSTREAM_HTTP,  /* http:// (loopback only unless allowed) or https:// */
	UPSTREAM_SSH,   /* ssh://user@host[:port]/path or user@host:path */
};

struct credential {
	char *username;      /* http: Basic user; NULL: none */
	char *password_file; /* http: Basic password, or NULL */
	char *token_file;    /* http: Bearer token, or NULL */
	char *helper;        /* credential-helper: a command of git's own
	                        credential helper protocol, or NULL */
	char *ssh_key;       /* ssh: private key file, or NULL */
	char *known_hosts;   /* ssh: known_hosts file, or NULL */
	char *ca_file;       /* https: CA bundle, NULL: the system's */
};

struct fsck_override {
	char *id;       /* git's message id, e.g. "zeroPaddedFilemode" */
	char *severity; /* "error", "warn" or "ignore" */
};

struct repository {
	char *path;     /* "acme/app", or with one "*" that stands for one
	                   component: "acme/<star>" */
	char *upstream; /* as written; where path has a star it has one too */
	enum upstream_kind kind;
	struct credential credential;
	bool allow_plain_http; /* http:// to a host that is not loopback */
	struct strv refs;      /* narrows what the mirror carries; empty: all */
	struct strv hide_refs; /* globs: no client may see, want or move */
	struct fsck_override *fsck;
	size_t n_fsck;
	int line; /* in the config file */
};

enum sandbox_mode { SANDBOX_REQUIRED, SANDBOX_BEST_EFFORT };

/* -- identity -- */

/* A claim's name with its value or glob; one of them per alternative. */
struct claim_rule {
	char *claim;        /* "repository_id", "kubernetes.io/namespace" */
	struct strv values; /* alternatives; '*' does not cross '/' or ':' */
};

/* A group that follows from claims: by condition, or the members of a list
 * claim with a prefix. */
struct group_rule {
	char *group; /* NULL where from_claim is given */
	struct claim_rule *when;
	size_t n_when;
	char *from_claim; /* its text or list of texts become groups ... */
	char *prefix;     /* ... with this before each; NULL: none */
	struct strv only; /* ... if they match one of these; empty: all */
};

enum issuer_profile {
	PROFILE_NONE,
	PROFILE_GITHUB_ACTIONS,
	PROFILE_GITLAB,
	PROFILE_BUILDKITE,
	PROFILE_CIRCLECI,
	PROFILE_KUBERNETES,
	PROFILE_SPIFFE,
};

/* Who may mint ID tokens for machines (`identity: issuers:`). */
struct issuer {
	char *name;
	enum issuer_profile profile;
	char *issuer; /* "iss", compared byte for byte; SPIFFE: the trust
	                 domain as "spiffe://domain" */
	struct strv audience;   /* at least one; a token names exactly one */
	char *jwks_uri;         /* NULL: from the discovery document */
	char *jwks_file;        /* pinned keys; NULL: none */
	char *ca_file;          /* for its HTTPS; NULL: the system's */
	struct strv algorithms; /* default RS256 ES256 EdDSA, ... */
	uint64_t max_lifetime_ms;
	char *principal; /* template: "github:{repository}:{workflow}" */
	char *owner;     /* template; NULL: none */
	struct claim_rule *require;
	size_t n_require;
	struct group_rule *groups;
	size_t n_groups;
	/* Repositories of the gate that its tokens may touch, as templates
	 * ("{repository}"); empty: what policy says. */
	struct strv repositories;
	/* Claims of its tokens that name a session or a run; empty: the usual
	 * ones (policy/provenance.h). */
	struct strv session_claims;
	int line;
};

enum provider_kind { PROVIDER_OIDC, PROVIDER_SAML };

/* Where people sign in (`identity: providers:`). */
struct provider {
	char *name;  /* in URLs: [a-z0-9-] */
	char *title; /* on the button */
	enum provider_kind kind;
	char *principal;   /* template over claims or attributes; the name is
	                    made unique by "<provider name>:" before it */
	char *email_claim; /* "email"; counts only where it is verified */
	bool trust_email;  /* it is, whatever the claims say */
	struct group_rule *groups;
	size_t n_groups;
	/* OIDC */
	char *issuer, *client_id, *client_secret_file; /* no secret: public */
	char *ca_file;
	struct strv scopes; /* default openid email profile */
	struct strv algorithms;
	/* SAML */
	char *idp_metadata_file;
	char *entity_id; /* ours; default <public-url>/-/saml/<name> */
	char *sp_key_file, *sp_certificate_file; /* NULL: requests unsigned */
	bool require_signed_response;            /* not only the assertion */
	bool allow_idp_initiated;
	int line;
};

/* `tls:`; certificate NULL: the gate speaks plain HTTP. */
struct tls {
	char *certificate_file, *key_file; /* PEM: chain, leaf first; its key */
	char *client_ca_file; /* asks clients for certificates; NULL: not */
	struct strv client_crl_files;
	/* RFC 9440 headers of trusted proxies count as the client's
	 * certificate. */
	bool client_certificate_header;
	int line; /* 0: the file has no `tls:` */
};

/* `identity: client-certificates:`: machines known by their certificate. */
struct certificate_rule {
	/* template over {spiffe} {spiffe-domain} {spiffe-path} {dns} {email}
	 * {spki} {serial} {issuer} (identity/certificate.h) */
	char *principal;
	struct claim_rule *require;
	size_t n_require;
	struct group_rule *groups;
	size_t n_groups;
	int line;
};

struct identity {
	struct issuer *issuers;
	size_t n_issuers;
	struct provider *providers;
	size_t n_providers;
	struct certificate_rule *certificates;
	size_t n_certificates;
	bool local_accounts; /* default true */
	bool totp_required;  /* of local accounts; default false */
};

/* -- notices -- */

enum notice_kind {
	NOTICE_WEBHOOK, /* Standard Webhooks */
	NOTICE_SLACK,   /* an incoming webhook */
	NOTICE_EMAIL,
	NOTICE_PROGRAM, /* in hooks-dir */
};

/* Where notices go (`notices:`). */
struct notice_target {
	char *name;
	enum notice_kind kind;
	char *url_file;    /* slack: the URL is a secret */
	char *url;         /* webhook; smtp:// or smtps:// for e-mail */
	char *secret_file; /* webhook: whsec_... or whsk_... */
	char *username, *password_file; /* smtp */
	char *from;
	struct strv to;
	char *program;
	char *ca_file;
	bool allow_private; /* a webhook may be at a private address */
	/* who is told of what; empty lists match everything */
	struct strv events;       /* held approved rejected forwarded failed
	                             expired stale withdrawn superseded ... */
	struct strv repositories; /* globs */
	struct strv rules;        /* names of rules that held it */
	struct strv groups;       /* groups that a hold asks */
	int line;
};

/* Who else signs the audit log's checkpoints (`witnesses:`). */
struct witness {
	char *name;    /* of its key */
	char *vkey;    /* "name+id+base64", as written */
	char *url;     /* of its add-checkpoint, without that and the slash */
	char *ca_file; /* NULL: the system's */
	int line;
};

/* -- delivery of the audit log (`audit-delivery:`, docs/audit-export.md) -- */

enum delivery_kind {
	DELIVER_WEBHOOK,
	DELIVER_FILE,
	DELIVER_SYSLOG,
	DELIVER_JOURNALD,
};
enum syslog_way { SYSLOG_TLS, SYSLOG_TCP, SYSLOG_UDP, SYSLOG_UNIX };

struct delivery_target {
	char *name;
	enum delivery_kind kind;
	char *url;  /* webhook; syslog, as written */
	char *path; /* file, journald; syslog: unix: (absolute) */
	enum syslog_way way;
	char *host; /* syslog over the network */
	uint16_t port;
	uint64_t max_message; /* syslog: bytes of one message */
	/* webhook; NULL: none. whsec_... or whsk_...; lines "Name: value" */
	char *secret_file, *header_file;
	char *ca_file;      /* webhook, tls: NULL: the system's */
	bool allow_private; /* a webhook may be at a private address */
	unsigned format;    /* index in delivery_formats */
	struct strv types;  /* globs; empty: all */
	bool from_now; /* a new target begins with what comes, not with all */
	int line;
};
extern const char *const delivery_formats[]; /* NULL ends them */
bool delivery_name_is_valid(const char *name);
void delivery_target_release(struct delivery_target *x);
/* All but its types. */
void delivery_target_copy(struct delivery_target *to,
    const struct delivery_target *from);
/* The directory of its file, malloc'ed; NULL for other kinds. */
char *delivery_dir(const struct delivery_target *t);

/* -- how long recordings are kept (`retention:`) -- */

/* What became of a push. Those in hand and those held are always kept. */
enum retain_kind {
	RETAIN_FORWARDED,
	RETAIN_FAILED,  /* upstream did not take it */
	RETAIN_DENIED,  /* by policy or by a reviewer */
	RETAIN_REFUSED, /* before policy, withdrawn, expired, a dry run */
	RETAIN_COUNT
};
const char *retain_kind_name(enum retain_kind k);

struct retention_rule {
	char *path;               /* glob of repositories; NULL: all */
	int64_t ms[RETAIN_COUNT]; /* since the end; 0: forever, -1: not said */
};
struct retention {
	int64_t personal_ms; /* of the log's personal data; 0: forever */
	int64_t attic_ms;    /* of what upstream has lost; 0: while needed */
	struct retention_rule all;
	struct retention_rule *rules;
	size_t n_rules;
};

struct config {
	char *file;           /* for messages */
	char *listen_host;    /* numeric address */
	uint16_t listen_port; /* 0: any free one (written to listen-file) */
	char *listen_file;    /* NULL, or a file that gets "host:port\n" */
	char *public_url;     /* no trailing slash */
	char *state_dir;
	char *policy_dir;
	char *hooks_dir;  /* programs that rules may ask; NULL: none */
	char *store;      /* "sqlite" or "postgresql://..." */
	char *log_origin; /* origin of the audit log's checkpoints;
	                          default: public_url without scheme */
	char *log_key;    /* file with the log's signing key; default
	                          <state_dir>/log-key, made on first start */
	/* Addresses and prefixes ("10.0.0.0/8") whose X-Forwarded-For
	 * counts. */
	struct strv trusted_proxies;
	enum sandbox_mode sandbox;
	uint32_t inspectors; /* idle ones kept ready; default 2 */
	struct repository *repositories;
	size_t n_repositories;
	struct identity identity;
	struct tls tls;
	struct notice_target *notices;
	size_t n_notices;
	struct witness *witnesses;
	size_t n_witnesses;
	uint64_t witness_quorum; /* so many of them must have signed */
	char *witness_policy;    /* a file that says both instead; NULL: none.
	                            role/witness_policy.h fills witnesses */
	char *witness_ca_file;   /* for the witnesses of that file */
	bool witness_required;   /* or pushes are refused */
	struct delivery_target *deliveries;
	size_t n_deliveries;
	struct retention retention;
	struct limits limits;
	struct strv warnings; /* "file:line: ...": doubtful, but no error */
};

/*
 * Parse text (of the file named file, for messages). On GG_E_INPUT the
 * message is "file:line: what is wrong". Unknown keys are errors.
 */
GG_MUST_USE int config_parse(struct view text, const char *file,
    struct config **out, struct gg_error *err);
/* Read the file and parse it; relative paths in it are taken from the
 * directory the file is in. */
GG_MUST_USE int
config_load(const char *file, struct config **out, struct gg_error *err);
void config_free(struct config *c);
GG_DEFINE_AUTO(config);

/* How long after its end a recording is kept: the first rule that covers the
 * repository and names the kind, else the default. 0: forever. */
int64_t config_retention_ms(const struct config *c, const char *repository,
    enum retain_kind kind);

/* By name; NULL. */
const struct issuer *
config_find_issuer(const struct config *c, const char *name);
const struct provider *
config_find_provider(const struct config *c, const char *name);
const struct notice_target *
config_find_notice(const struct config *c, const char *name);
const struct delivery_target *
config_find_delivery(const struct config *c, const char *name);
const struct witness *
config_find_witness(const struct config *c, const char *name);

/* Is it the URL of a service that is asked over the network: https://, or
 * http:// to this machine, without user, query and fragment? GG_E_INPUT. */
GG_MUST_USE int service_url_check(const char *text, struct gg_error *err);

/* The repository a request's path names, resolved. */
struct repo_ref {
	const struct repository *conf; /* borrowed from the config */
	char name[256];                /* e.g. "acme/app" */
	char *upstream;                /* the star filled in; owned */
};
void repo_ref_release(struct repo_ref *r);
GG_DEFINE_AUTO_RELEASE(repo_ref);
/* 0; GG_E_NOTFOUND where no entry matches or the name is not valid. The
 * first entry that matches wins. */
GG_MUST_USE int config_find_repository(const struct config *c, struct view name,
    struct repo_ref *out, struct gg_error *err);

#define GLOB_MAX_BYTES 2048
/*
 * Does the glob match the whole text? '*' any run within a component, '**'
 * any run with slashes, '?' one byte but '/', '[...]' a set; '\' escapes.
 * A double star and a slash at the start of a component also stand for
 * nothing. At most GLOB_MAX_BYTES; a glob that glob_check() refuses matches
 * nothing. Time grows with both lengths, whatever the glob. Bytes, case-sensitive. The one matcher for refs, repositories and paths.
 */
bool glob_match(const char *glob, struct view text);
/* The same for claims of tokens, where ':' ends a component as '/' does. */
bool glob_match_claim(const char *glob, struct view text);
/* Is the glob well-formed? GG_E_INPUT with the reason. */
GG_MUST_USE int glob_check(const char *glob, struct gg_error *err);
/* A list of globs where a leading '!' takes away; the last one that matches
 * decides; an empty list matches everything; a list that begins with '!'
 * starts from everything. */
bool glob_list_match(const struct strv *globs, struct view text);

/*
 * The directories that the gate must be able to read for `tls:`, each once:
 * those of its files, as written and with links followed. Whole directories,
 * since renewing puts new files there. GG_E_INPUT when one is "/" or lies
 * directly below it, or holds a secret that the gate may not know; *out is
 * then of no use.
 */
GG_MUST_USE int
config_tls_dirs(const struct config *c, struct strv *out, struct gg_error *err);

/*
 * What the courier may know: repositories with upstream and credential, and
 * its limits. Encoded by the supervisor, decoded by the courier into a config
 * that has nothing else.
 */
void config_courier_encode(const struct config *c, struct buf *out);
GG_MUST_USE int
config_courier_decode(struct view v, struct config **out, struct gg_error *err);

/*
 * What the messenger may know: issuers (where they are), OIDC providers with
 * their client secret's file, notices with theirs, witnesses, and its limits.
 */
void config_messenger_encode(const struct config *c, struct buf *out);
GG_MUST_USE int config_messenger_decode(struct view v, struct config **out,
    struct gg_error *err);

#endif
