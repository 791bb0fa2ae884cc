/*
 * Signatures by ssh-keygen and gpg themselves, made on the spot, and what
 * must not pass for one.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "crypto/signature.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/gitgate-sig-XXXXXX";

static int
run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(dir) != 0)
			_exit(126);
		(void)setenv("GNUPGHOME", "gnupg", 1);
		(void)dup2(2, 1);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(...) \
	assert_int_equal(run((const char *const[]){ __VA_ARGS__, NULL }), 0)

static struct view
slurp(const char *name, struct buf *b)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	struct gg_error err = { 0 };

	assert_int_equal(file_read(path, b, &err), 0);
	return buf_view(b);
}

static void
spit(const char *name, const char *text)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	struct gg_error err = { 0 };

	assert_int_equal(file_write(path, view_str(text), 0600, false, &err),
	    0);
}

static char *
signers_line(const char *key, const char *options)
{
	GG_AUTO_RELEASE(buf) pub = BUF_INIT(10000);
	GG_AUTO_MEM char *name = path_f("%s.pub", key);

	(void)slurp(name, &pub);
	return path_f("# our people\nada@example.com %s %s", options,
	    buf_str(&pub));
}

static int
verify(const char *payload, const char *signers, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(100000);
	GG_AUTO_MEM char *who = NULL;
	int rc;

	rc = signature_verify_ssh(slurp("payload.sig", &sig), view_str(payload),
	    view_str(signers), clock_wall_ms(), &who, err);
	if (rc == 0)
		assert_string_equal(who, "ada@example.com");
	return rc;
}

static void
ssh_keys_of_every_kind(void **state)
{
	static const struct {
		const char *type, *bits;
		bool ok;
	} rows[] = {
		{ "ed25519", "256", true },
		{ "ecdsa", "256", true },
		{ "ecdsa", "384", true },
		{ "ecdsa", "521", true },
		{ "rsa", "2048", true },
		{ "rsa", "1024", false },
	};

	(void)state;
	spit("payload", "tree 1\n\nmessage\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gg_error err = { 0 };
		char key[64];

		(void)snprintf(key, sizeof(key), "k%zu", i);
		(void)unlink("payload.sig");
		RUN("rm", "-f", "payload.sig");
		RUN("ssh-keygen", "-q", "-t", rows[i].type, "-b", rows[i].bits,
		    "-N", "", "-f", key);
		RUN("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key,
		    "payload");
		GG_AUTO_MEM char *signers = signers_line(key, "");

		print_message("%s %s\n", rows[i].type, rows[i].bits);
		assert_int_equal(signature_check_signers(view_str(signers),
				     &err),
		    0);
		assert_int_equal(verify("tree 1\n\nmessage\n", signers, &err),
		    rows[i].ok ? 0 : GG_E_REFUSED);
		assert_int_equal(verify("tree 2\n\nmessage\n", signers, &err),
		    GG_E_REFUSED);
	}
}

static void
ssh_options(void **state)
{
	static const struct {
		const char *why, *options;
		int want;
	} rows[] = {
		{ "for git", "namespaces=\"git\"", 0 },
		{ "for git among others", "namespaces=\"file,git\"", 0 },
		{ "for files only", "namespaces=\"file\"", GG_E_REFUSED },
		{ "an authority signs no commits", "cert-authority",
		    GG_E_REFUSED },
		{ "not any more", "valid-before=\"20200101Z\"", GG_E_REFUSED },
		{ "not yet", "valid-after=\"20990101Z\"", GG_E_REFUSED },
		{ "in between",
		    "valid-after=\"20200101Z\",valid-before=\"209901010000Z\"",
		    0 },
	};

	(void)state;
	spit("payload", "x");
	RUN("rm", "-f", "payload.sig", "o", "o.pub");
	RUN("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "o");
	RUN("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", "o",
	    "payload");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		GG_AUTO_MEM char *signers = signers_line("o", rows[i].options);
		struct gg_error err = { 0 };

		print_message("%s\n", rows[i].why);
		assert_int_equal(verify("x", signers, &err), rows[i].want);
	}
	RUN("rm", "-f", "payload.sig");
	RUN("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", "o",
	    "payload");
	GG_AUTO_MEM char *signers = signers_line("o", "");
	struct gg_error err = { 0 };

	assert_int_equal(verify("x", signers, &err), GG_E_REFUSED);
	assert_non_null(strstr(err.msg, "not for git"));
}

static void
ssh_every_flipped_byte(void **state)
{
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(100000);
	struct gg_error err = { 0 };

	(void)state;
	RUN("rm", "-f", "payload.sig", "f", "f.pub");
	RUN("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "f");
	RUN("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", "f",
	    "payload");
	GG_AUTO_MEM char *signers = signers_line("f", "");

	(void)slurp("payload.sig", &sig);
	for (size_t i = 0; i < sig.n; i++) {
		GG_AUTO_MEM char *who = NULL;
		char was = sig.p[i];
		bool space = was == '\n';

		sig.p[i] = was == 'A' ? 'B' : 'A';
		if (!space && i < sig.n - 30)
			assert_int_equal(signature_verify_ssh(buf_view(&sig),
					     view_str("x"), view_str(signers),
					     clock_wall_ms(), &who, &err),
			    GG_E_REFUSED);
		sig.p[i] = was;
	}
}

static void
bad_signers_files(void **state)
{
	static const char *const rows[] = {
		"ada\n",
		"ada ssh-ed25519\n",
		"ada ssh-ed25519 !!!\n",
		"ada bogus=1 ssh-ed25519 AAAA\n",
		"ada valid-after=\"2020\" ssh-ed25519 AAAA\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gg_error err = { 0 };

		assert_int_equal(signature_check_signers(view_str(rows[i]),
				     &err),
		    GG_E_INPUT);
		assert_non_null(strstr(err.msg, "line 1"));
	}
}

static void
openpgp(void **state)
{
	GG_AUTO_RELEASE(buf) keys = BUF_INIT(100000), other = BUF_INIT(100000);
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(100000);
	GG_AUTO_MEM char *fp = NULL;
	struct gg_error err = { 0 };

	(void)state;
	spit("signed", "tree 1\n");
	RUN("mkdir", "-m", "700", "-p", "gnupg");
	for (int i = 0; i < 2; i++)
		RUN("gpg", "--batch", "-q", "--passphrase", "",
		    "--quick-generate-key",
		    i == 0 ? "ada <ada@example.com>" : "eve <eve@example.com>",
		    i == 0 ? "ed25519" : "rsa2048", "sign", "never");
	RUN("gpg", "--batch", "-q", "--armor", "-o", "ada.asc", "--export",
	    "ada@example.com");
	RUN("gpg", "--batch", "-q", "--armor", "-o", "eve.asc", "--export",
	    "eve@example.com");
	RUN("gpg", "--batch", "-q", "--armor", "-u", "ada@example.com",
	    "--detach-sign", "signed");
	(void)slurp("ada.asc", &keys);
	(void)slurp("eve.asc", &other);
	(void)slurp("signed.asc", &sig);
	assert_int_equal(signature_check_keys(buf_view(&keys), &err), 0);
	assert_int_equal(signature_check_keys(view_str("nonsense"), &err),
	    GG_E_INPUT);
	assert_int_equal(signature_verify_openpgp(buf_view(&sig),
			     view_str("tree 1\n"), buf_view(&keys), &fp, &err),
	    0);
	assert_int_equal(strlen(fp), 40);
	GG_AUTO_MEM char *none = NULL;

	assert_int_equal(signature_verify_openpgp(buf_view(&sig),
			     view_str("tree 2\n"), buf_view(&keys), &none,
			     &err),
	    GG_E_REFUSED);
	assert_int_equal(signature_verify_openpgp(buf_view(&sig),
			     view_str("tree 1\n"), buf_view(&other), &none,
			     &err),
	    GG_E_REFUSED);
	assert_int_equal(signature_verify_openpgp(view_str("junk"),
			     view_str("tree 1\n"), buf_view(&keys), &none,
			     &err),
	    GG_E_REFUSED);
	assert_null(none);
}

static int
set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct gg_error err;

	(void)state;
	(void)run((const char *const[]){ "gpgconf", "--kill", "all", NULL });
	return dir_remove(dir, &err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ssh_keys_of_every_kind),
		cmocka_unit_test(ssh_options),
		cmocka_unit_test(ssh_every_flipped_byte),
		cmocka_unit_test(bad_signers_files),
		cmocka_unit_test(openpgp),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
