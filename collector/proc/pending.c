/* See pending.h. */
#include "config.h"

#include "collector/proc/pending.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/proc/task_signals.h"

#define DESCRIPTORS_MAX 4096

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

/* Those of which somebody would notice that they were delivered. */
static uint64_t noticed(uint64_t caught, uint64_t ignored)
{
	uint64_t harmless = bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT);

	return ~ignored & ~(harmless & ~caught);
}

/* Of one thread into the process's. False: it cannot take signals now, whatever it blocks. */
static bool add_thread(struct pending *look, const struct task_signals *s, uint64_t *blocked,
		       uint64_t *own)
{
	if (strchr("TtZX", s->state))
		return false;
	*blocked &= s->blocked;
	*own |= s->pending & s->blocked;
	look->switches += s->switches;
	look->is_awake |= s->state == 'R';
	return true;
}

/* stuck is 0 for a process that is stopped, traced, or gone. */
struct pending pending_look(const struct proc *proc, pid_t pid)
{
	uint64_t blocked = UINT64_MAX, own = 0;
	struct task_signals s = {0};
	struct pending look = {0};
	int *tids;
	ssize_t count = proc_list_tasks(proc, &tids, pid);
	bool can_take = count > 0;

	for (ssize_t i = 0; can_take && i < count; i++)
		can_take = !proc_read_signals(proc, pid, tids[i], &s) &&
			   add_thread(&look, &s, &blocked, &own);
	if (count >= 0)
		free(tids);
	if (can_take)
		look.held_back =
			((s.shared_pending & blocked) | own) & noticed(s.caught, s.ignored);
	return look;
}

/* What it takes by signalfd(). False: that cannot be seen. */
static bool read_signalfds(const struct proc *proc, pid_t pid, uint64_t *taken)
{
	char text[512];
	int *fds;
	ssize_t count = proc_list(proc, &fds, "%d/fd", (int)pid);

	if (count < 0)
		return false;
	for (ssize_t i = 0; i < count && i < DESCRIPTORS_MAX; i++) {
		unsigned long long mask;
		const char *line;

		if (proc_readlink(proc, text, sizeof(text), "%d/fd/%d", (int)pid, fds[i]) ||
		    !strstr(text, "[signalfd]") ||
		    proc_read_some(proc, text, sizeof(text), "%d/fdinfo/%d", (int)pid, fds[i]) <= 0)
			continue;
		line = strstr(text, "sigmask:");
		if (line && sscanf(line, "sigmask: %llx", &mask) == 1)
			*taken |= mask;
	}
	free(fds);
	return true;
}

/* It waits for its children: system() and its kin block SIGCHLD meanwhile. */
static bool waits_for_children(const struct proc *proc, pid_t pid)
{
	struct proc_syscall call;
	bool is = false;
	int *tids;
	ssize_t count = proc_list_tasks(proc, &tids, pid);

	if (count < 0)
		return false;
	for (ssize_t i = 0; !is && i < count; i++)
		is = !proc_read_syscall(proc, pid, tids[i], &call) && !call.is_running &&
		     (call.number == SYS_wait4 || call.number == SYS_waitid);
	free(tids);
	return is;
}

bool pending_expected(const struct proc *proc, pid_t pid, uint64_t *signals)
{
	*signals = waits_for_children(proc, pid) ? bit(SIGCHLD) : 0;
	return read_signalfds(proc, pid, signals);
}
