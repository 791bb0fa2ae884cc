#include "role/saml_files.h"

#include "base/fd.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "saml/saml.h"

#include <fcntl.h>

#define NAME_MAX_BYTES 200

/* -1, and why in err. */
static int
open_file(const char *path, struct gg_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		(void)gg_fail(err, GG_E_SYS, "%s", path);
	return fd;
}

/* Our key only where something is signed with it: never beside a stranger's
 * message. */
static const char *
own_file(const struct provider *p, uint8_t act)
{
	return act == SAML_REQUEST ? p->sp_key_file :
	    act == SAML_METADATA   ? p->sp_certificate_file :
				     NULL;
}

static int
send_files(int sock, uint8_t act, const int *fds, unsigned n_fds,
    const struct gg_error *why, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(1024);
	int rc;

	enc_u8(&body, act);
	enc_str(&body, why->msg);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	return frame_send(sock, MSG_SAML_FILES, 0, buf_view(&body), fds, n_fds,
	    err);
}

int
saml_files_send(int sock, const struct config *c, struct view wanted,
    struct gg_error *err)
{
	struct dec d = dec_of(wanted);
	GG_AUTO_MEM char *name = dec_str(&d, NAME_MAX_BYTES);
	uint8_t act = dec_u8(&d);
	const struct provider *p = NULL;
	GG_AUTO_FD metadata = -1;
	GG_AUTO_FD own = -1;
	struct gg_error why = { 0 };
	int rc;

	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (act >= SAML_ACT_COUNT ||
	    (p = config_find_provider(c, name)) == NULL ||
	    p->kind != PROVIDER_SAML)
		return gg_fail(err, GG_E_PEER,
		    "the gate asks for a SAML provider that is not configured");
	if ((metadata = open_file(p->idp_metadata_file, &why)) < 0)
		return send_files(sock, act, NULL, 0, &why, err);
	if (own_file(p, act) != NULL &&
	    (own = open_file(own_file(p, act), &why)) < 0)
		return send_files(sock, act, NULL, 0, &why, err);
	const int fds[2] = { metadata, own };

	return send_files(sock, act, fds, own >= 0 ? 2 : 1, &why, err);
}
