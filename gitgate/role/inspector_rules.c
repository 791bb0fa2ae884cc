/* Compiling secret rules: an inspector that never sees a push. */
#include "base/auto.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"
#include "scan/compile.h"
#include "scan/text.h"

#define COMPILE_MS   60000
#define WARNINGS_MAX 400

static int
send_done(int sock, size_t bytes, uint32_t n_rules, const struct strv *warnings,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(512);
	char text[WARNINGS_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < warnings->n && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
		    i > 0 ? "; " : "", warnings->v[i]);
	enc_u64(&b, bytes);
	enc_u32(&b, n_rules);
	enc_str(&b, text);
	return frame_send(sock, MSG_RULES_DONE, 0, buf_view(&b), NULL, 0, err);
}

static int
compile(int sock, struct view text, size_t ceiling, int result_fd,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(ceiling);
	GG_AUTO_RELEASE(strv) warnings = STRV_INIT;
	uint32_t n_rules = 0;
	int rc = scan_compile(text, &out, &n_rules, &warnings, err);

	if (rc == 0)
		rc = fd_write_all(result_fd, buf_view(&out), err);
	return rc == 0 ? send_done(sock, out.n, n_rules, &warnings, err) : rc;
}

int
inspector_rules(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	GG_AUTO_FD text_fd = frame_take_fd(f, 0);
	GG_AUTO_FD result_fd = frame_take_fd(f, 1);
	struct dec d = dec_of(f->body);
	uint64_t ceiling = dec_u64(&d);
	bool required = dec_u8(&d) != 0;
	int rc = dec_end(&d, err);

	(void)limit;
	if (rc == 0 && (text_fd < 0 || result_fd < 0))
		rc = gg_fail(err, GG_E_PEER, "a rules job without its files");
	if (rc == 0)
		rc = inspector_deadline(sock, COMPILE_MS, err);
	if (rc == 0)
		rc = walls_rules(ceiling, required, err);
	if (rc == 0)
		rc = inspector_read_fd(text_fd, &text, err);
	if (rc == 0)
		rc = compile(sock, buf_view(&text), (size_t)ceiling, result_fd,
		    err);
	inspector_deadline_clear();
	return rc;
}
