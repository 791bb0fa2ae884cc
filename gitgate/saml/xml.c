#include "saml/xml.h"

#include "base/text.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>

static const char *
as_text(const xmlChar *s)
{
	return (const char *)s;
}

static const xmlChar *
as_xml(const char *s)
{
	return (const xmlChar *)s;
}

void
xml_release(struct xml *x)
{
	if (x->doc != NULL)
		xmlFreeDoc(x->doc);
	x->doc = NULL;
	buf_release(&x->text);
}

static bool
contains(struct view in, const char *word)
{
	return in.n > 0 && memmem(in.p, in.n, word, strlen(word)) != NULL;
}

static void
skip_space(struct view *v)
{
	while (v->n > 0 && xml_is_space(v->p[0]))
		view_skip(v, 1);
}

/* What stands before the root element and would let two parsers differ about
 * the encoding. */
static void
skip_declaration(struct view *v)
{
	const char *end;

	if (view_has_prefix(*v, "\xef\xbb\xbf"))
		view_skip(v, 3);
	skip_space(v);
	if (!view_has_prefix(*v, "<?xml "))
		return;
	if ((end = memmem(v->p, v->n, "?>", 2)) != NULL)
		view_skip(v, (size_t)(end - v->p) + 2);
	skip_space(v);
}

static xmlDoc *
parse(struct view v)
{
	xmlParserCtxt *ctx = xmlNewParserCtxt();
	xmlDoc *doc;

	if (ctx == NULL)
		return NULL;
	doc = xmlCtxtReadMemory(ctx, v.p, (int)v.n, NULL, "UTF-8",
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlFreeParserCtxt(ctx);
	return doc;
}

int
xml_read(struct view in, const char *what, struct xml *out,
    struct gg_error *err)
{
	skip_declaration(&in);
	if (in.n == 0 || in.p[0] != '<' || in.n > INT32_MAX ||
	    !utf8_is_valid(in) || memchr(in.p, '\0', in.n) != NULL)
		return gg_fail(err, GG_E_REFUSED, "%s is not XML in UTF-8",
		    what);
	if (contains(in, "<!DOCTYPE") || contains(in, "<!ENTITY"))
		return gg_fail(err, GG_E_REFUSED,
		    "%s has a document type definition, which SAML forbids",
		    what);
	buf_init(&out->text, in.n);
	buf_addv(&out->text, in);
	if (buf_check(&out->text, err) != 0)
		return err != NULL ? (int)err->code : GG_E_NOMEM;
	if ((out->doc = parse(in)) == NULL || out->doc->intSubset != NULL ||
	    out->doc->extSubset != NULL ||
	    xmlDocGetRootElement(out->doc) == NULL)
		return gg_fail(err, GG_E_REFUSED, "%s is not well-formed XML",
		    what);
	return 0;
}

bool
xml_is(const xmlNode *n, const char *ns, const char *name)
{
	return n != NULL && n->type == XML_ELEMENT_NODE && n->ns != NULL &&
	    n->ns->href != NULL && strcmp(as_text(n->ns->href), ns) == 0 &&
	    strcmp(as_text(n->name), name) == 0;
}

xmlNode *
xml_next(const xmlNode *parent, const xmlNode *after)
{
	xmlNode *n = after != NULL ? after->next :
	    parent != NULL         ? parent->children :
				     NULL;

	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

xmlNode *
xml_next_named(const xmlNode *parent, const xmlNode *after, const char *ns,
    const char *name)
{
	xmlNode *n = xml_next(parent, after);

	while (n != NULL && !xml_is(n, ns, name))
		n = xml_next(parent, n);
	return n;
}

xmlNode *
xml_only(const xmlNode *parent, const char *ns, const char *name)
{
	xmlNode *n = xml_next_named(parent, NULL, ns, name);

	return n != NULL && xml_next_named(parent, n, ns, name) == NULL ? n :
									  NULL;
}

xmlNode *
xml_walk(const xmlNode *root, const xmlNode *n)
{
	xmlNode *down = xml_next(n, NULL);

	if (down != NULL)
		return down;
	while (n != root) {
		xmlNode *beside = xml_next(NULL, n);

		if (beside != NULL)
			return beside;
		n = n->parent;
	}
	return NULL;
}

char *
xml_attr(const xmlNode *n, const char *name)
{
	xmlChar *v = xmlGetNoNsProp(n, as_xml(name));
	char *copy = v != NULL ? view_dup(view_str(as_text(v))) : NULL;

	if (v != NULL && copy == NULL)
		gg_die("no memory for an attribute");
	xmlFree(v);
	return copy;
}

bool
xml_attr_is(const xmlNode *n, const char *name, const char *value)
{
	GG_AUTO_MEM char *is = xml_attr(n, name);

	return is != NULL && strcmp(is, value) == 0;
}

bool
xml_text(const xmlNode *n, struct buf *out)
{
	size_t from = out->n, skip = 0;

	for (const xmlNode *c = n->children; c != NULL; c = c->next) {
		if (c->type == XML_TEXT_NODE ||
		    c->type == XML_CDATA_SECTION_NODE)
			buf_adds(out, as_text(c->content));
		else if (c->type != XML_COMMENT_NODE && c->type != XML_PI_NODE)
			return false;
	}
	if (out->failed != 0)
		return false;
	while (out->n > from && xml_is_space(out->p[out->n - 1]))
		out->p[--out->n] = '\0';
	while (from + skip < out->n && xml_is_space(out->p[from + skip]))
		skip++;
	if (skip > 0) {
		memmove(out->p + from, out->p + from + skip,
		    out->n - from - skip + 1);
		out->n -= skip;
	}
	return true;
}
