/*
 * What a segment tells about itself: what was lost, and its flight recorder's last events as
 * readable lines.
 */
#include "config.h"

#include "collector/source/source.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

static const char *const table_names[SEG_TABLE_IDS] = {
	[SEG_THREADS] = "threads",
	[SEG_RESOURCES] = "files",
	[SEG_LOCKS] = "locks",
	[SEG_HANDLERS] = "installations of handlers",
	[SEG_FINDINGS] = "findings",
	[SEG_STACKS] = "stacks",
	[SEG_PCS] = "stack frames",
	[SEG_MODULES] = "modules",
	[SEG_EVENTS] = "events",
	[SEG_STRINGS] = "names",
	[SEG_SLICES] = "copied stacks",
	[SEG_EDGES] = "lock orders",
	[SEG_INTERRUPTIONS] = "interrupted calls",
	[SEG_HOLDINGS] = "locks held in lock orders",
	[SEG_LISTS] = "lists of what threads hold, and conditions and semaphores,",
	[SEG_LOST] = "lost locks",
	[SEG_USES] = "uses of locks by handlers",
};

static const struct {
	enum seg_limit limit;
	const char *text;
} limit_texts[] = {
	{SEG_LIMIT_NO_UNWINDER, "no stacks were recorded: libc is older than 2.35"},
	{SEG_LIMIT_NO_DIR, "could reach no session directory: its record ends with the process"},
	{SEG_LIMIT_CARRY, "the record of the program before exec could not be read"},
	{SEG_LIMIT_NO_PROC, "ran without /proc: paths of its files are unknown"},
	{SEG_LIMIT_TMPFS_FULL, "records were dropped: the session's file system was full"},
	{SEG_LIMIT_BUSY, "some updates were given up because the record was busy"},
	{SEG_LIMIT_SEALED, "restricted its system calls (seccomp): nothing was recorded since"},
	{SEG_LIMIT_PARTIAL,
	 "not all of its calls, handlers and children could be redirected to the recorder"},
};

/* "100ms", "2s" */
static const char *interval_text(struct model *m, uint64_t ns)
{
	return ns % 1000000000 ? model_stringf(m, "%" PRIu64 "ms", ns / 1000000)
			       : model_stringf(m, "%" PRIu64 "s", ns / 1000000000);
}

bool segment_sampling_is_over(const struct segment *s)
{
	const struct seg_header *h = segment_header(s);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec >
	       h->sample_last_ns + 3 * (SEG_SAMPLE_BEAT_NS + h->sample_interval_ns);
}

/* One recorder wrote all of a session: what it says of itself is said once. */
static void note_sampling(struct model *m, const struct segment *segment,
			  const struct model_process *p)
{
	const struct seg_header *h = segment_header(segment);
	struct model_sampling *s = &m->sampling;

	if (h->sample_interval_ns != s->interval_ns)
		model_note(m, "recorded by sampling every %s: what was shorter was not seen",
			   interval_text(m, h->sample_interval_ns));
	s->interval_ns = h->sample_interval_ns;
	s->processes++;
	if (h->sample_last_ns > s->last_ns) {
		s->last_ns = h->sample_last_ns;
		s->last_real_ns = h->created_real_ns + (h->sample_last_ns - h->created_mono_ns);
	}
	if (h->sample_gap_ns > s->gap_ns)
		s->gap_ns = h->sample_gap_ns;
	if (h->sample_late > s->late)
		s->late = h->sample_late;
	if (h->sample_unowned > s->unowned)
		s->unowned = h->sample_unowned;
	if (h->sample_refused > s->refused)
		s->refused = h->sample_refused;
	s->has_survivor |=
		!h->ended_ns && (p->state != PROCESS_LIVE || segment_sampling_is_over(segment));
	if (h->sample_unseen)
		model_note(m, "%s (pid %d): its threads could not be read at %u looks", p->name,
			   h->pid, h->sample_unseen);
}

void segment_sampling_notes_add(struct gather *g)
{
	const struct model_sampling *s = &g->m->sampling;
	time_t seconds = s->last_real_ns / 1000000000;
	char text[64] = "?";
	struct tm tm;

	if (s->late)
		model_note(g->m,
			   "%u look%s came late; the longest time without one was %" PRIu64 "ms",
			   s->late, s->late == 1 ? "" : "s", s->gap_ns / 1000000);
	if (s->unowned)
		model_note(g->m, "up to %u locks at a time belonged to nobody who could be found",
			   s->unowned);
	if (s->refused)
		model_note(g->m, "no record could be made of %u processes (was the disk full?)",
			   s->refused);
	if (!s->has_survivor)
		return;
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	model_note(g->m, "the last look was at %s: what was later is not recorded", text);
}

/* Of a recorder that came late. */
static void note_attached(struct model *m, const struct seg_header *h, const char *name)
{
	time_t since = (time_t)(h->created_real_ns / 1000000000);
	struct tm local;
	char text[32] = "then";

	if (localtime_r(&since, &local))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	model_note(m, "%s (pid %d): recording since %s: what happened before is not known", name,
		   h->pid, text);
}

