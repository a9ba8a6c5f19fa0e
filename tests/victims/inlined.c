/*
 * Scenario: optimised code (-O2) takes a lock through inlined functions, with enum flags among
 * the arguments; then a handler allocates through the same kind of chain.
 * Expect: the hold's stack names mailbox_lock (inlined, so without an address), mailbox_open
 * and main; the finding's stack has index_tellexpunge and idle_update with its flags by name.
 * Twin: handler-safe.c.
 */
#include "handler.h"

enum idle_flags { IDLE_MAILBOX = 1, IDLE_ALERT = 2, IDLE_INPUT = 4 };

struct state {
	int fd;
	unsigned count;
};

static struct state state;
static volatile sig_atomic_t is_done;
static void *volatile kept;

__attribute__((noinline)) static void *xzmalloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		_exit(99);
	return memory;
}

static inline __attribute__((always_inline)) void index_tellexpunge(struct state *s)
{
	kept = xzmalloc(32 + s->count);
	s->count++;
}

__attribute__((noinline)) static void idle_update(enum idle_flags flags)
{
	if (flags & IDLE_MAILBOX)
		index_tellexpunge(&state);
	__asm__ volatile("" : : "r"(flags)); /* the argument stays alive: DWARF knows it */
}

static void idle_handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	idle_update(IDLE_MAILBOX | IDLE_ALERT);
	is_done = 1;
}

static inline __attribute__((always_inline)) void mailbox_lock(struct state *s)
{
	victim_must(victim_fcntl(s->fd, F_SETLKW, F_WRLCK, 0, 0), "F_SETLKW");
}

__attribute__((noinline)) static void mailbox_open(const char *path)
{
	state.fd = victim_open(path);
	mailbox_lock(&state);
	state.count++;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

int main(int argc, char **argv)
{
	victim_watchdog();
	mailbox_open(argc > 1 ? argv[1] : "lock");
	victim_handle(SIGALRM, idle_handler, 0);
	ualarm(2000, 0);
	crunch();
	victim_ready();
	return 0;
}
