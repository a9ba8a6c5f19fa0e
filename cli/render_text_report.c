/*
 * The report as text, in the order in which one asks: what is wrong, who waits for whom, where each
 * lock was taken and where each holder is, which processes there were, what happened last.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/render_text.h"
#include "cli/text.h"
#include "collector/model/findings.h"

/* Beyond these a report for people counts instead of listing (--all lists). */
#define REPORT_FINDINGS 40
#define REPORT_UNCONTENDED 20
#define REPORT_PROCESSES 20
#define REPORT_EVENT_PROCESSES 5
#define REPORT_EVENTS 20

static uint32_t at_most(const struct view *v, uint32_t limit)
{
	return v->show_all ? UINT32_MAX : limit;
}

static void put_section(const struct view *v, const char *title)
{
	fprintf(v->out, "\n== %s ==\n", title);
}

/* --- what is wrong ------------------------------------------------------------------------- */

static void put_line(const struct view *v, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(v->out, "   %s", label);
	text_put(v->out, text);
	fputc('\n', v->out);
}

static void put_pids(const struct view *v, const struct model_finding *f)
{
	const char *between = "   in ", *name = NULL;
	uint32_t i;

	for (i = 0; i < FINDING_PIDS && i < f->process_count; i++) {
		if (f->processes[i] == MODEL_NONE)
			break;
		const struct model_process *p = &v->model->processes.items[f->processes[i]];
		bool is_named = name && !strcmp(name, p->name);

		fputs(between, v->out);
		if (is_named)
			fprintf(v->out, "pid %d", (int)p->pid);
		else
			text_process(v, f->processes[i]);
		name = p->name;
		between = ", ";
	}
	if (f->process_count > i)
		fprintf(v->out, " and %u more processes", f->process_count - i);
	if (i)
		fputc('\n', v->out);
}

static void put_when(const struct view *v, const struct model_finding *f)
{
	char buffer[TEXT_SIZE];

	if (f->count > 1)
		fprintf(v->out, "   %" PRIu64 " times", f->count);
	else if (f->first_ns)
		fputs("   once", v->out);
	else
		return;
	if (f->first_ns)
		fprintf(v->out, ", %s %s", f->count > 1 ? "first" : "at",
			text_clock(buffer, text_real_ns(v->model, f->first_ns)));
	if (f->count > 1 && f->last_ns > f->first_ns)
		fprintf(v->out, ", last %s later", text_duration(buffer, f->last_ns - f->first_ns));
	fputc('\n', v->out);
}

/* A warning's sites look much alike: the first one stands for them. */
/* Stacks of one label are of one sort: the first tells most. */
static bool is_label_new(const struct model_finding *f, uint32_t stack)
{
	for (uint32_t i = 0; i < stack; i++)
		if (!strcmp(f->stacks[i].label ? f->stacks[i].label : "",
			    f->stacks[stack].label ? f->stacks[stack].label : ""))
			return false;
	return true;
}

static void put_stacks(struct view *v, const struct model_finding *f)
{
	uint32_t shown = 0, left_out = 0;

	for (uint32_t i = 0; i < FINDING_STACKS && i < f->stack_count; i++) {
		if (f->stacks[i].stack == MODEL_NONE)
			continue;
		if (shown > 0 && f->severity != SEVERITY_ERROR && !v->show_all &&
		    !is_label_new(f, i)) {
			left_out++;
			continue;
		}
		shown++;
		fputs("   ", v->out);
		text_put(v->out, f->stacks[i].label ? f->stacks[i].label : "stack");
		fputs(":\n", v->out);
		text_frames(v, f->stacks[i].stack, 4);
	}
	if (left_out)
		fprintf(v->out, "   and %u more %s (--all shows them)\n", left_out,
			left_out == 1 ? "stack" : "stacks");
}

static void put_finding(struct view *v, uint32_t index)
{
	/* A copy: resolving stacks may move the model's arrays. */
	struct model_finding f = v->model->findings.items[index];
	const struct finding_info *info = finding_info(f.kind);

	fprintf(v->out, "\n%u. %s [%s, %s]\n", index + 1, info->title, info->id,
		severity_name(f.severity));
	put_line(v, "", f.headline);
	if (f.process_count > 1) /* of one, the headline has said it */
		put_pids(v, &f);
	put_when(v, &f);
	put_line(v, "meaning: ", info->explanation);
	put_line(v, "how we know: ", f.evidence);
	put_line(v, "what to do: ", info->advice);
	put_stacks(v, &f);
}

