/* The supervisor's state, for its two files: supervisor.c, which waits for what
 * happens and says what follows, and supervisor_roles.c. */
#ifndef GITGATE_ROLE_SUPERVISOR_PRIV_H
#define GITGATE_ROLE_SUPERVISOR_PRIV_H

#include "ipc/frame.h"
#include "role/loaded.h"
#include "role/notify.h"
#include "role/supervisor.h"

#include <sys/types.h>

#define RESTART_PAUSE_MS 1000
#define WORKERS_MAX      256

struct child {
	pid_t pid;          /* 0: not running */
	int sock;           /* our end of its parent socket */
	int64_t started;    /* mono ms */
	int64_t not_before; /* mono ms: when it may be started again */
};

struct worker {
	pid_t pid;        /* 0: a free place */
	bool ends_itself; /* and what it began */
};

struct supervisor {
	const char *config_file;
	struct loaded now; /* owned: what is in force */
	struct loaded old; /* owned: what was, until the gate has taken now */
	int lock;          /* of the state directory */
	int run_lock;      /* of run_dir, where it is our own */
	char *bin_dir;
	char *run_dir;
	bool own_run_dir;
	struct child gate, courier, messenger;
	struct worker workers[WORKERS_MAX];
	bool courier_told; /* that another one is waited for */
	bool gate_ready;
	uint32_t owed;     /* inspectors that the gate waits for */
	int64_t owed_from; /* mono ms: not before */
	uint32_t generation;
	uint32_t gate_began; /* the generation that it was started with */
	int signals;
	struct notify notify;
	bool stopping;
	bool fatal; /* a role said that it cannot start */
};

/* -- supervisor_roles.c; each returns 0 or a negative code -- */
/* A message of one number to a role, with fd (borrowed) unless it is -1. */
GG_MUST_USE int supervisor_tell(int sock, enum msg_type type, uint32_t word,
    int fd, struct gg_error *err);
/* The configuration in force, to each in its own form. */
GG_MUST_USE int
supervisor_send_gate(struct supervisor *s, struct gg_error *err);
/* lock: what it is to hold until it ends (borrowed); -1: it has it already. */
GG_MUST_USE int
supervisor_send_courier(struct supervisor *s, int lock, struct gg_error *err);
GG_MUST_USE int
supervisor_send_messenger(struct supervisor *s, struct gg_error *err);
/* Start it, with its configuration and sockets to those who run already. */
GG_MUST_USE int
supervisor_start_gate(struct supervisor *s, struct gg_error *err);
/* 0, too, while another courier is waited for: not_before says when to ask. */
GG_MUST_USE int
supervisor_start_courier(struct supervisor *s, struct gg_error *err);
GG_MUST_USE int
supervisor_start_messenger(struct supervisor *s, struct gg_error *err);
/* A process for one job of the gate, which gets its socket. */
GG_MUST_USE int
supervisor_start_hook(struct supervisor *s, struct gg_error *err);
GG_MUST_USE int supervisor_start_saml(struct supervisor *s,
    const struct frame *wanted, struct gg_error *err);
/*
 * Start the inspectors that are owed. One that fails now (no process, no file)
 * is tried again: the gate asks once for each, and its pool would shrink for
 * good.
 */
void supervisor_pay_inspectors(struct supervisor *s);

#endif
