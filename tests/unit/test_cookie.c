#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/form.h"

static void
test_cookies(void **state)
{
	static const struct {
		const char *why, *header, *want; /* NULL: none */
	} cases[] = {
		{ "alone", "k=v", "v" },
		{ "among others", "a=1; k=v; z=2", "v" },
		{ "without spaces", "a=1;k=v;z=2", "v" },
		{ "value with =", "k=v=w", "v=w" },
		{ "empty value", "k=", "" },
		{ "missing", "a=1", NULL },
		{ "no =", "k", NULL },
		{ "another one's end", "xk=v", NULL },
		{ "another one's value", "a=k=v", NULL },
		{ "twice", "k=v; k=w", NULL },
		{ "twice the same", "k=v; k=v", NULL },
		{ "case counts", "K=v", NULL },
		{ "empty header", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct view v = view_of("untouched", 9);
		bool found = cookie_find(view_str(cases[i].header), "k", &v);

		if (found != (cases[i].want != NULL) ||
		    !view_eq_str(v, found ? cases[i].want : "untouched"))
			fail_msg("%s", cases[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
