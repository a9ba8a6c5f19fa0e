/* Waits for a descriptor, by what it leads to. See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define SECOND UINT64_C(1000000000)

struct ends *waits_ends(struct waits *all)
{
	if (!all->ends) {
		all->ends = ends_new(all->g->proc);
		all->g->m->out_of_memory |= !all->ends;
	}
	return all->ends;
}

uint32_t waiting_ends(struct waiting *w, enum end_kind kind, uint64_t number, const char *how)
{
	struct ends *e = waits_ends(w->all);
	struct end *found;
	uint32_t count, added = 0;

	if (!e || ends_find(e, kind, number, &found, &count)) {
		waiting_unseen(w, "memory ran out");
		return 0;
	}
	for (uint32_t i = 0; i < count; i++)
		added += waiting_way(w, found[i].pid, 0, how);
	free(found);
	return added;
}

/* Of the need's ways, and the waiting process itself: may a process that hides its descriptors have
 * inherited the same? */
static bool may_be_hidden(struct waiting *w, const struct ends *e)
{
	const struct proc *proc = w->all->g->proc;
	const struct model_need *need = &w->m->needs.items[w->need];
	bool is = ends_is_hidden_in(e, ends_session(proc, w->pid));

	for (uint32_t i = 0; !is && i < need->way_count; i++) {
		uint32_t process = w->m->ways.items[need->first_way + i].process;

		is = ends_is_hidden_in(e, ends_session(proc, w->m->processes.items[process].pid));
	}
	return is;
}

void waiting_hidden(struct waiting *w, uint32_t found, const char *what)
{
	const struct ends *e = w->all->ends;

	if (!e)
		return;
	if (proc_is_in_pid_namespace(w->all->g->proc))
		model_note(w->m, "processes outside of this pid namespace may have ends of its "
				 "pipes and sockets: they cannot be seen");
	if (!found && ends_hidden(e))
		waiting_unseen(w, "who has %s is not to be seen (%s)", what, proc_access_advice());
	else if (!found)
		waiting_unseen(w, "nobody who has %s is to be seen", what);
	else if (ends_hidden(e) && may_be_hidden(w, e))
		waiting_unseen(w,
			       "a process of the same session does not show whether it has %s (%s)",
			       what, proc_access_advice());
}

/* --- what is no file -------------------------------------------------------------------------- */

static bool read_info(struct waiting *w, int fd, char *text, size_t size)
{
	return proc_read_some(w->all->g->proc, text, size, "%d/task/%d/fdinfo/%d", w->pid, w->tid,
			      fd) > 0;
}

static struct waited wait_for_events(struct waiting *w, int fd)
{
	static const char what[] = "the eventfd";
	char text[1024];
	const char *id =
		read_info(w, fd, text, sizeof(text)) ? strstr(text, "\neventfd-id:") : NULL;

	if (id)
		waiting_hidden(
			w,
			waiting_ends(w, END_EVENTS, strtoull(id + 12, NULL, 10), "has the eventfd"),
			what);
	waiting_unseen(w, "the kernel may count an eventfd up, too");
	return (struct waited){WAIT_EVENTS, what};
}

/* "it_value: (SEC, NSEC)": what is left. */
static struct waited wait_for_timer(struct waiting *w, int fd)
{
	char text[1024];
	const char *value =
		read_info(w, fd, text, sizeof(text)) ? strstr(text, "\nit_value: (") : NULL;
	uint64_t seconds, ns;

	if (!value || sscanf(value, "\nit_value: (%" SCNu64 ", %" SCNu64, &seconds, &ns) != 2)
		waiting_until(w, UINT64_MAX);
	else if (!seconds && !ns)
		waiting_unseen(w, "the timer is not set");
	else
		waiting_until(w, seconds < UINT32_MAX ? waits_now_ns() + seconds * SECOND + ns
						      : UINT64_MAX);
	return (struct waited){WAIT_SLEEP, "a timer (timerfd)"};
}

/* A descriptor of pidfd_open(). */
static struct waited wait_for_process(struct waiting *w, int fd)
{
	char text[1024];
	const char *line = read_info(w, fd, text, sizeof(text)) ? strstr(text, "\nPid:\t") : NULL;
	pid_t pid = line ? atoi(line + 6) : 0;

	if (pid <= 0 || !waiting_way(w, pid, 0, "is the process"))
		waiting_unseen(w, "the process of a pidfd is not to be seen");
	return (struct waited){WAIT_CHILD,
			       model_stringf(w->m, "the end of %s", waits_name(w->all, pid))};
}

