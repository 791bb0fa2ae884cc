/*
 * Checkpoints. Oracle: what is accepted without extension lines is formatted
 * back to the same bytes: there is one form only. And tile paths likewise.
 */
#include "audit/checkpoint.h"
#include "audit/tile.h"
#include "fuzz.h"

static size_t
count_lines(struct view v)
{
	struct view line;
	size_t n = 0;

	while (view_cut(&v, '\n', &line))
		n++;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) back = BUF_INIT(size + 256);
	struct view in = view_of(data, size);
	char path[TILE_PATH_SIZE];
	struct checkpoint c;
	struct tile t;

	if (checkpoint_parse(in, &c, NULL) == 0) {
		checkpoint_format(&c, &back);
		FUZZ_CHECK(back.failed == 0 && back.n <= in.n);
		FUZZ_CHECK(memcmp(back.p, in.p, back.n) == 0);
		FUZZ_CHECK((back.n == in.n) == (count_lines(in) == 3));
	}
	if (tile_path_parse(in, &t, NULL) == 0) {
		tile_path(&t, path);
		FUZZ_CHECK(view_eq_str(in, path));
	}
	return 0;
}
