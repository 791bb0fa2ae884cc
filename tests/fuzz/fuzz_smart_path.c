/*
 * Paths: a repository's name is valid, stands in the path as it is, and is
 * there exactly when the path is one of git's. Input: path LF query.
 */
#include "fuzz.h"

#include "proto/smart_path.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char repository[REPOSITORY_MAX_BYTES + 1] = "x";
	struct view query = view_of(data, size), path = query;
	const char *version;
	enum smart_kind kind;

	if (!view_cut(&query, '\n', &path))
		query = view_of(NULL, 0);
	kind = smart_path_parse(path, query, repository);
	FUZZ_CHECK((kind == SMART_NONE) == (repository[0] == '\0'));
	if (kind != SMART_NONE) {
		FUZZ_CHECK(repository_is_valid(view_str(repository)));
		FUZZ_CHECK(path.n > strlen(repository) && path.p[0] == '/');
		FUZZ_CHECK(memcmp(path.p + 1, repository, strlen(repository)) ==
		    0);
	}
	version = git_protocol_header(query);
	FUZZ_CHECK(strcmp(version, "") == 0 ||
	    strcmp(version, "version=1") == 0 ||
	    strcmp(version, "version=2") == 0);
	return 0;
}
