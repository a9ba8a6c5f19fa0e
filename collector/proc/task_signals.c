/* See task_signals.h. */
#include "config.h"

#include "collector/proc/task_signals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_mask(const char *text, const char *key, uint64_t *mask)
{
	const char *line = strstr(text, key);

	return line && sscanf(line + strlen(key), "%" SCNx64, mask) == 1;
}

static bool read_number(const char *text, const char *key, uint64_t *number)
{
	const char *line = strstr(text, key);

	return line && sscanf(line + strlen(key), "%" SCNu64, number) == 1;
}

/* Recorded trees may be without: then it never ran. */
static void read_run(const char *text, struct task_signals *s)
{
	uint64_t of_itself = 0, by_others = 0;

	s->state = 0;
	if (strstr(text, "\nState:"))
		sscanf(strstr(text, "\nState:"), "\nState: %c", &s->state);
	read_number(text, "\nvoluntary_ctxt_switches:", &of_itself);
	read_number(text, "\nnonvoluntary_ctxt_switches:", &by_others);
	s->sleeps = of_itself;
	s->switches = of_itself + by_others;
}

int proc_read_signals(const struct proc *p, pid_t pid, pid_t tid, struct task_signals *signals)
{
	char text[4096];
	ssize_t got =
		proc_read_some(p, text, sizeof(text), "%d/task/%d/status", (int)pid, (int)tid);
	struct task_signals s;

	if (got < 0)
		return (int)got;
	const char *queue = strstr(text, "\nSigQ:");

	if (!queue || sscanf(queue, "\nSigQ: %" SCNu64 "/%" SCNu64, &s.queued, &s.queue_limit) != 2)
		return -EINVAL;
	if (!read_mask(text, "\nSigPnd:", &s.pending) ||
	    !read_mask(text, "\nShdPnd:", &s.shared_pending) ||
	    !read_mask(text, "\nSigBlk:", &s.blocked) ||
	    !read_mask(text, "\nSigIgn:", &s.ignored) || !read_mask(text, "\nSigCgt:", &s.caught))
		return -EINVAL;
	read_run(text, &s);
	*signals = s;
	return 0;
}
