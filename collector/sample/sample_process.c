#include "config.h"

#include "collector/sample/sample_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DYING_MAX_NS UINT64_C(2000000000) /* then it is a process whose first thread has left it   \
					   */
/* Field 9, the kernel's PF_*: EXITING, DUMPCORE, SIGNALED. The wait of a process that is killed
 * ends before it is on its way out: then SIGKILL is pending, field 31. */
#define FLAGS_DYING 0x604
#define PENDING_KILL (1 << 8)

/* Numbers of the fields of /proc/PID/stat, proc_pid_stat(5). */
enum {
	FIELD_FLAGS = 9,
	FIELD_START_STACK = 28,
	FIELD_PENDING = 31,
	FIELD_EXIT_CODE = 52
};

/* A field behind the name of the text of /proc/PID/stat; 0 if it is not there. */
static uint64_t field_of(const char *text, int field)
{
	const char *at = strrchr(text, ')');

	for (int i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* False if the process is gone. */
static bool read_field(const struct proc *proc, pid_t pid, int field, uint64_t *value)
{
	char text[1024];

	if (proc_read_some(proc, text, sizeof(text), "%d/stat", (int)pid) <= 0)
		return false;
	*value = field_of(text, field);
	return true;
}

int sample_processes_init(struct sample_processes *ps, const struct proc *proc, const char *dir)
{
	ps->proc = proc;
	ps->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ps->epoll < 0)
		return -errno;
	ps->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ps->dir < 0 ? -errno : 0;
}

static void free_process(struct sample_process *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	sample_segment_free(p->segment);
	free(p->is_seen);
	free(p);
}

void sample_processes_done(struct sample_processes *ps)
{
	for (uint32_t i = 0; i < ps->count; i++)
		free_process(ps->items[i]);
	free(ps->items);
	index_done(&ps->refused_pids);
	if (ps->epoll >= 0)
		close(ps->epoll);
	if (ps->dir >= 0)
		close(ps->dir);
}

static uint32_t place_of(const struct sample_processes *ps, pid_t pid)
{
	uint32_t low = 0, high = ps->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ps->items[middle]->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct sample_process *sample_process_find(const struct sample_processes *ps, pid_t pid)
{
	uint32_t i = place_of(ps, pid);

	return i < ps->count && ps->items[i]->pid == pid ? ps->items[i] : NULL;
}

static bool insert(struct sample_processes *ps, struct sample_process *p)
{
	uint32_t at = place_of(ps, p->pid);

	if (ps->count == ps->room) {
		uint32_t room = ps->room ? ps->room * 2 : 64;
		struct sample_process **grown = reallocarray(ps->items, room, sizeof(*grown));

		if (!grown)
			return false;
		ps->items = grown;
		ps->room = room;
	}
	memmove(&ps->items[at + 1], &ps->items[at], (ps->count - at) * sizeof(*ps->items));
	ps->items[at] = p;
	ps->count++;
	return true;
}

static void take_out(struct sample_processes *ps, struct sample_process *p)
{
	uint32_t at = place_of(ps, p->pid);

	ps->count--;
	memmove(&ps->items[at], &ps->items[at + 1], (ps->count - at) * sizeof(*ps->items));
	ps->has_lost_target |= p->is_target;
	free_process(p);
}

/* --- begin ------------------------------------------------------------------------------------ */

static bool describe(const struct sample_processes *ps, pid_t pid, uint64_t now_ns,
		     struct seg_header *h)
{
	struct timespec real;
	struct proc_stat st;
	uid_t uid = 0;

	*h = (struct seg_header){.pid = pid};
	if (proc_read_stat(ps->proc, pid, &st) || st.state == 'Z' || st.state == 'X')
		return false;
	proc_read_uid(ps->proc, pid, &uid);
	clock_gettime(CLOCK_REALTIME, &real);
	h->ppid = st.ppid;
	h->start_time = st.start_time;
	h->uid = uid;
	h->created_mono_ns = h->sample_last_ns = now_ns;
	h->created_real_ns = real.tv_sec * UINT64_C(1000000000) + real.tv_nsec;
	h->sample_interval_ns = ps->interval_ns;
	proc_readlink(ps->proc, h->exe, sizeof(h->exe), "%d/exe", (int)pid);
	/* The last bytes stay NUL: an empty argument ends the list. */
	proc_read_some(ps->proc, h->cmdline, sizeof(h->cmdline) - 1, "%d/cmdline", (int)pid);
	return true;
}

static void watch(struct sample_processes *ps, struct sample_process *p)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};

	p->pidfd = syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd >= 0 && epoll_ctl(ps->epoll, EPOLL_CTL_ADD, p->pidfd, &event)) {
		close(p->pidfd);
		p->pidfd = -1;
	}
}

void sample_process_tell(struct sample_process *p, enum seg_event_kind kind, uint64_t value,
			 uint64_t now_ns)
{
	sample_event(
		p->segment,
		&(struct seg_event){.kind = kind, .tid = p->pid, .ns = now_ns, .value = value});
}

/* It is tried again at each look, but counted once. */
static void refuse(struct sample_processes *ps, pid_t pid, int error)
{
	ps->refused_error = error;
	ps->refused_pid = pid;
	if (index_first(&ps->refused_pids, pid) != UINT32_MAX)
		return;
	index_add(&ps->refused_pids, pid, 0);
	ps->refused++;
}

