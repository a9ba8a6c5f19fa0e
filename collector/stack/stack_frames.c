/* From machine frames to the model's named frames. */
#include "config.h"

#include "collector/stack/stack_private.h"

#include <errno.h>
#include <string.h>

#include "collector/arch/arch.h"
#include "collector/argument/argument_stack.h"
#include "collector/unwind/signal_frame.h"
#include "collector/symbol/symbol.h"

#define START_FRAMES 3 /* _start and two of libc, outside main() */

struct model_frame *stack_add_frame(struct stacks *s, uint32_t stack, enum frame_kind kind)
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

/* Of a core's process all files are noted at once: stacks_note_files(). */
static void note_file(struct stacks *s, const struct process_stacks *ps,
		      const struct module *module, struct image *image)
{
	bool is_core = s->core && s->core_process < s->process_count &&
		       s->processes[s->core_process] == ps;

	if (image->is_noted || is_core || !image->problem)
		return;
	image->is_noted = true;
	model_note(s->m, "%s %s: what stands there has no names", module->path, image->problem);
}

const struct symbol *stack_symbol(struct stacks *s, const struct process_stacks *ps,
				  struct module *module, uint64_t address)
{
	struct image *image = modules_image(&ps->modules, module);

	if (!image)
		return NULL;
	if (image->elf)
		return symbol_find(s->m, image, address - module->bias);
	note_file(s, ps, module, image);
	return NULL;
}

/* The model's frames for one machine frame: itself, and the functions that it is inlined into.
 * `arguments`: the stack that raw is of, NULL when there is nothing but a pc. */
static bool add_named(struct stacks *s, uint32_t stack, const struct process_stacks *ps,
		      const struct unwind_frame *raw, const struct argument_stack *arguments)
{
	uint64_t pc = raw->pc - (raw->is_exact ? 0 : 1);
	struct module *module = modules_find(&ps->modules, pc);
	const char *path = module ? model_string(s->m, module->path) : NULL;
	const struct symbol *symbol = NULL;

	if (module && module->is_shim)
		return true;
	if (module && !raw->is_signal)
		symbol = stack_symbol(s, ps, module, pc);
	for (uint32_t i = 0; i < (symbol ? symbol->count : 1); i++) {
		struct model_frame *f = stack_add_frame(s, stack,
							raw->is_signal ? FRAME_SIGNAL
							: i == 0       ? FRAME_CALL
								       : FRAME_INLINE);
		if (!f)
			return false;
		f->pc = i == 0 ? raw->pc : 0;
		f->module = path;
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

static bool is_main(const char *function)
{
	return function && !strcmp(function, "main");
}

/* What libc does before main() is of no interest: a few frames at the outer end. */
static bool is_rest_boring(const struct stacks *s, uint32_t rest)
{
	const struct model_frame *last =
		s->m->frames.count ? &s->m->frames.items[s->m->frames.count - 1] : NULL;

	return last && rest <= START_FRAMES && is_main(last->function);
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

/* Of the signal frame that was just added, if it was (the shim's own are left out). */
static void tell_signal(struct stacks *s, const struct unwind_start *start,
			const struct unwind_frame *raw, uint64_t *blocked)
{
	struct model_frame *last =
		s->m->frames.count ? &s->m->frames.items[s->m->frames.count - 1] : NULL;
	int signo = signal_frame_signo(start, raw, blocked);

	if (!last || last->kind != FRAME_SIGNAL)
		return;
	last->signo = signo;
	last->mask = *blocked;
}

void stack_name_pcs(struct stacks *s, uint32_t stack, const struct process_stacks *ps,
		    const struct stack_pcs *pcs)
{
	for (uint32_t i = 0; i < pcs->count; i++) {
		uint64_t marks = pcs->marks ? pcs->marks[i] : 0;
		struct unwind_frame raw = {.pc = pcs->pcs[i],
					   .is_exact = marks & SEG_PC_EXACT,
					   .is_signal = marks & SEG_PC_SIGNAL};

		if (!add_named(s, stack, ps, &raw, NULL) || is_rest_boring(s, pcs->count - i - 1))
			return;
	}
}

/* How many frames there would be from frames->items[from] on, as add_named() makes them. */
static uint32_t count_rest(struct stacks *s, const struct process_stacks *ps,
			   const struct unwind_frames *frames, uint32_t from)
{
	uint32_t count = 0;

	for (uint32_t i = from; i < frames->count; i++) {
		const struct unwind_frame *raw = &frames->items[i];
		uint64_t pc = raw->pc - (raw->is_exact ? 0 : 1);
		struct module *module = modules_find(&ps->modules, pc);
		const struct symbol *symbol = NULL;

		if (module && module->is_shim)
			continue;
		if (module && !raw->is_signal)
			symbol = stack_symbol(s, ps, module, pc);
		count += symbol ? symbol->count : 1;
		if (symbol && frames->count - i - 1 <= START_FRAMES &&
		    is_main(symbol->parts[symbol->count - 1].function))
			break;
	}
	return count;
}

/* frames->items[first..) were cut; `had`: the frames of the stack before the first of them. */
static void tell_left_out(struct stacks *s, struct process_stacks *ps, uint32_t stack,
			  const struct unwind_frames *frames, uint32_t first, uint32_t had)
{
	struct model_stack *st = &s->m->stacks.items[stack];

	st->left_out = count_rest(s, ps, frames, first) - (st->frame_count - had);
	st->has_more = frames->stopped != NULL;
}

int stack_unwind_and_name(struct stacks *s, uint32_t stack, const struct unwind_start *start,
			  bool is_partial)
{
	struct process_stacks *ps = stack_process(s, s->m->stacks.items[stack].process);
	struct unwinder *u = ps ? stack_unwinder(s, ps) : NULL;
	struct unwind_frames frames;
	int error = u ? unwind(u, start, STACK_FRAMES_MAX, &frames) : -ENOMEM;

	if (error)
		return error;
	const struct argument_stack arguments = {.m = s->m,
						 .process = s->m->stacks.items[stack].process,
						 .modules = &ps->modules,
						 .start = start,
						 .frames = &frames,
						 .is_partial = is_partial};

	uint64_t blocked = start->blocked;

	argument_stack_add_jumped(&arguments, &frames);
	for (uint32_t i = 0; i < frames.count; i++) {
		uint32_t had = s->m->stacks.items[stack].frame_count;

		if (!add_named(s, stack, ps, &frames.items[i], &arguments)) {
			tell_left_out(s, ps, stack, &frames, i, had);
			break;
		}
		if (frames.items[i].is_signal)
			tell_signal(s, start, &frames.items[i], &blocked);
		if (is_rest_boring(s, frames.count - i - 1))
			break;
	}
	s->m->stacks.items[stack].stopped = stopped_text(s, ps, &frames);
	unwind_frames_done(&frames);
	return 0;
}
