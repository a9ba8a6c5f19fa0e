/*
 * Scenario: many-sites ROUNDS. A signal arrives ROUNDS times in each of 512 functions; its handler calls one
 * function that is unsafe there, at one place.
 * Expect: one finding, with every call counted, though there are more sites than a record has room for.
 */
#include "handler.h"

#include <sys/syscall.h>

static void on_signal(int signo)
{
	char words[] = "a b";

	(void)signo;
	(void)strtok(words, " ");
}

/* The system call stands in the function itself: the signal arrives when it returns. */
static inline __attribute__((always_inline)) void signal_here(void)
{
	long number = SYS_tgkill, pid = getpid(), tid = gettid();

#ifdef __x86_64__
	register long result __asm__("rax") = number;

	__asm__ volatile("syscall" : "+r"(result) : "D"(pid), "S"(tid), "d"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
#else
	syscall(number, pid, tid, SIGUSR1);
#endif
}

#define SITE(n) static __attribute__((noinline)) void site_##n(void) { signal_here(); }
#define NAME(n) site_##n,

/* A macro is not expanded inside itself: 8 x 8 x 8 by three. */
#define EIGHT(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7)
#define ROW(m, n) EIGHT(m, n##0) EIGHT(m, n##1) EIGHT(m, n##2) EIGHT(m, n##3)                      \
		EIGHT(m, n##4) EIGHT(m, n##5) EIGHT(m, n##6) EIGHT(m, n##7)
#define ALL(m) ROW(m, 0) ROW(m, 1) ROW(m, 2) ROW(m, 3) ROW(m, 4) ROW(m, 5) ROW(m, 6) ROW(m, 7)

ALL(SITE)

static void (*const sites[])(void) = {ALL(NAME)};

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;

	victim_watchdog();
	signal(SIGUSR1, on_signal);
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++)
			sites[i]();
	victim_ready();
	return 0;
}
