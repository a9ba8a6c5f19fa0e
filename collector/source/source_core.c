/*
 * Source: a core file. Its process, its threads as they were, and the shim's segment: in the core
 * itself, or, where the core left it out, in the file that the process had mapped.
 *
 * By default the kernel leaves shared mappings of files out of cores (bit 3 of
 * /proc/PID/coredump_filter), also those of a tmpfs; of files without a name, as memfds are, it
 * takes them (bit 1).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/core/core.h"
#include "collector/source/source.h"

#define SEGMENT_BYTES_MAX ((uint64_t)64 << 20)
#define SEGMENTS_MAX 16 /* a forked child may still have its parents' mapped */

/* --- the record in the core ------------------------------------------------------------------- */

/* The mapping's bytes, if a segment begins there; NULL if not. */
static void *copy_segment(struct core *core, const struct core_load *load, size_t *size)
{
	struct seg_header header;

	if (load->filled < sizeof(header) ||
	    !core_read(core, load->start, &header.magic, sizeof(header.magic)) ||
	    header.magic != SEG_MAGIC || !core_read(core, load->start, &header, sizeof(header)))
		return NULL;
	*size = header.file_size < load->filled ? header.file_size : load->filled;
	if (*size < sizeof(header) || *size > SEGMENT_BYTES_MAX)
		return NULL;
	void *data = core_alloc(core, *size);

	return data && core_read(core, load->start, data, *size) ? data : NULL;
}

/* A child has its parents' records mapped, too. Of several images of one process the last is it. */
static struct segment *choose(const struct core *core, struct segment *a, struct segment *b)
{
	const struct seg_header *h = segment_header(b);

	if ((core->pid && h->pid != core->pid) || (a && segment_header(a)->image >= h->image)) {
		segment_close(b);
		return a;
	}
	segment_close(a);
	return b;
}

static struct segment *find_in_core(struct gather *g)
{
	struct core *core = g->core;
	struct segment *found = NULL, *s;
	char cause[256];
	int looked_at = 0, other = 0;

	for (uint32_t i = 0; i < core->load_count && looked_at < SEGMENTS_MAX; i++) {
		size_t size;
		void *data = copy_segment(core, &core->loads[i], &size);

		if (!data)
			continue;
		looked_at++;
		int r = segment_open_memory(data, size, &s, cause, sizeof(cause));

		if (r)
			model_note(g->m, "%s: a record in the core was not read: %s", core->path,
				   cause);
		else if ((found = choose(core, found, s)) != s)
			other++;
	}
	if (other && !found)
		model_note(g->m,
			   "%s: holds records, but none of process %d: that process recorded "
			   "nothing, or "
			   "the core has its number of another pid namespace",
			   core->path, (int)core->pid);
	return found;
}

/* --- the record in its file ------------------------------------------------------------------- */

static bool is_segment_name(const char *path)
{
	size_t length = strlen(path), tail = strlen(SEG_SUFFIX);

	return path[0] == '/' && length > tail && !strcmp(path + length - tail, SEG_SUFFIX);
}

static struct segment *open_file(struct gather *g, const char *path)
{
	struct segment *s;
	char cause[256];
	int r = segment_probe_at(AT_FDCWD, path, &s, cause, sizeof(cause));

	if (r) {
		model_note(g->m,
			   "%s: %s; the process's record was there, and is not in the core "
			   "(-o DIR says where its session is now)",
			   path, cause);
		return NULL;
	}
	/* A later process may have the number again: the file's name has the start time, too. */
	if (g->core->pid && segment_header(s)->pid != g->core->pid) {
		segment_close(s);
		return NULL;
	}
	r = segment_load(s, SEGMENT_LIVE, cause, sizeof(cause));
	if (!r)
		return s;
	model_note(g->m, "%s: %s; it was not read", path, cause);
	segment_close(s);
	return NULL;
}

/* With -o the record is looked up in that directory, where it may have been moved to. */
static struct segment *find_in_file(struct gather *g, const char **found_path)
{
	const struct core *core = g->core;
	struct segment *found = NULL;
	const char *last = "";
	int looked_at = 0;

	for (uint32_t i = 0; i < core->map_count && looked_at < SEGMENTS_MAX; i++) {
		const char *path = core->maps[i].path;

		if (!is_segment_name(path) || !strcmp(path, last))
			continue;
		last = path;
		looked_at++;
		if (g->options->dir)
			path = model_stringf(g->m, "%s%s", g->options->dir, strrchr(path, '/'));
		struct segment *s = open_file(g, path);

		if (s && (found = choose(core, found, s)) == s)
			*found_path = path;
	}
	return found;
}

/* --- the model -------------------------------------------------------------------------------- */

static uint32_t add_unrecorded(struct gather *g)
{
	const struct core *core = g->core;
	uint32_t i = model_add_process(g->m);

	if (i == MODEL_NONE)
		return i;
	struct model_process *p = &g->m->processes.items[i];

	/* Without that note: the thread that the core names first. */
	p->pid = core->has_psinfo ? core->pid : core->threads[0].tid;
	char execfn[4096];
	const char *exe = core_exe(core);

	/* As it was called: maybe relative, but better than nothing. */
	if (!exe[0] && core_read_text(core, core->auxv.execfn, execfn, sizeof(execfn)))
		exe = execfn;
	p->exe = model_string(g->m, exe);
	p->name = p->exe[0]       ? p->exe
		  : core->comm[0] ? model_stringf(g->m, "[%s]", core->comm)
				  : model_stringf(g->m, "[%d]", (int)p->pid);
	p->cmdline = model_string(g->m, core->cmdline);
	return i;
}

