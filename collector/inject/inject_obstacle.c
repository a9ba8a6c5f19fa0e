/* What speaks against loading anything into a process, seen from outside. */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/arch/arch.h"
#include "collector/inject/inject_target.h"

#define BY_SAMPLING "lockjam attach without --inject records from outside"

static int refuse(const struct inject_target *t, struct collect_error *error, int code,
		  const char *cause, const char *advice)
{
	return collect_fail(error, code, t->object, cause, advice);
}

/* What follows "\nKEY" on a line of `status`; NULL: not there. */
static const char *find_field(const char *status, const char *key)
{
	const char *found = strstr(status, key);

	return found ? found + strlen(key) : NULL;
}

static long field_number(const char *status, const char *key)
{
	const char *value = find_field(status, key);

	return value ? strtol(value, NULL, 10) : 0;
}

static int refuse_traced(const struct inject_target *t, struct collect_error *error, pid_t tracer)
{
	struct proc_stat st;
	char cause[128];

	if (proc_read_stat(t->proc, tracer, &st))
		snprintf(st.comm, sizeof(st.comm), "?");
	snprintf(cause, sizeof(cause), "is traced by %s (pid %d)", st.comm, (int)tracer);
	return refuse(t, error, -EBUSY, cause, "end that first, or " BY_SAMPLING);
}

static int check_status(const struct inject_target *t, const char *status,
			struct collect_error *error)
{
	const char *features = find_field(status, "\nx86_Thread_features:");
	pid_t tgid = (pid_t)field_number(status, "\nTgid:");
	char cause[64];

	if (tgid != t->pid) {
		snprintf(cause, sizeof(cause), "is a thread of process %d", (int)tgid);
		return refuse(t, error, -EINVAL, cause, "give the process");
	}
	if (field_number(status, "\nSeccomp:"))
		return refuse(t, error, -ENOTSUP,
			      "runs under seccomp: a system call of the recorder could be its end",
			      BY_SAMPLING);
	if (features && strstr(features, "shstk") &&
	    strstr(features, "shstk") < strchr(features, '\n'))
		return refuse(t, error, -ENOTSUP, "has a shadow stack, which forbids such calls",
			      BY_SAMPLING);
	return 0;
}

/* Of each thread: a tracer may have but one. */
static int check_tracers(const struct inject_target *t, struct collect_error *error)
{
	char status[2048];
	int *tids, result = 0;
	ssize_t count = proc_list(t->proc, &tids, "%d/task", (int)t->pid);

	for (ssize_t i = 0; i < count && !result; i++) {
		if (proc_read_some(t->proc, status, sizeof(status), "%d/task/%d/status",
				   (int)t->pid, tids[i]) <= 0)
			continue;
		long tracer = field_number(status, "\nTracerPid:");

		if (tracer)
			result = refuse_traced(t, error, (pid_t)tracer);
	}
	if (count >= 0)
		free(tids);
	return result;
}

/* A child of vfork() has its parent's memory: the parent would be changed. */
static int check_memory(const struct inject_target *t, pid_t parent, struct collect_error *error)
{
	char cause[96];

	if (parent <= 0 || syscall(SYS_kcmp, t->pid, parent, KCMP_VM, 0, 0))
		return 0;
	snprintf(cause, sizeof(cause), "shares its memory with process %d (vfork)", (int)parent);
	return refuse(t, error, -EAGAIN, cause, "try again later");
}

