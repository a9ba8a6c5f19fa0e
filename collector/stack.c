#include "config.h"

#include "collector/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/arch.h"
#include "collector/argument_stack.h"
#include "collector/core.h"
#include "collector/image.h"
#include "collector/module.h"
#include "collector/stack_live.h"
#include "collector/symbol.h"
#include "collector/unwind.h"

#define START_FRAMES 3 /* _start and two of libc, outside main() */
#define FILE_NOTES_MAX 8
#define UNWINDERS_KEPT 16 /* each is some 100 KiB */

struct process_stacks {
	struct modules modules;
	struct unwinder *unwinder;
	uint64_t used; /* stacks.clock of the last use of the unwinder */
};

struct stacks {
	struct model *m;
	const struct proc *proc;
	struct segment *const *segments;
	uint32_t segment_count;
	uint32_t max_frames;
	struct images *images;
	struct process_stacks **processes; /* by the model's index; NULL not loaded */
	uint32_t process_count;
	uint64_t clock;
	uint32_t unwinder_count;
	const struct core *core; /* of core_process; NULL without one */
	uint32_t core_process;
	const char *core_exe;
};

struct stacks *stacks_new(struct model *m, const struct proc *proc, struct segment *const *segments,
			  uint32_t segment_count, const char *sysroot, uint32_t max_frames)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->m = m;
	s->proc = proc;
	s->segments = segments;
	s->segment_count = segment_count;
	s->max_frames = max_frames && max_frames < STACK_FRAMES_MAX ? max_frames : STACK_FRAMES_MAX;
	s->images = images_new(proc, sysroot, NULL);
	if (!s->images) {
		free(s);
		return NULL;
	}
	return s;
}

int stacks_set_debug_path(struct stacks *s, const char *path)
{
	return images_set_debug_path(s->images, path);
}

void stacks_free(struct stacks *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->process_count; i++) {
		if (!s->processes[i])
			continue;
		unwinder_free(s->processes[i]->unwinder);
		modules_done(&s->processes[i]->modules);
		free(s->processes[i]);
	}
	free(s->processes);
	images_free(s->images);
	free(s);
}

void stacks_set_core(struct stacks *s, uint32_t process, const struct core *core, const char *exe)
{
	s->core = core;
	s->core_process = process;
	s->core_exe = exe;
}

struct model *stacks_model(struct stacks *s)
{
	return s->m;
}

/* --- processes -------------------------------------------------------------------------------- */

static struct segment *segment_of(const struct stacks *s, uint32_t process)
{
	return process < s->segment_count ? s->segments[process] : NULL;
}

static struct process_stacks *load_process(struct stacks *s, uint32_t process)
{
	const struct model_process *p = &s->m->processes.items[process];
	struct process_stacks *ps = calloc(1, sizeof(*ps));
	struct segment *segment = segment_of(s, process);
	int error = -ENOMEM;

	if (ps && s->core && process == s->core_process)
		error = modules_load_core(&ps->modules, s->images, segment, s->core, s->core_exe);
	else if (ps)
		error = modules_load(&ps->modules, s->images, s->proc, segment,
				     p->state == PROCESS_LIVE ? p->pid : 0);
	if (!error)
		return ps;
	free(ps);
	return NULL;
}

/* NULL if memory is out. */
static struct process_stacks *get_process(struct stacks *s, uint32_t process)
{
	if (process >= s->process_count) {
		uint32_t count = s->m->processes.count;
		struct process_stacks **grown = reallocarray(s->processes, count, sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + s->process_count, 0, (count - s->process_count) * sizeof(*grown));
		s->processes = grown;
		s->process_count = count;
	}
	if (!s->processes[process])
		s->processes[process] = load_process(s, process);
	return s->processes[process];
}

static void drop_oldest_unwinder(struct stacks *s)
{
	struct process_stacks *oldest = NULL;

	for (uint32_t i = 0; i < s->process_count; i++) {
		struct process_stacks *ps = s->processes[i];
		if (ps && ps->unwinder && (!oldest || ps->used < oldest->used))
			oldest = ps;
	}
	unwinder_free(oldest->unwinder);
	oldest->unwinder = NULL;
	s->unwinder_count--;
}

