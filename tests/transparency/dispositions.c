/*
 * Dispositions at their edges: every signal number, changes behind libc's back, pointers that
 * fault, threads that change one signal at once, more dispositions than anybody keeps, and handlers
 * that leave by other ways than a return.
 */
#include "table.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset and its kin */

static volatile sig_atomic_t seen;
static sigjmp_buf back;

static void first(int signo)
{
	seen = signo;
}

static void second(int signo)
{
	seen = 1000 + signo;
}

static const char *name_of(sighandler_t handler)
{
	return handler == SIG_DFL   ? "SIG_DFL"
	       : handler == SIG_IGN ? "SIG_IGN"
	       : handler == SIG_ERR ? "SIG_ERR"
	       : handler == first   ? "first"
	       : handler == second  ? "second"
				    : "another";
}

static void show_now(int signo)
{
	struct sigaction now = {0};
	int result = sigaction(signo, NULL, &now);

	show("%d: %d %s %x\n", signo, result, name_of(now.sa_handler), (unsigned)now.sa_flags);
}

static void set(int signo, sighandler_t handler, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	SHOW(sigaction(signo, &action, NULL));
}

static void every_number(void)
{
	struct sigaction action = {.sa_handler = first};

	for (int signo = -1; signo <= 66; signo++) {
		show("%d\n", signo);
		SHOW(sigaction(signo, &action, NULL));
		SHOW(sigaction(signo, NULL, &action));
		action.sa_handler = first;
		action.sa_flags = 0;
		show("%s\n", name_of(signal(signo, SIG_DFL)));
		show("%s\n", name_of(sigset(signo, first)));
		SHOW(siginterrupt(signo, 1));
		SHOW(sigignore(signo));
	}
	show("%s\n", name_of(signal(SIGUSR1, SIG_ERR)));
	show("%s\n", name_of(sigset(SIGUSR1, SIG_ERR)));
}

/* The kernel's own form of struct sigaction. */
struct kernel_action {
	sighandler_t handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static void behind_libc(void)
{
	struct kernel_action raw = {0}, mine = {0};
	struct sigaction again = {0};

	set(SIGUSR2, first, SA_RESTART);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, &mine, sizeof(uint64_t));
	raw.handler = second;
	raw.flags =
		mine.flags & ~(unsigned long)SA_SIGINFO; /* what is below libc may show the shim */
	raw.restorer = mine.restorer;
	SHOW(syscall(SYS_rt_sigaction, SIGUSR2, &raw, NULL, sizeof(uint64_t)));
	raise(SIGUSR2);
	show("seen %d\n", (int)seen);
	show_now(SIGUSR2);
	SHOW(syscall(SYS_rt_sigaction, SIGUSR2, &mine, NULL, sizeof(uint64_t)));
	raise(SIGUSR2);
	show("seen %d\n", (int)seen);
	show_now(SIGUSR2);
	again.sa_handler = mine.handler;
	SHOW(sigaction(SIGUSR2, &again, NULL));
	raise(SIGUSR2);
	show("seen %d\n", (int)seen);
	show_now(SIGUSR2);
}

static void leave(int signo)
{
	siglongjmp(back, signo);
}

static void faulting_pointers(void)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = {.sa_handler = second};
	sigset_t mask;

	set(SIGSEGV, leave, SA_NODEFER);
	if (!sigsetjmp(back, 1))
		sigaction(SIGUSR2, &action, bad);
	else
		show("a fault at oldact\n");
	show_now(SIGUSR2);
	if (!sigsetjmp(back, 1))
		sigaction(SIGUSR2, bad, NULL);
	else
		show("a fault at act\n");
	if (!sigsetjmp(back, 1))
		SHOW(sigaction(99, bad, NULL));
	else
		show("a fault before the number\n");
	sigprocmask(SIG_BLOCK, NULL, &mask);
	show("blocked: %d\n", !sigisemptyset(&mask));
}

static void *change_often(void *raises)
{
	for (int i = 0; i < 5000; i++) {
		struct sigaction action = {.sa_handler = i & 1 ? first : second}, old;

		action.sa_flags = i & 2 ? SA_RESTART : 0;
		sigaction(SIGUSR1, &action, &old);
		if (name_of(old.sa_handler)[0] == 'a' || old.sa_flags & SA_SIGINFO)
			show("not what was installed\n");
		if (raises)
			raise(SIGUSR1);
	}
	return NULL;
}

