/*
 * See arena.h. Blocks are powers of two, never split or joined: one list of free blocks per size,
 * and the rest of the arena, which only shrinks. Each list's head holds an offset and a number that
 * changes with every change, so that a head that was taken and put back meanwhile is noticed.
 */
#include <stdatomic.h>
#include <string.h>

#include "preload/arena.h"
#include "preload/sys.h"

#define CLASS_MIN 5 /* 32 bytes */
#define CLASSES 21  /* up to ARENA_BLOCK_MAX = 1 << 20 */
#define UNIT 16     /* everything is aligned to it */

/* In front of what the program gets. */
struct head {
	uint32_t offset; /* of the block in the arena */
	uint32_t class_;
	uint64_t usable; /* bytes behind the head */
};

static struct {
	uintptr_t low, high;
	_Atomic uint64_t fresh;         /* offset from which on nothing was given away yet */
	_Atomic uint64_t free[CLASSES]; /* offset / UNIT + 1 of the first block | changes << 32 */
} arena;

bool arena_init(void)
{
	void *at = sys_mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	if (!at)
		return false;
	arena.low = (uintptr_t)at;
	arena.high = arena.low + ARENA_BYTES;
	return true;
}

bool arena_has(const void *block)
{
	return (uintptr_t)block >= arena.low && (uintptr_t)block < arena.high;
}

static uint32_t class_of(size_t bytes)
{
	uint32_t c = CLASS_MIN;

	while (((size_t)1 << c) < bytes)
		c++;
	return c;
}

/* A free block's first word: the next one, as in arena.free without the number. */
static _Atomic uint32_t *link_of(uint32_t name)
{
	return (_Atomic uint32_t *)(arena.low + (uint64_t)(name - 1) * UNIT);
}

static bool pop(uint32_t class_, uint64_t *offset)
{
	_Atomic uint64_t *list = &arena.free[class_];
	uint64_t head = atomic_load(list), after;

	do {
		if (!(uint32_t)head)
			return false;
		/* It may be somebody's by now: then what stands there is not used. */
		after = atomic_load(link_of((uint32_t)head)) |
			((head >> 32) + 1) << 32;
	} while (!atomic_compare_exchange_weak(list, &head, after));
	*offset = (uint64_t)((uint32_t)head - 1) * UNIT;
	return true;
}

static void push(uint32_t class_, uint64_t offset)
{
	_Atomic uint64_t *list = &arena.free[class_];
	uint32_t name = (uint32_t)(offset / UNIT) + 1;
	uint64_t head = atomic_load(list);

	do {
		atomic_store(link_of(name), (uint32_t)head);
	} while (!atomic_compare_exchange_weak(list, &head, name | ((head >> 32) + 1) << 32));
}

static bool take_fresh(uint32_t class_, uint64_t *offset)
{
	uint64_t size = UINT64_C(1) << class_, at = atomic_load(&arena.fresh);

	do {
		if (at + size > arena.high - arena.low)
			return false;
	} while (!atomic_compare_exchange_weak(&arena.fresh, &at, at + size));
	*offset = at;
	return true;
}

static struct head *head_of(const void *block)
{
	return (struct head *)block - 1;
}

void *arena_get(size_t size, size_t align)
{
	uint64_t offset, bytes;
	uint32_t class_;

	if (align < UNIT)
		align = UNIT;
	if (!arena.low || size > ARENA_BLOCK_MAX || align > ARENA_BLOCK_MAX)
		return NULL;
	bytes = sizeof(struct head) + size + (align > UNIT ? align : 0);
	if (bytes > ARENA_BLOCK_MAX)
		return NULL;
	class_ = class_of(bytes);
	if (!pop(class_, &offset) && !take_fresh(class_, &offset))
		return NULL;
	uintptr_t start = arena.low + offset;
	uintptr_t block = (start + sizeof(struct head) + align - 1) & ~(uintptr_t)(align - 1);
	size_t usable = start + (UINT64_C(1) << class_) - block;

	*head_of((void *)block) = (struct head){
		.offset = (uint32_t)offset,
		.class_ = class_,
		.usable = usable,
	};
	return (void *)block;
}

size_t arena_size(const void *block)
{
	return head_of(block)->usable;
}

void arena_put(void *block)
{
	struct head head = *head_of(block);

	/* The program may have written there: a head that is damaged loses its block, no more. */
	if (head.class_ < CLASS_MIN || head.class_ >= CLASSES || head.offset % UNIT ||
	    head.offset + (UINT64_C(1) << head.class_) > ARENA_BYTES)
		return;
	push(head.class_, head.offset);
}
