#include "role/courier.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char dir[64];

static char *
lit(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void
put(const char *path, const char *text)
{
	assert_int_equal(file_write(path, view_str(text), 0600, false, NULL),
	    0);
}

static const struct wall *
find(const struct walls *w, const char *path)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i].path, path) == 0)
			return &w->v[i];
	return NULL;
}

static void
of(struct repository *r, size_t n, struct walls *out)
{
	struct config c = { .repositories = r, .n_repositories = n };

	walls_of_config(&c, dir, out);
}

static void
test_paths(void **state)
{
	struct repository r[] = {
		{ .kind = UPSTREAM_LOCAL, .upstream = lit("/srv/git/app.git") },
		{ .kind = UPSTREAM_LOCAL, .upstream = lit("/srv/x/a*.git") },
		{ .kind = UPSTREAM_HTTP,
		    .upstream = lit("https://h/*.git"),
		    .credential = { .helper = lit("/opt/vault a"),
			.ca_file = lit("/opt/ca") } },
	};
	GG_AUTO_RELEASE(walls) w = { 0 };

	(void)state;
	of(r, GG_COUNT(r), &w);
	assert_non_null(find(&w, "/srv/git/app.git"));
	assert_non_null(find(&w, "/srv/x"));
	assert_int_equal(find(&w, "/opt/vault")->rights,
	    SANDBOX_READ | SANDBOX_EXEC);
	assert_int_equal(find(&w, "/opt/ca")->rights, SANDBOX_READ);
	assert_int_equal(find(&w, dir)->rights, SANDBOX_READ | SANDBOX_WRITE);
	/* nothing above what is needed */
	for (size_t i = 0; i < w.n; i++) {
		assert_string_not_equal(w.v[i].path, "/");
		assert_string_not_equal(w.v[i].path, "/etc");
		assert_string_not_equal(w.v[i].path, "/srv");
		assert_string_not_equal(w.v[i].path, "/opt");
	}
}

static void
test_cover(void **state)
{
	GG_AUTO_MEM char *a = path_f("%s/a", dir);
	GG_AUTO_MEM char *b = path_f("%s/b", dir);
	struct repository r[] = {
		{ .kind = UPSTREAM_SSH, .credential = { .ssh_key = a } },
		{ .kind = UPSTREAM_SSH, .credential = { .ssh_key = b } },
	};
	GG_AUTO_RELEASE(walls) one = { 0 };
	GG_AUTO_RELEASE(walls) both = { 0 };
	GG_AUTO_RELEASE(walls) later = { 0 };

	(void)state;
	put(a, "a");
	put(b, "b");
	of(r, 1, &one);
	of(r, 2, &both);
	assert_true(walls_cover(&one, &one));
	assert_true(walls_cover(&both, &one));
	assert_false(walls_cover(&one, &both));
	put(a, "replaced by a rename");
	of(r, 1, &later);
	assert_false(walls_cover(&both, &later));
	assert_true(walls_cover(&later, &later));
}

static void
test_missing_then_there(void **state)
{
	GG_AUTO_MEM char *late = path_f("%s/late", dir);
	struct repository r = { .kind = UPSTREAM_SSH,
		.credential = { .ssh_key = late } };
	GG_AUTO_RELEASE(walls) before = { 0 };
	GG_AUTO_RELEASE(walls) after = { 0 };

	(void)state;
	of(&r, 1, &before);
	assert_true(walls_cover(&before, &before));
	put(late, "x");
	of(&r, 1, &after);
	assert_false(walls_cover(&before, &after));
}

static int
make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/gitgate-walls-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	return dir_remove(dir, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_cover),
		cmocka_unit_test(test_missing_then_there),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