static void note_protection(struct model *m, const struct seg_header *h, const char *name)
{
	if (h->protect_served)
		model_note(m,
			   "%s (pid %d): the emergency arena served %" PRIu64
			   " requests of handlers that had interrupted the allocator",
			   name, h->pid, h->protect_served);
	if (h->protect_refused)
		model_note(m,
			   "%s (pid %d): %" PRIu64 " requests found no room in the emergency arena "
			   "(they got NULL)",
			   name, h->pid, h->protect_refused);
}

/* Of locks of threads: a list that was full, and where they were only counted, how many there were. */
static void note_lists(struct model *m, const struct segment *s, const char *name)
{
	const struct seg_header *h = segment_header(s);
	uint64_t lost = 0, acquired = 0, busy = 0;
	bool has_holds = false;
	struct seg_holds list;

	for (uint32_t i = 1; i <= segment_count(s, SEG_LISTS); i++) {
		if (segment_read(s, SEG_LISTS, i, &list, sizeof(list)) || list.tid <= 0)
			continue;
		lost += list.lost_ever;
		acquired += list.acquired;
		busy += list.busy;
		has_holds |= list.holds[0].site != 0;
	}
	if (lost)
		model_note(m, "%s (pid %d): %" PRIu64 " locks of threads found no room: a thread's list has %d",
			   name, h->pid, lost, SEG_HOLDS_MAX);
	if (acquired && !has_holds)
		model_note(m,
			   "%s (pid %d): locks of threads were only counted: %" PRIu64
			   " taken, %" PRIu64 " of them not free (LOCKJAM_TRACK=full tells of each)",
			   name, h->pid, acquired, busy);
}

void segment_notes_add(struct gather *g, const struct segment *s, uint32_t process)
{
	const struct seg_header *h = segment_header(s);
	const char *name = g->m->processes.items[process].name;

	note_protection(g->m, h, name);
	struct model *m = g->m;

	for (size_t i = 0; i < sizeof(limit_texts) / sizeof(limit_texts[0]); i++)
		if (h->limits & limit_texts[i].limit)
			model_note(m, "%s: %s", name, limit_texts[i].text);
	for (int id = 0; id < SEG_TABLE_IDS; id++)
		if (SEG_TABLE(h, id).dropped && id != SEG_EVENTS)
			model_note(m, "%s (pid %d): %u %s were not recorded: no room", name, h->pid,
				   SEG_TABLE(h, id).dropped, table_names[id]);
	note_lists(m, s, name);
	if (h->attached)
		note_attached(m, h, name);
	if (h->lost_busy)
		model_note(m, "%s (pid %d): %u updates were given up", name, h->pid, h->lost_busy);
	if (h->lost_range)
		model_note(m, "%s (pid %d): %u ranges of locks could not be followed", name, h->pid,
			   h->lost_range);
	if (h->lost_findings)
		model_note(m, "%s (pid %d): %u calls in handlers were counted only: no room", name,
			   h->pid, h->lost_findings);
	if (segment_is_sampled(s))
		note_sampling(m, s, &m->processes.items[process]);
	if (segment_torn(s))
		model_note(m, "%s (pid %d): %" PRIu64 " half-written records were left out", name,
			   h->pid, segment_torn(s));
}

/* --- events ----------------------------------------------------------------------------------- */

struct story {
	struct gather *g;
	const struct segment *s;
	uint32_t process;
};

static const char *resource_text(struct story *t, uint32_t index)
{
	struct seg_resource r;

	if (segment_read(t->s, SEG_RESOURCES, index, &r, sizeof(r)))
		return "a file";
	const char *path = segment_text(t->s, r.path);

	return path[0] ? path
		       : model_stringf(t->g->m, "%02x:%02x:%" PRIu64, major(r.key1), minor(r.key1),
				       r.key2);
}

/* The events name the file themselves: the lock's record may be used again by now. */
static const char *lock_text(struct story *t, const struct seg_event *e)
{
	if (e->kind == SEG_EV_WAIT || e->kind == SEG_EV_ACQUIRED)
		return resource_text(t, e->aux);
	return resource_text(t, e->value >> 32);
}

static const char *signal_text(struct story *t, uint32_t handler)
{
	struct seg_handler h;
	const char *name = NULL;

	if (!segment_read(t->s, SEG_HANDLERS, handler, &h, sizeof(h)))
		name = sigabbrev_np(h.signo);
	return name ? model_stringf(t->g->m, "SIG%s", name) : "a signal";
}

static const char *kind_text(int kind)
{
	return kind == SEG_LOCK_POSIX   ? "POSIX"
	       : kind == SEG_LOCK_OFD   ? "OFD"
	       : kind == SEG_LOCK_LEASE ? "lease"
					: "flock";
}

static const char *error_text(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "error";
}

