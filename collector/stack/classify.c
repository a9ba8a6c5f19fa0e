/*
 * What did a handler interrupt? The frames outside the signal frame tell: was the thread inside the
 * allocator when the signal came?
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/model/frame.h"
#include "collector/stack/stack.h"

/* What programs call: the outermost frame of the allocator. */
static const char *const entries[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"free",
	"cfree",
	"memalign",
	"aligned_alloc",
	"posix_memalign",
	"valloc",
	"pvalloc",
	"malloc_trim",
	"malloc_stats",
	"mallinfo",
	"mallinfo2",
	"malloc_info",
	"mallopt",
	"malloc_usable_size",
	"__libc_malloc",
	"__libc_calloc",
	"__libc_realloc",
	"__libc_free",
	"__libc_memalign",
	"__libc_valloc",
	"__libc_pvalloc",
	"__libc_mallopt",
	"__malloc_fork_lock_parent",
};

/* Inside glibc's, where symbols or DWARF name them. */
static const char *const insides[] = {
	"_int_malloc",      "_int_free",
	"_int_realloc",     "_int_memalign",
	"_mid_memalign",    "malloc_consolidate",
	"sysmalloc",        "sysmalloc_mmap",
	"systrim",          "arena_get2",
	"arena_get_retry",  "arena_thread_freeres",
	"unlink_chunk",     "mtrim",
	"int_mallinfo",     "heap_trim",
	"new_heap",         "grow_heap",
	"shrink_heap",      "munmap_chunk",
	"mremap_chunk",     "ptmalloc_init",
	"malloc_check",     "alloc_perturb",
	"free_perturb",     "malloc_hook_ini",
	"realloc_hook_ini", "_int_free_merge_chunk",
	"detach_arena",
};

/* Allocators that are libraries of their own: all of their code counts. */
static const char *const libraries[] = {"libjemalloc", "libtcmalloc", "libmimalloc"};

#define LIBC_PREFIX "__libc_" /* glibc's own names of malloc() and its like */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "_int_free.part.0" is _int_free, and "__GI___libc_free" is __libc_free. */
static bool is_listed(const char *function, const char *const *list, size_t count)
{
	if (function && !strncmp(function, "__GI_", 5))
		function += 5;
	size_t length = function ? strcspn(function, ".") : 0;

	for (size_t i = 0; i < count; i++)
		if (length == strlen(list[i]) && !strncmp(function, list[i], length))
			return true;
	return false;
}

static bool is_entry(const struct model_frame *f)
{
	return is_listed(f->function, entries, COUNT(entries));
}

static bool is_inside(const struct model_frame *f)
{
	return is_listed(f->function, insides, COUNT(insides)) ||
	       (f->function && !strncmp(f->function, "tcache_", strlen("tcache_")));
}

static bool is_allocator_library(const char *module)
{
	const char *base = module ? strrchr(module, '/') : NULL;

	for (size_t i = 0; base && i < COUNT(libraries); i++)
		if (!strncmp(base + 1, libraries[i], strlen(libraries[i])))
			return true;
	return false;
}

/*
 * frames[0..count) are what was interrupted, innermost first: the frame that shows the allocator,
 * or NULL. A libc without its own symbols names only the functions that it exports; what stands
 * between the interrupted instruction and such an entry of the allocator, in the same file, is
 * inside it.
 */
static const struct model_frame *find_allocator(const struct model_frame *frames, uint32_t count)
{
	const char *module = count ? frames[0].module : NULL;

	if (is_allocator_library(module))
		return &frames[0];
	for (uint32_t i = 0; i < count; i++) {
		const struct model_frame *f = &frames[i];
		if (f->kind == FRAME_SIGNAL || !module || !f->module || strcmp(f->module, module))
			return NULL;
		if (is_entry(f) || is_inside(f))
			return f;
	}
	return NULL;
}

/* Of the interrupted function and those inlined into it: the real one, as programs know it. */
static const char *name_of(const struct model_frame *frames, uint32_t count)
{
	uint32_t last = 0;

	while (last + 1 < count && frames[last + 1].kind == FRAME_INLINE)
		last++;
	const char *name = frames[last].function;

	if (name && is_entry(&frames[last]) && !strncmp(name, LIBC_PREFIX, strlen(LIBC_PREFIX)))
		name += strlen(LIBC_PREFIX);
	return name;
}

/* --- a thread of a core ---------------------------------------------------------------------- */

/* What is known of a handler on a stack whose signal frame is frames[at]. */
struct handled {
	uint32_t at, called; /* the signal frame, and the outermost allocator frame inside it */
	const struct model_frame *interrupted; /* that shows the allocator outside, or NULL */
};

/* The outermost allocator frame of frames[0..count); count if there is none. */
static uint32_t find_outermost(const struct model_frame *frames, uint32_t count)
{
	for (uint32_t i = count; i-- > 0;)
		if (frames[i].kind != FRAME_SIGNAL &&
		    (is_entry(&frames[i]) || is_inside(&frames[i]) ||
		     is_allocator_library(frames[i].module)))
			return i;
	return count;
}

