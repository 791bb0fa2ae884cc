#include "role/saml_walls.h"

#include "sandbox/sandbox.h"

#define SAML_MEMORY_BYTES ((uint64_t)256 << 20)
#define SAML_CPU_SECONDS  5
#define SAML_FILE_BYTES   ((uint64_t)4 << 20) /* its answer, a memfd */
#define SAML_OPEN_FILES   32

int
saml_walls(bool required, struct gg_error *err)
{
	const struct sandbox_rlimits limits = { SAML_MEMORY_BYTES,
		SAML_CPU_SECONDS, SAML_FILE_BYTES, SAML_OPEN_FILES, 0 };
	int rc;

	if ((rc = sandbox_limits(&limits, err)) != 0 ||
	    (rc = sandbox_files(NULL, 0, true, required, err)) != 0)
		return rc;
	return sandbox_calls(SANDBOX_CALLS_PARSER, required, err);
}
