/* Stacks: a live child without stopping it; a recorded slice and addresses of ourselves. */
#include "config.h"

#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "collector/arch/arch.h"
#include "collector/stack/stack.h"
#include "tests/unit/segment_fixture.h"
#include "tests/unit/unit.h"

/* Real frames: no inlining, no tail calls (a statement follows the call). */
#ifdef __clang__
#define FRAME __attribute__((noinline))
#else
#define FRAME __attribute__((noinline, noclone))
#endif
#define NO_TAIL_CALL __asm__ volatile("")

static volatile int sink;

/* --- a model with one process ---------------------------------------------------------------- */

struct fixture {
	struct model *m;
	struct proc *proc;
	struct stacks *stacks;
	struct segment *segment;
	struct segment *segments[1];
};

static struct fixture begin(pid_t pid, enum process_state state, struct segment *segment)
{
	struct fixture f = {.m = model_new(), .proc = proc_new("/"), .segment = segment};

	model_add_process(f.m);
	f.m->processes.items[0].pid = pid;
	f.m->processes.items[0].state = state;
	model_add_thread(f.m);
	f.m->threads.items[0].process = 0;
	f.m->threads.items[0].tid = pid;
	return f;
}

static void open_stacks(struct fixture *f, const char *debug_path)
{
	f->segments[0] = f->segment;
	f->stacks = stacks_new(f->m, f->proc, f->segments, 1, NULL, 0);
	if (debug_path)
		CU_ASSERT_EQUAL(stacks_set_debug_path(f->stacks, debug_path), 0);
}

static void end(struct fixture *f)
{
	stacks_free(f->stacks);
	segment_close(f->segment);
	CU_ASSERT_PTR_NULL(model_check(f->m));
	model_free(f->m);
	proc_free(f->proc);
}

static const struct model_frame *frame(const struct fixture *f, uint32_t stack, uint32_t i)
{
	const struct model_stack *st = &f->m->stacks.items[stack];

	return i < st->frame_count ? &f->m->frames.items[st->first_frame + i] : NULL;
}

/* The first frame from `from` on with this function; frame_count if there is none. */
static uint32_t find(const struct fixture *f, uint32_t stack, uint32_t from, const char *function)
{
	const struct model_frame *x;

	for (uint32_t i = from; (x = frame(f, stack, i)); i++)
		if (x->function && !strcmp(x->function, function))
			return i;
	return f->m->stacks.items[stack].frame_count;
}

static bool is_found(const struct fixture *f, uint32_t stack, uint32_t i)
{
	return i < f->m->stacks.items[stack].frame_count;
}

/* --- a live child ---------------------------------------------------------------------------- */

FRAME static void sleep_in_handler(void)
{
	pause();
	NO_TAIL_CALL;
}

static void on_signal(int signo)
{
	sink = signo;
	sleep_in_handler();
	NO_TAIL_CALL;
}

FRAME static void interrupted_work(void)
{
	raise(SIGUSR1);
	NO_TAIL_CALL;
}

FRAME static void outer_work(void)
{
	interrupted_work();
	NO_TAIL_CALL;
}

static pid_t start_sleeper(const struct proc *proc)
{
	struct timespec pause_time = {.tv_nsec = 1000000};
	struct proc_syscall sc;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGUSR1, on_signal);
		outer_work();
		_exit(0);
	}
	/* Until it sleeps: its state is the event. A minute is for a machine under load. */
	for (int i = 0; i < 60000; i++) {
		if (!proc_read_syscall(proc, pid, pid, &sc) && !sc.is_running &&
		    sc.number == SYS_pause)
			return pid;
		nanosleep(&pause_time, NULL);
	}
	return pid;
}

static void stop_sleeper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void expect_sleeper(struct fixture *f, uint32_t stack)
{
	uint32_t inner = find(f, stack, 0, "sleep_in_handler");
	uint32_t handler = find(f, stack, inner, "on_signal");
	uint32_t work = find(f, stack, handler, "interrupted_work");
	uint32_t outer = find(f, stack, work, "outer_work");

	CU_ASSERT_EQUAL(f->m->stacks.items[stack].origin, STACK_THREAD);
	CU_ASSERT_FATAL(is_found(f, stack, outer));
	CU_ASSERT_EQUAL(handler, inner + 1);
	CU_ASSERT_EQUAL(frame(f, stack, handler + 1)->kind, FRAME_SIGNAL);
	CU_ASSERT_EQUAL(outer, work + 1);
	CU_ASSERT(is_found(f, stack, find(f, stack, outer, "main")));
	CU_ASSERT_PTR_NOT_NULL(frame(f, stack, outer)->module);
	CU_ASSERT_PTR_NULL(f->m->stacks.items[stack].stopped);
}

