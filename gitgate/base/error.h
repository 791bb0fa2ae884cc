/*
 * Errors: a code to act on, a message for a person. They travel together in
 * one struct that the caller owns; there is no global error state.
 */
#ifndef GITGATE_BASE_ERROR_H
#define GITGATE_BASE_ERROR_H

#define GG_MUST_USE __attribute__((warn_unused_result))

enum gg_code {
	GG_OK = 0,
	GG_E_NOMEM = -1,    /* no memory: drop this push, keep serving */
	GG_E_SYS = -2,      /* a system call failed; sys holds errno */
	GG_E_PEER = -3,     /* the other side broke the protocol */
	GG_E_LIMIT = -4,    /* a configured limit was reached */
	GG_E_NOTFOUND = -5, /* no such object, ref, hold or principal */
	GG_E_STALE = -6,    /* the upstream ref moved: the lease is lost */
	GG_E_CORRUPT = -7,  /* our own stored data fails its check */
	GG_E_INPUT = -8,    /* an operator's file or argument is wrong */
	GG_E_UNAVAILABLE =
	    -9,             /* upstream, a role or the store is gone: retry */
	GG_E_REFUSED = -10, /* not entitled, or not in a state that allows it */
	GG_E_EXISTS = -11,  /* already there */
};

struct gg_error {
	enum gg_code code;
	int sys; /* errno where code is GG_E_SYS, else 0 */
	char msg[400];
};

/*
 * Record a failure and return its code, so that a caller can write
 * "return gg_fail(err, ...)". err may be NULL: the code still returns.
 * For GG_E_SYS errno is kept and its text appended. Bytes of a peer go
 * through "%s" only; control bytes in the result are replaced by '?'.
 */
int gg_fail(struct gg_error *err, enum gg_code code, const char *fmt, ...)
    __attribute__((cold, format(printf, 3, 4)));

/* Put "context: " before the message err carries; yields rc unchanged. */
int gg_wrap(struct gg_error *err, int rc, const char *fmt, ...)
    __attribute__((cold, format(printf, 3, 4)));

/* A short constant word for a code ("limit", "peer", ...), for logs. */
const char *gg_code_name(int code);

/*
 * A broken invariant: write the text to stderr and abort. For states that
 * must not be survived; the supervisor restarts the role.
 */
_Noreturn void
gg_die(const char *fmt, ...) __attribute__((cold, format(printf, 1, 2)));

#ifdef __clang_analyzer__
/* It sees one file at a time: tell it that these yield what they are given,
 * so that it does not follow a failure as if it were none. */
#	define gg_fail(err, code, ...) \
		(gg_fail(err, code, __VA_ARGS__), (code))
#	define gg_wrap(err, rc, ...) (gg_wrap(err, rc, __VA_ARGS__), (rc))
#endif

#endif
