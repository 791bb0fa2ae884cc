/* What a SAML process is given of the configuration: opened by the supervisor
 * each time, so that the gate, which asks for it, reads neither key nor file.
 */
#ifndef GITGATE_ROLE_SAML_FILES_H
#define GITGATE_ROLE_SAML_FILES_H

#include "base/view.h"
#include "config/config.h"

/* Send MSG_SAML_FILES for what a gate's MSG_SAML_WANTED asks. A file that
 * cannot be opened is said in it. GG_E_PEER: the gate asks nonsense. */
GG_MUST_USE int saml_files_send(int sock, const struct config *c,
    struct view wanted, struct gg_error *err);

#endif