static uint32_t add_process(struct gather *g)
{
	struct core *core = g->core;
	const char *path = core->path;
	struct segment *s = find_in_core(g);
	uint32_t process = MODEL_NONE;

	if (!s)
		s = find_in_file(g, &path);
	if (s) {
		struct segment_origin origin = {.path = path, .state = PROCESS_DUMPED};
		process = segment_model_add(g, s, &origin);
		if (process == MODEL_NONE)
			segment_close(s);
		else if (path != core->path)
			model_note(g->m,
				   "%s: the record of the process, which the core does not hold; "
				   "it may be later than the core",
				   path);
	} else {
		process = add_unrecorded(g);
	}
	if (process == MODEL_NONE)
		return process;
	struct model_process *p = &g->m->processes.items[process];

	p->state = PROCESS_DUMPED;
	if (core->has_psinfo) {
		p->pid = core->pid;
		p->ppid = core->ppid;
		p->uid = core->uid;
	}
	p->has_children_threads = core->thread_count > 1;
	return process;
}

/* Among the `recorded` first ones, or a new one. */
static uint32_t find_thread(struct model *m, uint32_t recorded, uint32_t process, pid_t tid)
{
	for (uint32_t i = 0; i < recorded; i++)
		if (m->threads.items[i].process == process && m->threads.items[i].tid == tid &&
		    m->threads.items[i].stack == MODEL_NONE)
			return i;
	uint32_t i = model_add_thread(m);

	if (i != MODEL_NONE) {
		m->threads.items[i].process = process;
		m->threads.items[i].tid = tid;
	}
	return i;
}

static void add_threads(struct gather *g, uint32_t process)
{
	struct model *m = g->m;
	uint32_t recorded = m->threads.count;

	for (uint32_t n = 0; n < g->core->thread_count; n++) {
		const struct arch_prstatus *status = &g->core->threads[n];
		uint32_t i = find_thread(m, recorded, process, status->tid),
			 stack = model_add_stack(m);

		if (i == MODEL_NONE || stack == MODEL_NONE)
			return;
		m->stacks.items[stack].origin = STACK_CORE;
		m->stacks.items[stack].process = process;
		m->stacks.items[stack].thread = i;
		m->stacks.items[stack].raw = n;
		struct model_thread *t = &m->threads.items[i];

		t->stack = stack;
		t->syscall = status->syscall;
		memcpy(t->syscall_args, status->args, sizeof(t->syscall_args));
		t->sp = status->regs[ARCH_SP];
		t->pc = status->regs[ARCH_PC];
		if (n == 0)
			m->core.thread = i;
		if (!m->processes.items[process]
			     .has_segment) /* else the record says it, and of which file */
			core_waits_add(g, process, i, status);
	}
}

static void describe(struct gather *g, uint32_t process)
{
	const struct core *core = g->core;
	struct model_core *c = &g->m->core;
	char text[128];

	c->path = model_string(g->m, core->path);
	c->process = process;
	c->thread_count = core->thread_count;
	core_signal_text(core, text, sizeof(text));
	c->signal = text[0] ? model_string(g->m, text) : NULL;
	c->signo = text[0] ? core->signo : 0;
}

/* Stacks that nothing was cut from: the kernel was told to leave them out. */
static uint32_t count_missing_stacks(const struct core *core)
{
	uint32_t missing = 0;
	uint64_t word;

	for (uint32_t i = 0; i < core->thread_count; i++)
		missing += !core_read(core, core->threads[i].regs[ARCH_SP], &word, sizeof(word));
	return missing;
}

static void note_losses(struct gather *g)
{
	const struct core *core = g->core;
	uint32_t missing = count_missing_stacks(core);

	if (core->is_cut)
		model_note(g->m,
			   "%s: the compressed file is cut or damaged: the end of the core is "
			   "missing",
			   core->path);
	if (core->missing)
		model_note(g->m,
			   "%s: truncated: %llu of %llu bytes are missing; stacks may end early",
			   core->path, (unsigned long long)core->missing,
			   (unsigned long long)(core->missing + core->size));
	if (missing)
		model_note(g->m,
			   "%s: %u stacks of %u threads are not in it%s: their frames end early",
			   core->path, missing, core->thread_count,
			   core->missing || core->is_cut ? "" : " (coredump_filter, see core(5))");
	if (!core->map_count)
		model_note(g->m, "%s: does not say which files were mapped: frames have no names",
			   core->path);
	if (!g->m->processes.items[g->core_process].has_segment)
		model_note(g->m,
			   "cores do not have the file locks that were held, nor the files of "
			   "descriptors (lockjam graph shows them while a process lives, lockjam "
			   "run records them)");
	if (!core->has_psinfo)
		model_note(g->m, "%s: does not say which process it was", core->path);
	if (core->dropped)
		model_note(g->m, "%s: %u notes in it could not be understood", core->path,
			   core->dropped);
}

static int collect(struct gather *g, struct collect_error *error)
{
	if (!g->options->core)
		return 0;
	int r = core_open(g->options->core, &g->core, error);

	if (r)
		return r;
	g->core_process = add_process(g);
	if (g->core_process == MODEL_NONE)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	add_threads(g, g->core_process);
	describe(g, g->core_process);
	note_losses(g);
	if (!g->last_ns)
		g->last_real_ns = g->core->changed_ns;
	return 0;
}

const struct source source_core = {"core", collect};
