/*
 * Calls that libc makes itself: printf() allocates its buffer. What the program did is the call by
 * which it entered libc. That is a finding of its own if it is unsafe; if it is safe, what libc
 * does for it is libc's business, and so is what the loader does at a first call or access.
 */
#include "config.h"

#include "collector/analysis/analysis_detect.h"

#include <string.h>

static const char *const safe[] = {
#define SAFE(name) #name,
#include "collector/analysis/safe.def"
#undef SAFE
};

/* Inside libc a function may go by another name: __write, __libc_read, __GI___fcntl. */
static const char *plain_name(const char *name)
{
	static const char *const prefixes[] = {"__GI_", "__libc_", "__"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			name += strlen(prefixes[i]);
	return name;
}

static bool is_safe(const char *name)
{
	for (size_t i = 0; name && i < sizeof(safe) / sizeof(safe[0]); i++)
		if (!strcmp(safe[i], name) || !strcmp(safe[i], plain_name(name)))
			return true;
	return false;
}

static bool is_told_by(const struct model_call *inner, const struct model_call *outer)
{
	return outer->caller == inner->entered_by && outer->handler == inner->handler &&
	       !outer->is_safe_in_libc;
}

/* Calls of one process stand together in the model. */
static bool is_told(const struct model *m, uint32_t call)
{
	const struct model_call *calls = m->calls.items;

	for (uint32_t i = call; i-- > 0 && calls[i].process == calls[call].process;)
		if (is_told_by(&calls[call], &calls[i]))
			return true;
	for (uint32_t i = call + 1; i < m->calls.count && calls[i].process == calls[call].process;
	     i++)
		if (is_told_by(&calls[call], &calls[i]))
			return true;
	return false;
}

bool analysis_is_on_behalf(const struct model *m, uint32_t call)
{
	const struct model_call *c = &m->calls.items[call];

	return c->entered_by && (c->is_loaders || is_safe(c->entered) || is_told(m, call));
}