static int check_program(const struct inject_target *t, struct collect_error *error)
{
	char target[PATH_MAX];
	unsigned char ident[EI_NIDENT];
	Elf64_Half machine[2];
	int error_code = proc_readlink(t->proc, target, sizeof(target), "%d/exe", (int)t->pid);

	if (error_code == -ENOENT)
		return refuse(t, error, -EINVAL, "is a thread of the kernel", "");
	if (error_code)
		return refuse(t, error, error_code, "not permitted to look into this process",
			      "run as its user or as root");
	int fd = proc_open_file(t->proc, "%d/exe", (int)t->pid);

	if (fd < 0)
		return refuse(t, error, fd, "its program cannot be read", BY_SAMPLING);
	bool is_read = read(fd, ident, sizeof(ident)) == sizeof(ident) &&
		       read(fd, machine, sizeof(machine)) == sizeof(machine);

	close(fd);
	if (!is_read || memcmp(ident, ELFMAG, SELFMAG) || ident[EI_CLASS] != ELFCLASS64 ||
	    machine[1] != ARCH_MACHINE)
		return refuse(t, error, -ENOEXEC, "is no program for " ARCH_NAME, BY_SAMPLING);
	return 0;
}

int inject_obstacle(struct inject_target *t, struct collect_error *error)
{
	struct proc_stat st;
	size_t length;
	char *status;
	int result = proc_read_stat(t->proc, t->pid, &st);

	snprintf(t->object, sizeof(t->object), "process %d", (int)t->pid);
	if (result || st.state == 'Z' || st.state == 'X')
		return refuse(t, error, -ESRCH, result ? "no such process" : "has ended", "");
	snprintf(t->object, sizeof(t->object), "%s (pid %d)", st.comm, (int)t->pid);
	if (t->pid == getpid())
		return refuse(t, error, -EINVAL, "is lockjam itself", "");
	if (t->pid == 1)
		return refuse(t, error, -EPERM, "is init: the system depends on it", BY_SAMPLING);
	if (proc_read(t->proc, &status, &length, "%d/status", (int)t->pid))
		return refuse(t, error, -ESRCH, "has ended", "");
	result = check_status(t, status, error);
	free(status);
	if (!result)
		result = check_tracers(t, error);
	if (!result && st.state == 'T')
		result = refuse(t, error, -EAGAIN, "is stopped (SIGSTOP)", "continue it first");
	if (!result)
		result = check_memory(t, st.ppid, error);
	return result ? result : check_program(t, error);
}

/* --- does it see our file? ----------------------------------------------------------------------
 */

static bool is_same_link(const struct inject_target *t, const char *name)
{
	char own[PATH_MAX], other[PATH_MAX];

	return !proc_readlink(t->proc, own, sizeof(own), "self/%s", name) &&
	       !proc_readlink(t->proc, other, sizeof(other), "%d/%s", (int)t->pid, name) &&
	       !strcmp(own, other);
}

static bool is_same_content(int a, int b)
{
	char x[4096], y[4096];
	ssize_t n;

	while ((n = read(a, x, sizeof(x))) > 0)
		if (read(b, y, (size_t)n) != n || memcmp(x, y, (size_t)n))
			return false;
	return n == 0 && read(b, y, 1) == 0;
}

static bool is_same_file(int root, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT};
	int other = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	int own = open(path, O_RDONLY | O_CLOEXEC);
	struct stat a, b;
	bool is_same = false;

	if (other >= 0 && own >= 0 && !fstat(own, &a) && !fstat(other, &b) && S_ISREG(b.st_mode))
		is_same = (a.st_dev == b.st_dev && a.st_ino == b.st_ino) ||
			  (a.st_size == b.st_size && is_same_content(own, other));
	if (other >= 0)
		close(other);
	if (own >= 0)
		close(own);
	return is_same;
}

int inject_obstacle_path(const struct inject_target *t, const char *path,
			 struct collect_error *error)
{
	char advice[sizeof(error->advice)];

	if (is_same_link(t, "ns/mnt") && is_same_link(t, "root"))
		return 0;
	int root = proc_open_file(t->proc, "%d/root", (int)t->pid);
	bool is_same = root >= 0 && is_same_file(root, path);

	if (root >= 0)
		close(root);
	if (is_same)
		return 0;
	snprintf(advice, sizeof(advice), "copy it to /proc/%d/root%s", (int)t->pid, path);
	return refuse(t, error, -ENOENT,
		      "has another root directory, and liblockjam.so is not there under its path",
		      advice);
}
