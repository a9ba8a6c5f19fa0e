/*
 * Scenario: places where unwinding is hard; the first argument names one: below 5,000 frames, in a
 * handler on an alternate stack, in handlers in handlers, in one that returns by a restorer of the
 * program's own without unwind information (as musl's), on a stack that was spoilt, inside
 * malloc(), inside the vdso. The last two are entered by a memory fault at the right moment, whose handler pauses: no timing.
 * Expect: every frame down to main(), over both stacks and through the signal frames.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define DEPTH 5000
#define PAGE 4096UL

static char other_stack[256 * 1024];
volatile int sink;

NOINLINE static void wait_here(void)
{
	static int is_waiting;

	if (!is_waiting++)
		if (write(1, "ready\n", 6) != 6)
			_exit(1);
	for (;;)
		pause();
}

NOINLINE static int descend(int level, int sum)
{
	if (level == 1) {
		wait_here();
		return sum;
	}
	return descend(level - 1, sum + level) + 1;
}

static void on_signal(int signo)
{
	sink = signo;
	wait_here();
	sink = 0;
}

static void on_outer(int signo)
{
	sink = signo;
	raise(SIGUSR2);
	sink = 0;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	sink = signo + info->si_code;
	wait_here();
	sink = context != NULL;
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };

	if (sigaltstack(&stack, NULL) || sigaction(signo, &action, NULL))
		_exit(1);
}

#ifdef __x86_64__
/* Without a gap the unwind information of what stands before it covers pc - 1. */
#ifdef GAP
#define GAP_CODE "	nop\n"
#else
#define GAP_CODE ""
#endif
__asm__(".text\n"
	"before_restorer: .cfi_startproc\n"
	"	.cfi_def_cfa_offset 4096\n"
	"	nop\n"
	"	.cfi_endproc\n" GAP_CODE
	".type __restore_rt, @function\n"
	"__restore_rt: mov $15, %rax\n"
	"	syscall\n"
	".size __restore_rt, . - __restore_rt\n");
void __restore_rt(void);

/* The kernel's struct sigaction, which has the restorer. */
static void handle_bare(int signo, void (*handler)(int))
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} action = { handler, 0x04000000, __restore_rt, 0 };

	if (syscall(SYS_rt_sigaction, signo, &action, NULL, 8))
		_exit(1);
}
#else
#define handle_bare(signo, handler) handle(signo, handler, 0)
#endif

/* The frame of the caller is said to be this one, or one further in. */
NOINLINE static int corrupt(long inwards)
{
	void **frame = __builtin_frame_address(0), *kept = *frame;

	*frame = (char *)frame - inwards;
	wait_here();
	*frame = kept;
	return sink++;
}

NOINLINE static int crunch(int n)
{
	raise(n);
	return sink++;
}

/* What is free at the heap's end becomes unreadable: the next allocation trips over it. */
NOINLINE static char *allocate(size_t size)
{
	char *small = malloc(24), *page = (char *)(((unsigned long)small | (PAGE - 1)) + 1);
	struct mallinfo2 info = mallinfo2();

	mprotect(page, info.keepcost & ~(PAGE - 1), PROT_NONE);
	while (small)
		small = malloc(size);
	return small;
}

NOINLINE static long tell_time(clockid_t id, struct timespec *now)
{
	int error = clock_gettime(id, now);

	return error ? -1 : now->tv_sec;
}

static int run(const char *scene)
{
	if (!strcmp(scene, "deep"))
		return descend(DEPTH, 0);
	if (!strcmp(scene, "altstack")) {
		handle(SIGUSR1, on_signal, SA_ONSTACK);
		return crunch(SIGUSR1);
	}
	if (!strcmp(scene, "nested")) {
		handle(SIGUSR1, on_outer, SA_ONSTACK);
		handle(SIGUSR2, on_signal, SA_NODEFER);
		return crunch(SIGUSR1);
	}
	if (!strcmp(scene, "same"))
		return corrupt(0);
	if (!strcmp(scene, "inner"))
		return corrupt(32);
	if (!strcmp(scene, "restorer")) {
		handle_bare(SIGUSR1, on_signal);
		return crunch(SIGUSR1);
	}
	handle(SIGSEGV, (void (*)(int))(void *)on_fault, SA_SIGINFO | SA_ONSTACK);
	if (!strcmp(scene, "malloc"))
		return allocate(200) != NULL;
	if (!strcmp(scene, "vdso"))
		return (int)tell_time(CLOCK_MONOTONIC, (struct timespec *)8);
	return 0;
}

int main(int argc, char **argv)
{
	alarm(120);
	sink = run(argc > 1 ? argv[1] : "");
	return sink;
}
