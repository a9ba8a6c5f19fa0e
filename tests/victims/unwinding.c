/*
 * Scenario: a lock is taken at the end of calls of every shape that an unwinder may meet: plain,
 * with a frame of any size, with a realigned stack, called back by libc, in a thread, in a handler
 * on either stack, very deep. Each prints the backtraces that glibc and libunwind see at the place first.
 * Expect: the recorded stack of each lock is the printed ones.
 */
#include "handler.h"

#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>

#define FRAMES 100

typedef int walk_function(void **pcs, int size);

static int fd;
static walk_function *libunwind; /* NULL where it is not installed */

/* Opened, not linked: it exports a backtrace() of its own that would take the place of glibc's. */
static walk_function *find_libunwind(void)
{
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	return library ? (walk_function *)dlsym(library, "unw_backtrace") : NULL;
}

static __attribute__((always_inline)) inline void say(const char *oracle, walk_function *walk,
						      int number, const char *shape)
{
	void *pcs[FRAMES];
	int count = walk(pcs, FRAMES);

	printf("%s %d %s", oracle, number, shape);
	for (int i = 1; i < count; i++)
		printf(" %p", pcs[i]);
	printf("\n");
	fflush(stdout);
}

/* The lock's number is its byte. The place is the return address into our caller, and what is behind. */
static __attribute__((noinline)) void take(int number, const char *shape)
{
	say("glibc", backtrace, number, shape);
	if (libunwind)
		say("libunwind", libunwind, number, shape);
	victim_must(victim_fcntl(fd, number % 2 ? F_SETLKW : F_SETLK, F_WRLCK, number * 2, 1), shape);
}

static __attribute__((noinline)) void with_alloca(int size)
{
	volatile char *room = alloca(size);

	room[0] = 1;
	take(2, "alloca");
	room[0] = 2;
}

static __attribute__((noinline)) void with_large_frame(void)
{
	volatile char room[100000];

	room[0] = 1;
	take(3, "large");
	room[1] = room[0];
}

static __attribute__((noinline)) void with_aligned_frame(int size)
{
	volatile char room[64] __attribute__((aligned(64)));
	volatile char *more = alloca(size);

	room[0] = more[0] = 1;
	take(4, "aligned");
	room[1] = room[0];
}

static int compare(const void *a, const void *b)
{
	static bool done;

	if (!done) {
		done = true;
		take(5, "callback");
	}
	return *(const int *)a - *(const int *)b;
}

static void *in_thread(void *unused)
{
	take(6, "thread");
	return unused;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	take(signo == SIGUSR1 ? 7 : 8, signo == SIGUSR1 ? "handler" : "altstack");
}

static __attribute__((noinline)) int deep(int depth)
{
	volatile int keep = depth;

	if (depth)
		deep(depth - 1);
	else
		take(9, "deep");
	return keep;
}

static void in_handlers(void)
{
	static char room[64 * 1024];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) };

	victim_must(sigaltstack(&stack, NULL), "sigaltstack");
	victim_handle(SIGUSR1, on_signal, 0);
	victim_handle(SIGUSR2, on_signal, SA_ONSTACK);
	raise(SIGUSR1);
	raise(SIGUSR2);
}

int main(int argc, char **argv)
{
	int numbers[] = { 3, 2, 1 };
	pthread_t thread;

	victim_watchdog();
	libunwind = find_libunwind();
	fd = victim_open(argc > 1 ? argv[1] : "lock");
	take(1, "plain");
	with_alloca(argc * 1000);
	with_large_frame();
	with_aligned_frame(argc * 100);
	qsort(numbers, 3, sizeof(*numbers), compare);
	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
	in_handlers();
	deep(200);
	victim_ready();
	return argv == NULL;
}
