#include "config.h"

#include "collector/stack/stack.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/stack/stack_private.h"
#include "collector/symbol/debug_server.h"

#define FILE_NOTES_MAX 8

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
	stack_processes_free(s);
	stack_copies_free(s);
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

static void note_server(struct stacks *s)
{
	const char *problem = debug_server_problem(images_server(s->images));

	if (!problem || s->is_server_noted)
		return;
	s->is_server_noted = true;
	model_note(s->m, "debuginfod (DEBUGINFOD_URLS) %s", problem);
}

int stacks_resolve(struct stacks *s, uint32_t stack)
{
	static int (*const resolvers[])(struct stacks * s, uint32_t stack) = {
		[STACK_PCS] = stack_resolve_pcs,
		[STACK_SLICE] = stack_resolve_slice,
		[STACK_THREAD] = stack_resolve_thread,
		[STACK_CORE] = stack_resolve_core,
	};
	struct model_stack *st = &s->m->stacks.items[stack];

	if (!st->is_resolved) {
		st->is_resolved = true;
		/* It was left out after something had named the stack. */
		if (st->process == MODEL_NONE) {
			st->stopped = "its process is none of those that were chosen";
			return -ENOENT;
		}
		int error = resolvers[st->origin](s, stack);
		if (error == -ENOMEM) {
			s->m->out_of_memory = true;
			s->m->stacks.items[stack].stopped = "memory is out";
		}
		note_server(s);
	}
	return s->m->stacks.items[stack].frame_count ? 0 : -ENOENT;
}

uint32_t stacks_copy_thread(struct stacks *s, uint32_t thread, bool may_stop)
{
	uint32_t process = s->m->threads.items[thread].process;

	if (s->m->threads.items[thread].stack != MODEL_NONE)
		return s->m->threads.items[thread].stack;
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
	stack_copy_thread(s, stack, may_stop);
	return stack;
}

uint32_t stacks_thread(struct stacks *s, uint32_t thread)
{
	uint32_t stack = stacks_copy_thread(s, thread, false);

	if (stack != MODEL_NONE)
		stacks_resolve(s, stack);
	return stack;
}

void stacks_name_handler(struct stacks *s, uint32_t handler)
{
	struct model_handler *h = &s->m->handlers.items[handler];
	struct process_stacks *ps = stack_process(s, h->process);
	struct module *module = ps ? modules_find(&ps->modules, h->address) : NULL;

	if (!module || h->function)
		return;
	h->module = model_string(s->m, module->path);
	const struct symbol *symbol = stack_symbol(s, ps, module, h->address);

	h->offset = h->address - (module->has_bias ? module->bias : module->start);
	if (!symbol)
		return;
	const struct symbol_part *part = &symbol->parts[symbol->count - 1];

	h->function = part->function;
	h->file = part->file;
	h->line = part->line;
}

void stacks_note_files(struct stacks *s)
{
	struct process_stacks *ps = s->core ? stack_process(s, s->core_process) : NULL;
	uint32_t more = 0, noted = 0;

	for (uint32_t i = 0; ps && i < ps->modules.count; i++) {
		const struct module *module = &ps->modules.items[i];

		if (!module->image || !module->image->problem ||
		    (module->image->problem == image_is_no_elf && !module->build_id_size))
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
