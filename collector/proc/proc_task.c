/* What is asked about one task, or two: see proc.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/proc/proc.h"

static bool is_alive(const struct proc_stat *st)
{
	return st->state != 'Z' && st->state != 'X';
}

pid_t proc_live_task(const struct proc *p, pid_t pid)
{
	struct proc_stat st;
	pid_t found = 0;
	int *tids;

	if (proc_read_stat(p, pid, &st))
		return 0;
	if (is_alive(&st))
		return pid;
	/* Of a zombie that is the number of threads, itself included, which have not ended all. */
	ssize_t count = st.threads > 1 ? proc_list(p, &tids, "%d/task", pid) : -1;

	for (ssize_t i = 0; !found && i < count; i++)
		if (!proc_read_task_stat(p, pid, tids[i], &st) && is_alive(&st))
			found = tids[i];
	if (count >= 0)
		free(tids);
	return found;
}

int proc_compare_files(const struct proc *p, pid_t a, int a_fd, pid_t b, int b_fd)
{
	if (!proc_is_here(p))
		return -ENOTSUP;
	if (a == b && a_fd == b_fd)
		return 0;
	long r = syscall(SYS_kcmp, a, b, KCMP_FILE, (unsigned long)a_fd, (unsigned long)b_fd);

	return r < 0 ? -errno : r;
}

/* PROC_PID_INIT_INO of the kernel's proc_ns.h. */
bool proc_is_in_pid_namespace(const struct proc *p)
{
	char link[64];

	return !proc_readlink(p, link, sizeof(link), "self/ns/pid") &&
	       strcmp(link, "pid:[4026531836]") != 0;
}

int proc_read_uid(const struct proc *p, pid_t pid, uid_t *uid)
{
	char text[1024];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/status", pid);
	unsigned effective;

	if (got < 0)
		return got;
	const char *line = strstr(text, "\nUid:");

	if (!line || sscanf(line, "\nUid: %*u %u", &effective) != 1)
		return -EINVAL;
	*uid = effective;
	return 0;
}

static uint64_t read_number(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) : 0;
}

/* "NSpid:\t4711\t12\t1": as we see it, and so on, as it is inside. The last, or the one at depth. */
static pid_t read_inside(const char *text, unsigned *depth, unsigned wanted)
{
	const char *line = strstr(text, "\nNSpid:");
	char *end = NULL;
	long last = 0;

	*depth = 0;
	for (line = line ? line + 7 : NULL; line && *depth != wanted; line = end) {
		while (*line == '\t' || *line == ' ')
			line++;
		long next = strtol(line, &end, 10);

		if (*line == '\n' || end == line)
			break;
		last = next;
		++*depth;
	}
	return (pid_t)last;
}

int proc_read_task(const struct proc *p, pid_t pid, pid_t tid, struct proc_task *task)
{
	char text[4096];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/task/%d/status", pid, tid);
	struct proc_task t;

	if (got < 0)
		return (int)got;
	const char *state = strstr(text, "\nState:\t");

	if (!state)
		return -EINVAL;
	t.state = state[8];
	t.tracer = (pid_t)read_number(text, "\nTracerPid:");
	t.switches = read_number(text, "\nvoluntary_ctxt_switches:") +
		     read_number(text, "\nnonvoluntary_ctxt_switches:");
	t.inside = read_inside(text, &t.depth, UINT_MAX);
	*task = t;
	return 0;
}

pid_t proc_number_at(const struct proc *p, pid_t pid, unsigned depth)
{
	char text[4096];
	unsigned found;

	if (proc_read_some(p, text, sizeof(text), "%d/status", pid) <= 0)
		return 0;
	pid_t number = read_inside(text, &found, depth);

	return found == depth ? number : 0;
}
