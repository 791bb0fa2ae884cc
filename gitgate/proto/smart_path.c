#include "proto/smart_path.h"

#include <string.h>

/* The value of the first "service=", empty when there is none. */
static struct view
service_of(struct view query)
{
	struct view one;
	bool more = true;

	while (more) {
		more = view_cut(&query, '&', &one);
		if (!more)
			one = query;
		if (view_has_prefix(one, "service=")) {
			view_skip(&one, strlen("service="));
			return one;
		}
	}
	return view_of(NULL, 0);
}

static enum smart_kind
info_refs_kind(struct view query)
{
	struct view service = service_of(query);

	if (view_eq_str(service, "git-upload-pack"))
		return SMART_INFO_REFS_UPLOAD;
	if (view_eq_str(service, "git-receive-pack"))
		return SMART_INFO_REFS_RECEIVE;
	return SMART_DUMB;
}

/* "repository/objects/...", at the last such place. */
static bool
cut_objects(struct view *path)
{
	static const char word[] = "/objects/";
	size_t n = strlen(word);

	for (size_t i = path->n; i >= n; i--) {
		if (memcmp(path->p + i - n, word, n) == 0) {
			path->n = i - n;
			return true;
		}
	}
	return false;
}

static bool
cut_suffix(struct view *v, const char *suffix)
{
	if (!view_has_suffix(*v, suffix))
		return false;
	v->n -= strlen(suffix);
	return true;
}

enum smart_kind
smart_path_parse(struct view path, struct view query,
    char repository[REPOSITORY_MAX_BYTES + 1])
{
	enum smart_kind kind;

	repository[0] = '\0';
	if (path.n == 0 || path.p[0] != '/')
		return SMART_NONE;
	view_skip(&path, 1);
	(void)cut_suffix(&path, "/");
	if (cut_suffix(&path, "/info/refs"))
		kind = info_refs_kind(query);
	else if (cut_suffix(&path, "/git-upload-pack"))
		kind = SMART_UPLOAD_PACK;
	else if (cut_suffix(&path, "/git-receive-pack"))
		kind = SMART_RECEIVE_PACK;
	else if (cut_suffix(&path, "/HEAD") || cut_objects(&path))
		kind = SMART_DUMB;
	else
		return SMART_NONE;
	(void)cut_suffix(&path, ".git");
	if (!repository_is_valid(path))
		return SMART_NONE;
	memcpy(repository, path.p, path.n);
	repository[path.n] = '\0';
	return kind;
}

const char *
git_protocol_header(struct view value)
{
	const char *best = "";
	struct view one;
	bool more = true;

	while (more) {
		more = view_cut(&value, ':', &one);
		if (!more)
			one = value;
		if (view_eq_str(one, "version=2"))
			return "version=2";
		if (view_eq_str(one, "version=1"))
			best = "version=1";
	}
	return best;
}
