#include "role/gate_walls.h"

#include "sandbox/sandbox.h"

int
gate_walls_enter(const struct config *c, bool required, struct gg_error *err)
{
	struct sandbox_path paths[64] = {
		{ c->state_dir, SANDBOX_READ | SANDBOX_WRITE },
		{ c->policy_dir, SANDBOX_READ },
		{ c->log_key, SANDBOX_READ | SANDBOX_WRITE },
		/* libpq: its socket, the resolver, certificates */
		{ "/var/run/postgresql", SANDBOX_READ },
		{ "/etc/resolv.conf", SANDBOX_READ },
		{ "/etc/hosts", SANDBOX_READ },
		{ "/etc/nsswitch.conf", SANDBOX_READ },
		{ "/etc/passwd", SANDBOX_READ },
		{ "/etc/ssl/certs", SANDBOX_READ },
		{ "/etc/ssl/openssl.cnf", SANDBOX_READ },
		{ "/usr/share/ca-certificates", SANDBOX_READ },
		{ "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
		{ "/usr/share/zoneinfo", SANDBOX_READ },
		{ "/proc/self", SANDBOX_READ },
	};
	GG_AUTO_RELEASE(strv) tls = { 0 };
	struct sandbox_rlimits none = { 0 };
	size_t n = 0;
	int rc = config_tls_dirs(c, &tls, err);

	if (rc != 0)
		return rc;
	while (paths[n].path != NULL)
		n++;
	if (tls.n > GG_COUNT(paths) - n)
		return gg_fail(err, GG_E_LIMIT,
		    "tls: its files are in too many directories");
	for (size_t i = 0; i < tls.n; i++)
		paths[n++] = (struct sandbox_path){ tls.v[i], SANDBOX_READ };
	if ((rc = sandbox_limits(&none, err)) != 0 ||
	    (rc = sandbox_files(paths, n, false, required, err)) != 0)
		return rc;
	return sandbox_calls(SANDBOX_CALLS_SERVER, required, err);
}