static struct sample_process *begin(struct sample_processes *ps, pid_t pid, uint32_t image,
				    uint64_t now_ns)
{
	struct sample_process *p = calloc(1, sizeof(*p));
	struct seg_header h;
	int r = p ? 0 : -ENOMEM;

	if (!p || !describe(ps, pid, now_ns, &h)) {
		free(p);
		return NULL;
	}
	h.image = image;
	p->pid = pid;
	p->pidfd = -1;
	p->start_time = h.start_time;
	read_field(ps->proc, pid, FIELD_START_STACK, &p->stack_start);
	watch(ps, p);
	r = sample_segment_new(ps->dir, &h, &p->segment);
	if (!r) {
		h = *sample_segment_header(p->segment);
		p->is_seen = calloc(h.tables[SEG_LOCKS].capacity, sizeof(*p->is_seen));
	}
	if (r || !p->is_seen || !insert(ps, p)) {
		refuse(ps, pid, r ? r : -ENOMEM);
		free_process(p);
		return NULL;
	}
	sample_process_tell(p, SEG_EV_START, h.image, now_ns);
	return p;
}

/* --- end -------------------------------------------------------------------------------------- */

/* struct pidfd_info of linux/pidfd.h, Linux 6.13; its exit_code is there from 6.15 on. */
struct end_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define END_INFO_EXIT (UINT64_C(1) << 3)
#define END_INFO_GET _IOWR(0xFF, 11, struct end_info)
_Static_assert(sizeof(struct end_info) == 64, "the kernel's");

static bool ask_descriptor(const struct sample_process *p, int *status)
{
	struct end_info info = {.mask = END_INFO_EXIT};

	if (p->pidfd < 0 || ioctl(p->pidfd, END_INFO_GET, &info) || !(info.mask & END_INFO_EXIT))
		return false;
	*status = info.exit_code;
	return true;
}

/* While nobody has waited for it yet. */
static bool ask_zombie(const struct sample_processes *ps, const struct sample_process *p,
		       int *status)
{
	char text[1024];
	struct proc_stat st;

	/* To whom nothing is told 0 is told, here as there. */
	if (!p->stack_start || proc_read_stat(ps->proc, p->pid, &st) ||
	    st.start_time != p->start_time || (st.state != 'Z' && st.state != 'X') ||
	    proc_read_some(ps->proc, text, sizeof(text), "%d/stat", (int)p->pid) <= 0)
		return false;
	*status = field_of(text, FIELD_EXIT_CODE);
	return true;
}

/* As wait(2) has it; false if nobody tells. The descriptor knows once it has been waited for, which
 * may be in between. */
static bool find_status(const struct sample_processes *ps, const struct sample_process *p,
			int *status)
{
	return ask_descriptor(p, status) || ask_zombie(ps, p, status) || ask_descriptor(p, status);
}

/* The locks stay as they were last seen. */
static void end(struct sample_processes *ps, struct sample_process *p, enum seg_state state,
		uint64_t now_ns)
{
	struct seg_header *h = sample_segment_header(p->segment);
	int status;

	h->ended_ns = now_ns;
	h->sample_last_ns = ps->seen_ns;
	h->state = state;
	if (state == SEG_EXECED) {
		sample_process_tell(p, SEG_EV_EXEC, 0, now_ns);
	} else if (find_status(ps, p, &status) && WIFEXITED(status)) {
		h->state = SEG_EXITED;
		h->exit_status = WEXITSTATUS(status);
		sample_process_tell(p, SEG_EV_EXIT, h->exit_status, now_ns);
	} else {
		sample_process_tell(p, SEG_EV_ENDED, 0, now_ns);
	}
	sample_segment_tell(p->segment);
}

bool sample_processes_reap(struct sample_processes *ps, uint64_t now_ns)
{
	struct epoll_event events[64];
	bool has_any = false;
	int count;

	do {
		count = epoll_wait(ps->epoll, events, 64, 0);
		for (int i = 0; i < count; i++) {
			struct sample_process *p = events[i].data.ptr;

			end(ps, p, SEG_RUNNING, now_ns);
			take_out(ps, p);
			has_any = true;
		}
	} while (count > 0);
	return has_any;
}

struct sample_process *sample_process_get(struct sample_processes *ps, pid_t pid, uint64_t now_ns)
{
	struct sample_process *p = sample_process_find(ps, pid);
	struct proc_stat st;
	uint64_t stack_start = 0;
	uint32_t image = 0;
	bool is_target = false;

	if (p) {
		bool is_gone = proc_read_stat(ps->proc, pid, &st) ||
			       st.start_time != p->start_time || st.state == 'Z' || st.state == 'X';

		read_field(ps->proc, pid, FIELD_START_STACK, &stack_start);
		p->thread_count = is_gone ? 0 : st.threads;
		if (!is_gone && (!stack_start || !p->stack_start || stack_start == p->stack_start))
			return p;
		if (!is_gone) {
			image = sample_segment_header(p->segment)->image + 1;
			is_target = p->is_target;
		}
		end(ps, p, is_gone ? SEG_RUNNING : SEG_EXECED, now_ns);
		take_out(ps, p);
	}
	p = begin(ps, pid, image, now_ns);
	if (p) {
		p->is_target = is_target;
		p->thread_count = proc_read_stat(ps->proc, pid, &st) ? 0 : st.threads;
	}
	return p;
}

bool sample_process_is_dying(const struct sample_processes *ps, struct sample_process *p,
			     uint64_t now_ns)
{
	char text[1024];

	if (proc_read_some(ps->proc, text, sizeof(text), "%d/stat", (int)p->pid) > 0 &&
	    !(field_of(text, FIELD_FLAGS) & FLAGS_DYING) &&
	    !(field_of(text, FIELD_PENDING) & PENDING_KILL)) {
		p->dying_since_ns = 0;
		return false;
	}
	if (!p->dying_since_ns)
		p->dying_since_ns = now_ns;
	return now_ns - p->dying_since_ns < DYING_MAX_NS;
}