static void threads_at_once(void)
{
	pthread_t threads[3];

	for (size_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, change_often, i ? &threads[i] : NULL);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	show("seen %d\n", seen % 1000);
}

static void more_than_anybody_keeps(void)
{
	int wrong = 0;

	for (uint64_t i = 0; i < 2000; i++) {
		struct sigaction action = {.sa_handler = first}, now;
		uint64_t mask = 0;

		memcpy(&action.sa_mask, &(uint64_t){i << 20}, sizeof(i));
		sigaction(SIGUSR1, &action, NULL);
		sigaction(SIGUSR1, NULL, &now);
		memcpy(&mask, &now.sa_mask, sizeof(mask));
		seen = 0;
		raise(SIGUSR1);
		wrong += now.sa_handler != first || mask != i << 20 ||
			 (now.sa_flags & SA_SIGINFO) || seen != SIGUSR1;
	}
	show("wrong: %d\n", wrong);
}

static ucontext_t here, there;
static char other_stack[64 * 1024];

static void on_other_stack(void)
{
	for (int i = 0; i < 3; i++) {
		free(malloc(100));
		show("there\n");
		swapcontext(&there, &here);
	}
}

static void switch_stacks(int signo)
{
	show("handler of %d\n", signo);
	swapcontext(&here, &there);
	show("back in the handler\n");
}

static void contexts(void)
{
	getcontext(&there);
	there.uc_stack.ss_sp = other_stack;
	there.uc_stack.ss_size = sizeof(other_stack);
	makecontext(&there, on_other_stack, 0);
	set(SIGUSR1, switch_stacks, 0);
	set(SIGUSR2, switch_stacks, SA_NODEFER);
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGUSR1);
}

/* Where a handler of SIGSEGV put the stack that it ran on, it may be gone a moment later. */
static void vanished_stack(void)
{
	size_t size = 64 * 1024;
	char *low = mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	set(SIGUSR1, leave, SA_ONSTACK);
	for (int i = 0; i < 100; i++) {
		stack_t stack = {.ss_sp = low + size, .ss_size = size};

		mprotect(low + size, size, PROT_READ | PROT_WRITE);
		sigaltstack(&stack, NULL);
		if (!sigsetjmp(back, 1))
			raise(SIGUSR1);
		sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
		mprotect(low + size, size, PROT_NONE);
		free(malloc(100));
	}
	show("seen %d\n", (int)seen);
}

static void count_and_allocate(int signo)
{
	(void)signo;
	free(malloc(30));
	seen = seen + 1;
}

static void strict_seccomp(void)
{
	struct itimerval often = {{0, 2000}, {0, 2000}};

	free(malloc(30));
	signal(SIGALRM, count_and_allocate);
	setitimer(ITIMER_REAL, &often, NULL);
	if (prctl(PR_SET_SECCOMP, 1) < 0)
		show("no seccomp\n");
	while (seen < 10)
		;
	if (write(TABLE_FD, "alive\n", 6) == 6)
		syscall(SYS_exit, 0);
}

static void skip_and_unblock(int signo)
{
	(void)signo;
	seen = seen + 1;
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	siglongjmp(back, 1);
}

/* The processor's counter is a fault, and nobody but the program may run into it. */
static void no_counter(void)
{
#ifdef __x86_64__
	set(SIGSEGV, skip_and_unblock, 0);
	for (volatile int i = 0; i < 3; i++) {
		SHOW(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
		set(SIGSEGV, skip_and_unblock, 0);
		if (!sigsetjmp(back, 1))
			__builtin_ia32_rdtsc();
	}
	show("seen %d\n", (int)seen);
#endif
}

static const struct table_case cases[] = {
	{"every number", every_number},
	{"behind libc's back", behind_libc},
	{"pointers that fault", faulting_pointers},
	{"threads at once", threads_at_once},
	{"more than anybody keeps", more_than_anybody_keeps},
	{"contexts", contexts},
	{"a stack that vanished", vanished_stack},
	{"strict seccomp", strict_seccomp},
	{"no counter", no_counter},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
