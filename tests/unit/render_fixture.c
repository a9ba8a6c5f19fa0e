#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/render_fixture.h"

#define SECOND UINT64_C(1000000000)

uint32_t fixture_process(struct model *m, pid_t pid, const char *name)
{
	uint32_t i = model_add_process(m);
	struct model_process *p = &m->processes.items[i];

	p->pid = pid;
	p->ppid = 1;
	p->start_time = pid;
	p->has_segment = true;
	p->name = p->exe = model_string(m, name);
	p->cmdline = "";
	return i;
}

uint32_t fixture_file(struct model *m, uint64_t ino, const char *path)
{
	uint32_t i = model_add_resource(m);
	struct model_resource *r = &m->resources.items[i];

	r->dev = r->kernel_dev = 0x801;
	r->ino = ino;
	r->path = model_string(m, path);
	return i;
}

uint32_t fixture_lock(struct model *m, enum lock_state state, uint32_t process, uint32_t file)
{
	uint32_t i = model_add_lock(m);
	struct model_lock *l = &m->locks.items[i];

	l->state = state;
	l->kind = LOCK_POSIX;
	l->mode = MODE_WRITE;
	l->resource = file;
	l->process = process;
	l->end = MODEL_TO_EOF;
	return i;
}

uint32_t fixture_wait(struct model *m, uint32_t process, uint32_t file, uint32_t blocker)
{
	uint32_t i = fixture_lock(m, LOCK_WAITING, process, file);

	m->locks.items[i].blocker = blocker;
	m->locks.items[i].queue_rank = i;
	return i;
}

struct frame_spec {
	uint64_t pc;
	const char *function, *arguments, *file;
	int line;
	const char *module;
};

/* A spec without a pc is inlined; one without a function too is a signal frame. */
static uint32_t add_stack(struct model *m, uint32_t process, const struct frame_spec *specs, int n)
{
	uint32_t stack = model_add_stack(m);
	struct model_stack *s = &m->stacks.items[stack];

	s->process = process;
	s->is_resolved = true;
	s->first_frame = m->frames.count;
	s->frame_count = n;
	for (int i = 0; i < n; i++) {
		uint32_t frame = model_add_frame(m);
		struct model_frame *f = &m->frames.items[frame];

		f->pc = specs[i].pc;
		f->function = specs[i].function;
		f->arguments = specs[i].arguments;
		f->file = specs[i].file;
		f->line = specs[i].line;
		f->module = specs[i].module;
		f->kind = f->pc ? FRAME_CALL : f->function ? FRAME_INLINE : FRAME_SIGNAL;
	}
	return stack;
}

static uint32_t stuck_stack(struct model *m, uint32_t process)
{
	static const struct frame_spec specs[] = {
		{0xb735af91, "__lll_lock_wait_private", NULL, NULL, 0, "/lib/libc.so.6"},
		{0xb72c66f0, "malloc", NULL, NULL, 0, "/lib/libc.so.6"},
		{0x080b7557, "xzmalloc", "size=32", "xmalloc.c", 68, FIXTURE_EXE},
		{0, "index_tellchanges", "state=0x9421ca8, canexpunge=1", "index.c", 2370, FIXTURE_EXE},
		{0x0809abc5, "idle_handler", "sig=14", "idle.c", 197, FIXTURE_EXE},
		{0, NULL, NULL, NULL, 0, NULL},
		{0xb72c66fa, "malloc", NULL, NULL, 0, "/lib/libc.so.6"},
	};

	return add_stack(m, process, specs, 7);
}

static uint32_t taken_stack(struct model *m, uint32_t process)
{
	static const struct frame_spec specs[] = {
		{0xb735af91, "fcntl64", NULL, NULL, 0, "/lib/libc.so.6"},
		{0x08060001, "lock_index", "index=0x1", "index.c", 31, FIXTURE_EXE},
	};

	return add_stack(m, process, specs, 2);
}

