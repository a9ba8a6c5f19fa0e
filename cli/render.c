#include "config.h"

#include <string.h>

#include "cli/render.h"

static const struct renderer *const renderers[] = {
	&render_text,
	&render_json,
};

const struct renderer *renderer_find(const char *name)
{
	for (size_t i = 0; i < sizeof(renderers) / sizeof(renderers[0]); i++)
		if (!strcmp(renderers[i]->name, name))
			return renderers[i];
	return NULL;
}