static struct unwinder *get_unwinder(struct stacks *s, struct process_stacks *ps)
{
	if (!ps->unwinder) {
		if (s->unwinder_count >= UNWINDERS_KEPT)
			drop_oldest_unwinder(s);
		ps->unwinder = unwinder_new(&ps->modules);
		s->unwinder_count += ps->unwinder != NULL;
	}
	ps->used = ++s->clock;
	return ps->unwinder;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Garbage would pass for a signal: whoever handles it without SA_SIGINFO has no siginfo there. */
static int signal_of(const struct unwind_frame *raw, const struct unwind_start *start)
{
	int info[4]; /* si_signo, si_errno, si_code, padding */

	if (!(raw->known & (UINT64_C(1) << ARCH_SP)) ||
	    !start->read(start->context, arch_siginfo_address(raw->regs[ARCH_SP]), info, sizeof(info)))
		return 0;
	bool is_code = info[2] >= SI_ASYNCNL && info[2] <= SI_KERNEL;

	return info[0] > 0 && info[0] < _NSIG && !info[1] && is_code && !info[3] ? info[0] : 0;
}

/* A new frame at the end of the stack that is being resolved; NULL: no more. */
static struct model_frame *add_frame(struct stacks *s, uint32_t stack, enum frame_kind kind)
{
	struct model_stack *st = &s->m->stacks.items[stack];

	if (st->frame_count >= s->max_frames)
		return NULL;
	uint32_t i = model_add_frame(s->m);

