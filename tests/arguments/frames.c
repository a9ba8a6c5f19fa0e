/*
 * Prints the frames of a thread with their arguments, one per line: "FUNCTION (ARGUMENTS) at
 * FILE:LINE", or "from FILE" where there are no lines.
 *
 *	frames PID		stops the process (ptrace) and takes all its registers
 *	frames PID running	looks as `lockjam graph` does, without stopping it
 *
 * For tests, which compare what it prints with a debugger's view of the same moment.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "collector/argument/argument_stack.h"
#include "collector/stack/stack_live.h"

#define FRAMES_MAX 10000

struct target {
	struct proc *proc;
	pid_t pid;
};

static bool read_memory(void *context, uint64_t address, void *data, size_t size)
{
	const struct target *target = context;

	return proc_read_memory(target->proc, target->pid, address, data, size) == (ssize_t)size;
}

#if defined(__x86_64__)
static void take_registers(const struct user_regs_struct *r, struct unwind_start *start)
{
	const uint64_t regs[] = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
				 r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
				 r->r12, r->r13, r->r14, r->r15, r->rip};

	memcpy(start->regs, regs, sizeof(regs));
	start->known = (1u << ARCH_REGS) - 1;
}
#else
static void take_registers(const struct user_regs_struct *r, struct unwind_start *start)
{
	memcpy(start->regs, r->regs, sizeof(r->regs));
	start->regs[ARCH_SP] = r->sp;
	start->regs[ARCH_PC] = r->pc;
	start->known = (UINT64_C(1) << ARCH_REGS) - 1;
}
#endif

static int stop(pid_t tid, struct unwind_start *start)
{
	struct user_regs_struct regs;
	struct iovec area = {&regs, sizeof(regs)};
	int status;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0) ||
	    waitpid(tid, &status, __WALL) != tid ||
	    ptrace(PTRACE_GETREGSET, tid, 1 /* NT_PRSTATUS */, &area))
		return -errno;
	take_registers(&regs, start);
	return 0;
}

static void print_place(const struct symbol_part *part, const struct module *module)
{
	if (part->file)
		printf(" at %s:%d\n", part->file, part->line);
	else
		printf(" from %s\n", module->path);
}

static void print_frame(const struct argument_stack *s, uint32_t frame)
{
	const struct unwind_frame *raw = &s->frames->items[frame];
	uint64_t pc = raw->pc - (raw->is_exact ? 0 : 1);
	struct module *module = modules_find(s->modules, pc);
	struct image *image = module ? modules_image(s->modules, module) : NULL;
	const struct symbol *symbol = image ? symbol_find(s->m, image, pc - module->bias) : NULL;

	if (raw->is_signal) {
		printf("<signal handler called>\n");
		return;
	}
	for (uint32_t i = 0; symbol && i < symbol->count; i++) {
		const char *arguments = argument_stack_text(s, frame, symbol, i);

		printf("%s (%s)", symbol->parts[i].function ? symbol->parts[i].function : "??",
		       arguments ? arguments : "");
		print_place(&symbol->parts[i], module);
	}
}

static int look(const struct target *target, bool is_running, struct stack_live **live,
		struct unwind_start *start)
{
	const struct stack_subject subject = {
		.proc = target->proc, .pid = target->pid, .tid = target->pid};
	const char *reason;
	int error;

	if (!is_running)
		return stop(target->pid, start);
	error = stack_live_look(&subject, live, &reason);
	if (!error)
		stack_live_start(*live, start);
	return error;
}

int main(int argc, char **argv)
{
	struct target target = {.proc = proc_new("/"), .pid = argc > 1 ? atoi(argv[1]) : 0};
	struct unwind_start start = {.read = read_memory, .context = &target};
	struct images *images = images_new(target.proc, NULL, NULL);
	struct model *m = model_new();
	struct unwind_frames frames;
	struct modules modules;
	struct stack_live *live = NULL;
	int error = look(&target, argc > 2, &live, &start);

	if (error || !images || !m ||
	    modules_load(&modules, images, target.proc, NULL, target.pid)) {
		fprintf(stderr, "frames: process %d: %s\n", (int)target.pid, strerror(-error));
		return 1;
	}
	struct unwinder *unwinder = unwinder_new(&modules);

	if (!unwinder || unwind(unwinder, &start, FRAMES_MAX, &frames))
		return 1;
	const struct argument_stack s = {
		.m = m,
		.process = MODEL_NONE,
		.modules = &modules,
		.start = &start,
		.frames = &frames,
	};

	argument_stack_add_jumped(&s, &frames);
	for (uint32_t i = 0; i < frames.count; i++)
		print_frame(&s, i);
	if (frames.stopped)
		printf("stopped: %s\n", frames.stopped);
	unwind_frames_done(&frames);
	unwinder_free(unwinder);
	modules_done(&modules);
	images_free(images);
	model_free(m);
	if (live)
		stack_live_free(live);
	proc_free(target.proc);
	return 0;
}
