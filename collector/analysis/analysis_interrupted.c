/*
 * What did a handler come into? POSIX (XSH 2.4.3) leaves a call of an unsafe function in a handler
 * undefined if an unsafe function was interrupted. So it matters whether libc was at work outside
 * the signal frame, and in what; and whether the signal could come nowhere else.
 */
#include "config.h"

#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/model/frame.h"

/* By these a process sends itself a signal whose handler runs at once. */
static bool is_raise(const char *name)
{
	static const char *const raises[] = {"raise",    "gsignal",      "kill",
					     "killpg",   "pthread_kill", "tgkill",
					     "sigqueue", "abort",        "pthread_sigqueue"};

	for (size_t i = 0; i < sizeof(raises) / sizeof(raises[0]); i++)
		if (!strcmp(raises[i], analysis_plain_name(name)))
			return true;
	return false;
}

/* The end of the frames of libc that begin at `at`. */
static uint32_t end_of_libc(const struct model_frame *frames, uint32_t count, uint32_t at)
{
	while (at < count && frames[at].kind != FRAME_SIGNAL && frame_is_libc(&frames[at]))
		at++;
	return at;
}

/*
 * Through which functions the program had entered libc, innermost first. *at goes on behind each.
 * What reaches the end of the stack is libc's start of the thread.
 */
static const char *next_entry(const struct model_frame *frames, uint32_t count, uint32_t *at)
{
	while (*at < count && frames[*at].kind != FRAME_SIGNAL) {
		uint32_t end = end_of_libc(frames, count, *at);

		if (end > *at && end < count && frames[end].kind != FRAME_SIGNAL) {
			const char *name = frames[end - 1].function;

			*at = end;
			if (name && strncmp(name, "__libc_start", strlen("__libc_start")) != 0)
				return name;
		} else {
			*at = end > *at ? end : *at + 1;
		}
	}
	return NULL;
}

/* Of all that libc was doing, what is not safe decides, the outermost of it: libc calls the program
 * back (qsort). syscall() is whatever it is used for. */
static enum interrupted judge(const struct model_frame *frames, uint32_t count,
			      const char **function)
{
	uint32_t at = 0;
	const char *first = next_entry(frames, count, &at), *name;
	bool is_unsafe = false;

	*function = first;
	for (name = first; name; name = next_entry(frames, count, &at)) {
		if (analysis_is_safe_function(name) || is_raise(name) || !strcmp(name, "syscall"))
			continue;
		*function = name;
		is_unsafe = true;
	}
	if (is_unsafe)
		return INTERRUPTED_UNSAFE;
	if (!first || !frame_is_libc(&frames[0]))
		return INTERRUPTED_UNKNOWN;
	return is_raise(first) ? INTERRUPTED_RAISE : INTERRUPTED_SAFE;
}

/* The innermost signal frame's: that of the handler that made the call. */
enum interrupted analysis_interrupted(const struct model *m, const struct model_call *c,
				      const char **function)
{
	const struct model_stack *s = c->stack == MODEL_NONE ? NULL : &m->stacks.items[c->stack];
	uint32_t count = s ? s->frame_count : 0, at = 0;
	const struct model_frame *frames = count ? &m->frames.items[s->first_frame] : NULL;
	enum interrupted kind;

	*function = NULL;
	while (at < count && frames[at].kind != FRAME_SIGNAL)
		at++;
	if (at + 1 >= count)
		return INTERRUPTED_UNKNOWN;
	kind = judge(&frames[at + 1], count - at - 1, function);
	if (kind == INTERRUPTED_SAFE && frames[at].signo > 0 &&
	    frames[at].mask >> (frames[at].signo - 1) & 1)
		return INTERRUPTED_LET_IN;
	return kind;
}

/* The outermost function known to be unsafe by which the program had entered libc, or NULL. */
static const char *find_unsafe(const struct model_frame *frames, uint32_t count)
{
	const char *found = NULL, *name;
	uint32_t at = 0;

	while ((name = next_entry(frames, count, &at)) != NULL)
		if (analysis_is_unsafe_function(name))
			found = name;
	return found;
}

const char *analysis_interrupted_unsafe(const struct model *m, const struct model_call *c,
					uint32_t handlers)
{
	const struct model_stack *s = c->stack == MODEL_NONE ? NULL : &m->stacks.items[c->stack];
	uint32_t count = s ? s->frame_count : 0;
	const struct model_frame *frames = count ? &m->frames.items[s->first_frame] : NULL;

	for (uint32_t at = 0; at + 1 < count && handlers; at++) {
		if (frames[at].kind != FRAME_SIGNAL)
			continue;
		const char *found = find_unsafe(&frames[at + 1], count - at - 1);

		if (found)
			return found;
		handlers--;
	}
	return NULL;
}

/* __printf_chk is what printf becomes under _FORTIFY_SOURCE. */
static bool is_name(const char *name, const char *plain)
{
	size_t length = strlen(plain);

	return !strncmp(name, plain, length) && (!name[length] || !strcmp(name + length, "_chk"));
}

/* These work on stdout, whoever calls them. */
static bool is_of_stdout(const char *name)
{
	static const char *const names[] = {"printf",  "vprintf",  "puts",    "putchar",
					    "wprintf", "vwprintf", "putwchar"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_name(name, names[i]))
			return true;
	return false;
}

bool analysis_is_reentered(const struct model_call *c, const char *interrupted)
{
	const char *called = c->function ? analysis_plain_name(c->function) : "";

	interrupted = analysis_plain_name(interrupted);
	if (is_of_stdout(called) && is_of_stdout(interrupted))
		return true;
	return c->shares_data && is_name(interrupted, called);
}

bool analysis_is_synchronous(const struct model *m, const struct model_call *c)
{
	const char *function;
	enum interrupted kind = analysis_interrupted(m, c, &function);

	/* What a child interrupted goes on in its parent alone. */
	return kind == INTERRUPTED_RAISE || kind == INTERRUPTED_LET_IN ||
	       (c->is_inherited && kind != INTERRUPTED_UNSAFE);
}

const char *analysis_interrupted_text(struct model *m, const struct model_call *c)
{
	const char *function, *name;
	enum interrupted kind = analysis_interrupted(m, c, &function);

	name = function ? analysis_plain_name(function) : NULL;
	switch (kind) {
	case INTERRUPTED_RAISE:
		return model_stringf(m,
				     "; the process had sent itself the signal by %s(), where the "
				     "call does no harm",
				     name);
	case INTERRUPTED_LET_IN:
		return model_stringf(m,
				     "; the signal is blocked but in %s(), where the call does no "
				     "harm",
				     name);
	case INTERRUPTED_UNSAFE:
		return model_stringf(
			m,
			"; the first one interrupted %s(), which is not on POSIX's "
			"list of safe functions either: what happens then is undefined",
			name);
	default:
		return c->interrupted ? model_stringf(m, "; the first one interrupted %s()",
						      c->interrupted)
				      : "";
	}
}
