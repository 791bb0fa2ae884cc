#include "scan/text.h"

#include "base/fd.h"
#include "ipc/codec.h"

static int
add_file(const char *path, struct buf *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	const char *slash = strrchr(path, '/');
	struct gg_error why = { 0 };

	if (file_read(path, &text, &why) != 0)
		return gg_fail(err, GG_E_INPUT, "secret rules %s: %s", path,
		    why.msg);
	enc_str(out, slash != NULL ? slash + 1 : path);
	enc_bytes(out, buf_view(&text));
	return 0;
}

int
scan_rules_text(const struct strv *paths, struct buf *out, struct gg_error *err)
{
	int rc = 0;

	if (paths->n > SCAN_FILES_MAX)
		return gg_fail(err, GG_E_INPUT,
		    "more than %d files of secret rules", SCAN_FILES_MAX);
	for (size_t i = 0; rc == 0 && i < paths->n; i++)
		rc = add_file(paths->v[i], out, err);
	return rc == 0 ? buf_check(out, err) : rc;
}

int
scan_rules_text_next(struct view *in, struct view *name, struct view *text,
    struct gg_error *err)
{
	struct dec d = dec_of(*in);

	if (in->n == 0)
		return 0;
	*name = dec_bytes(&d);
	*text = dec_bytes(&d);
	if (d.failed)
		return gg_fail(err, GG_E_PEER, "secret rules are cut off");
	*in = d.left;
	return 1;
}
