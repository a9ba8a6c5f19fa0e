/* Names of what threads share in memory: see stacks_name_memory() and stacks_name_wait(). */
#include "config.h"

#include <inttypes.h>

#include "collector/stack/stack_private.h"

/* `text`, with the variable that the address lies in, if a file tells. */
static const char *with_variable(struct stacks *s, uint32_t process, uint64_t address,
				 const char *text)
{
	struct process_stacks *ps = process == MODEL_NONE ? NULL : stack_process(s, process);
	struct module *module = ps ? modules_find(&ps->modules, address) : NULL;
	struct image *image = module ? modules_image(&ps->modules, module) : NULL;
	uint64_t offset;

	if (!image || !module->has_bias)
		return text;
	const char *name = symbol_variable(s->m, image, address - module->bias, &offset);

	if (name && offset)
		return model_stringf(s->m, "%s (%s+0x%" PRIx64 ")", text, name, offset);
	return name ? model_stringf(s->m, "%s (%s)", text, name) : text;
}

void stacks_name_memory(struct stacks *s, uint32_t resource)
{
	struct model_resource *r = &s->m->resources.items[resource];

	r->path = with_variable(s, r->process, r->address, r->path);
}

void stacks_name_wait(struct stacks *s, uint32_t wait)
{
	struct model_wait *w = &s->m->waits.items[wait];

	w->object = with_variable(s, w->process, w->address, w->object);
}