static void a_live_thread_is_not_stopped(void)
{
	static const char *const debug_paths[] = {NULL, "/nonexistent"};

	for (int i = 0; i < 2; i++) {
		struct fixture f = begin(0, PROCESS_LIVE, NULL);
		pid_t pid = start_sleeper(f.proc);

		f.m->processes.items[0].pid = f.m->threads.items[0].tid = pid;
		open_stacks(&f, debug_paths[i]);
		uint32_t stack = stacks_thread(f.stacks, 0);

		CU_ASSERT_EQUAL_FATAL(stacks_resolve(f.stacks, stack), 0);
		expect_sleeper(&f, stack);
		stop_sleeper(pid);
		end(&f);
	}
}

static void a_running_thread_says_so(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			sink++;
	struct fixture f = begin(pid, PROCESS_LIVE, NULL);

	open_stacks(&f, NULL);
	uint32_t stack = stacks_thread(f.stacks, 0);

	stop_sleeper(pid);
	CU_ASSERT_NOT_EQUAL_FATAL(stack, MODEL_NONE);
	CU_ASSERT_NOT_EQUAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f.m->stacks.items[stack].stopped);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.m->stacks.items[stack].stopped, "running"));
	end(&f);
}

static void the_dead_have_no_now(void)
{
	struct fixture f = begin(getpid(), PROCESS_KILLED, NULL);

	open_stacks(&f, NULL);
	CU_ASSERT_EQUAL(stacks_thread(f.stacks, 0), MODEL_NONE);
	end(&f);
}

/* --- records of ourselves -------------------------------------------------------------------- */

static struct segment_fixture record;

static int add_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	char path[256] = "";
	uint64_t end_address = 0;
	ssize_t length;

	(void)size, (void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			end_address = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	if (info->dlpi_name[0]) {
		if (!strstr(info->dlpi_name, "libc.so"))
			return 0;
		snprintf(path, sizeof(path), "%s", info->dlpi_name);
	} else {
		length = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[length > 0 ? length : 0] = '\0';
	}
	struct seg_module *m = segment_fixture_add(&record, SEG_MODULES, NULL);

	m->bias = info->dlpi_addr;
	m->start = info->dlpi_addr;
	for (int i = info->dlpi_phnum - 1; i >= 0; i--)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			m->start = info->dlpi_addr + (info->dlpi_phdr[i].p_vaddr & ~UINT64_C(4095));
	m->end = info->dlpi_addr + end_address;
	m->path = segment_fixture_string(&record, path);
	return 0;
}

