/*
 * Scenario: a handler allocates, grows and frees memory, also the main program's, 100,000 times (or as often
 * as the argument says), while the main program does the same; each block carries its own pattern.
 * Expect: without protection the heap is re-entered: nobody knows what becomes of the program. With
 * protection it says "intact" and ends with status 0, and the bug is found all the same.
 */
#include "tests/victims/handler.h"

#include <malloc.h>
#include <stdatomic.h>

#define SLOTS 64

/* A block whose bytes are all its size's lowest; whoever takes it out of its slot owns it. */
struct block {
	size_t size;
	unsigned char bytes[];
};

static _Atomic(struct block *) slots[SLOTS];
static volatile sig_atomic_t is_damaged;
static _Atomic unsigned long handled;

static void fill(struct block *b, size_t size)
{
	b->size = size;
	memset(b->bytes, (int)size, size);
}

static void check(const struct block *b)
{
	for (size_t i = 0; i < b->size; i++)
		if (b->bytes[i] != (unsigned char)b->size)
			is_damaged = 1;
	if (malloc_usable_size((void *)b) < sizeof(*b) + b->size)
		is_damaged = 1;
}

/* Takes out what stands in a slot, and puts another block there. */
static void turn(unsigned n, size_t size)
{
	struct block *b = atomic_exchange(&slots[n % SLOTS], NULL), *bigger;

	if (b && n % 3 == 0) {
		check(b);
		free(b);
		b = NULL;
	}
	if (b)
		check(b);
	bigger = n % 5 ? realloc(b, sizeof(*b) + size) : calloc(1, sizeof(*b) + size);
	if (n % 5 == 0)
		free(b);
	if (!bigger)
		return;
	fill(bigger, size);
	free(atomic_exchange(&slots[n % SLOTS], bigger));
}

static void on_signal(int signo)
{
	(void)signo;
	unsigned long n = atomic_fetch_add(&handled, 1);

	turn((unsigned)n * 7, 16 + n % 900);
}

static pid_t receiver;

static void send_signals(void)
{
	while (kill(receiver, SIGUSR1) == 0)
		;
}

int main(int argc, char **argv)
{
	unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	pid_t child;

	victim_watchdog();
	signal(SIGUSR1, on_signal);
	receiver = getpid();
	child = victim_fork(send_signals);
	for (unsigned n = 0; atomic_load(&handled) < wanted; n++)
		turn(n, 16 + n % 3000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	signal(SIGUSR1, SIG_IGN);
	for (unsigned n = 0; n < SLOTS; n++)
		if (slots[n])
			check(slots[n]);
	victim_say(is_damaged ? "damaged" : "intact");
	victim_ready();
	return is_damaged;
}