static void add_handler(struct model *m, uint32_t process, uint32_t thread, uint32_t stack)
{
	uint32_t handler = model_add_handler(m), call = model_add_call(m);
	struct model_handler *h = &m->handlers.items[handler];
	struct model_call *c = &m->calls.items[call];

	h->process = process;
	h->signo = 14;
	h->address = 0x0809ab00;
	h->function = "idle_handler";
	h->file = "idle.c";
	h->line = 190;
	h->is_current = true;
	h->flags = 0x10000000; /* SA_RESTART */
	h->installs = 1;
	h->deliveries = 3;
	h->by_timer = 3;
	h->total_ns = 4500;
	h->max_ns = 2000;
	c->process = process;
	c->thread = thread;
	c->handler = handler;
	c->signo = 14;
	c->function = "malloc";
	c->is_allocator = c->is_threaded = c->is_classified = c->has_interrupted_allocator = true;
	c->count = 2;
	c->stack = stack;
}

static void add_finding(struct model *m, uint32_t process, uint32_t stack)
{
	uint32_t finding = model_add_finding(m);
	struct model_finding *f = &m->findings.items[finding];

	f->kind = FINDING_DEADLOCK_HEAP;
	f->severity = SEVERITY_ERROR;
	f->count = 1;
	f->processes[0] = process;
	f->process_count = 1;
	f->headline = "malloc was called in the handler of SIGALRM, which had interrupted malloc";
	f->evidence = "the thread is seen in that call";
	f->stacks[0].stack = stack;
	f->stacks[0].label = "called in the handler of SIGALRM";
	f->stack_count = 1;
	f->first_ns = 90 * SECOND;
}

struct model *fixture_case(void)
{
	struct model *m = model_new();
	uint32_t holder = fixture_process(m, 3301, FIXTURE_EXE);
	uint32_t first = fixture_process(m, 21130, FIXTURE_EXE);
	uint32_t second = fixture_process(m, 20536, FIXTURE_EXE);
	uint32_t file = fixture_file(m, 12, FIXTURE_PATH);
	uint32_t lock = fixture_lock(m, LOCK_HELD, holder, file);
	uint32_t thread = model_add_thread(m), stuck = stuck_stack(m, holder), poll;

	setenv("TZ", "UTC", 1);
	tzset();
	m->now_ns = 100 * SECOND;
	m->now_real_ns = 1425211200 * SECOND;
	m->threads.items[thread].process = holder;
	m->threads.items[thread].tid = 3301;
	m->threads.items[thread].handler_depth = 1;
	/* Dead, so that the stack of the record is what there is. */
	m->processes.items[holder].state = PROCESS_KILLED;
	add_handler(m, holder, thread, stuck);
	m->threads.items[thread].call = 0;
	m->locks.items[lock].thread = thread;
	m->locks.items[lock].stack = taken_stack(m, holder);
	m->locks.items[lock].since_ns = 40 * SECOND;
	m->locks.items[lock].end = 99;
	m->locks.items[lock].evidence = EVIDENCE_RECORDED;
	fixture_wait(m, first, file, lock);
	poll = fixture_wait(m, second, file, lock);
	m->locks.items[poll].state = LOCK_POLLING;
	m->locks.items[poll].since_ns = 95 * SECOND + SECOND / 2;
	m->locks.items[poll].last_try_ns = 99 * SECOND + SECOND * 7 / 10;
	m->locks.items[poll].tries = 37;
	add_finding(m, holder, stuck);
	return m;
}

char *fixture_render(struct model *m, const char *format, enum fixture_output which)
{
	const struct renderer *renderer = renderer_find(format);
	struct view v = {.command = "test", .model = m};
	char *text = NULL;
	size_t size;

	v.out = open_memstream(&text, &size);
	if (!renderer || !v.out || view_init(&v) < 0 || view_choose_backtraces(&v) < 0)
		abort();
	if (which == FIXTURE_GRAPH)
		renderer->graph(&v);
	else if (which == FIXTURE_REPORT)
		renderer->report(&v);
	else
		renderer->signals(&v);
	view_done(&v);
	fclose(v.out);
	return text;
}
