/*
 * Scenario: the unsafe functions are called outside of handlers: before, between and after
 * deliveries, also right after a handler was left by siglongjmp().
 * Expect: no finding.
 * Twin: handler-calls.c.
 */
#include "handler.h"

#include <pthread.h>
#include <setjmp.h>
#include <syslog.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile memory;
static const char *volatile text = "hello";
static sigjmp_buf back;
static volatile sig_atomic_t arrived;

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	arrived = 1;
}

static void on_usr2(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	siglongjmp(back, 1);
}

static void call_all(void)
{
	time_t when = 0;

	memory = malloc(100);
	memory = realloc(memory, 200);
	free(memory);
	memory = calloc(3, 3);
	printf("%s\n", text);
	puts(text);
	fputs(text, stdout);
	fwrite(text, 1, 5, stdout);
	fflush(stdout);
	syslog(LOG_DEBUG, "%s", text);
	memory = localtime(&when);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	victim_watchdog();
	victim_handle(SIGUSR1, on_usr1, 0);
	victim_handle(SIGUSR2, on_usr2, 0);
	for (int i = 0; i < 3; i++) {
		call_all();
		raise(SIGUSR1);
		call_all();
		if (sigsetjmp(back, 1) == 0)
			raise(SIGUSR2);
		call_all();
	}
	victim_ready();
	return 0;
}
