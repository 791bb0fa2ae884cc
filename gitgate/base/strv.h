/* A list of owned strings. Sticky failure like buf: strv_check() tells. */
#ifndef GITGATE_BASE_STRV_H
#define GITGATE_BASE_STRV_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

struct strv {
	char **v; /* n strings, and v[n] is NULL once anything was added */
	size_t n;
	size_t alloc;
	int failed;
};

#define STRV_INIT ((struct strv){ 0 })

void strv_release(struct strv *s);
GG_DEFINE_AUTO_RELEASE(strv);
/* Add a copy. */
void strv_add(struct strv *s, const char *str);
void strv_addv(struct strv *s, struct view v);
void strv_addf(struct strv *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Is str (exactly) one of them? */
bool strv_has(const struct strv *s, const char *str);
/* The same strings in the same order? */
bool strv_eq(const struct strv *a, const struct strv *b);
/* Take number i out; the others keep their order. */
void strv_remove(struct strv *s, size_t i);
/* Replace *to's content by a copy of from's. */
void strv_copy(struct strv *to, const struct strv *from);
/* 0 or GG_E_NOMEM. */
GG_MUST_USE int strv_check(const struct strv *s, struct gg_error *err);

#endif
