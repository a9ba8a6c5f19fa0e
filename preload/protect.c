/*
 * See protect.h.
 *
 * Whether the allocator was interrupted is read from the interrupted stack, as the collector does:
 * so allocating costs nothing more outside handlers. What is freed costs two comparisons: blocks of
 * the arena may be freed anywhere, later and by other threads. A block of the real heap that is freed in such a
 * handler is kept in a list and freed at the next free() outside.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "preload/arena.h"
#include "preload/finding.h"
#include "preload/lookup.h"
#include "preload/protect.h"
#include "preload/segment.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define FRAMES_MAX 48 /* of the interrupted stack that are looked at; the allocator is at its top */
#define PAGE 4096

/* A block of the real heap that waits to be freed; it lies in the block. */
struct late {
	struct late *next;
};

static struct {
	bool is_on;
	void (*free)(void *);
	void *(*malloc)(size_t);
	void *(*realloc)(void *, size_t);
	size_t (*usable_size)(void *);
	_Atomic(struct late *) late;
} protect;

/* --- was the allocator interrupted? ---------------------------------------------------------- */

static bool is_in_allocator(const struct shim_frame *frame)
{
	const ucontext_t *context = frame->context;
	struct unwind_start start = {
		.pc = arch_context_pc(context),
		.sp = arch_context_sp(context),
		.fp = arch_context_fp(context),
	};
	uint64_t pcs[FRAMES_MAX];
	uint32_t count;

	if (finding_is_allocator(start.pc))
		return true;
	count = unwind_from(&start, pcs, FRAMES_MAX, NULL);
	for (uint32_t i = 0; i < count; i++)
		if (finding_is_allocator(pcs[i]))
			return true;
	return false;
}

/* Also by a handler further out: its own call of the allocator may be what this one interrupted. */
static bool has_interrupted_allocator(struct shim_frame *frame)
{
	for (; frame; frame = frame->prev) {
		if (!frame->is_allocator_known) {
			frame->has_interrupted_allocator = is_in_allocator(frame);
			frame->is_allocator_known = true;
		}
		if (frame->has_interrupted_allocator)
			return true;
	}
	return false;
}

/* --- in the handler -------------------------------------------------------------------------- */

static void count(uint64_t *counter)
{
	atomic_fetch_add((_Atomic uint64_t *)counter, 1);
}

static void *get(size_t size, size_t align)
{
	void *block = arena_get(size, align);
	int saved_errno;

	if (shim_begin(&saved_errno)) {
		count(block ? &segment_get()->protect_served : &segment_get()->protect_refused);
		shim_end(saved_errno);
	}
	if (!block)
		errno = ENOMEM;
	return block;
}

static void *inside_malloc(size_t size)
{
	return get(size, 0);
}

static void *inside_calloc(size_t n, size_t size)
{
	size_t bytes;
	void *block;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	block = get(bytes, 0);
	return block ? memset(block, 0, bytes) : NULL;
}

static void inside_free(void *block)
{
	struct late *late = block;

	if (!block)
		return;
	if (arena_has(block)) {
		arena_put(block);
		return;
	}
	late->next = atomic_load(&protect.late);
	while (!atomic_compare_exchange_weak(&protect.late, &late->next, late))
		;
}

static size_t size_of(void *block)
{
	return arena_has(block) ? arena_size(block) : protect.usable_size(block);
}

static void *inside_realloc(void *old, size_t size)
{
	if (old && !size) { /* as glibc does */
		inside_free(old);
		return NULL;
	}
	void *block = get(size, 0);
	size_t had = block && old ? size_of(old) : 0;

	if (!block)
		return NULL;
	if (old)
		memcpy(block, old, had < size ? had : size);
	inside_free(old);
	return block;
}

static void *inside_reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return inside_realloc(old, bytes);
}

static void *inside_memalign(size_t align, size_t size)
{
	size_t power = sizeof(void *);

	/* memalign() of glibc takes the next power of two. */
	while (power < align && power < ARENA_BLOCK_MAX)
		power *= 2;
	return get(size, power);
}

static int inside_posix_memalign(void **result, size_t align, size_t size)
{
	int before = errno;
	void *block;

	if (!align || align % sizeof(void *) || align & (align - 1))
		return EINVAL;
	block = get(size, align);
	errno = before;
	if (!block)
		return ENOMEM;
	*result = block;
	return 0;
}

static void *inside_valloc(size_t size)
{
	return get(size, PAGE);
}

static void *inside_pvalloc(size_t size)
{
	return get((size + PAGE - 1) & ~(size_t)(PAGE - 1), PAGE);
}

void *protect_inside(enum thunk_id id, struct shim_frame *frame)
{
	if (!protect.is_on || !has_interrupted_allocator(frame))
		return NULL;
	switch (id) {
	case THUNK_malloc:
		return (void *)inside_malloc;
	case THUNK_calloc:
		return (void *)inside_calloc;
	case THUNK_realloc:
		return (void *)inside_realloc;
	case THUNK_reallocarray:
		return (void *)inside_reallocarray;
	case THUNK_free:
		return (void *)inside_free;
	case THUNK_posix_memalign:
		return (void *)inside_posix_memalign;
	case THUNK_aligned_alloc:
	case THUNK_memalign:
		return (void *)inside_memalign;
	case THUNK_valloc:
		return (void *)inside_valloc;
	case THUNK_pvalloc:
		return (void *)inside_pvalloc;
	default:
		return NULL;
	}
}

/* --- everywhere else ------------------------------------------------------------------------- */

static void free_late(void)
{
	struct late *late = atomic_exchange(&protect.late, NULL), *next;

	for (; late; late = next) {
		next = late->next;
		protect.free(late);
	}
}

static void outside_free(void *block)
{
	if (shim_unlikely(arena_has(block))) {
		arena_put(block);
		return;
	}
	if (shim_unlikely(atomic_load_explicit(&protect.late, memory_order_relaxed)))
		free_late();
	protect.free(block);
}

static void *outside_realloc(void *old, size_t size)
{
	size_t had;
	void *block;

	if (shim_likely(!arena_has(old)))
		return protect.realloc(old, size);
	if (!size) { /* as glibc does */
		arena_put(old);
		return NULL;
	}
	had = arena_size(old);
	block = protect.malloc(size); /* the program's own request, outside of any handler's reach */
	if (!block)
		return NULL;
	memcpy(block, old, had < size ? had : size);
	arena_put(old);
	return block;
}

static void *outside_reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return outside_realloc(old, bytes);
}

static size_t outside_usable_size(void *block)
{
	return size_of(block);
}

/* --- switching it on ------------------------------------------------------------------------- */

static bool is_asked_for(void)
{
	const char *value = getenv(SEG_ENV_PROTECT);

	return value && !strcmp(value, "1");
}

/* While the process has one thread: who has a function from before has libc's. */
void protect_init(void)
{
	if (!is_asked_for() || !arena_init())
		return;
	protect.free = (void (*)(void *))lookup_next("free");
	protect.malloc = (void *(*)(size_t))lookup_next("malloc");
	protect.realloc = (void *(*)(void *, size_t))lookup_next("realloc");
	protect.usable_size = (size_t (*)(void *))lookup_next("malloc_usable_size");
	if (!protect.free || !protect.malloc || !protect.realloc || !protect.usable_size)
		return;
	thunk_lead(THUNK_free, (void *)outside_free);
	thunk_lead(THUNK_realloc, (void *)outside_realloc);
	thunk_lead(THUNK_reallocarray, (void *)outside_reallocarray);
	thunk_lead(THUNK_malloc_usable_size, (void *)outside_usable_size);
	protect.is_on = true;
}
