/*
 * Paths of git's smart HTTP protocol (gitprotocol-http(5)):
 * /<repository>[.git]/{info/refs,git-upload-pack,git-receive-pack}
 */
#ifndef GITGATE_PROTO_SMART_PATH_H
#define GITGATE_PROTO_SMART_PATH_H

#include "base/view.h"
#include "model/refname.h"

enum smart_kind {
	SMART_NONE,              /* no git endpoint */
	SMART_INFO_REFS_UPLOAD,  /* GET info/refs?service=git-upload-pack */
	SMART_INFO_REFS_RECEIVE, /* GET info/refs?service=git-receive-pack */
	SMART_UPLOAD_PACK,       /* POST */
	SMART_RECEIVE_PACK,      /* POST */
	SMART_DUMB, /* a file of the dumb protocol, or info/refs with no service
	               that there is: 403 */
};

/*
 * path: percent-decoded, query: what stands behind '?' (may be empty). The
 * name that passed repository_is_valid() goes to repository, without ".git";
 * it is "" for SMART_NONE. One slash at the end does not matter.
 */
enum smart_kind smart_path_parse(struct view path, struct view query,
    char repository[REPOSITORY_MAX_BYTES + 1]);

/*
 * The value of a Git-Protocol header reduced to what git may be told: "",
 * "version=1" or "version=2" (the highest that is named). Constant.
 */
const char *git_protocol_header(struct view value);

#endif
