/*
 * Scenario: moments WHAT SIGNALS. A timer's signal comes again and again while the program does WHAT, which is
 * told in `moments` below, until so many were handled; the handler counts, and calls strtok(), which is unsafe
 * and does no harm here. The handler sets the timer again: however slow the machine is,
 * the program goes on. SIGURG is ignored where nobody handles it: also while a program is being executed.
 * Expect: "handled N", N of all processes together: as many deliveries, and calls found, as lockjam tells.
 */
#include "tests/victims/handler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <wchar.h>

#define PAUSE_NS 40000
#define SHARED_FD 100 /* of memory that survives the execution of a program */
#define ROUNDS 40     /* of each moment, at least */

static _Atomic unsigned long *handled; /* of all processes */
static _Atomic unsigned long own;      /* of this one, and of those that it was forked from */
static unsigned long wanted;
static char name[] = "x=1";

/* Timers belong to a process, and end with its program: a child may have none yet. */
static timer_t timer;

static int set_timer(void)
{
	struct itimerspec when = { .it_value.tv_nsec = PAUSE_NS };

	return timer_settime(timer, 0, &when, NULL);
}

static void on_signal(int signo)
{
	int saved_errno = errno;
	char words[] = "a b";

	(void)signo;
	(void)strtok(words, " ");
	atomic_fetch_add(handled, 1);
	atomic_fetch_add(&own, 1);
	set_timer();
	errno = saved_errno;
}

static void start_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG };

	victim_must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
	victim_must(set_timer(), "timer_settime");
}

static void await_signals(unsigned long more)
{
	unsigned long before = atomic_load(&own);

	while (atomic_load(&own) - before < more)
		;
}

static void reap(pid_t child)
{
	int status;

	victim_must(child, "fork");
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			err(99, "waitpid");
	if (status)
		errx(99, "a child ended with status %#x", status);
}

/* --- the moments: each function is one round ------------------------------------------------------ */

static void round_fork(void)
{
	pid_t child = fork();

	if (child == 0) {
		start_timer();
		await_signals(1);
		_exit(0);
	}
	reap(child);
}

static void round_exec(void)
{
	pid_t child = fork();

	if (child == 0) {
		start_timer();
		execl("/proc/self/exe", "moments", "image", "3", (char *)NULL);
		_exit(99);
	}
	reap(child);
}

static void round_dlopen(void)
{
	static const char *const libraries[] = { "libm.so.6", "libresolv.so.2", "libanl.so.1" };

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
		double (*cosine)(double) = NULL;

		if (!library)
			errx(99, "%s", dlerror());
		*(void **)&cosine = dlsym(library, "cos");
		if (cosine && cosine(0.0) < 1.0)
			errx(99, "cos");
		dlclose(library);
	}
}

/* What the parent has never called is bound in each child, at its first call there. */
static void call_for_the_first_time(void)
{
	struct timespec now;
	char text[32];

	putenv(name);
	snprintf(text, sizeof(text), "%ld %s", labs(-strtol("12", NULL, 10)), getenv("x"));
	clock_getres(CLOCK_MONOTONIC, &now);
	if (strcasecmp(text, "12 1") || strspn(text, "12 ") != 4 || wcslen(L"ab") != 2 ||
	    strpbrk(text, " ") != text + 2 || memrchr(text, '1', 4) != text + 3 ||
	    isatty(SHARED_FD) || getpgrp() < 0 || access("/", R_OK) || strncasecmp(text, "12", 2) ||
	    ffs(4) != 3 || strcoll("a", "b") >= 0 || gethostname(text, sizeof(text)))
		_exit(98);
}

static void round_lazy(void)
{
	pid_t child = fork();

	if (child == 0) {
		start_timer();
		await_signals(1);
		call_for_the_first_time();
		_exit(0);
	}
	reap(child);
}

static void *thread_main(void *unused)
{
	free(malloc(100));
	return unused;
}

static void round_thread(void)
{
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, thread_main, NULL))
			errx(99, "pthread_create");
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void at_exit(void)
{
	await_signals(2);
	free(malloc(1000));
}

/* stdio is closed, functions of atexit() run, and signals come all the time. */
static void round_exit(void)
{
	FILE *out = fopen("/dev/null", "we");
	pid_t child = fork();

	if (child == 0) {
		start_timer();
		atexit(at_exit);
		fprintf(out, "not flushed");
		exit(0);
	}
	fclose(out);
	reap(child);
}

static const struct {
	const char *name;
	void (*round)(void);
} moments[] = {
	{ "fork", round_fork }, { "exec", round_exec },	    { "dlopen", round_dlopen },
	{ "lazy", round_lazy }, { "thread", round_thread }, { "exit", round_exit },
};

static void share(void)
{
	if (fcntl(SHARED_FD, F_GETFD) < 0) {
		int fd = memfd_create("shared", 0);
		victim_must(fd, "memfd_create");
		victim_must(dup2(fd, SHARED_FD), "dup2");
		victim_must(ftruncate(fd, 4096), "ftruncate");
		close(fd);
	}
	handled = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	if (handled == MAP_FAILED)
		err(99, "mmap");
}

/* One of a row of images; each begins with nothing. */
static int image(int more)
{
	char next[16];

	start_timer();
	await_signals(2);
	snprintf(next, sizeof(next), "%d", more - 1);
	if (more)
		execl("/proc/self/exe", "moments", "image", next, (char *)NULL);
	return more != 0;
}

static void (*find_round(const char *what))(void)
{
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		if (strcmp(moments[i].name, what) == 0)
			return moments[i].round;
	errx(99, "%s: no such moment", what);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (argc < 3)
		errx(2, "usage: moments WHAT SIGNALS");
	share();
	victim_must(sigaction(SIGURG, &action, NULL), "sigaction");
	if (strcmp(argv[1], "image") == 0)
		return image(atoi(argv[2]));
	void (*round)(void) = find_round(argv[1]);
	char line[64];

	victim_watchdog();
	wanted = strtoul(argv[2], NULL, 10);
	start_timer();
	for (unsigned n = 0; n < ROUNDS || atomic_load(handled) < wanted; n++)
		round();
	signal(SIGURG, SIG_IGN);
	snprintf(line, sizeof(line), "handled %lu", atomic_load(handled));
	victim_say(line);
	victim_ready();
	return 0;
}
