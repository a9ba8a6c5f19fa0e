/*
 * Scenario: SIGALRM interrupts a function of the program (no libc in it), and the handler calls
 * the function that the first argument names.
 * Expect: unsafe-call-in-handler with that function, SIGALRM, and crunch() as what was
 * interrupted; never heap-reentered. Where libc allocates inside, a second one for that.
 * Twins: outside-handlers.c, handler-safe.c.
 */
#include "handler.h"

#include <malloc.h>
#include <pthread.h>
#include <syslog.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile memory;
static volatile time_t when;
static volatile sig_atomic_t is_done;
static const char *volatile text = "hello";

static void call_printf(void) { printf("(%s)\n", text); }
static void call_fprintf(void) { fprintf(stdout, "(%s)\n", text); }
static void call_puts(void) { puts(text); }
static void call_fputs(void) { fputs(text, stdout); }
static void call_fwrite(void) { memory = fwrite(text, 1, 5, stdout) == 5 ? memory : NULL; }
static void call_fflush(void) { fflush(stdout); }
static void call_syslog(void) { syslog(LOG_DEBUG, "%s", text); }
static void call_exit(void) { exit(7); }
static void call_localtime(void) { memory = localtime((const time_t *)&when); }
static void call_mutex(void) { pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex); }
static void call_malloc(void) { memory = malloc(100); }
static void call_calloc(void) { memory = calloc(10, 10); }
static void call_realloc(void) { memory = realloc(memory, 300); }
static void call_free(void) { free(memory); }
static void call_memalign(void) { memory = memalign(64, 100); }

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{ "printf", call_printf },	 { "fprintf", call_fprintf },
	{ "puts", call_puts },		 { "fputs", call_fputs },
	{ "fwrite", call_fwrite },	 { "fflush", call_fflush },
	{ "syslog", call_syslog },	 { "exit", call_exit },
	{ "localtime", call_localtime }, { "pthread_mutex_lock", call_mutex },
	{ "malloc", call_malloc },	 { "calloc", call_calloc },
	{ "realloc", call_realloc },	 { "free", call_free },
	{ "memalign", call_memalign },
};

static void (*chosen)(void);

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	chosen();
	is_done = 1;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

static void be_ready(void)
{
	victim_ready();
	_exit(0);
}

int main(int argc, char **argv)
{
	victim_watchdog();
	for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, argv[1]) == 0)
			chosen = calls[i].call;
	if (!chosen)
		errx(99, "which function?");
	memory = malloc(100);
	atexit(be_ready); /* exit() in the handler comes here */
	victim_handle(SIGALRM, on_alarm, 0);
	ualarm(2000, 0);
	crunch();
	be_ready();
}
