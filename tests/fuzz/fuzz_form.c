/*
 * Form bodies and cookie headers. Oracle: what is decoded has no NUL, is no
 * longer than the input, fields stay within their ceiling, and a cookie lies
 * within its header.
 */
#include "http/form.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_of(data, size), value = { 0 };
	GG_AUTO_RELEASE(fields) f = { 0 };
	size_t total = 0;

	if (fields_parse(in, &f, NULL) == 0) {
		for (size_t i = 0; i < f.n; i++)
			total += strlen(f.v[i].name) + strlen(f.v[i].value);
		if (total > size || f.n > FIELDS_MAX)
			__builtin_trap();
	}
	if (cookie_find(in, "k", &value) &&
	    (value.p < in.p || value.p + value.n > in.p + in.n))
		__builtin_trap();
	return 0;
}