/* The handler that matters: one that interrupted the allocator, else any that is in it. */
static bool find_handled(const struct model_frame *frames, uint32_t count, struct handled *best)
{
	bool is_found = false;

	for (uint32_t i = 0; i + 1 < count; i++) {
		uint32_t called;

		if (frames[i].kind != FRAME_SIGNAL || (called = find_outermost(frames, i)) == i)
			continue;
		struct handled h = {i, called, find_allocator(&frames[i + 1], count - i - 1)};

		if (!is_found || (h.interrupted && !best->interrupted))
			*best = h;
		is_found = true;
	}
	return is_found;
}

/* The handler's first argument is the signal's number: "sig=14, ...". 0 if it does not say so. */
static int signal_argument(const char *arguments)
{
	const char *value = arguments ? strchr(arguments, '=') : NULL;
	int signo = 0, end = 0;

	if (!value || sscanf(value + 1, "%d%n", &signo, &end) != 1 || signo <= 0 || signo >= _NSIG)
		return 0;
	return !value[1 + end] || value[1 + end] == ',' ? signo : 0;
}

static uint32_t find_handler(const struct model *m, uint32_t process, int signo)
{
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		const struct model_handler *h = &m->handlers.items[i];
		if (h->process == process && h->signo == signo && h->is_current)
			return i;
	}
	return MODEL_NONE;
}

static bool is_in_futex(const struct model_thread *t, const struct model_frame *innermost)
{
	/* Not every processor's core says which system call it was. */
	if (t->syscall < 0)
		return innermost->function && !strncmp(innermost->function, "__lll_lock_wait", 15);
	return t->syscall == SYS_futex;
}

static void add_call(struct model *m, uint32_t thread, const struct model_frame *frames,
		     const struct model_stack *st, const struct handled *h)
{
	const struct model_thread *t = &m->threads.items[thread];
	uint32_t i = model_add_call(m);

	if (i == MODEL_NONE)
		return;
	struct model_call *c = &m->calls.items[i];
	int signo = h->at ? signal_argument(frames[h->at - 1].arguments) : 0;

	c->is_on_stack = c->is_classified = c->is_allocator = true;
	c->process = t->process;
	c->thread = thread;
	c->stack = t->stack;
	c->signo = signo ? signo : frames[h->at].signo;
	c->handler = c->signo ? find_handler(m, t->process, c->signo) : MODEL_NONE;
	c->handler_function = h->at ? frames[h->at - 1].function : NULL;
	c->function = name_of(&frames[h->called], 1);
	c->is_threaded = m->processes.items[t->process].has_children_threads;
	c->is_waiting = is_in_futex(t, &frames[0]) && find_allocator(frames, h->at);
	c->count = 1;
	c->has_interrupted_allocator = h->interrupted;
	c->interrupted = name_of(&frames[h->at + 1], st->frame_count - h->at - 1);
	if (!c->interrupted && h->interrupted)
		c->interrupted = h->interrupted->function;
}

void stacks_classify_thread(struct stacks *s, uint32_t thread)
{
	struct model *m = stacks_model(s);
	const struct model_thread *t = &m->threads.items[thread];
	struct handled h = {0};

	if (t->stack == MODEL_NONE || stacks_resolve(s, t->stack))
		return;
	const struct model_stack *st = &m->stacks.items[t->stack];
	const struct model_frame *frames = &m->frames.items[st->first_frame];
	bool is_recorded = t->call != MODEL_NONE && m->calls.items[t->call].is_allocator;

	if (!is_recorded && find_handled(frames, st->frame_count, &h))
		add_call(m, thread, frames, st, &h);
}

/* --- a recorded call ------------------------------------------------------------------------- */

/* Was the function, frames[0], called by libc? Then the program called what stands outermost of it.
 */
static void find_entry(struct model_call *c, const struct model_frame *frames, uint32_t count)
{
	uint32_t outside = 1;

	while (outside < count && frames[outside].kind != FRAME_SIGNAL &&
	       frame_is_libc(&frames[outside]))
		outside++;
	if (outside < 2 || outside == count)
		return;
	c->entered = frames[outside - 1].function;
	if (frames[outside].kind == FRAME_SIGNAL)
		return; /* the handler's last call: its own frame is gone */
	while (outside + 1 < count && frames[outside].kind == FRAME_INLINE)
		outside++;
	c->entered_by = frames[outside].pc;
	c->is_loaders = frame_is_loader(&frames[outside - 1]);
}

/* Nested handlers: each signal frame may be the one that interrupted the allocator. */
void stacks_classify(struct stacks *s, uint32_t call)
{
	struct model *m = stacks_model(s);
	struct model_call *c = &m->calls.items[call];

	if (c->is_classified)
		return;
	c->is_classified = true;
	if (c->stack == MODEL_NONE || stacks_resolve(s, c->stack))
		return;
	const struct model_stack *st = &m->stacks.items[c->stack];
	const struct model_frame *frames = &m->frames.items[st->first_frame];

	find_entry(c, frames, st->frame_count);
	for (uint32_t i = 0; i < st->frame_count && !c->has_interrupted_allocator; i++) {
		if (frames[i].kind != FRAME_SIGNAL || i + 1 == st->frame_count)
			continue;
		uint32_t count = st->frame_count - i - 1;
		const struct model_frame *allocator = find_allocator(&frames[i + 1], count);
		const char *name = name_of(&frames[i + 1], count);

		c->has_interrupted_allocator = allocator;
		if (!c->interrupted || allocator)
			c->interrupted = name || !allocator ? name : allocator->function;
	}
}
