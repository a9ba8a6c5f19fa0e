/*
 * Any bytes as a segment, all the way: reader, model, merge with a /proc/locks, order of display.
 * Nothing may be read out of bounds, nothing may loop, and the model must keep its invariants.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/model/graph.h"
#include "collector/source/merge.h"
#include "collector/source/select.h"
#include "collector/source/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds and waits of the fixture's process, so that merging has something to match. */
static const char kernel_text[] = "1: POSIX  ADVISORY  WRITE 4711 fe:00:100 0 EOF\n"
				  "1: -> POSIX  ADVISORY  WRITE 4711 fe:00:101 0 EOF\n"
				  "2: FLOCK  ADVISORY  WRITE 4711 fe:00:102 0 EOF\n"
				  "2: -> FLOCK  ADVISORY  READ  4712 fe:00:102 0 EOF\n"
				  "3: OFDLCK ADVISORY  READ  -1 fe:00:101 0 9\n";

static void read_texts(const struct segment *s)
{
	for (uint32_t i = 0; i < segment_count(s, SEG_STRINGS) && i < 4096; i++)
		if (strlen(segment_text(s, i)) > segment_count(s, SEG_STRINGS))
			abort();
}

static void read_stacks(const struct segment *s)
{
	struct seg_stack stack;
	struct seg_finding finding;
	uint64_t pcs[64];
	volatile uint8_t last;

	for (uint32_t i = 1; i <= segment_count(s, SEG_STACKS); i++)
		if (!segment_read(s, SEG_STACKS, i, &stack, sizeof(stack)))
			segment_stack_pcs(s, &stack, pcs, 64);
	for (uint32_t i = 1; i <= segment_count(s, SEG_FINDINGS); i++) {
		if (segment_read(s, SEG_FINDINGS, i, &finding, sizeof(finding)))
			continue;
		for (int n = 0; n < 2; n++) {
			const uint8_t *slice = segment_slice(s, &finding.slices[n]);
			if (slice)
				last = slice[finding.slices[n].length - 1];
		}
	}
	(void)last;
}

static void check(const struct model *m)
{
	const char *wrong = model_check(m);

	if (!wrong)
		return;
	fprintf(stderr, "fuzz_segment: %s\n", wrong);
	abort();
}

static void build_graph(struct gather *g)
{
	struct kernel_locks k = {0};
	char text[sizeof(kernel_text)];
	struct graph graph;

	memcpy(text, kernel_text, sizeof(text));
	if (kernel_locks_parse(text, &k))
		return;
	merge_images(g);
	if (!merge_match(g, &k) && !merge_judge(g, &k) && !merge_link(g, &k)) {
		check(g->m);
		if (!graph_build(g->m, &graph))
			graph_done(&graph);
	}
	kernel_locks_done(&k);
	bool *kept = calloc(g->m->resources.count + 1, sizeof(bool));
	g->m->processes.items[0].is_target = true;
	if (kept && !select_reduce(g, kept))
		check(g->m);
	free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct collect_options options = {.want_events = true};
	static struct proc *no_proc;
	struct gather g = {.m = model_new(), .options = &options};
	struct segment *s;
	char cause[128];

	if (!no_proc)
		no_proc = proc_new("/nonexistent");
	g.proc = no_proc;
	if (g.m && no_proc && !segment_open_memory(data, size, &s, cause, sizeof(cause))) {
		const struct seg_header *h = segment_header(s);
		/* A reserved field chooses what became of the process. */
		struct segment_origin origin = {.path = "fuzz", .state = h->attached % 4};

		read_texts(s);
		read_stacks(s);
		if (segment_model_add(&g, s, &origin) != MODEL_NONE) {
			check(g.m);
			build_graph(&g);
		} else {
			segment_close(s);
		}
	}
	for (uint32_t i = 0; i < g.segment_room; i++)
		segment_close(g.segments[i]);
	free(g.segments);
	gather_done(&g);
	model_free(g.m);
	return 0;
}
