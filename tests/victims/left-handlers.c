/*
 * Scenario: handlers are left by siglongjmp() from the ordinary and from alternate stacks, one of
 * which is unmapped at once; each time the program goes on to allocate, at its old depth and far
 * deeper, over the memory where the handler's frames were. One handler jumps within itself.
 * Expect: one finding: calloc in the handler of SIGUSR2, 5 times, and nothing else.
 * Twin: outside-handlers.c.
 */
#include "handler.h"

#include <setjmp.h>
#include <sys/mman.h>

#define STACK_BYTES (64 * 1024)

static sigjmp_buf back, within;
static void *volatile kept;

static void leave(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	siglongjmp(back, signo);
}

static void jump_within(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	if (sigsetjmp(within, 1) == 0)
		siglongjmp(within, 1);
	kept = calloc(1, 9);
}

__attribute__((noinline)) static void allocate_at(unsigned depth)
{
	char frame[512];

	memset(frame, (int)depth, sizeof(frame));
	if (depth) {
		allocate_at(depth - 1);
	} else {
		kept = malloc(33);
		free(kept);
	}
	__asm__ volatile("" : : "r"(frame) : "memory"); /* keeps the frame, and the recursion */
}

static void leave_once(int signo)
{
	if (sigsetjmp(back, 1) == 0)
		raise(signo);
	allocate_at(0);
	allocate_at(3);
	allocate_at(40);
}

static void leave_a_stack_that_goes(void)
{
	char *low = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	stack_t stack = { .ss_sp = low, .ss_size = STACK_BYTES };

	victim_must(sigaltstack(&stack, NULL), "sigaltstack");
	if (sigsetjmp(back, 1) == 0)
		raise(SIGALRM);
	victim_must(sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL), "sigaltstack");
	munmap(low, STACK_BYTES);
	allocate_at(5);
}

int main(void)
{
	char here[STACK_BYTES];
	stack_t inside = { .ss_sp = here, .ss_size = sizeof(here) };

	victim_watchdog();
	victim_handle(SIGUSR1, leave, 0);
	victim_handle(SIGALRM, leave, SA_ONSTACK);
	victim_handle(SIGUSR2, jump_within, 0);
	for (volatile int i = 0; i < 20; i++) {
		leave_once(SIGUSR1);
		leave_a_stack_that_goes();
	}
	victim_must(sigaltstack(&inside, NULL), "sigaltstack");
	for (volatile int i = 0; i < 20; i++)
		leave_once(SIGALRM);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR2);
	victim_ready();
	return 0;
}
