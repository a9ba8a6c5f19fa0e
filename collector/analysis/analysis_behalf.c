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

static const char *const unsafe[] = {
#define UNSAFE(name) #name,
#include "collector/analysis/unsafe.list"
#undef UNSAFE
};

/* Inside libc a function may go by another name: __write, __libc_read, __GI___fcntl. */
const char *analysis_plain_name(const char *name)
{
	static const char *const prefixes[] = {"__GI_", "_IO_", "__libc_", "__"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			name += strlen(prefixes[i]);
	return name;
}

/* Is `name` the function itself, or what the headers make of it: for large files, fortified? */
static bool is_variant(const char *name, const char *function)
{
	static const char *const endings[] = {"", "64", "_2", "64_2", "_chk", "64_chk"};
	size_t length = strlen(function);

	if (strncmp(name, function, length) != 0)
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (!strcmp(name + length, endings[i]))
			return true;
	return false;
}

bool analysis_is_safe_function(const char *name)
{
	for (size_t i = 0; name && i < sizeof(safe) / sizeof(safe[0]); i++)
		if (is_variant(name, safe[i]) || is_variant(analysis_plain_name(name), safe[i]))
			return true;
	return false;
}

/* Some names stand there in several forms. */
bool analysis_is_unsafe_function(const char *name)
{
	for (size_t i = 0; name && i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (!strcmp(unsafe[i], name) || !strcmp(unsafe[i], analysis_plain_name(name)))
			return true;
	return false;
}

static bool is_told_by(const struct model_call *inner, const struct model_call *outer)
{
	if (outer->handler != inner->handler || outer->is_safe_in_libc)
		return false;
	/* By a call from which the handler did not come back to its own code there is only its
	 * name. */
	if (!inner->entered_by)
		return outer->function && !strcmp(analysis_plain_name(outer->function),
						  analysis_plain_name(inner->entered));
	return outer->caller == inner->entered_by;
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

	return c->entered &&
	       (c->is_loaders || analysis_is_safe_function(c->entered) || is_told(m, call));
}
