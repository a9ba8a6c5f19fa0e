/*
 * How long the analysis takes on a model of N processes, each of which holds ten READ locks and asks
 * for WRITE on the next one's: some ten edges for each, and cycles among them. One line for each N.
 * No part of `make bench`'s rounds: what is asked is how it grows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/analysis/analysis.h"

#define HOLDS 10

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void add_lock(struct model *m, uint32_t process, uint32_t resource, enum lock_state state)
{
	struct model_lock *l;
	uint32_t i = model_add_lock(m);

	l = &m->locks.items[i];
	l->state = state;
	l->mode = state == LOCK_HELD ? MODE_READ : MODE_WRITE;
	l->process = l->thread = process;
	l->resource = resource;
	l->end = MODEL_TO_EOF;
}

static struct model *generate(uint32_t n)
{
	struct model *m = model_new();

	m->is_live = true;
	m->now_ns = 1000000000;
	srand(1);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t p = model_add_process(m), t = model_add_thread(m), r = model_add_resource(m);

		m->processes.items[p].pid = m->threads.items[t].tid = (pid_t)i + 10;
		m->threads.items[t].process = p;
		m->threads.items[t].task_state = 'S';
		m->resources.items[r].ino = i + 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < HOLDS; k++)
			add_lock(m, i, k ? (uint32_t)rand() % n : i, LOCK_HELD);
		add_lock(m, i, (i + 1) % n, LOCK_WAITING);
	}
	return m;
}

int main(void)
{
	for (uint32_t n = 1250; n <= 40000; n *= 2) {
		struct model *m = generate(n);
		double began = now_ms();

		analyse(m);
		printf("%6u processes %7u edges %8.1f ms\n", n, m->needs.count, now_ms() - began);
		model_free(m);
	}
	return 0;
}
