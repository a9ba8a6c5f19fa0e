/* Names of locks of threads: see stacks_name_memory(). */
#include "config.h"

#include <inttypes.h>

#include "collector/stack/stack_private.h"

void stacks_name_memory(struct stacks *s, uint32_t resource)
{
	struct model_resource *r = &s->m->resources.items[resource];
	struct process_stacks *ps =
		r->process == MODEL_NONE ? NULL : stack_process(s, r->process);
	struct module *module = ps ? modules_find(&ps->modules, r->address) : NULL;
	struct image *image = module ? modules_image(&ps->modules, module) : NULL;
	uint64_t offset;

	if (!image || !module->has_bias)
		return;
	const char *name = symbol_variable(s->m, image, r->address - module->bias, &offset);

	if (name && offset)
		r->path = model_stringf(s->m, "%s (%s+0x%" PRIx64 ")", r->path, name, offset);
	else if (name)
		r->path = model_stringf(s->m, "%s (%s)", r->path, name);
}
