/* gitgate: the command line. The commands are in a table (commands.c). */
#include "cli/cli.h"

#include "base/fd.h"

#include <signal.h>
#include <string.h>

static size_t
words_of(const char *name)
{
	size_t n = 1;

	for (; *name != '\0'; name++)
		n += *name == ' ';
	return n;
}

/* Do the words at argv spell the command's name? */
static bool
spells(const char *name, int argc, char **argv)
{
	struct view rest = view_str(name), word;
	size_t n = words_of(name);

	if ((size_t)argc < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!view_cut(&rest, ' ', &word))
			word = rest;
		if (!view_eq_str(word, argv[i]))
			return false;
	}
	return true;
}

static const struct command *
find(int argc, char **argv)
{
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (spells(c->name, argc, argv))
			return c;
	return NULL;
}

/* The words may be only the beginning of commands ("holds"). */
static bool
is_group(const char *word)
{
	size_t n = strlen(word);

	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
			return true;
	return false;
}

/* Only commands of one group, or all (NULL). */
static void
help(FILE *to, const char *group)
{
	size_t n = group ? strlen(group) : 0;

	fputs("usage: gitgate [--config FILE] [--url URL]"
	      " [--token-file FILE] COMMAND\n\n",
	    to);
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (n == 0 ||
		    (strncmp(c->name, group, n) == 0 &&
			(c->name[n] == ' ' || c->name[n] == '\0')))
			fprintf(to, "  %s%s%s\n", c->name,
			    c->args[0] ? " " : "", c->args);
	fputs("\nEvery command takes --help. The manual is gitgate(1).\n", to);
}

static void
help_command(const struct command *c)
{
	say("usage: gitgate %s%s%s\n\n%s\n", c->name, c->args[0] ? " " : "",
	    c->args, c->help);
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* The common options may stand before the command. Returns how many words
 * they took, or -1. */
static int
leading_options(struct cli *cli, int argc, char **argv, struct gg_error *err)
{
	struct words w;
	int n = 0, took;

	while (n < argc && argv[n][0] == '-' && argv[n][1] != '\0') {
		took = strchr(argv[n], '=') != NULL ||
			strcmp(argv[n], "--json") == 0 ||
			strcmp(argv[n], "--help") == 0 ||
			strcmp(argv[n], "-h") == 0 ?
		    1 :
		    2;
		if (took > argc - n)
			took = argc - n;
		if (cli_options(cli, took, argv + n, NULL, 0, 0, 0, &w, err) !=
		    0)
			return -1;
		n += took;
	}
	return n;
}

static int
unknown(int argc, char **argv)
{
	struct gg_error err = { 0 };

	if (argc == 0 || is_group(argv[0])) {
		help(stderr, argc ? argv[0] : NULL);
		return CLI_USAGE;
	}
	gg_fail(&err, GG_E_INPUT, "there is no command %s", argv[0]);
	return cli_usage(&err);
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct gg_error err = { 0 };
	const struct command *c;
	int n, skip;

	fd_fill_standard();
	/* a reader that goes away is an error of write(), told by cli_flush */
	(void)signal(SIGPIPE, SIG_IGN);
	/* ignored, as who started us may have it, no child's end would be told */
	(void)signal(SIGCHLD, SIG_DFL);
	argc--;
	argv++;
	if (argc > 0 && strcmp(argv[0], "--version") == 0)
		argv[0] += 2; /* the command of that name */
	if ((n = leading_options(&cli, argc, argv, &err)) < 0)
		return cli_usage(&err);
	argc -= n;
	argv += n;
	if (argc > 0 && strcmp(argv[0], "help") == 0) {
		cli.help = true;
		argc--;
		argv++;
	}
	if ((c = find(argc, argv)) == NULL) {
		if (!cli.help && !asks_for_help(argc, argv))
			return unknown(argc, argv);
		if (argc > 0 && argv[0][0] != '-' && !is_group(argv[0]))
			return unknown(argc, argv);
		help(stdout, argc > 0 && argv[0][0] != '-' ? argv[0] : NULL);
		return cli_flush();
	}
	if (cli.help || asks_for_help(argc, argv)) {
		help_command(c);
		return cli_flush();
	}
	skip = (int)words_of(c->name);
	return c->run(&cli, argc - skip, argv + skip);
}
