#include "role/supervised.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#define CONFIG_MAX_BYTES ((size_t)64 << 20)
#define WALLS_MS         1000 /* the walls are looked at once in so long */

static int
read_config(struct supervised *s, struct frame *f, struct config **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(CONFIG_MAX_BYTES);
	GG_AUTO_FD fd = frame_take_fd(f, 0), lock = frame_take_fd(f, 1);
	struct dec d = dec_of(f->body);
	int rc;

	(void)dec_u32(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (fd < 0)
		return gg_fail(err, GG_E_PEER, "a config without a descriptor");
	if (lock >= 0 && s->held == 0)
		s->held = fd_take(&lock);
	if ((rc = fd_pread_all(fd, &bytes, err)) != 0)
		return rc;
	return s->way->decode(buf_view(&bytes), out, err);
}

static int
first_walls(struct supervised *s, struct walls *w, struct gg_error *err)
{
	int rc = walls_enter(w, s->required, err);

	if (rc != 0)
		return gg_wrap(err, rc, "sandbox");
	s->walls = *w;
	*w = (struct walls){ 0 };
	return 0;
}

static int
take_config(struct supervised *s, struct frame *f, struct gg_error *err)
{
	GG_AUTO_RELEASE(walls) w = { 0 };
	GG_AUTO(config) config = NULL;
	bool first = s->config == NULL;
	int rc = read_config(s, f, &config, err);

	if (rc != 0)
		return rc;
	s->way->walls(s->ctx, config, &w);
	if (first && (rc = first_walls(s, &w, err)) != 0)
		return rc;
	if (!first && !walls_cover(&s->walls, &w)) {
		s->way->leave(s->ctx);
		return 0;
	}
	config_free(s->config);
	s->config = gg_take(config);
	s->way->configured(s->ctx, first);
	return 0;
}

static int
take_gate(struct supervised *s, struct frame *f, struct gg_error *err)
{
	if (f->n_fds != 1)
		return gg_fail(err, GG_E_PEER, "a gate without socket");
	s->way->set_gate(s->ctx, frame_take_fd(f, 0));
	return 0;
}

static int
take_shutdown(struct supervised *s, const struct frame *f, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	uint32_t grace_ms = dec_u32(&d);
	int rc = dec_end(&d, err);

	if (rc != 0)
		return rc;
	log_event(EV_stopping, kv_u64("grace_ms", grace_ms));
	s->way->end(s->ctx, clock_mono_ms() + grace_ms);
	return 0;
}

int
supervised_read(struct supervised *s, struct frame *f, struct gg_error *err)
{
	int rc = frame_recv(FRAME_PARENT_FD, ROLE_SUPERVISOR, s->way->role, f,
	    err);

	if (rc <= 0)
		return rc;
	if (f->type == s->way->config)
		rc = take_config(s, f, err);
	else if (f->type == s->way->gate)
		rc = take_gate(s, f, err);
	else
		rc = take_shutdown(s, f, err);
	return rc != 0 ? rc : 1;
}

void
supervised_check_walls(struct supervised *s)
{
	GG_AUTO_RELEASE(walls) now = { 0 };

	if (s->config == NULL || s->draining ||
	    clock_mono_ms() < s->walls_checked + WALLS_MS)
		return;
	s->walls_checked = clock_mono_ms();
	s->way->walls(s->ctx, s->config, &now);
	if (!walls_cover(&s->walls, &now))
		s->way->leave(s->ctx);
}
