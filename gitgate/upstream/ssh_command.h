/*
 * The one builder of ssh command lines, and the reader of ssh URLs.
 *
 * No shell on our side: argv only. The remote side's shell gets
 * "git-receive-pack '<path>'", as git itself sends it; the path is quoted
 * here and nowhere else.
 */
#ifndef GITGATE_UPSTREAM_SSH_COMMAND_H
#define GITGATE_UPSTREAM_SSH_COMMAND_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

struct ssh_url {
	char *user; /* NULL: none was given */
	char *host; /* without the brackets of an IPv6 address */
	char *path;
	uint16_t port; /* 0: none was given */
};

void ssh_url_release(struct ssh_url *u);
GG_DEFINE_AUTO_RELEASE(ssh_url);
/*
 * Read "ssh://[user@]host[:port]/path" or "[user@]host:path". GG_E_INPUT for
 * anything that could be taken for an option, a control byte, a byte that
 * has no place in a host or user name, an empty part.
 */
GG_MUST_USE int
ssh_url_parse(struct view v, struct ssh_url *out, struct gg_error *err);

struct ssh_options {
	const char *key;         /* private key file */
	const char *known_hosts; /* NULL: no host is known, so none passes */
	const char *control;     /* socket for the shared connection; NULL:
	                            each session has its own */
	const char *service;     /* "git-receive-pack", "git-upload-pack" */
	uint64_t connect_ms;
	uint64_t alive_ms; /* gives up after about so long without a sign */
};

/*
 * The argv of ssh. The only variable it may hand on is GIT_PROTOCOL, in every
 * command alike: the first session of a shared connection decides for all.
 * 0, GG_E_INPUT, GG_E_NOMEM.
 */
GG_MUST_USE int ssh_command(const struct ssh_url *u,
    const struct ssh_options *o, struct strv *argv, struct gg_error *err);

/* Append s in single quotes, for a POSIX shell. */
void shell_quote(struct buf *out, const char *s);

#endif
