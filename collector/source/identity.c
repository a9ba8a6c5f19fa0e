/*
 * Who the processes are that no segment tells about: parent, user, command line, since when. Costs
 * three small files of /proc for each, so only for a report.
 */
#include "config.h"

#include <time.h>
#include <unistd.h>

#include "collector/source/source.h"

#define PROCESSES_MAX 256 /* a report of more lists no single ones */
#define COMMAND_MAX 1024

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* Arguments are NUL-terminated there; one that is cut off ends where it does. */
static void read_command(struct gather *g, uint32_t process)
{
	struct model_process *p = &g->m->processes.items[process];
	char text[COMMAND_MAX];
	ssize_t got = proc_read_some(g->proc, text, sizeof(text), "%d/cmdline", p->pid);

	while (got > 0 && !text[got - 1])
		got--;
	for (ssize_t i = 0; i < got; i++)
		if (!text[i])
			text[i] = ' ';
	if (got > 0)
		p->cmdline = model_string(g->m, text);
}

static void identify(struct gather *g, uint32_t process, uint64_t boot_real_ns)
{
	struct model_process *p = &g->m->processes.items[process];
	struct proc_stat st;

	if (proc_read_stat(g->proc, p->pid, &st))
		return;
	p->ppid = st.ppid;
	p->start_time = st.start_time;
	p->started_real_ns =
		boot_real_ns + st.start_time * (UINT64_C(1000000000) / sysconf(_SC_CLK_TCK));
	proc_read_uid(g->proc, p->pid, &p->uid);
	read_command(g, process);
}

void identify_processes(struct gather *g)
{
	uint64_t boot_real_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	uint32_t count = 0;

	for (uint32_t i = 0; i < g->m->processes.count && count < PROCESSES_MAX; i++) {
		const struct model_process *p = &g->m->processes.items[i];

		if (p->state != PROCESS_LIVE || p->has_segment)
			continue;
		identify(g, i, boot_real_ns);
		count++;
	}
}