/* anon_inode:[name], or anon_inode:name */
static struct waited wait_for_anonymous(struct waiting *w, int fd, const char *name)
{
	if (strstr(name, "eventfd"))
		return wait_for_events(w, fd);
	if (strstr(name, "timerfd"))
		return wait_for_timer(w, fd);
	if (strstr(name, "pidfd"))
		return wait_for_process(w, fd);
	if (strstr(name, "eventpoll")) {
		waiting_epoll_set(w, fd);
		return (struct waited){WAIT_EVENTS, "an epoll set"};
	}
	if (strstr(name, "signalfd")) {
		waiting_unseen(w, "any process may send a signal");
		return (struct waited){WAIT_SIGNAL, "a signal (signalfd)"};
	}
	if (strstr(name, "inotify") || strstr(name, "fanotify")) {
		waiting_unseen(w, "any process may do what is watched for");
		return (struct waited){WAIT_EVENTS, "a change of files (inotify)"};
	}
	waiting_unseen(w, "who tells events of %s is not known", name);
	return (struct waited){WAIT_EVENTS, model_string(w->m, name)};
}

/* --- all -------------------------------------------------------------------------------------- */

static bool is_terminal(const char *path)
{
	return !strncmp(path, "/dev/pts/", 9) || !strncmp(path, "/dev/tty", 8) ||
	       !strcmp(path, "/dev/console") || !strcmp(path, "/dev/ptmx");
}

/* The kernel's function that the thread sleeps in tells what a path is, where one may ask. */
static bool is_in_pipe(const struct waiting *w)
{
	char wchan[128];

	return proc_read_some(w->all->g->proc, wchan, sizeof(wchan), "%d/task/%d/wchan", w->pid,
			      w->tid) > 0 &&
	       (strstr(wchan, "pipe") || strstr(wchan, "wait_for_partner"));
}

static struct waited wait_for_path(struct waiting *w, int fd, const char *path,
				   enum direction direction)
{
	if (is_terminal(path)) {
		waiting_unseen(w, "somebody may type, or a program at its other end may write");
		return (struct waited){
			WAIT_TERMINAL,
			model_stringf(w->m, "%s the terminal %s",
				      direction == DIRECTION_IN ? "input of" : "room in", path)};
	}
	if (is_in_pipe(w))
		return waiting_fifo(w, fd, path, direction);
	waiting_unseen(w, "what %s is cannot be told without opening it", path);
	return (struct waited){WAIT_UNKNOWN, model_string(w->m, path)};
}

struct waited waiting_descriptor(struct waiting *w, int fd, enum direction direction)
{
	char link[PATH_MAX];
	enum end_kind kind;
	uint64_t number;

	if (proc_readlink(w->all->g->proc, link, sizeof(link), "%d/task/%d/fd/%d", w->pid, w->tid,
			  fd)) {
		waiting_unseen(w, "what descriptor %d leads to may not be seen (%s)", fd,
			       proc_access_advice());
		return (struct waited){WAIT_UNKNOWN, model_stringf(w->m, "descriptor %d", fd)};
	}
	if (ends_parse_link(link, &kind, &number)) {
		if (kind == END_PIPE)
			return waiting_pipe(w, fd, number, direction);
		return waiting_socket(w, fd, number, direction);
	}
	if (!strncmp(link, "anon_inode:", 11))
		return wait_for_anonymous(w, fd, link + 11);
	return wait_for_path(w, fd, link, direction);
}

static void wait_for_descriptor(struct waiting *w, enum direction direction)
{
	waiting_need(w);
	struct waited waited = waiting_descriptor(w, (int)w->call.args[0], direction);

	waiting_is(w, waited.kind, "%s", waited.object);
}

void waiting_input(struct waiting *w)
{
	wait_for_descriptor(w, DIRECTION_IN);
}

void waiting_output(struct waiting *w)
{
	wait_for_descriptor(w, DIRECTION_OUT);
}

void waiting_open(struct waiting *w)
{
	bool is_at = w->call.number == SYS_openat;
	uint64_t address = w->call.args[is_at ? 1 : 0], flags = w->call.args[is_at ? 2 : 1];
	char path[256] = "";

	/* A path that ends at the end of mapped memory is read byte by byte up to there. */
	for (size_t i = 0; i + 1 < sizeof(path) && waiting_read(w, address + i, &path[i], 1); i++)
		if (!path[i])
			break;
	path[sizeof(path) - 1] = 0;
	if (!is_in_pipe(w)) {
		waiting_is(w, WAIT_UNKNOWN, "%s to be opened", *path ? path : "a file");
		waiting_unseen(w, "what could end it is not known");
		return;
	}
	waiting_is(w, WAIT_PIPE, "somebody who opens the FIFO %s for %s", *path ? path : "?",
		   (flags & O_ACCMODE) == O_RDONLY ? "writing" : "reading");
	waiting_need(w);
	waiting_unseen(w, "any process may open it");
}
