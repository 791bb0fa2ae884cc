#include "role/secret_rules.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "ipc/codec.h"
#include "role/inspection_order.h"

#include <errno.h>
#include <unistd.h>

#define RESULT_MAX_BYTES ((uint64_t)64 << 20)
#define COMPILE_MS       90000

static int
hear(int sock, struct gg_error *err)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	int rc = inspector_expect(sock, MSG_RULES_DONE, MSG_NONE,
	    clock_mono_ms() + COMPILE_MS, &f, &limit, err);

	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_INPUT,
		    "secret rules: compiling them takes too much");
	if (rc != 0)
		return rc;
	struct dec d = dec_of(f.body);

	(void)dec_u64(&d);
	(void)dec_u32(&d);
	GG_AUTO_MEM char *warnings = dec_str(&d, 400);

	if ((rc = dec_end(&d, err)) == 0 && *warnings != '\0')
		log_event(EV_secret_rules, kv_str("warnings", warnings));
	return rc;
}

int
secret_rules_compile(int sock, struct view text, bool sandbox_required,
    int result_fd, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD in = fd_memfile("secret-rules", text, err);
	int rc;

	if (in < 0)
		return err->code;
	int fds[2] = { in, result_fd };

	enc_u64(&body, RESULT_MAX_BYTES);
	enc_u8(&body, sandbox_required);
	rc = frame_send(sock, MSG_JOB_RULES, 0, buf_view(&body), fds, 2, err);
	return rc == 0 ? hear(sock, err) : rc;
}

int
secret_rules_salt(const char *state_dir, unsigned char salt[JOB_SALT_BYTES],
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/rules", state_dir);
	GG_AUTO_MEM char *path = path_f("%s/salt", dir);
	GG_AUTO_RELEASE(buf) had = BUF_INIT(1024);
	int rc;

	if ((rc = dir_make(dir, 0700, err)) != 0)
		return rc;
	if (access(path, F_OK) != 0) {
		if (errno != ENOENT)
			return gg_fail(err, GG_E_SYS, "%s", path);
		random_bytes(salt, JOB_SALT_BYTES);
		return file_write(path, view_of(salt, JOB_SALT_BYTES), 0600,
		    true, err);
	}
	if ((rc = file_read(path, &had, err)) != 0)
		return rc;
	if (had.n != JOB_SALT_BYTES)
		return gg_fail(err, GG_E_CORRUPT, "%s is damaged", path);
	memcpy(salt, had.p, JOB_SALT_BYTES);
	return 0;
}
