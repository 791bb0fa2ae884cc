/*
 * gitgate.yaml. Oracle: what is refused says "file:line: ..." with a line
 * that the text has and hands nothing out; what is accepted has what every
 * user of a config takes for granted, and its courier's slice comes back as
 * the same bytes.
 */
#include "fuzz.h"

#include "config/config.h"

#include <string.h>

static void
check_message(const char *msg, const uint8_t *data, size_t size)
{
	static const char file[] = "f.yaml:";
	size_t lines = 1, line = 0;
	const char *s = msg + sizeof(file) - 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r';
	/* YAML has three more line breaks, beyond ASCII */
	for (size_t i = 0; i + 1 < size; i++)
		lines += (data[i] == 0xc2 && data[i + 1] == 0x85) ||
		    (data[i] == 0xe2 && data[i + 1] == 0x80);
	FUZZ_CHECK(strncmp(msg, file, sizeof(file) - 1) == 0);
	for (; *s >= '0' && *s <= '9'; s++)
		line = line * 10 + (size_t)(*s - '0');
	FUZZ_CHECK(s[0] == ':' && s[1] == ' ' && s[2] != '\0');
	FUZZ_CHECK(line >= 1 && line <= lines + 1);
}

static void
check_config(const struct config *c)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT((size_t)64 << 20);
	GG_AUTO_RELEASE(buf) two = BUF_INIT((size_t)64 << 20);
	GG_AUTO(config) slice = NULL;

	FUZZ_CHECK(c->state_dir && c->policy_dir && c->public_url && c->store);
	FUZZ_CHECK(c->listen_host && c->log_origin && c->log_key);
	FUZZ_CHECK(c->n_repositories > 0 && c->inspectors > 0);
	for (size_t i = 0; i < c->n_repositories; i++) {
		const struct repository *r = &c->repositories[i];

		FUZZ_CHECK(r->path && r->upstream && r->upstream[0] != '-');
		FUZZ_CHECK((strchr(r->path, '*') != NULL) ==
		    (strchr(r->upstream, '*') != NULL));
	}
	config_courier_encode(c, &one);
	FUZZ_CHECK(buf_check(&one, NULL) == 0);
	FUZZ_CHECK(config_courier_decode(buf_view(&one), &slice, NULL) == 0);
	config_courier_encode(slice, &two);
	FUZZ_CHECK(view_eq(buf_view(&one), buf_view(&two)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(config) c = NULL;
	struct gg_error err = { 0 };
	int rc = config_parse(view_of(data, size), "f.yaml", &c, &err);

	FUZZ_CHECK((rc == 0) == (c != NULL));
	if (rc == 0) {
		check_config(c);
	} else {
		FUZZ_CHECK(rc == GG_E_INPUT);
		check_message(err.msg, data, size);
	}
	return 0;
}
