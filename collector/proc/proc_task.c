/* What is asked about one task, or two: see proc.h. */
#include "config.h"

#include <errno.h>
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
