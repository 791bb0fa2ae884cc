#include "cli/cli.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define TEXT_MAX (16u << 20)

int
cli_fail(const struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

	text_safe_add(&b, err->msg);
	fprintf(stderr, "gitgate: %s\n", buf_str(&b));
	return CLI_NO;
}

int
cli_usage(const struct gg_error *err)
{
	(void)cli_fail(err);
	fputs("gitgate: see gitgate --help\n", stderr);
	return CLI_USAGE;
}

void
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void
say_safe(const char *label, const char *s)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TEXT_MAX);

	text_safe_add(&b, s);
	printf("%s%s\n", label, buf_str(&b));
}

void
say_json(const json_t *j)
{
	/* jansson writes ASCII only: nothing reaches the terminal as it is */
	json_dumpf(j, stdout,
	    JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	putchar('\n');
}

int
cli_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_YES;
	fputs("gitgate: cannot write to standard output\n", stderr);
	return CLI_NO;
}

/* -- tables -- */

void
table_release(struct table *t)
{
	strv_release(&t->cells);
}

void
table_add(struct table *t, const char *cell)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TEXT_MAX);

	text_safe_add(&b, cell);
	strv_add(&t->cells, b.n ? buf_str(&b) : "-");
}

/* Characters, as far as a terminal has one cell for each. */
static size_t
width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t
column_width(const struct table *t, size_t col)
{
	size_t most = 0, w;

	for (size_t i = col; i < t->cells.n; i += t->n_cols) {
		w = width(t->cells.v[i]);
		most = w > most ? w : most;
	}
	return most;
}

void
table_print(const struct table *t)
{
	size_t widths[16] = { 0 }, col;

	if (t->n_cols == 0 || t->n_cols > GG_COUNT(widths))
		gg_die("a table with %zu columns", t->n_cols);
	for (col = 0; col < t->n_cols; col++)
		widths[col] = column_width(t, col);
	for (size_t i = 0; i < t->cells.n; i++) {
		col = i % t->n_cols;
		fputs(t->cells.v[i], stdout);
		if (col == t->n_cols - 1)
			putchar('\n');
		else
			printf("%*s",
			    (int)(widths[col] - width(t->cells.v[i]) + 2), "");
	}
}

/* -- JSON for people -- */

const char *
json_str(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

void
json_join(struct buf *out, const json_t *array, const char *name)
{
	const char *s;
	json_t *x;
	size_t i;

	json_array_foreach(array, i, x)
	{
		s = name ? json_str(x, name) : json_string_value(x);
		buf_adds(out, i ? ", " : "");
		buf_adds(out, s ? s : "?");
	}
}

json_t *
cli_json_time(int64_t ms)
{
	char text[CLOCK_RFC3339_SIZE];

	if (ms == 0)
		return json_null();
	clock_format(ms, text);
	return json_string(text);
}