void text_findings(struct view *v)
{
	uint32_t limit = at_most(v, REPORT_FINDINGS), count = v->model->findings.count;

	for (uint32_t i = 0; i < count && i < limit; i++)
		put_finding(v, i);
	if (count > limit)
		fprintf(v->out, "\nand %u more findings (--all shows them)\n", count - limit);
}

static void put_what_is_wrong(struct view *v)
{
	struct view_tally t = view_tally(v->model);
	char errors[TEXT_SIZE], warnings[TEXT_SIZE], notes[TEXT_SIZE];

	put_section(v, "What is wrong");
	if (v->model->findings.count == 0) {
		fputs("Nothing was found.\n", v->out);
		return;
	}
	fprintf(v->out, "%s, %s, %s\n", text_count(errors, t.errors, "error"),
		text_count(warnings, t.warnings, "warning"), text_count(notes, t.notes, "note"));
	text_findings(v);
}

/* --- processes ----------------------------------------------------------------------------- */

#define STATES PROCESS_STATES
static const char *const state_names[STATES] = {
	"live", "exited", "killed", "replaced by exec", "as in its core", "no longer recorded"};

struct group {
	const char *name;
	uint32_t first, count, states[STATES];
};

static void count_states(const struct model *m, uint32_t states[STATES])
{
	memset(states, 0, STATES * sizeof(*states));
	for (uint32_t i = 0; i < m->processes.count; i++)
		states[m->processes.items[i].state]++;
}

static void put_states(const struct view *v, const uint32_t states[STATES])
{
	const char *between = "";

	for (int i = 0; i < STATES; i++) {
		if (!states[i])
			continue;
		fprintf(v->out, "%s%u %s", between, states[i], state_names[i]);
		between = ", ";
	}
	fputc('\n', v->out);
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->first > y->first) - (x->first < y->first);
}

/* One group per name, the largest first. malloc'ed; NULL if memory is out. */
static struct group *group_processes(const struct model *m, uint32_t *count)
{
	struct group *groups = calloc(m->processes.count + 1, sizeof(*groups));
	uint32_t last = 0;

	if (!groups)
		return NULL;
	for (uint32_t i = 0; i < m->processes.count; i++) {
		groups[i] = (struct group){m->processes.items[i].name, i, 1, {0}};
		groups[i].states[m->processes.items[i].state] = 1;
	}
	qsort(groups, m->processes.count, sizeof(*groups), compare_names);
	for (uint32_t i = 1; i < m->processes.count; i++) {
		if (strcmp(groups[i].name, groups[last].name)) {
			groups[++last] = groups[i];
			continue;
		}
		groups[last].count++;
		for (int s = 0; s < STATES; s++)
			groups[last].states[s] += groups[i].states[s];
	}
	*count = m->processes.count ? last + 1 : 0;
	qsort(groups, *count, sizeof(*groups), compare_groups);
	return groups;
}

static void put_process(const struct view *v, uint32_t process)
{
	const struct model_process *p = &v->model->processes.items[process];
	char buffer[TEXT_SIZE];

	text_process(v, process);
	if (p->start_time || p->has_segment || p->state != PROCESS_LIVE)
		fprintf(v->out, ", parent %d", p->ppid);
	fprintf(v->out, ": %s", state_names[p->state]);
	if (p->started_real_ns)
		fprintf(v->out, " since %s, user %u", text_clock(buffer, p->started_real_ns),
			(unsigned)p->uid);
	if (p->killed_by)
		fprintf(v->out, " by %s", text_signal(buffer, p->killed_by));
	if (p->state == PROCESS_EXITED)
		fprintf(v->out, " with status %d", p->exit_status);
	if (p->ended_ns)
		fprintf(v->out, " at %s", text_clock(buffer, text_real_ns(v->model, p->ended_ns)));
	if (p->deliveries)
		fprintf(v->out, ", %s", text_count(buffer, p->deliveries, "signal"));
	if (!p->has_segment)
		fputs(", not recorded", v->out);
	fputc('\n', v->out);
	if (p->started_real_ns)
		put_line(v, "command: ", p->cmdline);
}

static void put_groups(const struct view *v)
{
	uint32_t count = 0, limit = REPORT_PROCESSES;
	struct group *groups = group_processes(v->model, &count);

	for (uint32_t i = 0; groups && i < count && i < limit; i++) {
		fprintf(v->out, "%6u ", groups[i].count);
		text_put(v->out, *groups[i].name ? groups[i].name : "?");
		fputs(": ", v->out);
		put_states(v, groups[i].states);
	}
	if (count > limit)
		fprintf(v->out, "and %u more programs\n", count - limit);
	free(groups);
}

