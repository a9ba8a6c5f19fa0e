/*
 * The search for lock orders on models from a generator: orders agree|invert|ring|gate EDGES. A tenth as many
 * processes as edges; locks on whole files, half as many as edges. Prints milliseconds of processor time of the analysis, and checks
 * how many findings there are.
 *   agree: everybody takes files in the order of their numbers, up to four at a time: none
 *   invert: 100 processes do not
 *   ring: each process has its file and takes the next one's, 10 times: one cycle through all, up to 1,000
 *   gate: in any order, but behind one lock: none
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/analysis/analysis.h"

static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 16) % limit);
}

static uint32_t hold(struct model *m, uint32_t process, uint32_t file, uint32_t under)
{
	uint32_t i = model_add_holding(m);

	m->holdings.items[i] = (struct model_holding){.process = process,
						      .under = under,
						      .resource = file,
						      .kind = LOCK_POSIX,
						      .mode = MODE_WRITE,
						      .end = MODEL_TO_EOF,
						      .stack = MODEL_NONE};
	return i;
}

static void ask(struct model *m, uint32_t held, uint32_t file)
{
	uint32_t i = model_add_edge(m);

	m->edges.items[i] = (struct model_edge){.process = m->holdings.items[held].process,
						.thread = MODEL_NONE,
						.by = 1,
						.held = held,
						.resource = file,
						.kind = LOCK_POSIX,
						.mode = MODE_WRITE,
						.end = MODEL_TO_EOF,
						.stack = MODEL_NONE,
						.count = 1,
						.first_ns = i + 1,
						.last_ns = i + 1};
}

static void fill(struct model *m, uint32_t processes, uint32_t files)
{
	for (uint32_t i = 0; i < processes; i++) {
		uint32_t p = model_add_process(m);

		m->processes.items[p].pid = (pid_t)i + 1;
		m->processes.items[p].name = "/bin/p";
	}
	for (uint32_t i = 0; i < files; i++) {
		uint32_t r = model_add_resource(m);

		m->resources.items[r].ino = i + 1;
		m->resources.items[r].path =
			model_stringf(m, "/srv/mail/user/%u/index.%u", i / 4, i);
	}
}

/* Three edges: the third lock is asked for while two are held, and so on. */
static void agree(struct model *m, uint32_t process, uint32_t files)
{
	uint32_t file = below(files - 4), held = hold(m, process, file, MODEL_NONE);

	for (int i = 0; i < 3; i++) {
		file++;
		ask(m, held, file);
		held = hold(m, process, file, held);
	}
}

static uint32_t generate(struct model *m, const char *how, uint32_t edges)
{
	uint32_t processes = edges / 10, files = edges / 2;
	bool is_gate = strcmp(how, "gate") == 0, is_ring = strcmp(how, "ring") == 0;

	fill(m, processes, files);
	for (uint32_t i = 0; m->edges.count < edges; i++) {
		uint32_t p = i % processes;

		if (is_gate)
			ask(m, hold(m, p, 1 + below(files - 1), hold(m, p, 0, MODEL_NONE)),
			    1 + below(files - 1));
		else if (is_ring)
			ask(m, hold(m, p, p, MODEL_NONE), (p + 1) % processes);
		else
			agree(m, p, files);
	}
	if (is_ring)
		return processes <= 1000;
	if (strcmp(how, "invert") != 0)
		return 0;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t file = (i + 1) * (files / 102);

		ask(m, hold(m, i % processes, file, MODEL_NONE), file + 1);
		ask(m, hold(m, (i + 1) % processes, file + 1, MODEL_NONE), file);
	}
	return 100;
}

static double milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct model *m = model_new();

	if (argc != 3 || !m)
		errx(2, "usage: orders agree|invert|ring|gate EDGES");
	uint32_t wanted = generate(m, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
	double start = milliseconds();

	analyse(m);
	printf("%.2f\n", milliseconds() - start);
	if (m->findings.count != wanted)
		errx(1, "%u findings instead of %u", m->findings.count, wanted);
	for (uint32_t i = 0; i < m->notes.count; i++)
		fprintf(stderr, "%s\n", m->notes.items[i].text);
	model_free(m);
	return 0;
}
