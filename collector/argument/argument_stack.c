/* See argument_stack.h. */
#include "collector/argument/argument_stack.h"

#include <dwarf.h>
#include <stdlib.h>

#include "collector/argument/argument.h"
#include "collector/argument/argument_entry.h"
#include "collector/argument/argument_site.h"

#define TEXT_MAX 4096 /* bytes of all arguments of one frame */

static bool read_memory(void *context, uint64_t address, void *data, size_t size)
{
	const struct argument_stack *s = context;
	const struct unwind_start *start = s->start;
	struct module *module;
	struct image *image;

	if ((start->read_data ? start->read_data : start->read)(start->context, address, data,
								size))
		return true;
	module = modules_find(s->modules, address);
	image = module ? modules_image(s->modules, module) : NULL;
	return image && image_read(image, address - module->bias, data, size);
}

static bool is_code_of(const struct symbol_part *part)
{
	Dwarf_Die die = part->die;

	return part->has_die && dwarf_tag(&die) == DW_TAG_subprogram;
}

static bool find_place(void *context, uint64_t address, struct argument_place *place)
{
	const struct argument_stack *s = context;
	struct module *module = modules_find(s->modules, address);
	struct image *image = module ? modules_image(s->modules, module) : NULL;
	const struct symbol *symbol;

	if (!image)
		return false;
	place->module = image_module(image);
	place->shift = module->bias;
	place->has_function = false;
	if (!place->module)
		return false;
	if (!image_is_code(image, address - module->bias))
		return true;
	symbol = symbol_find(s->m, image, address - module->bias);
	if (symbol && is_code_of(&symbol->parts[symbol->count - 1])) {
		place->has_function = true;
		place->function = symbol->parts[symbol->count - 1].die;
	}
	return true;
}

static bool find_symbol(void *context, uint64_t near, const char *name, uint64_t *address)
{
	const struct argument_stack *s = context;
	struct module *module = modules_find(s->modules, near);
	struct image *image = module ? modules_image(s->modules, module) : NULL;

	if (!image || !symbol_address(image, name, address))
		return false;
	*address += module->bias;
	return true;
}

static struct argument_frame frame_of(const struct argument_stack *s, uint32_t index)
{
	const struct unwind_frame *raw = &s->frames->items[index];

	return (struct argument_frame){.pc = raw->pc,
				       .is_exact = raw->is_exact,
				       .registers = raw->regs,
				       .known = raw->known,
				       .lost = raw->is_exact    ? 0
					       : raw->is_jumped ? UINT64_MAX
								: ~ARCH_KEPT_BY_CALLS,
				       .index = index};
}

static bool find_caller(void *context, const struct argument_frame *frame,
			struct argument_frame *caller)
{
	const struct argument_stack *s = context;
	uint32_t next = frame->index + 1;

	while (next < s->frames->count && s->frames->items[next].is_jumped)
		next++;
	if (next >= s->frames->count || s->frames->items[next].is_exact ||
	    s->frames->items[next].is_signal)
		return false;
	*caller = frame_of(s, next);
	return true;
}

/* The signal frame that called a frame's function through the shim's trampoline. */
static const struct unwind_frame *find_signal(const struct argument_stack *s, uint32_t frame)
{
	for (uint32_t i = frame + 1; i < s->frames->count; i++) {
		const struct unwind_frame *raw = &s->frames->items[i];
		const struct module *module;

		if (raw->is_jumped)
			return NULL;
		if (raw->is_signal)
			return i > frame + 1 && raw->known >> ARCH_SP & 1 ? raw : NULL;
		module = modules_find(s->modules, raw->pc);
		if (!module || !module->is_shim)
			return NULL;
	}
	return NULL;
}

/* A handler's last call may have become a jump: then its frame is another function's, which got
 * other arguments. So only functions that the process is known to have installed count. */
