/*
 * Request targets. Oracle: an accepted path begins with '/', has no empty,
 * "." or ".." component and no control byte, whatever the escapes were.
 */
#include "http/form.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_MEM char *path = NULL;
	GG_AUTO_RELEASE(fields) f = { 0 };
	struct view query = { 0 };

	if (target_parse(view_of(data, size), &path, &query, NULL) != 0)
		return 0;
	if (path[0] != '/' || strstr(path, "//") != NULL ||
	    strstr(path, "/../") != NULL || strstr(path, "/./") != NULL ||
	    view_has_suffix(view_str(path), "/.."))
		__builtin_trap();
	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			__builtin_trap();
	(void)!fields_parse(query, &f, NULL);
	return 0;
}
