/*
 * The operators' log: one event, one line of key=value on stderr. It may be
 * lost; what must not be lost is in the audit log. Only role/, cli/ and the
 * glue in http/ write here. There is no format string and no constructor for
 * a secret.
 */
#ifndef GITGATE_BASE_LOG_H
#define GITGATE_BASE_LOG_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_ERR = 3,
	LOG_WARNING = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7
};

enum log_event_id {
#define EVENT(name, level, doc) EV_##name,
#include "base/events.def"
#undef EVENT
	EV_COUNT
};

struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_U64 } kind;
	const char *str; /* borrowed; may hold hostile bytes; NULL is "" */
	uint64_t u64;
};

static inline struct log_kv
kv_str(const char *key, const char *s)
{
	return (struct log_kv){ .key = key, .kind = LOG_KV_STR, .str = s };
}

static inline struct log_kv
kv_u64(const char *key, uint64_t u)
{
	return (struct log_kv){ .key = key, .kind = LOG_KV_U64, .u64 = u };
}

/* The error's code and text as one field "error". */
static inline struct log_kv
kv_err(const struct gg_error *err)
{
	return kv_str("error", err->msg);
}

/* Once per process: the role's name on every line; what is shown at all. */
void log_setup(const char *role, enum log_level most);

/*
 * Write one event as one line. Strings are quoted and every byte outside
 * printable ASCII is escaped here and nowhere else, so that a refname cannot
 * forge a second line. Never fails the caller; safe from any thread.
 */
void log_emit(enum log_event_id ev, const struct log_kv *kv, size_t n);

#define log_event(ev, ...)                                     \
	log_emit((ev), (const struct log_kv[]){ __VA_ARGS__ }, \
	    sizeof((const struct log_kv[]){ __VA_ARGS__ }) /   \
		sizeof(struct log_kv))

/* Name and sentence of an event, for the manual; NULL past the last. */
const char *log_event_name(enum log_event_id ev);
const char *log_event_doc(enum log_event_id ev);

#endif
