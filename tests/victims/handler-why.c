/*
 * Scenario: a timer's signal interrupts a loop of the program. The handler calls a function for each reason that a function can have to be unsafe; none
 * of them blocks here. Then the same again outside of the handler.
 * Expect: unsafe-call-in-handler for each, with its reason; unportable-call-in-handler for getenv.
 * Twin: handler-posix.c.
 */
#include "handler.h"

#include <arpa/inet.h>
#include <execinfo.h>
#include <iconv.h>
#include <link.h>
#include <pthread.h>
#include <pwd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const void *volatile result;
static char words[] = "some words";
static time_t now;
static volatile sig_atomic_t is_done;

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size, (void)data;
	return 1;
}

static void call_all(void)
{
	void *frames[4];

	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	puts("hello");
	result = localtime(&now);
	setenv("NAME", "value", 1);
	result = result + rand() % 2;
	result = strdup("text");
	result = strtok(words, " ");
	result = inet_ntoa((struct in_addr){ 0 });
	result = strerror(EINTR);
	result = getpwuid(0);
	result = iconv_open("UTF-8", "UTF-8");
	dl_iterate_phdr(look, NULL);
	backtrace(frames, 4);
	result = getenv("HOME");
}

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)signo, (void)info, (void)context;
	call_all();
	errno = saved_errno;
	is_done = 1;
}

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec when = { .it_value.tv_nsec = 1000000 };
	timer_t timer;

	victim_watchdog();
	victim_handle(SIGUSR1, on_usr1, 0);
	victim_must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
	victim_must(timer_settime(timer, 0, &when, NULL), "timer_settime");
	while (!is_done)
		;
	call_all();
	victim_ready();
	return 0;
}
