#include "config.h"

#include "collector/sample/sample.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "collector/collector.h"
#include "collector/model/findings.h"
#include "collector/sample/sample_process.h"
#include "collector/sample/sample_record.h"
#include "collector/sample/sample_signals.h"
#include "collector/sample/sample_stack.h"
#include "collector/sample/sample_watch.h"
#include "collector/segment/session.h"

#define SEARCH_NS                                                                                  \
	UINT64_C(5000000000) /* between two looks at everything, also at who has no lock */
#define SEARCH_REST 50       /* and in any case so many times the duration of the last one */
#define REST 9         /* a look is followed by that many times its duration without another */
#define TRIES 50       /* looks for who runs whenever it is looked at, or for stacks of very many */
#define STACKS_SHARE 4 /* of the interval is spent on stacks at most */

struct sampler {
	struct sample_options options;
	struct proc *proc;
	struct sample_processes processes;
	struct sample_watch watch;
	struct sample_stacks stacks;
	uint64_t *start_times; /* of the targets that are pids, 0: gone, or no pid */

	uint64_t tick_ns;   /* the last look began */
	uint64_t search_ns; /* when to look at everything again */
	uint64_t rest_ns;   /* no processes are looked into before */
	uint64_t beat_ns;   /* the records were told of seen_ns */
	uint64_t gap_ns;
	uint32_t late;
	uint32_t tries; /* looks in a row for stacks alone */
	bool is_due;    /* the next look has to go into the processes */
	bool is_over;
	bool has_path; /* a target that never ends */

	bool has_told_refusal;
	char **told; /* what was said, and is to be said */
	uint32_t told_count, news;
};

uint64_t sampler_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

uint64_t sampler_next_ns(const struct sampler *s)
{
	return s->tick_ns + s->options.interval_ns;
}

int sampler_fd(const struct sampler *s)
{
	return s->processes.epoll;
}

bool sampler_is_over(const struct sampler *s)
{
	return s->is_over;
}

/* --- targets ---------------------------------------------------------------------------------- */

static uint64_t start_time(const struct sampler *s, pid_t pid)
{
	struct proc_stat st;

	if (proc_read_stat(s->proc, pid, &st) || st.state == 'Z' || st.state == 'X')
		return 0;
	return st.start_time;
}

/* Whoever has the pid of a target that is gone is another process. */
static void check_targets(struct sampler *s)
{
	for (uint32_t i = 0; i < s->options.target_count; i++)
		if (s->start_times[i] &&
		    start_time(s, s->options.targets[i].pid) != s->start_times[i])
			s->start_times[i] = 0;
}

static int find_targets(struct sampler *s)
{
	s->start_times = calloc(s->options.target_count + (size_t)1, sizeof(*s->start_times));
	if (!s->start_times)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->options.target_count; i++) {
		const struct collect_target *t = &s->options.targets[i];

		if (t->pid > 0)
			s->start_times[i] = start_time(s, t->pid);
		else if (t->name[0] == '/')
			s->has_path = true;
		else
			s->watch.wants_strangers = true;
	}
	return 0;
}

static bool has_target(const struct sampler *s)
{
	if (s->has_path)
		return true;
	for (uint32_t i = 0; i < s->options.target_count; i++)
		if (s->start_times[i])
			return true;
	for (uint32_t i = 0; i < s->processes.count; i++)
		if (s->processes.items[i]->is_target)
			return true;
	return false;
}

/* Those that are left; at first all, so that it is said when one is not there. malloc'ed. */
static struct collect_target *live_targets(const struct sampler *s, bool is_first, uint32_t *count)
{
	struct collect_target *targets =
		calloc(s->options.target_count + (size_t)1, sizeof(*targets));

	*count = 0;
	for (uint32_t i = 0; targets && i < s->options.target_count; i++)
		if (is_first || s->options.targets[i].pid <= 0 || s->start_times[i])
			targets[(*count)++] = s->options.targets[i];
	return targets;
}

/* --- news ------------------------------------------------------------------------------------- */

static bool was_told(const struct sampler *s, const char *text)
{
	for (uint32_t i = 0; i < s->told_count; i++)
		if (!strcmp(s->told[i], text))
			return true;
	return false;
}

