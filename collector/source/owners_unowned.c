/*
 * Locks of open file descriptions that no process has a descriptor of: a mapping keeps one, a
 * descriptor is on its way through a socket, or some processes cannot be looked at.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "collector/proc/crew.h"
#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

#define SOCKETS_TOLD 3 /* processes with descriptors in flight that are named */

/* What a process has to do with files that nobody has open. */
struct keeper {
	uint32_t line; /* the first of the lines whose file it maps; MODEL_NONE none */
	char *path;    /* of that file; malloc'ed, NULL unknown */
	int socket;    /* with descriptors in flight; -1 none */
	unsigned in_flight;
};

struct quest {
	struct search *s;
	const int *pids;
	struct keeper *keepers; /* of pids */
	struct index by_ino;    /* -> lines */
};

static bool is_unowned(const struct kernel_lock *e)
{
	return e->process == MODEL_NONE && !e->is_outdated;
}

static uint32_t count_equal(const struct kernel_locks *k, const struct kernel_lock *like,
			    bool is_owned)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < k->count; i++) {
		const struct kernel_lock *e = &k->items[i];

		count += !e->depth && e->copy_of == MODEL_NONE && owners_is_same_lock(e, like) &&
			 (!is_owned || (e->process != MODEL_NONE && !e->is_outdated));
	}
	return count;
}

void owners_drop_released(struct search *s, const uint32_t *wanted, uint32_t count)
{
	struct kernel_locks again = {0};

	if (proc_is_recorded(s->proc) || kernel_locks_read(s->proc, &again))
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct kernel_lock *e = &s->k->items[wanted[i]];
		uint32_t before = 0;

		if (!is_unowned(e))
			continue;
		for (uint32_t n = 0; n < i; n++)
			before += is_unowned(&s->k->items[wanted[n]]) &&
				  owners_is_same_lock(&s->k->items[wanted[n]], e);
		e->is_outdated =
			count_equal(&again, e, false) <= before + count_equal(s->k, e, true);
	}
	kernel_locks_done(&again);
}

/* --- what keeps a file without a descriptor --------------------------------------------------- */

static uint32_t find_line(const struct quest *q, uint64_t dev, uint64_t ino)
{
	for (uint32_t n = index_first(&q->by_ino, ino); n != UINT32_MAX;
	     n = index_next(&q->by_ino, n))
		if (q->s->k->items[q->by_ino.entries[n].value].dev == dev)
			return q->by_ino.entries[n].value;
	return MODEL_NONE;
}

/* "START-END PERMS OFFSET MAJ:MIN INO   PATH": the device is the kernel's, as in /proc/locks. */
static void read_maps(const struct quest *q, pid_t pid, struct keeper *keeper)
{
	unsigned major_number, minor_number;
	uint64_t ino;
	char *text;
	size_t length;

	if (proc_read(q->s->proc, &text, &length, "%d/maps", pid))
		return;
	for (char *line = text, *next; *line && keeper->line == MODEL_NONE; line = next) {
		int at = 0;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64 " %n", &major_number, &minor_number,
			   &ino, &at) == 3 &&
		    ino)
			keeper->line = find_line(q, makedev(major_number, minor_number), ino);
		if (keeper->line != MODEL_NONE && at && line[at])
			keeper->path = strdup(line + at);
	}
	free(text);
}

/* Of a unix socket fdinfo tells how many descriptors wait in its queue (Linux 5.12). */
static void read_sockets(const struct quest *q, pid_t pid, struct keeper *keeper)
{
	char link[64], text[1024];
	int *fds;
	ssize_t count = proc_list(q->s->proc, &fds, "%d/fd", pid);

	for (ssize_t i = 0; i < count && keeper->socket < 0; i++) {
		if (proc_readlink(q->s->proc, link, sizeof(link), "%d/fd/%d", pid, fds[i]) ||
		    strncmp(link, "socket:", 7) != 0 ||
		    proc_read_some(q->s->proc, text, sizeof(text), "%d/fdinfo/%d", pid, fds[i]) <=
			    0)
			continue;
		const char *line = strstr(text, "\nscm_fds:");

		keeper->in_flight = line ? strtoul(line + 9, NULL, 10) : 0;
		if (keeper->in_flight)
			keeper->socket = fds[i];
	}
	if (count >= 0)
		free(fds);
}

static void look_at_process(void *data, uint32_t item)
{
	const struct quest *q = data;
	struct keeper *keeper = &q->keepers[item];
	struct proc_stat st;

	*keeper = (struct keeper){.line = MODEL_NONE, .socket = -1};
	/* Who sits in the kernel for good may hold what reading its maps would wait for. */
	if (proc_read_stat(q->s->proc, q->pids[item], &st) || st.state == 'D')
		return;
	read_maps(q, q->pids[item], keeper);
	read_sockets(q, q->pids[item], keeper);
}

static void give(struct search *s, pid_t pid, const struct keeper *keeper)
{
	struct kernel_lock *e = &s->k->items[keeper->line];
	uint32_t resource = merge_resource(s->g, e);

	/* Who took the lock is the likeliest of those who map its file. */
	if (e->process != MODEL_NONE && pid != e->pid)
		return;
	e->process = gather_process(s->g, pid);
	e->is_deduced = e->is_through_map = e->process != MODEL_NONE;
	if (e->is_deduced && keeper->path && resource != MODEL_NONE)
		gather_path(s->g, resource, keeper->path);
}

static void note_sockets(const struct quest *q, uint32_t count)
{
	uint32_t told = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct keeper *keeper = &q->keepers[i];

		if (keeper->socket < 0 || told++ >= SOCKETS_TOLD)
			continue;
		model_note(
			q->s->g->m,
			"process %d has %u descriptors waiting in its socket %d: what they lead to "
			"cannot be seen",
			q->pids[i], keeper->in_flight, keeper->socket);
	}
	if (told > SOCKETS_TOLD)
		model_note(q->s->g->m, "and %u more processes have descriptors waiting in sockets",
			   told - SOCKETS_TOLD);
}

static void explain(struct search *s, const uint32_t *wanted, uint32_t count, bool *is_left)
{
	for (uint32_t i = 0; i < count; i++) {
		struct kernel_lock *e = &s->k->items[wanted[i]];

		if (!is_unowned(e))
			continue;
		*is_left = true;
		if (!s->is_incomplete)
			e->unowned = "no process has it open: it is kept by a descriptor in flight "
				     "in a socket, or by nobody who can be seen";
	}
}

void owners_explain(struct search *s, const int *pids, uint32_t count, const uint32_t *wanted,
		    uint32_t wanted_count)
{
	struct quest q = {.s = s, .pids = pids};
	bool is_left = false;

	owners_drop_released(s, wanted, wanted_count);
	for (uint32_t i = 0; i < wanted_count; i++)
		if (is_unowned(&s->k->items[wanted[i]]))
			is_left = index_add(&q.by_ino, s->k->items[wanted[i]].ino, wanted[i]);
	q.keepers = is_left ? calloc(count + (size_t)1, sizeof(*q.keepers)) : NULL;
	if (q.keepers) {
		crew_run(look_at_process, &q, count);
		for (uint32_t i = 0; i < count; i++)
			if (q.keepers[i].line != MODEL_NONE)
				give(s, pids[i], &q.keepers[i]);
		is_left = false;
		explain(s, wanted, wanted_count, &is_left);
		if (is_left)
			note_sockets(&q, count);
	}
	for (uint32_t i = 0; q.keepers && i < count; i++)
		free(q.keepers[i].path);
	free(q.keepers);
	index_done(&q.by_ino);
}
