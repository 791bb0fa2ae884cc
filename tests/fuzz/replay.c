/*
 * A driver that runs a fuzz target without a fuzzer: every file of the
 * directories and files given, and of each one every truncation and a fixed
 * set of bit flips. A crash or a failed oracle ends the process; so does a
 * corpus that is not there, since nothing would have been tested.
 */
#include "fuzz.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/fd.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX_BYTES ((size_t)16 << 20)
/* A seed up to this size is cut at each byte and flipped at each bit; of a
 * larger one as many places are taken, spread evenly. */
#define PLACES 4096

static unsigned long n_runs, n_seeds;

/* In memory of exactly its size, so that a sanitizer sees a byte too many. */
static void
run(const char *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	if (copy == NULL)
		abort();
	if (n > 0)
		memcpy(copy, p, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	n_runs++;
}

static void
run_truncations(const struct buf *seed)
{
	size_t step = seed->n / PLACES + 1;

	for (size_t n = 0; n < seed->n; n += step)
		run(seed->p, n);
}

static void
run_flips(struct buf *seed)
{
	size_t bits = seed->n * 8, step = bits / (PLACES * 8) + 1;

	for (size_t i = 0; i < bits; i += step) {
		char was = seed->p[i / 8];

		seed->p[i / 8] = (char)(was ^ (1 << i % 8));
		run(seed->p, seed->n);
		seed->p[i / 8] = was;
	}
}

static int
replay_file(const char *path)
{
	GG_AUTO_RELEASE(buf) seed = BUF_INIT(SEED_MAX_BYTES);
	struct gg_error err = { 0 };

	if (file_read(path, &seed, &err) != 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	(void)fprintf(stderr, "  %s\n", path);
	run(seed.p, seed.n);
	run_truncations(&seed);
	run_flips(&seed);
	n_seeds++;
	return 0;
}

static int
replay(const char *path)
{
	struct dirent *e;
	struct stat st;
	int rc = 0;
	DIR *dir;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return replay_file(path);
	if ((dir = opendir(path)) == NULL)
		return -1;
	while (rc == 0 && (e = readdir(dir)) != NULL) {
		GG_AUTO_MEM char *sub = path_f("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			rc = replay(sub);
	}
	(void)closedir(dir);
	return rc;
}

int
main(int argc, char **argv)
{
	run("", 0);
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0) {
			(void)fprintf(stderr, "cannot replay %s\n", argv[i]);
			return 1;
		}
	}
	if (n_seeds == 0) {
		(void)fprintf(stderr, "usage: %s SEED|DIRECTORY...\n", argv[0]);
		return 1;
	}
	(void)printf("%lu passed, 0 failed\n", n_runs);
	return 0;
}
