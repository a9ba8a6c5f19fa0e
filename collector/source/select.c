/* See select.h: which processes and files the targets mean. */
#include "config.h"

#include "collector/source/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_basename(const char *path, size_t length, const char *name)
{
	const char *slash = memrchr(path, '/', length);
	const char *base = slash ? slash + 1 : path;
	size_t rest = path + length - base;

	return strlen(name) == rest && !memcmp(base, name, rest);
}

/* The kernel's name of a process, of at most 15 bytes. */
static bool is_comm(const struct proc *proc, pid_t pid, const char *name)
{
	char comm[64];

	if (proc_read_some(proc, comm, sizeof(comm), "%d/comm", pid) <= 0)
		return false;
	comm[strcspn(comm, "\n")] = 0;
	return !strcmp(comm, name) || (strlen(comm) == 15 && !strncmp(comm, name, 15));
}

static bool is_named(const struct gather *g, const struct model_process *p, const char *name)
{
	return !strcmp(p->name, name) || is_basename(p->exe, strlen(p->exe), name) ||
	       is_basename(p->cmdline, strcspn(p->cmdline, " "), name) ||
	       (p->state == PROCESS_LIVE && is_comm(g->proc, p->pid, name));
}

/* How many processes a target means. */
static uint32_t mark_processes(struct gather *g, const struct collect_target *t)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < g->m->processes.count; i++) {
		struct model_process *p = &g->m->processes.items[i];

		if (t->pid > 0 ? p->pid != t->pid : !is_named(g, p, t->name))
			continue;
		p->is_target = true;
		found++;
	}
	return found;
}

/* Processes that run but had nothing to do with locks: no error, just nothing to show. */
static uint32_t add_processes(struct gather *g, const struct collect_target *t)
{
	uint32_t found = 0;
	int *pids;

	if (t->pid > 0) {
		uint32_t i = gather_process(g, t->pid);
		if (i != MODEL_NONE)
			g->m->processes.items[i].is_target = true;
		return i != MODEL_NONE;
	}
	if (g->options->is_narrow)
		return 0;
	ssize_t count = proc_list(g->proc, &pids, "%s", "");

	for (ssize_t n = 0; n < count; n++) {
		if (!is_comm(g->proc, pids[n], t->name))
			continue;
		uint32_t i = gather_process(g, pids[n]);
		if (i != MODEL_NONE)
			g->m->processes.items[i].is_target = true;
		found += i != MODEL_NONE;
	}
	if (count >= 0)
		free(pids);
	return found;
}

static bool has_locks(const struct model *m, pid_t pid)
{
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].process != MODEL_NONE &&
		    m->processes.items[m->locks.items[i].process].pid == pid)
			return true;
	return false;
}

/* A process that is not recorded, shows no lock and hides what it does: we would show nothing and
 * mean nothing by it. */
static bool is_hidden(const struct gather *g, pid_t pid)
{
	uint32_t i = model_find_process(g->m, pid, 0);
	int *fds;

	if (i == MODEL_NONE || g->m->processes.items[i].has_segment || has_locks(g->m, pid))
		return false;
	ssize_t count = proc_list(g->proc, &fds, "%d/fdinfo", pid);

	if (count >= 0)
		free(fds);
	return count == -EACCES || count == -EPERM;
}

static bool is_kernel_thread(const char *status)
{
	return strstr(status, "\nThreads:") && !strstr(status, "\nVmSize:");
}

/* The process that the thread `pid` is of: its number leads to it in /proc, too. */
static pid_t read_tgid(const char *status)
{
	const char *line = strstr(status, "\nTgid:");

	return line ? atoi(line + strlen("\nTgid:")) : 0;
}