#if defined(__x86_64__)
static void fill_registers(struct seg_finding *finding, const ucontext_t *context)
{
	static const int order[ARCH_REGS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
					     REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
					     REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

	for (int i = 0; i < ARCH_REGS; i++)
		finding->regs[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
}
#elif defined(__aarch64__)
static void fill_registers(struct seg_finding *finding, const ucontext_t *context)
{
	for (int i = 0; i < 31; i++)
		finding->regs[i] = context->uc_mcontext.regs[i];
	finding->regs[ARCH_SP] = context->uc_mcontext.sp;
	finding->regs[ARCH_PC] = context->uc_mcontext.pc;
}
#endif

/* As the shim would at a call of malloc in its caller: registers, and the stack from sp up. */
FRAME __attribute__((no_sanitize_address)) static void record_here(uint32_t length)
{
	struct seg_finding *finding = segment_fixture_add(&record, SEG_FINDINGS, NULL);
	struct seg_table *slices = &record.header.tables[SEG_SLICES];
	static ucontext_t context;

	getcontext(&context);
	fill_registers(finding, &context);
	finding->kind = SEG_FIND_UNSAFE_CALL;
	finding->function = segment_fixture_string(&record, "malloc");
	finding->slices[0].address = finding->regs[ARCH_SP];
	finding->slices[0].length = length;
	/* Not memcpy: the bytes above our frame are nobody's object. */
	for (uint32_t i = 0; i < length; i++)
		record.data[slices->offset + i] =
			((volatile unsigned char *)finding->regs[ARCH_SP])[i];
	slices->used = length;
}

FRAME static void recorded_caller(uint32_t length)
{
	record_here(length);
	NO_TAIL_CALL;
}

static struct segment *open_record(void)
{
	struct segment *s = NULL;
	char cause[256];

	dl_iterate_phdr(add_module, NULL);
	CU_ASSERT_EQUAL_FATAL(
		segment_open_memory(record.data, sizeof(record), &s, cause, sizeof(cause)), 0);
	return s;
}

static uint32_t add_stack(struct fixture *f, enum stack_origin origin)
{
	uint32_t stack = model_add_stack(f->m);

	f->m->stacks.items[stack].origin = origin;
	f->m->stacks.items[stack].process = 0;
	f->m->stacks.items[stack].raw = 1;
	return stack;
}

static void a_slice_is_unwound(void)
{
	segment_fixture_init(&record);
	recorded_caller(2048);
	struct fixture f = begin(1, PROCESS_KILLED, open_record());

	open_stacks(&f, NULL);
	uint32_t stack = add_stack(&f, STACK_SLICE);

	CU_ASSERT_EQUAL_FATAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_STRING_EQUAL(frame(&f, stack, 0)->function, "malloc");
	CU_ASSERT_EQUAL(frame(&f, stack, 0)->pc, 0);
	CU_ASSERT_EQUAL(find(&f, stack, 0, "record_here"), 1);
	CU_ASSERT_EQUAL(find(&f, stack, 0, "recorded_caller"), 2);
	CU_ASSERT_EQUAL(find(&f, stack, 0, "a_slice_is_unwound"), 3);
	uint32_t count = f.m->frames.count;

	CU_ASSERT_EQUAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_EQUAL(f.m->frames.count, count); /* a second time costs nothing */
	end(&f);
}

static void a_short_slice_says_where_it_ends(void)
{
	segment_fixture_init(&record);
	recorded_caller(16);
	struct fixture f = begin(1, PROCESS_KILLED, open_record());

	open_stacks(&f, NULL);
	uint32_t stack = add_stack(&f, STACK_SLICE);

	CU_ASSERT_EQUAL_FATAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_EQUAL(find(&f, stack, 0, "record_here"), 1);
	CU_ASSERT_PTR_NOT_NULL(f.m->stacks.items[stack].stopped);
	end(&f);
}

FRAME static void record_addresses(void)
{
	struct seg_stack *stack = segment_fixture_add(&record, SEG_STACKS, NULL);

	stack->count = 2;
	*(uint64_t *)segment_fixture_add(&record, SEG_PCS, NULL) =
		(uintptr_t)__builtin_return_address(0);
	*(uint64_t *)segment_fixture_add(&record, SEG_PCS, NULL) = 0x10; /* nobody's */
}

static void recorded_addresses_are_named(void)
{
	segment_fixture_init(&record);
	record_addresses();
	struct fixture f = begin(1, PROCESS_KILLED, open_record());

	open_stacks(&f, NULL);
	uint32_t stack = add_stack(&f, STACK_PCS);

	CU_ASSERT_EQUAL_FATAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_EQUAL_FATAL(f.m->stacks.items[stack].frame_count, 2);
	CU_ASSERT_EQUAL(find(&f, stack, 0, "recorded_addresses_are_named"), 0);
	CU_ASSERT_PTR_NULL(frame(&f, stack, 1)->function);
	CU_ASSERT_PTR_NULL(frame(&f, stack, 1)->module);
	end(&f);
}

static void a_replaced_file_gives_no_names(void)
{
	segment_fixture_init(&record);
	record_addresses();
	dl_iterate_phdr(add_module, NULL);
	for (uint32_t i = 1; i <= record.header.tables[SEG_MODULES].used; i++) {
		struct seg_module *m = segment_fixture_record(&record, SEG_MODULES, i);
		m->build_id_size = 20; /* all zero: not what the file says */
	}
	struct segment *s = NULL;
	char cause[256];

	CU_ASSERT_EQUAL_FATAL(
		segment_open_memory(record.data, sizeof(record), &s, cause, sizeof(cause)), 0);
	struct fixture f = begin(1, PROCESS_KILLED, s);

	open_stacks(&f, NULL);
	uint32_t stack = add_stack(&f, STACK_PCS);

	CU_ASSERT_EQUAL_FATAL(stacks_resolve(f.stacks, stack), 0);
	CU_ASSERT_PTR_NULL(frame(&f, stack, 0)->function);
	CU_ASSERT_PTR_NOT_NULL(frame(&f, stack, 0)->module);
	end(&f);
}

static void damaged_records_fail(void)
{
	segment_fixture_init(&record);
	struct fixture f = begin(1, PROCESS_KILLED, open_record());

	open_stacks(&f, NULL);
	for (int origin = STACK_PCS; origin <= STACK_SLICE; origin++) {
		uint32_t stack = add_stack(&f, origin);

		CU_ASSERT_NOT_EQUAL(stacks_resolve(f.stacks, stack), 0);
		CU_ASSERT_PTR_NOT_NULL(f.m->stacks.items[stack].stopped);
	}
	end(&f);
}

/* --- what was interrupted -------------------------------------------------------------------- */

#define LIBC "/lib/libc.so.6"
#define EXE "/bin/x"
#define SIGNAL_FRAME                                                                               \
	{                                                                                          \
		NULL, NULL                                                                         \
	}
#define FRAMES_MAX 8

struct case_of {
	struct {
		const char *function, *module;
	} frames[FRAMES_MAX];
	uint32_t count;
	bool is_in_allocator;
	const char *interrupted;
};

static const struct case_of cases[] = {
	{{{"malloc", LIBC},
	  {"h", EXE},
	  SIGNAL_FRAME,
	  {"_int_malloc", LIBC},
	  {"malloc", LIBC},
	  {"main", EXE}},
	 6,
	 true,
	 "_int_malloc"},
	/* No symbols but the exported ones: between pc and malloc() is the allocator. */
	{{{"malloc", LIBC},
	  {"h", EXE},
	  SIGNAL_FRAME,
	  {NULL, LIBC},
	  {NULL, LIBC},
	  {"malloc", LIBC},
	  {"main", EXE}},
	 7,
	 true,
	 "malloc"},
	{{{"malloc", LIBC}, {"h", EXE}, SIGNAL_FRAME, {"__libc_free", LIBC}, {"main", EXE}},
	 5,
	 true,
	 "free"},
	/* The program's own code, a callback of libc, libc outside of the allocator. */
	{{{"malloc", LIBC}, {"h", EXE}, SIGNAL_FRAME, {"work", EXE}, {"main", EXE}},
	 5,
	 false,
	 "work"},
	{{{"malloc", LIBC},
	  {"h", EXE},
	  SIGNAL_FRAME,
	  {"compare", EXE},
	  {"qsort", LIBC},
	  {"main", EXE}},
	 6,
	 false,
	 "compare"},
	{{{"malloc", LIBC}, {"h", EXE}, SIGNAL_FRAME, {NULL, LIBC}, {"qsort", LIBC}, {"main", EXE}},
	 6,
	 false,
	 NULL},
	/* The handler's own malloc is no evidence. */
	{{{"malloc", LIBC}, {"h", EXE}}, 2, false, NULL},
	/* A handler that interrupted a handler that interrupted malloc. */
	{{{"malloc", LIBC},
	  {"h2", EXE},
	  SIGNAL_FRAME,
	  {"h", EXE},
	  SIGNAL_FRAME,
	  {"_int_free.part.0", LIBC},
	  {"main", EXE}},
	 7,
	 true,
	 "_int_free.part.0"},
	{{{"malloc", LIBC},
	  {"h", EXE},
	  SIGNAL_FRAME,
	  {"je_arena_x", "/l/libjemalloc.so.2"},
	  {"main", EXE}},
	 5,
	 true,
	 "je_arena_x"},
};

static void classify_case(const struct case_of *c)
{
	struct fixture f = begin(1, PROCESS_KILLED, NULL);
	uint32_t stack = add_stack(&f, STACK_SLICE), call = model_add_call(f.m);

	open_stacks(&f, NULL);
	f.m->stacks.items[stack].is_resolved = true;
	f.m->stacks.items[stack].first_frame = 0;
	f.m->stacks.items[stack].frame_count = c->count;
	for (uint32_t i = 0; i < c->count; i++) {
		model_add_frame(f.m);
		struct model_frame *x = &f.m->frames.items[i];

		x->function = c->frames[i].function;
		x->module = c->frames[i].module;
		x->kind = x->module ? FRAME_CALL : FRAME_SIGNAL;
	}
	f.m->calls.items[call].process = 0;
	f.m->calls.items[call].stack = stack;
	stacks_classify(f.stacks, call);
	const struct model_call *result = &f.m->calls.items[call];

	CU_ASSERT(result->is_classified);
	CU_ASSERT_EQUAL(result->has_interrupted_allocator, c->is_in_allocator);
	if (c->interrupted && result->interrupted)
		CU_ASSERT_STRING_EQUAL(result->interrupted, c->interrupted);
	CU_ASSERT_EQUAL(!result->interrupted, !c->interrupted);
	end(&f);
}

static void the_allocator_is_recognised(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		classify_case(&cases[i]);
}

static const struct unit_test tests[] = {
	{"a blocked thread is unwound through its handler, with and without debug information",
	 a_live_thread_is_not_stopped},
	{"a running thread gives no stack, but a reason", a_running_thread_says_so},
	{"a dead process has no stack of now", the_dead_have_no_now},
	{"a recorded slice is unwound", a_slice_is_unwound},
	{"a short slice says where it ends", a_short_slice_says_where_it_ends},
	{"recorded addresses are named", recorded_addresses_are_named},
	{"a replaced file gives no names", a_replaced_file_gives_no_names},
	{"damaged records fail with a reason", damaged_records_fail},
	{"what a handler interrupted: the allocator, or not", the_allocator_is_recognised},
	{NULL, NULL},
};
const struct unit_suite unit_stack = {tests};
