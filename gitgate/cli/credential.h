/*
 * `gitgate credential`: git's helper protocol (gitcredentials(7)), and the
 * ways in which CI systems give a job its ID token.
 */
#ifndef GITGATE_CLI_CREDENTIAL_H
#define GITGATE_CLI_CREDENTIAL_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define CREDENTIAL_QUESTION_BYTES 65536
#define MINT_TOKEN_BYTES          16384 /* what a gate takes (JWS_MAX_BYTES) */

/* -- credential.c: what git asks, and for which host -- */

struct credential_question {
	bool authtype; /* git can send what is no user and password */
	char *protocol, *host, *username; /* NULL: not said */
};
void credential_question_release(struct credential_question *q);
GG_DEFINE_AUTO_RELEASE(credential_question);
/*
 * Lines of key=value up to an empty one or the end; unknown keys are passed
 * over. GG_E_INPUT: a line without "=", a NUL.
 */
GG_MUST_USE int credential_question_parse(struct view text,
    struct credential_question *out, struct gg_error *err);

/* Is the question about the gate at url: scheme, host and port? The path says
 * nothing: git leaves it out. A host that only looks alike is another. */
bool credential_is_for(const struct credential_question *q, const char *url);
/* May a token travel to where it asks: https, or this machine? */
bool credential_is_safe(const struct credential_question *q);
/* "https://host[:port]" of a URL, malloc'ed; NULL where it is none. */
char *credential_origin(const char *url);

/*
 * What a token says of itself, read without believing: for messages and for
 * git, which forgets it in time. A token of the gate's own says nothing.
 */
struct token_claims {
	int64_t exp; /* seconds since 1970; 0: not said */
	struct strv audience;
};
void token_claims_release(struct token_claims *t);
GG_DEFINE_AUTO_RELEASE(token_claims);
/* GG_E_REFUSED: it is a JWT, and one that no gate takes. */
GG_MUST_USE int token_claims_read(struct view token, struct token_claims *out,
    struct gg_error *err);

/* -- mint.c: where the token comes from -- */

enum mint_from {
	MINT_AUTO,
	MINT_GITHUB,
	MINT_GITLAB, /* a variable of the environment, as GitLab does */
	MINT_BUILDKITE,
	MINT_CIRCLECI,
	MINT_KUBERNETES, /* a projected file */
	MINT_FILE,
	MINT_COMMAND,
};
struct mint {
	enum mint_from from;
	const char *audience;
	const char *env;     /* MINT_GITLAB; NULL: GITGATE_ID_TOKEN */
	const char *file;    /* MINT_FILE, MINT_KUBERNETES */
	const char *command; /* split at blanks, ... */
	bool shell;          /* ... or run by sh -c */
};
/* "auto", "github", ... False: no such word. */
bool mint_from_parse(const char *word, enum mint_from *out);
/* By the environment. GG_E_NOTFOUND: nothing that mints tokens is known. */
GG_MUST_USE int mint_detect(struct mint *m, struct gg_error *err);
/*
 * One token, of visible characters, into out, which the caller ends with
 * secret_release(). GG_E_UNAVAILABLE, GG_E_REFUSED or GG_E_INPUT with a
 * sentence for the job's author that holds no part of any token.
 */
GG_MUST_USE int
mint_token(const struct mint *m, struct buf *out, struct gg_error *err);

/* -- mint_http.c, mint_command.c -- */

/* GitHub Actions: GET of the job's request URL. */
GG_MUST_USE int
mint_github(const struct mint *m, struct buf *out, struct gg_error *err);
/* What argv prints; argv[0] is looked for in PATH. name: for messages. */
GG_MUST_USE int mint_run(const char *name, const struct strv *argv,
    struct buf *out, struct gg_error *err);
/* Is there such a program in PATH? Its path is malloc'ed, or NULL. */
char *mint_find_program(const char *name);

#endif
