/*
 * What a segment tells about itself: what was lost, and its flight recorder's last events as
 * readable lines.
 */
#include "config.h"

#include "collector/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const table_names[SEG_TABLE_IDS] = {
	[SEG_THREADS] = "threads",   [SEG_RESOURCES] = "files",	  [SEG_LOCKS] = "locks",
	[SEG_HANDLERS] = "handlers", [SEG_FINDINGS] = "findings", [SEG_STACKS] = "stacks",
	[SEG_PCS] = "stack frames",  [SEG_MODULES] = "modules",	  [SEG_EVENTS] = "events",
	[SEG_STRINGS] = "names",     [SEG_SLICES] = "copied stacks", [SEG_EDGES] = "lock orders",
};

static const struct {
	enum seg_limit limit;
	const char *text;
} limit_texts[] = {
	{SEG_LIMIT_NO_UNWINDER, "no stacks were recorded: libunwind could not be loaded"},
	{SEG_LIMIT_FORK_UNWIND, "no stacks were recorded after a fork that interrupted the unwinder"},
	{SEG_LIMIT_NO_DIR, "could reach no session directory: its record ends with the process"},
	{SEG_LIMIT_CARRY, "the record of the program before exec could not be read"},
	{SEG_LIMIT_NO_PROC, "ran without /proc: paths of its files are unknown"},
	{SEG_LIMIT_TMPFS_FULL, "records were dropped: the session's file system was full"},
	{SEG_LIMIT_BUSY, "some updates were given up because the record was busy"},
};

void segment_notes_add(struct gather *g, const struct segment *s, uint32_t process)
{
	const struct seg_header *h = segment_header(s);
	const char *name = g->m->processes.items[process].name;
	struct model *m = g->m;

	for (size_t i = 0; i < sizeof(limit_texts) / sizeof(limit_texts[0]); i++)
		if (h->limits & limit_texts[i].limit)
			model_note(m, "%s: %s", name, limit_texts[i].text);
	for (int id = 0; id < SEG_TABLE_IDS; id++)
		if (h->tables[id].dropped && id != SEG_EVENTS)
			model_note(m, "%s (pid %d): %u %s were not recorded: no room", name, h->pid,
				   h->tables[id].dropped, table_names[id]);
	if (h->lost_busy)
		model_note(m, "%s (pid %d): %u updates were given up", name, h->pid, h->lost_busy);
	if (h->lost_range)
		model_note(m, "%s (pid %d): %u ranges of locks could not be followed", name, h->pid,
			   h->lost_range);
	if (h->lost_findings)
		model_note(m, "%s (pid %d): %u calls in handlers were counted only: no room", name,
			   h->pid, h->lost_findings);
	if (segment_torn(s))
		model_note(m, "%s (pid %d): %" PRIu64 " half-written records were left out", name,
			   h->pid, segment_torn(s));
}

void segment_events_add(struct gather *g, const struct segment *s, uint32_t process)
{
	(void)g;
	(void)s;
	(void)process;
}
