#include "role/inspector_walls.h"

#include "base/auto.h"
#include "sandbox/sandbox.h"

#include <elf.h>
#include <link.h>

#define MAX_PATHS      16
#define MAX_OPEN_FILES 1024
/* Compiling 222 rules takes 150 MiB and a second. */
#define RULES_MEMORY_BYTES ((uint64_t)2 << 30)
#define RULES_CPU_SECONDS  60

struct paths {
	struct sandbox_path v[MAX_PATHS];
	size_t n;
};

static void
add(struct paths *p, const char *path, unsigned rights)
{
	if (p->n == MAX_PATHS)
		gg_die("too many paths for a sandbox");
	p->v[p->n++] = (struct sandbox_path){ path, rights };
}

/* The first object is the program itself: it names its dynamic loader, and
 * git, built for the same system, has the same one. */
static int
find_loader(struct dl_phdr_info *info, size_t bytes, void *out)
{
	(void)bytes;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*(const char **)out =
			    (const char *)(uintptr_t)(info->dlpi_addr +
				info->dlpi_phdr[i].p_vaddr);
	}
	return 1;
}

/* git itself and where it looks for its other names (upload-pack runs
 * "git pack-objects" from there), and the loader that starts them. */
static void
add_git(struct paths *p)
{
	const char *loader = NULL;

	add(p, "/usr/bin/git", SANDBOX_EXEC);
	add(p, "/usr/lib/git-core/git", SANDBOX_EXEC);
	add(p, "/usr/libexec/git-core/git", SANDBOX_EXEC);
	(void)dl_iterate_phdr(find_loader, (void *)&loader);
	if (loader != NULL)
		add(p, loader, SANDBOX_EXEC);
}

int
walls_idle(const char *mirrors_dir, const char *quarantine_dir, bool required,
    struct gg_error *err)
{
	struct paths p = { 0 };
	int rc;

	add(&p, mirrors_dir, SANDBOX_READ | SANDBOX_WRITE);
	add(&p, quarantine_dir, SANDBOX_READ | SANDBOX_WRITE);
	add_git(&p);
	rc =
	    sandbox_limits(&(struct sandbox_rlimits){ .files = MAX_OPEN_FILES },
		err);
	if (rc == 0)
		rc = sandbox_files(p.v, p.n, true, required, err);
	if (rc == 0)
		rc = sandbox_calls(SANDBOX_CALLS_INSPECTOR, required, err);
	return rc;
}

static uint64_t
cpu_seconds(const struct job_limits *l)
{
	return l->cpu_ms == 0 ? 0 : (l->cpu_ms + 999) / 1000;
}

int
walls_push(const struct push_job *job, struct gg_error *err)
{
	struct paths p = { 0 };
	/* The quarantine's pack is larger than what was sent by the bases
	 * that complete it, and an index grows with the objects. */
	struct sandbox_rlimits limits = {
		.memory_bytes = job->limits.memory_bytes,
		.cpu_seconds = cpu_seconds(&job->limits),
		.file_bytes = job->limits.pack_bytes == 0 ?
		    0 :
		    2 * job->limits.pack_bytes + ((uint64_t)64 << 20),
	};
	int rc;

	add(&p, job->mirror, SANDBOX_READ);
	add(&p, job->quarantine, SANDBOX_READ | SANDBOX_WRITE);
	add_git(&p);
	if ((rc = sandbox_limits(&limits, err)) != 0)
		return rc;
	return sandbox_files(p.v, p.n, true, job->sandbox_required, err);
}

int
walls_mirror(const struct mirror_job *job, struct gg_error *err)
{
	struct paths p = { 0 };
	/* No ceiling on files: the first fill is as large as upstream is. */
	struct sandbox_rlimits limits = {
		.memory_bytes = job->limits.memory_bytes,
		.cpu_seconds = cpu_seconds(&job->limits),
	};
	int rc;

	add(&p, job->mirror, SANDBOX_READ | SANDBOX_WRITE);
	add_git(&p);
	if ((rc = sandbox_limits(&limits, err)) != 0)
		return rc;
	return sandbox_files(p.v, p.n, true, job->sandbox_required, err);
}

int
walls_serve(const struct serve_job *job, struct gg_error *err)
{
	struct paths p = { 0 };
	struct sandbox_rlimits limits = {
		.memory_bytes = job->limits.memory_bytes,
		.cpu_seconds = cpu_seconds(&job->limits),
	};
	int rc;

	add(&p, job->mirror, SANDBOX_READ);
	add_git(&p);
	if ((rc = sandbox_limits(&limits, err)) != 0)
		return rc;
	return sandbox_files(p.v, p.n, true, job->sandbox_required, err);
}

int
walls_view(const struct view_job *job, struct gg_error *err)
{
	struct paths p = { 0 };
	struct sandbox_rlimits limits = {
		.memory_bytes = job->push.limits.memory_bytes,
		.cpu_seconds = cpu_seconds(&job->push.limits),
		.file_bytes = 2 * job->max_bytes + ((uint64_t)1 << 20),
	};
	int rc;

	add(&p, job->push.mirror, SANDBOX_READ);
	add(&p, job->push.quarantine, SANDBOX_READ);
	if ((rc = sandbox_limits(&limits, err)) != 0)
		return rc;
	return sandbox_files(p.v, p.n, true, job->push.sandbox_required, err);
}

int
walls_rules(uint64_t file_bytes, bool required, struct gg_error *err)
{
	struct sandbox_rlimits limits = {
		.memory_bytes = RULES_MEMORY_BYTES,
		.cpu_seconds = RULES_CPU_SECONDS,
		.file_bytes = file_bytes,
	};
	struct paths none = { 0 };
	int rc;

	if ((rc = sandbox_limits(&limits, err)) != 0 ||
	    (rc = sandbox_files(none.v, 0, true, required, err)) != 0)
		return rc;
	return walls_no_exec(required, err);
}

int
walls_no_exec(bool required, struct gg_error *err)
{
	return sandbox_calls(SANDBOX_CALLS_NO_EXEC, required, err);
}
