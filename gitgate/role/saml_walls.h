/* What the SAML process may: read the system's libraries, answer its socket. */
#ifndef GITGATE_ROLE_SAML_WALLS_H
#define GITGATE_ROLE_SAML_WALLS_H

#include "base/error.h"

#include <stdbool.h>

/* After saml_init(), before the first byte of a job. */
GG_MUST_USE int saml_walls(bool required, struct gg_error *err);

#endif