static void __attribute__((format(printf, 2, 3)))
add_news(struct sampler *s, const char *format, ...)
{
	va_list arguments;
	char *text, **grown;

	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);

	va_end(arguments);
	if (length < 0)
		return;
	grown = was_told(s, text) ? NULL : reallocarray(s->told, s->told_count + 1, sizeof(*grown));
	if (!grown) {
		free(text);
		return;
	}
	s->told = grown;
	s->told[s->told_count++] = text;
}

bool sampler_news(struct sampler *s, char *text, size_t size)
{
	if (s->news >= s->told_count)
		return false;
	snprintf(text, size, "%s", s->told[s->news++]);
	return true;
}

/* The collector has looked twice before it calls something a deadlock. */
static void find_news(struct sampler *s, const struct model *m)
{
	for (uint32_t i = 0; i < m->findings.count; i++)
		if (m->findings.items[i].kind == FINDING_DEADLOCK_CYCLE)
			add_news(s, "%s: %s", finding_info(m->findings.items[i].kind)->title,
				 m->findings.items[i].headline);
	if (!s->processes.refused || s->has_told_refusal)
		return;
	/* Once: on a full disk it is the same for all; how many there were is in the record. */
	s->has_told_refusal = true;
	add_news(s, "process %d: %s: it is not recorded", (int)s->processes.refused_pid,
		 strerror(-s->processes.refused_error));
}

/* --- looks ------------------------------------------------------------------------------------ */

static uint64_t count_events(const struct sample_processes *ps)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < ps->count; i++)
		count += sample_segment_header(ps->items[i]->segment)->events_written;
	return count;
}

static int record(struct sampler *s, const struct model *m)
{
	struct sample_look look = {.ps = &s->processes, .m = m, .now_ns = m->now_ns};
	uint64_t before = count_events(&s->processes);
	int r = sample_look_record(&look);

	/* A look is of no one moment: what changed something is looked at once more. */
	s->is_due = !r && count_events(&s->processes) != before;
	if (s->is_due)
		s->tries = 0;
	if (!r && sample_stacks_take(&s->stacks, &look))
		s->is_due |= s->tries++ < TRIES;
	sample_look_done(&look);
	if (!r && !sample_watch_learn(&s->watch, m))
		r = -ENOMEM;
	return r;
}

/* Into the processes. */
static int look(struct sampler *s, bool is_search, bool is_first, struct collect_error *error)
{
	struct collect_options o = {
		.is_kernel_only = true, .is_lenient = !is_first, .is_narrow = !is_search};
	uint64_t began_ns = sampler_clock_ns();
	struct collector *c;

	if (!is_first)
		check_targets(s);
	o.targets = live_targets(s, is_first, &o.target_count);
	if (!o.targets)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	s->stacks.is_again = is_search;
	int r = o.target_count ? collector_open(&o, &c, error) : 0;

	if (!r && o.target_count) {
		r = record(s, collector_model(c));
		find_news(s, collector_model(c));
		collector_close(c);
		if (r)
			collect_fail(error, r, "memory", strerror(-r), "");
	}
	free((void *)o.targets);
	uint64_t now_ns = sampler_clock_ns();

	s->rest_ns = now_ns + REST * (now_ns - began_ns);
	if (is_search)
		s->search_ns = now_ns + (SEARCH_REST * (now_ns - began_ns) > SEARCH_NS
						 ? SEARCH_REST * (now_ns - began_ns)
						 : SEARCH_NS);
	return r;
}

/* The records say until when they are right; not at each look, it may be thousands of files. */
static void beat(struct sampler *s)
{
	if (s->processes.seen_ns < s->beat_ns + SEG_SAMPLE_BEAT_NS)
		return;
	s->beat_ns = s->processes.seen_ns;
	sample_signals_look(&s->processes, s->beat_ns);
	for (uint32_t i = 0; i < s->processes.count; i++) {
		struct seg_header *h = sample_segment_header(s->processes.items[i]->segment);

		h->sample_last_ns = s->processes.seen_ns;
		h->sample_late = s->late;
		h->sample_gap_ns = s->gap_ns;
		h->sample_unowned = s->processes.unowned;
		h->sample_refused = s->processes.refused;
		sample_segment_tell(s->processes.items[i]->segment);
	}
}