static const char *lock_event_text(struct story *t, const struct seg_event *e)
{
	struct model *m = t->g->m;
	const char *mode = e->mode == SEG_MODE_WRITE ? "WRITE" : "READ", *file = lock_text(t, e);
	const char *from = e->start ? model_stringf(m, " from byte %" PRIu64, e->start) : "";

	switch (e->kind) {
	case SEG_EV_WAIT:
		return model_stringf(m, "asks for a %s lock on %s%s", mode, file, from);
	case SEG_EV_ACQUIRED:
		return model_stringf(m, "has the %s lock on %s%s", mode, file, from);
	case SEG_EV_REFUSED:
		return model_stringf(m, "is refused a %s lock on %s%s (%s)", mode, file, from,
				     error_text(e->aux));
	default:
		return model_stringf(m, "gives up the %s lock on %s%s (%s)", mode, file, from,
				     error_text(e->aux));
	}
}

static const char *finding_text(struct story *t, uint32_t index)
{
	struct seg_finding f;

	if (segment_read(t->s, SEG_FINDINGS, index, &f, sizeof(f)))
		return "calls an unsafe function in a handler";
	return model_stringf(t->g->m, "calls %s() in a handler", segment_text(t->s, f.function));
}

/* What was seen, not what was done: it may have been done long before, or several times. */
static const char *sampled_text(struct story *t, const struct seg_event *e)
{
	const char *mode = e->mode == SEG_MODE_WRITE ? "WRITE" : "READ";
	struct model *m = t->g->m;

	switch (e->kind) {
	case SEG_EV_START:
		return "is looked at from here on";
	case SEG_EV_WAIT:
		return model_stringf(m, "is seen to wait for a %s lock on %s", mode,
				     lock_text(t, e));
	case SEG_EV_ACQUIRED:
		return model_stringf(m, "is seen to hold a %s lock on %s", mode, lock_text(t, e));
	case SEG_EV_RELEASED:
		return model_stringf(m, "is no longer seen to hold its %s lock on %s",
				     kind_text(e->aux), resource_text(t, e->value));
	case SEG_EV_WITHDRAWN:
		return model_stringf(m, "is no longer seen to wait for a %s lock on %s", mode,
				     lock_text(t, e));
	case SEG_EV_EXIT:
		return model_stringf(m, "has exited with status %d", (int)e->value);
	case SEG_EV_EXEC:
		return "has executed another program";
	case SEG_EV_ENDED:
		return "has ended";
	default:
		return NULL;
	}
}

static const char *event_text(struct story *t, const struct seg_event *e)
{
	struct model *m = t->g->m;

	if (segment_is_sampled(t->s))
		return sampled_text(t, e);

	switch (e->kind) {
	case SEG_EV_START:
		return e->value ? model_stringf(m, "begins, as program %" PRIu64 " of its process",
						e->value + 1)
				: "begins";
	case SEG_EV_ATTACH:
		return model_stringf(m, "is recorded from now on, through %" PRIu64 " calls",
				     e->value);
	case SEG_EV_DETACH:
		return "is not recorded any more";
	case SEG_EV_FORK:
		return model_stringf(m, "forks process %" PRIu64, e->value);
	case SEG_EV_EXEC:
		return "executes another program";
	case SEG_EV_EXIT:
		return model_stringf(m, "exits with status %d", (int)e->value);
	case SEG_EV_RELEASED:
		return model_stringf(m, "releases its %s lock on %s", kind_text(e->aux),
				     resource_text(t, e->value));
	case SEG_EV_DROPPED:
		return model_stringf(m, "loses its POSIX lock on %s by close()",
				     resource_text(t, e->value));
	case SEG_EV_INSTALL:
		return model_stringf(m, "installs a handler of %s", signal_text(t, e->value));
	case SEG_EV_SIGNAL:
		return e->aux > 0 ? model_stringf(m, "enters the handler of %s, sent by process %d",
						  signal_text(t, e->value), e->aux)
				  : model_stringf(m, "enters the handler of %s",
						  signal_text(t, e->value));
	case SEG_EV_RETURN:
		return model_stringf(m, "returns from the handler of %s", signal_text(t, e->value));
	case SEG_EV_FINDING:
		return finding_text(t, e->value);
	case SEG_EV_WAIT:
	case SEG_EV_ACQUIRED:
	case SEG_EV_REFUSED:
	case SEG_EV_WITHDRAWN:
		return lock_event_text(t, e);
	default:
		return NULL; /* of a newer writer */
	}
}

static void add_event(struct story *t, uint32_t index)
{
	struct seg_event e;

	if (segment_read(t->s, SEG_EVENTS, index, &e, sizeof(e)))
		return;
	const char *text = event_text(t, &e);
	uint32_t i = text ? model_add_event(t->g->m) : MODEL_NONE;

	if (i != MODEL_NONE)
		t->g->m->events.items[i] = (struct model_event){
			.process = t->process, .tid = e.tid, .ns = e.ns, .text = text};
}

void segment_events_add(struct gather *g, const struct segment *s, uint32_t process)
{
	uint32_t count = segment_count(s, SEG_EVENTS);
	/* A full ring begins behind its newest event. */
	uint32_t first = count ? segment_header(s)->events_written % count : 0;
	struct story t = {.g = g, .s = s, .process = process};

	if (segment_header(s)->events_written < segment_header(s)->tables[SEG_EVENTS].capacity)
		first = 0;
	for (uint32_t i = 0; i < count; i++)
		add_event(&t, (first + i) % count + 1);
}
