/* A busy program that is recorded and not recorded in turn: what its parts share. See rounds.c. */
#ifndef LOCKJAM_TEST_ROUNDS_H
#define LOCKJAM_TEST_ROUNDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Ends the program with a message when what must hold does not. */
#define HOLDS(condition) \
	((condition) ? (void)0 : rounds_fail(__FILE__, __LINE__, #condition))
void rounds_fail(const char *file, int line, const char *what) __attribute__((noreturn));

uint64_t rounds_done(void);

extern const char *rounds_folder; /* for files, removed by whoever made it */

/* One that works until `stop`; counts what it did. */
struct worker {
	const char *name;
	void (*turn)(struct worker *); /* one piece of work */
	int threads;
	_Atomic uint64_t done;
	_Atomic bool *stop;
};
extern struct worker workers[];

/* checks.c: the process as others see it. */
void checks_begin(void);      /* before the first round */
void checks_unchanged(void);  /* as it was then: calls, protections, dispositions */
int checks_descriptors(void); /* how many are open */
uint64_t checks_redirected(void); /* words of ours that lead into the shim */

#endif