static void put_processes(const struct view *v)
{
	const struct model *m = v->model;
	uint32_t states[STATES];

	put_section(v, "Processes");
	count_states(m, states);
	if (m->processes.count == 0)
		fputs("None was seen.\n", v->out);
	else
		put_states(v, states);
	if (m->processes.count > at_most(v, REPORT_PROCESSES)) {
		put_groups(v);
		fputs("(--all lists each of them)\n", v->out);
		return;
	}
	for (uint32_t i = 0; i < m->processes.count; i++)
		put_process(v, i);
}

/* --- last events --------------------------------------------------------------------------- */

static bool is_concerned(const struct view *v, uint32_t process)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->findings.count; i++)
		if (view_finding_names(&m->findings.items[i], process))
			return true;
	for (uint32_t i = 0; i < v->backtrace_count; i++)
		if (v->backtraces[i].process == process)
			return true;
	return false;
}

static void put_event(const struct view *v, const struct model_event *e)
{
	uint64_t real_ns = text_real_ns(v->model, e->ns);
	char buffer[TEXT_SIZE];

	fprintf(v->out, "  %s.%06u [%d] ", text_clock(buffer, real_ns),
		(unsigned)(real_ns % 1000000000 / 1000), e->tid);
	text_put(v->out, e->text);
	fputc('\n', v->out);
}

static void put_events_of(const struct view *v, uint32_t process)
{
	const struct model *m = v->model;
	uint32_t count = 0, skip, limit = at_most(v, REPORT_EVENTS);

	for (uint32_t i = 0; i < m->events.count; i++)
		count += m->events.items[i].process == process;
	if (count == 0)
		return;
	text_process(v, process);
	fputs(":\n", v->out);
	skip = count > limit ? count - limit : 0;
	for (uint32_t i = 0; i < m->events.count; i++) {
		if (m->events.items[i].process != process)
			continue;
		if (skip > 0)
			skip--;
		else
			put_event(v, &m->events.items[i]);
	}
}

static void put_last_events(const struct view *v)
{
	uint32_t shown = 0, limit = at_most(v, REPORT_EVENT_PROCESSES);

	if (v->model->events.count == 0)
		return;
	for (uint32_t i = 0; i < v->model->processes.count && shown < limit; i++) {
		if (!is_concerned(v, i))
			continue;
		if (shown++ == 0)
			put_section(v, "Last events of the processes concerned");
		put_events_of(v, i);
	}
}

/* "Core of /usr/bin/x (pid 12), 3 threads, ended by SIGSEGV (address 0x0) in thread 12" */
static void put_core(const struct view *v)
{
	const struct model_core *c = &v->model->core;
	char buffer[TEXT_SIZE];

	if (!c->path)
		return;
	fputs("Core of ", v->out);
	text_process(v, c->process);
	fprintf(v->out, ", %s", text_count(buffer, c->thread_count, "thread"));
	if (c->signal) {
		fputs(", ended by ", v->out);
		text_put(v->out, c->signal);
		fprintf(v->out, " in thread %d", v->model->threads.items[c->thread].tid);
	} else {
		fputs(", no signal ended it", v->out);
	}
	fputc('\n', v->out);
	put_line(v, "command: ", v->model->processes.items[c->process].cmdline);
}

void text_report(struct view *v)
{
	char buffer[TEXT_SIZE];

	fputs("lockjam report: ", v->out);
	text_put(v->out, v->model->core.path ? v->model->core.path
			 : v->dir            ? v->dir
					     : "the running system");
	fprintf(v->out, ", %s\n", text_clock(buffer, v->model->now_real_ns));
	put_core(v);
	put_what_is_wrong(v);
	if (v->thread_backtraces) {
		put_section(v, "What is being done");
		text_live(v);
	}
	put_section(v, "Who waits for whom");
	text_graph(v, at_most(v, REPORT_UNCONTENDED));
	if (v->thread_backtraces) {
		put_section(v, "Where the threads are");
		text_thread_backtraces(v);
	}
	if (v->backtrace_count > v->thread_backtraces) {
		put_section(v, v->model->core.path ? "Where the threads are"
						   : "Where the holders are");
		text_backtraces(v);
	}
	put_processes(v);
	put_last_events(v);
	text_notes(v);
}