	if (i == MODEL_NONE)
		return NULL;
	if (!st->frame_count)
		st->first_frame = i;
	st->frame_count++;
	s->m->frames.items[i].kind = kind;
	return &s->m->frames.items[i];
}

/* The model's frames for one machine frame: itself, and the functions that it is inlined into.
 * `arguments`: the stack that raw is of, NULL when there is nothing but a pc. */
static bool add_named(struct stacks *s, uint32_t stack, const struct process_stacks *ps,
		      const struct unwind_frame *raw, const struct argument_stack *arguments)
{
	struct module *module = modules_find(&ps->modules, raw->pc - (raw->is_exact ? 0 : 1));
	struct image *image = module ? modules_image(&ps->modules, module) : NULL;
	const struct symbol *symbol = NULL;
	const char *path = module ? model_string(s->m, module->path) : NULL;

	if (module && module->is_shim)
		return true;
	if (image && image->elf && !raw->is_signal)
		symbol = symbol_find(s->m, image, raw->pc - (raw->is_exact ? 0 : 1) - module->bias);
	for (uint32_t i = 0; i < (symbol ? symbol->count : 1); i++) {
		struct model_frame *f = add_frame(s, stack,
						  raw->is_signal ? FRAME_SIGNAL
						  : i == 0	 ? FRAME_CALL
								 : FRAME_INLINE);
		if (!f)
			return false;
		f->pc = i == 0 ? raw->pc : 0;
		f->module = path;
		if (raw->is_signal && arguments)
			f->signo = signal_of(raw, arguments->start);
		if (!symbol)
			continue;
		f->function = symbol->parts[i].function;
		f->file = symbol->parts[i].file;
		f->line = symbol->parts[i].line;
		if (arguments)
			f->arguments = argument_stack_text(
				arguments, (uint32_t)(raw - arguments->frames->items), symbol, i);
	}
	return true;
}

/* What libc does before main() is of no interest: a few frames at the outer end. */
static bool is_rest_boring(const struct stacks *s, uint32_t rest)
{
	const struct model_frame *last = s->m->frames.count
						 ? &s->m->frames.items[s->m->frames.count - 1]
						 : NULL;

	return last && rest <= START_FRAMES && last->function && !strcmp(last->function, "main");
}

static const char *stopped_text(struct stacks *s, const struct process_stacks *ps,
				const struct unwind_frames *frames)
{
	const struct module *module = modules_find(&ps->modules, frames->stopped_at);

	if (!frames->stopped)
		return NULL;
	if (module && module->image && frames->stopped == module->image->problem)
		return model_stringf(s->m, "%s %s", module->path, frames->stopped);
	if (!frames->stopped_at)
		return frames->stopped;
	return model_stringf(s->m, "%s (0x%llx)", frames->stopped,
			     (unsigned long long)frames->stopped_at);
}

/* Unwinds and names; is_partial: start reads no more than a part of memory. 0 or a negative errno. */
static int unwind_and_name(struct stacks *s, uint32_t stack, const struct unwind_start *start,
			   bool is_partial)
{
	struct process_stacks *ps = get_process(s, s->m->stacks.items[stack].process);
	struct unwinder *u = ps ? get_unwinder(s, ps) : NULL;
	struct unwind_frames frames;
	int error = u ? unwind(u, start, s->max_frames, &frames) : -ENOMEM;

	if (error)
		return error;
	const struct argument_stack arguments = { .m = s->m,
						  .process = s->m->stacks.items[stack].process,
						  .modules = &ps->modules,
						  .start = start,
						  .frames = &frames,
						  .is_partial = is_partial };

	for (uint32_t i = 0; i < frames.count; i++)
		if (!add_named(s, stack, ps, &frames.items[i], &arguments) ||
		    is_rest_boring(s, frames.count - i - 1))
			break;
	s->m->stacks.items[stack].stopped = stopped_text(s, ps, &frames);
	unwind_frames_done(&frames);
	return 0;
}

/* --- the origins ------------------------------------------------------------------------ */

static int fail(struct stacks *s, uint32_t stack, int error, const char *reason)
{
	s->m->stacks.items[stack].stopped = reason;
	return error;
}

/* All are return addresses: the first one is that of the wrapper's call. */
static int resolve_pcs(struct stacks *s, uint32_t stack)
{
	const struct model_stack st = s->m->stacks.items[stack];
	struct segment *segment = segment_of(s, st.process);
	struct process_stacks *ps = get_process(s, st.process);
	struct seg_stack record;

	if (!ps)
		return -ENOMEM;
	if (!segment || segment_read(segment, SEG_STACKS, st.raw, &record, sizeof(record)))
		return fail(s, stack, -ENOENT, "its record is damaged");
	uint32_t max = record.count < s->max_frames ? record.count : s->max_frames;
	uint64_t *pcs = calloc(max + 1, sizeof(*pcs));

	if (!pcs)
		return -ENOMEM;
	uint32_t count = segment_stack_pcs(segment, &record, pcs, max);

	for (uint32_t i = 0; i < count; i++) {
		struct unwind_frame raw = { .pc = pcs[i] };
		if (!add_named(s, stack, ps, &raw, NULL) || is_rest_boring(s, count - i - 1))
			break;
	}
	free(pcs);
	if (record.flags & 1)
		s->m->stacks.items[stack].stopped = "the recorder keeps no more frames than these";
	return count ? 0 : fail(s, stack, -ENOENT, "no frame was recorded");
}

struct slices {
	const struct seg_slice *items;
	const char *bytes[2];
};

static bool read_slices(void *context, uint64_t address, void *data, size_t size)
{
	const struct slices *slices = context;

	for (int i = 0; i < 2; i++) {
		uint64_t from = slices->items[i].address, length = slices->items[i].length;

		if (!slices->bytes[i] || address < from || address - from > length ||
		    size > length - (address - from))
			continue;
		memcpy(data, slices->bytes[i] + (address - from), size);
		return true;
	}
	return false;
}

static int resolve_slice(struct stacks *s, uint32_t stack)
{
	const struct model_stack st = s->m->stacks.items[stack];
	struct segment *segment = segment_of(s, st.process);
	struct seg_finding record;
	struct slices slices = { .items = record.slices };
	struct unwind_start start = { .is_return_address = true,
				      .known = ARCH_KEPT_BY_CALLS,
				      .read = read_slices,
				      .context = &slices };

	if (!segment || segment_read(segment, SEG_FINDINGS, st.raw, &record, sizeof(record)))
		return fail(s, stack, -ENOENT, "its record is damaged");
	for (int i = 0; i < 2; i++)
		slices.bytes[i] = record.slices[i].length
					  ? segment_slice(segment, &record.slices[i])
					  : NULL;
	memcpy(start.regs, record.regs, sizeof(start.regs));
	/* The function itself had been entered, but was not yet at work: it has no address here. */
	struct model_frame *called = add_frame(s, stack, FRAME_CALL);

	if (!called)
		return -ENOMEM;
	called->function = model_string(s->m, segment_text(segment, record.function));
	int error = unwind_and_name(s, stack, &start, true);

	if (!error && (record.flags & SEG_FIND_NO_SLICE))
		s->m->stacks.items[stack].stopped =
			"the recorder had no room to keep this stack: registers only";
	return error;
}

static int resolve_thread(struct stacks *s, uint32_t stack)
{
	const struct model_stack st = s->m->stacks.items[stack];
	struct stack_live *live;
	struct unwind_start start;
	const char *reason;
	int error = stack_live_look(s->proc, s->m->processes.items[st.process].pid,
				    s->m->threads.items[st.thread].tid, &live, &reason);

	if (error)
		return fail(s, stack, error, reason);
	stack_live_start(live, &start);
	error = unwind_and_name(s, stack, &start, false);
	if (!error && !stack_live_has_stayed(live))
		s->m->stacks.items[stack].stopped = "the thread went on while it was looked at: "
						    "outer frames may be wrong";
	stack_live_free(live);
	return error;
}

static bool read_core(void *context, uint64_t address, void *data, size_t size)
{
	return core_read(context, address, data, size);
}

static int resolve_core(struct stacks *s, uint32_t stack)
{
	uint32_t thread = s->m->stacks.items[stack].raw;
	struct unwind_start start = { .known = ARCH_ALL_REGS,
				      .read = read_core,
				      .context = (void *)s->core };

	if (!s->core || thread >= s->core->thread_count)
		return fail(s, stack, -ENOENT, "its core is not there");
	memcpy(start.regs, s->core->threads[thread].regs, sizeof(start.regs));
	return unwind_and_name(s, stack, &start, false);
}

int stacks_resolve(struct stacks *s, uint32_t stack)
{
	static int (*const resolvers[])(struct stacks *s, uint32_t stack) = {
		[STACK_PCS] = resolve_pcs,
		[STACK_SLICE] = resolve_slice,
		[STACK_THREAD] = resolve_thread,
		[STACK_CORE] = resolve_core,
	};
	struct model_stack *st = &s->m->stacks.items[stack];

	if (!st->is_resolved) {
		st->is_resolved = true;
		int error = resolvers[st->origin](s, stack);
		if (error == -ENOMEM) {
			s->m->out_of_memory = true;
			s->m->stacks.items[stack].stopped = "memory is out";
		}
	}
	return s->m->stacks.items[stack].frame_count ? 0 : -ENOENT;
}

uint32_t stacks_thread(struct stacks *s, uint32_t thread)
{
	uint32_t process = s->m->threads.items[thread].process;

	if (s->m->threads.items[thread].stack != MODEL_NONE) {
		stacks_resolve(s, s->m->threads.items[thread].stack);
		return s->m->threads.items[thread].stack;
	}
	if (s->m->processes.items[process].state != PROCESS_LIVE)
		return MODEL_NONE;
	uint32_t stack = model_add_stack(s->m);

	if (stack == MODEL_NONE)
		return MODEL_NONE;
	struct model_stack *st = &s->m->stacks.items[stack];

	st->origin = STACK_THREAD;
	st->process = process;
	st->thread = thread;
	/* At once: "now" must not become the moment of printing. */
	stacks_resolve(s, stack);
	return stack;
}

void stacks_name_handler(struct stacks *s, uint32_t handler)
{
	struct model_handler *h = &s->m->handlers.items[handler];
	struct process_stacks *ps = get_process(s, h->process);
	struct module *module = ps ? modules_find(&ps->modules, h->address) : NULL;
	struct image *image = module ? modules_image(&ps->modules, module) : NULL;

	if (!module || h->function)
		return;
	h->module = model_string(s->m, module->path);
	const struct symbol *symbol =
		image && image->elf ? symbol_find(s->m, image, h->address - module->bias) : NULL;

	if (!symbol)
		return;
	const struct symbol_part *part = &symbol->parts[symbol->count - 1];

	h->function = part->function;
	h->file = part->file;
	h->line = part->line;
}

/* Data files are mapped, too: nobody misses names in them. */
static bool has_code(const struct core *core, const struct module *module)
{
	for (uint32_t i = 0; i < core->load_count; i++)
		if (core->loads[i].is_code && core->loads[i].start >= module->start &&
		    core->loads[i].end <= module->end)
			return true;
	return false;
}

void stacks_note_files(struct stacks *s)
{
	struct process_stacks *ps = s->core ? get_process(s, s->core_process) : NULL;
	uint32_t more = 0, noted = 0;

	for (uint32_t i = 0; ps && i < ps->modules.count; i++) {
		const struct module *module = &ps->modules.items[i];

		if (!module->image || !module->image->problem || !has_code(s->core, module))
			continue;
		if (noted++ >= FILE_NOTES_MAX)
			more++;
		else
			model_note(s->m, "%s %s (--exe and --sysroot say where its files are)",
				   module->file ? module->file : module->path,
				   module->image->problem);
	}
	if (more)
		model_note(s->m, "%u more files of the process are missing or were replaced", more);
}