/* Why what /proc shows under that number cannot be looked into, ever. Else 0. */
static int refuse(const struct gather *g, pid_t pid, struct collect_error *error)
{
	struct proc_stat st;
	char object[32], cause[128], status[4096];

	if (proc_read_stat(g->proc, pid, &st))
		return 0;
	snprintf(object, sizeof(object), "%d", pid);
	if ((st.state == 'Z' || st.state == 'X') && st.threads <= 1) {
		snprintf(cause, sizeof(cause),
			 "the process has ended; it is a zombie until its parent %d asks for its "
			 "status",
			 st.ppid);
		return collect_fail(error, -ENOENT, object, cause, "");
	}
	if (!g->options->want_threads || st.state == 'Z' ||
	    proc_read_some(g->proc, status, sizeof(status), "%d/status", pid) <= 0)
		return 0;
	if (is_kernel_thread(status))
		return collect_fail(error, -EINVAL, object,
				    "a kernel thread, which runs no program",
				    "/proc/PID/stack has where it is");
	if (read_tgid(status) == pid)
		return 0;
	snprintf(cause, sizeof(cause), "a thread of process %d", read_tgid(status));
	return collect_fail(error, -EINVAL, object, cause, "give that process");
}

static void note_unlocked(struct gather *g, const char *path)
{
	model_note(g->m, "nobody is seen to hold or to wait for a lock on %s", path);
}

static int mark_target(struct gather *g, const struct collect_target *t, bool *is_kept,
		       struct collect_error *error)
{
	char pid[32];
	const char *object = t->name;

	snprintf(pid, sizeof(pid), "%d", t->pid);
	if (t->pid > 0)
		object = pid;
	if (t->pid <= 0 && t->name[0] == '/') {
		if (!select_path(g, t->name, is_kept))
			note_unlocked(g, t->name);
		return 0;
	}
	if (t->pid > 0 && !gather_is_saved(g) && !g->options->is_lenient &&
	    refuse(g, t->pid, error))
		return -ENOENT;
	bool is_there = mark_processes(g, t) || (!gather_is_saved(g) && add_processes(g, t));

	if (g->options->is_lenient)
		return 0;
	/* A relative path; of a name without a slash a process comes first. */
	if (!is_there && t->pid <= 0) {
		is_there = select_path(g, t->name, is_kept);
		if (!is_there && strchr(t->name, '/')) {
			note_unlocked(g, t->name);
			return 0;
		}
	}
	if (!is_there)
		return collect_fail(error, -ENOENT, object,
				    gather_is_saved(g) ? "no such process in this session"
				    : t->pid > 0       ? "no such process"
						       : "no such process, nor a file of that name",
				    gather_is_saved(g) ? "give no target to see all" : "");
	if (t->pid > 0 && !gather_is_saved(g) && is_hidden(g, t->pid))
		return collect_fail(error, -EACCES, object, "this process may not be looked at",
				    proc_access_advice());
	return 0;
}

/*
 * Where threads are wanted, the targets that can be looked at are not kept from it by the others:
 * those are noted. An error if there is no target left.
 */
static int mark_targets(struct gather *g, bool *is_kept, struct collect_error *error)
{
	const struct collect_options *o = g->options;
	uint32_t missed = 0;
	int first = 0;

	for (uint32_t i = 0; i < o->target_count; i++) {
		struct collect_error one;
		int r = mark_target(g, &o->targets[i], is_kept, &one);

		if (!r)
			continue;
		if (!missed++) {
			*error = one;
			first = r;
		}
		if (!o->want_threads || r == -ENOMEM)
			return r;
		model_note(g->m, "%s: %s", one.object, one.cause);
	}
	if (missed > 1 && missed == o->target_count)
		snprintf(error->advice, sizeof(error->advice),
			 "and so on: none of the %u can be read", missed);
	return missed == o->target_count ? first : 0;
}

int select_targets(struct gather *g, struct collect_error *error)
{
	const struct collect_options *o = g->options;
	int r = 0;

	for (uint32_t i = 0; i < g->m->processes.count; i++)
		g->m->processes.items[i].is_target = !o->target_count;
	if (!o->target_count)
		return 0;
	bool *is_kept = calloc(g->m->resources.count + (size_t)1, sizeof(*is_kept));

	if (!is_kept)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	r = mark_targets(g, is_kept, error);
	if (!r && !gather_is_saved(g) && !o->is_lenient)
		select_open(g, is_kept);
	if (!r && select_reduce(g, is_kept))
		r = collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	free(is_kept);
	return r;
}
