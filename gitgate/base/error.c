#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang_analyzer__ /* as base/error.h says */
#	undef gg_fail
#	undef gg_wrap
#endif

static void
clean(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int
gg_fail(struct gg_error *err, enum gg_code code, const char *fmt, ...)
{
	int sys = errno;
	size_t n;
	va_list ap;

	if (err == NULL)
		return code;
	err->code = code;
	err->sys = code == GG_E_SYS ? sys : 0;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (code == GG_E_SYS) {
		char text[96];

		n = strlen(err->msg);
		(void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
		    strerror_r(sys, text, sizeof(text)));
	}
	clean(err->msg);
	return code;
}

int
gg_wrap(struct gg_error *err, int rc, const char *fmt, ...)
{
	char ctx[200], old[sizeof(err->msg)];
	va_list ap;

	if (err == NULL)
		return rc;
	va_start(ap, fmt);
	(void)vsnprintf(ctx, sizeof(ctx), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	(void)snprintf(err->msg, sizeof(err->msg), "%s: %.*s", ctx,
	    (int)(sizeof(err->msg) - sizeof(ctx) - 3), old);
	clean(err->msg);
	return rc;
}

const char *
gg_code_name(int code)
{
	static const char *const names[] = { "ok", "memory", "system", "peer",
		"limit", "not-found", "stale", "corrupt", "input",
		"unavailable", "refused", "exists" };

	if (code > 0 || -code >= (int)(sizeof(names) / sizeof(names[0])))
		return "error";
	return names[-code];
}

void
gg_die(const char *fmt, ...)
{
	char msg[500];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	clean(msg);
	(void)fprintf(stderr, "<2>event=fatal msg=\"%s\"\n", msg);
	abort();
}
