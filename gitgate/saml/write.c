#include "saml/write.h"

#include <string.h>

void
write_escaped(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		switch (*s) {
		case '&':
			buf_adds(out, "&amp;");
			break;
		case '<':
			buf_adds(out, "&lt;");
			break;
		case '>':
			buf_adds(out, "&gt;");
			break;
		case '"':
			buf_adds(out, "&quot;");
			break;
		default:
			buf_addc(out, *s);
		}
	}
}

void
write_query(struct buf *out, struct view v)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < v.n; i++) {
		if (memchr(plain, v.p[i], sizeof(plain) - 1) != NULL)
			buf_addc(out, v.p[i]);
		else
			buf_addf(out, "%%%02X",
			    (unsigned)(unsigned char)v.p[i]);
	}
}