static void count_gap(struct sampler *s, uint64_t now_ns)
{
	uint64_t gap_ns = now_ns - s->processes.seen_ns;

	if (gap_ns > s->gap_ns)
		s->gap_ns = gap_ns;
	s->late += gap_ns > s->options.interval_ns * 3 / 2;
}

int sampler_look(struct sampler *s, struct collect_error *error)
{
	uint64_t now_ns = s->tick_ns = sampler_clock_ns();
	bool has_ended = sample_processes_reap(&s->processes, now_ns);
	bool is_search = now_ns > s->search_ns;
	int r = sample_watch_look(&s->watch);

	if (r < 0)
		return collect_fail(error, r, "/proc/locks", strerror(-r), "is /proc mounted?");
	s->is_due |= r || has_ended;
	if (s->processes.has_lost_target) {
		s->processes.has_lost_target = false;
		check_targets(s);
		/* Others of its name may have come, who have no lock. */
		is_search |= !has_target(s);
	}
	if (!s->is_due && !is_search) {
		count_gap(s, now_ns);
		s->processes.seen_ns = now_ns;
	} else if (now_ns >= s->rest_ns || !has_target(s)) {
		count_gap(s, now_ns);
		r = look(s, is_search, false, error);
		if (r < 0)
			return r;
		s->processes.seen_ns = now_ns;
	}
	s->is_over = !has_target(s);
	beat(s);
	return 0;
}

void sampler_end(struct sampler *s)
{
	uint64_t now_ns = sampler_clock_ns();

	sample_processes_reap(&s->processes, now_ns);
	count_gap(s, now_ns);
	s->beat_ns = 0;
	beat(s);
}

/* --- begin and end ---------------------------------------------------------------------------- */

/* Two descriptors for each process. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_all(struct sampler *s, struct collect_error *error)
{
	const char *dir = s->options.dir;

	s->processes.epoll = s->processes.dir = -1;
	s->processes.interval_ns = s->options.interval_ns;
	/* Another number in each session and after each other recording into the same one. */
	s->processes.descriptions_base = sampler_clock_ns();
	s->stacks.budget_ns = s->options.interval_ns / STACKS_SHARE;
	s->proc = proc_new("/");
	s->watch.proc = s->proc;
	s->stacks.images = s->proc ? images_new(s->proc, NULL, NULL) : NULL;
	if (!s->stacks.images || find_targets(s))
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	int r = session_has_records(dir);

	/* A second record of a process would be taken for that of its next program. */
	if (r > 0)
		return collect_fail(error, -EEXIST, dir, "has records already",
				    "choose another directory with -o");
	if (!r)
		r = sample_processes_init(&s->processes, s->proc, dir);
	return r ? collect_fail(error, r, dir, strerror(-r), "") : 0;
}

int sampler_new(const struct sample_options *options, struct sampler **result,
		struct collect_error *error)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	raise_limit();
	s->options = *options;
	int r = open_all(s, error);

	s->tick_ns = s->processes.seen_ns = sampler_clock_ns();
	if (!r && sample_watch_look(&s->watch) < 0)
		r = collect_fail(error, -ENOENT, "/proc/locks", "cannot be read",
				 "is /proc mounted?");
	if (!r)
		r = look(s, true, true, error);
	if (!r && !s->processes.count && s->processes.refused)
		r = collect_fail(error, s->processes.refused_error, options->dir,
				 strerror(-s->processes.refused_error),
				 "choose another directory with -o");
	if (r) {
		sampler_free(s);
		return r;
	}
	*result = s;
	return 0;
}

void sampler_free(struct sampler *s)
{
	sample_processes_done(&s->processes);
	sample_watch_done(&s->watch);
	images_free(s->stacks.images);
	proc_free(s->proc);
	for (uint32_t i = 0; i < s->told_count; i++)
		free(s->told[i]);
	free(s->told);
	free(s->start_times);
	free(s);
}
