/*
 * Waits for one of several descriptors: poll, select, epoll_wait. One need with the ways of all of
 * them. See waits.h.
 */
#include "config.h"

#include "collector/source/waits.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#define DESCRIPTORS_MAX 4096 /* of one set that are looked into */
#define SHOWN_MAX 4
#define EPOLL_DEPTH_MAX 4 /* as the kernel's */

/* The set that is being looked at: what of it is told. */
struct set {
	uint32_t count;
	const char *shown; /* "input of pipe:[1], a timer (timerfd)" */
};

static void add(struct waiting *w, struct set *set, int fd, enum direction direction)
{
	struct waited waited;

	if (++set->count > DESCRIPTORS_MAX) {
		waiting_unseen(w, "only the first %d descriptors were looked at", DESCRIPTORS_MAX);
		return;
	}
	w->is_set = true;
	waited = waiting_descriptor(w, fd, direction);
	if (set->count <= SHOWN_MAX)
		set->shown = set->count == 1
				     ? waited.object
				     : model_stringf(w->m, "%s, %s", set->shown, waited.object);
}

static void tell(struct waiting *w, const struct set *set)
{
	if (!set->count) {
		waiting_is(w, WAIT_SIGNAL, "a signal (an empty set of descriptors)");
		waiting_unseen(w, "any process may send one");
	} else if (set->count == 1) {
		waiting_is(w, WAIT_EVENTS, "%s", set->shown);
	} else {
		waiting_is(w, WAIT_EVENTS, "one of %u descriptors: %s%s", set->count, set->shown,
			   set->count > SHOWN_MAX ? ", ..." : "");
	}
}

/* A limit in milliseconds, none if it is negative. */
static void limit_ms(struct waiting *w, uint64_t argument)
{
	int ms = (int)argument;

	if (ms >= 0)
		waiting_for(w, (uint64_t)ms * 1000000);
}

void waiting_poll(struct waiting *w)
{
	uint64_t address = w->call.args[0];
	uint32_t count = (uint32_t)w->call.args[1];
	struct set set = {0};
	struct pollfd one;

	waiting_need(w);
	for (uint32_t i = 0; i < count && i <= DESCRIPTORS_MAX; i++) {
		if (!waiting_read(w, address + i * sizeof(one), &one, sizeof(one))) {
			waiting_unseen(w, "the set of descriptors cannot be read (%s)",
				       proc_access_advice());
			break;
		}
		if (one.fd >= 0)
			add(w, &set, one.fd,
			    (one.events & (POLLIN | POLLRDNORM | POLLPRI)) ||
					    !(one.events & (POLLOUT | POLLWRNORM))
				    ? DIRECTION_IN
				    : DIRECTION_OUT);
	}
	if (w->call.number == SYS_ppoll)
		waiting_timespec(w, w->call.args[2]);
	else
		limit_ms(w, w->call.args[2]);
	if (!set.count && !w->m->waits.items[w->wait].unseen && w->m->waits.items[w->wait].until_ns)
		waiting_is(w, WAIT_SLEEP, "time to pass");
	else
		tell(w, &set);
}

/* One of the three sets: words of 64 bits. */
static void add_fd_set(struct waiting *w, struct set *set, uint64_t address, int limit)
{
	uint64_t word;

	for (int fd = 0; address && fd < limit; fd++) {
		if (fd % 64 == 0 && !waiting_read(w, address + fd / 8, &word, sizeof(word))) {
			waiting_unseen(w, "the set of descriptors cannot be read (%s)",
				       proc_access_advice());
			return;
		}
		if (word >> fd % 64 & 1)
			add(w, set, fd, address == w->call.args[2] ? DIRECTION_OUT : DIRECTION_IN);
	}
}

void waiting_select(struct waiting *w)
{
	const uint64_t *args = w->call.args;
	int limit = (int)args[0] < 65536 ? (int)args[0] : 65536;
	struct set set = {0};

	waiting_need(w);
	for (int i = 1; i <= 3; i++)
		add_fd_set(w, &set, args[i], limit);
	if (w->call.number == SYS_pselect6)
		waiting_timespec(w, args[4]);
	else
		waiting_timeval(w, args[4]);
	if (!set.count && !w->m->waits.items[w->wait].unseen && w->m->waits.items[w->wait].until_ns)
		waiting_is(w, WAIT_SLEEP, "time to pass");
	else
		tell(w, &set);
}

/* --- epoll ------------------------------------------------------------------------------------ */

/* The descriptor still is what was added: its number may be that of another one by now. */
static bool is_still(struct waiting *w, int fd, uint64_t ino)
{
	struct end at = {w->pid, w->tid, fd};
	struct end_info info;

	return !ends_read_info(w->all->g->proc, &at, &info) && (!info.ino || info.ino == ino);
}

/* "tfd:        5 events:       19 data:                5  pos:0 ino:5d8 sdev:e" */
static void add_line(struct waiting *w, struct set *set, const char *line)
{
	int fd;
	unsigned events;
	uint64_t ino;

	if (sscanf(line, "tfd: %d events: %x data: %*x pos:%*d ino:%" SCNx64, &fd, &events, &ino) !=
	    3) {
		waiting_unseen(w, "the kernel does not tell the descriptors of an epoll set");
		return;
	}
	/* One that EPOLLONESHOT has switched off. */
	if (!(events & (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLERR | EPOLLHUP | EPOLLRDHUP)))
		return;
	if (!is_still(w, fd, ino)) {
		set->count++;
		waiting_unseen(w,
			       "descriptor %d of an epoll set was closed and may be open "
			       "elsewhere",
			       fd);
		return;
	}
	add(w, set, fd, events & EPOLLIN || !(events & EPOLLOUT) ? DIRECTION_IN : DIRECTION_OUT);
}

static void add_epoll(struct waiting *w, struct set *set, int fd)
{
	char *text, *line;
	size_t length;

	if (proc_read(w->all->g->proc, &text, &length, "%d/task/%d/fdinfo/%d", w->pid, w->tid,
		      fd)) {
		waiting_unseen(w, "the descriptors of an epoll set may not be seen (%s)",
			       proc_access_advice());
		return;
	}
	for (line = strstr(text, "\ntfd:"); line; line = strstr(line + 1, "\ntfd:"))
		add_line(w, set, line + 1);
	free(text);
}

void waiting_epoll_set(struct waiting *w, int fd)
{
	struct set set = {0};

	if (w->epolls >= EPOLL_DEPTH_MAX) {
		waiting_unseen(w, "epoll sets are nested too deep");
		return;
	}
	w->epolls++;
	add_epoll(w, &set, fd);
	w->epolls--;
}

void waiting_epoll(struct waiting *w)
{
	struct set set = {0};

	waiting_need(w);
	add_epoll(w, &set, (int)w->call.args[0]);
	if (w->m->processes.items[w->process].has_children_threads)
		waiting_way(w, w->pid, 0, "may change the set");
#ifdef SYS_epoll_pwait2
	if (w->call.number == SYS_epoll_pwait2)
		waiting_timespec(w, w->call.args[3]);
	else
#endif
		limit_ms(w, w->call.args[3]);
	tell(w, &set);
}