static bool is_handler(const struct argument_stack *s, const struct argument_frame *frame)
{
	struct argument_place place;
	Dwarf_Addr entry, bias;

	if (!find_place((void *)s, frame->pc - (frame->is_exact ? 0 : 1), &place) ||
	    !place.has_function || dwarf_entrypc(&place.function, &entry) ||
	    !dwfl_module_getdwarf(place.module, &bias))
		return false;
	for (uint32_t i = 0; i < s->m->handlers.count; i++) {
		const struct model_handler *h = &s->m->handlers.items[i];

		if (h->process == s->process && h->address == entry + bias + place.shift)
			return true;
	}
	return false;
}

static bool find_passed(void *context, const struct argument_frame *frame, uint64_t reg,
			uint64_t *value)
{
	const struct argument_stack *s = context;
	const struct unwind_frame *raw = find_signal(s, frame->index);
	uint64_t sp = raw ? raw->regs[ARCH_SP] : 0;
	int32_t signo;

	if (!raw || !is_handler(s, frame))
		return false;
	if (reg == ARCH_HANDLER_INFO)
		*value = arch_siginfo_address(sp);
	else if (reg == ARCH_HANDLER_CONTEXT)
		*value = arch_ucontext_address(sp);
	if (reg == ARCH_HANDLER_INFO || reg == ARCH_HANDLER_CONTEXT)
		return true;
	if (reg != ARCH_HANDLER_SIGNO ||
	    !read_memory(context, arch_siginfo_address(sp), &signo, sizeof(signo)) || signo < 1 ||
	    signo > 64)
		return false;
	*value = (uint64_t)signo;
	return true;
}

static struct argument_source source_of(const struct argument_stack *s)
{
	return (struct argument_source){
		.context = (void *)s,
		.read_memory = read_memory,
		.find_place = find_place,
		.find_caller = find_caller,
		.find_passed = find_passed,
		.find_symbol = find_symbol,
		.is_partial = s->is_partial,
	};
}

static bool find_jump(const struct argument_stack *s, uint32_t frame, uint64_t *behind)
{
	const struct argument_source source = source_of(s);
	const struct argument_frame of = frame_of(s, frame);
	unsigned steps = ARGUMENT_STEPS;
	struct argument_view view;

	if (s->frames->items[frame].is_signal ||
	    argument_view_init(&view, &source, &of, NULL, &steps))
		return false;
	view.entry_value = argument_entry_value;
	return !argument_site_find_jump(&view, behind);
}

/* Recursions are deep: what was found between two addresses holds for the next two, too. */
static bool is_seen_before(const struct unwind_frames *f, uint32_t frame)
{
	return frame && f->items[frame].pc == f->items[frame - 1].pc &&
	       f->items[frame + 1].pc == f->items[frame].pc;
}

void argument_stack_add_jumped(const struct argument_stack *s, struct unwind_frames *frames)
{
	struct unwind_frame *items = calloc(2 * (size_t)frames->count + 1, sizeof(*items));
	uint32_t count = 0;
	bool is_found = false;
	uint64_t behind = 0;

	for (uint32_t i = 0; items && i < frames->count; i++) {
		items[count++] = frames->items[i];
		if (i + 1 == frames->count || !is_seen_before(frames, i))
			is_found = i + 1 < frames->count && find_jump(s, i, &behind);
		if (is_found)
			items[count++] = (struct unwind_frame){.pc = behind, .is_jumped = true};
	}
	if (!items)
		return;
	free(frames->items);
	frames->items = items;
	frames->count = count;
	frames->room = count;
}

const char *argument_stack_text(const struct argument_stack *s, uint32_t frame,
				const struct symbol *symbol, uint32_t part)
{
	const struct argument_source source = source_of(s);
	const struct argument_frame of = frame_of(s, frame);
	const struct symbol_part *last = &symbol->parts[symbol->count - 1];
	Dwarf_Die instance, function;
	char text[TEXT_MAX];

	if (part >= symbol->count || !symbol->parts[part].has_die || !is_code_of(last))
		return NULL;
	instance = symbol->parts[part].die;
	function = last->die;
	argument_print(&source, &of, &instance, &function, text, sizeof(text));
	return model_string(s->m, text);
}
