/* See frame.h. */
#include "config.h"

#include "collector/model/frame.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_of(const struct model_frame *f, const char *const *names, size_t count)
{
	const char *base = f->module ? strrchr(f->module, '/') : NULL;

	for (size_t i = 0; base && i < count; i++)
		if (!strncmp(base + 1, names[i], strlen(names[i])))
			return true;
	return false;
}

bool frame_is_loader(const struct model_frame *f)
{
	static const char *const names[] = {"ld-linux", "ld-2.", "ld.so"};

	return is_of(f, names, COUNT(names));
}

bool frame_is_libc(const struct model_frame *f)
{
	static const char *const names[] = {"libc.so", "libc-2.", "libpthread", "libgcc_s"};

	return is_of(f, names, COUNT(names)) || frame_is_loader(f);
}

const struct model_frame *frame_site(const struct model *m, uint32_t stack)
{
	const struct model_stack *s = stack == MODEL_NONE ? NULL : &m->stacks.items[stack];

	for (uint32_t i = 0; s && i < s->frame_count; i++) {
		const struct model_frame *f = &m->frames.items[s->first_frame + i];

		if (f->kind != FRAME_SIGNAL && !frame_is_libc(f))
			return f;
	}
	return NULL;
}
