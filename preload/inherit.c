/* The locks that a forked child shares with its parent: see inherit.h. */
#include <string.h>

#include "preload/descriptor.h"
#include "preload/inherit.h"
#include "preload/lockset.h"
#include "preload/resource.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/stack.h"
#include "preload/sys.h"

#define MAX_SHARED 1024

struct shared_lock {
	struct seg_lock lock;
	uint64_t dev, ino;
	uint32_t frames;
	uint64_t pcs[STACK_MAX_FRAMES];
	char path[512];
};

/* In pages of its own, mapped for the time of the fork; both sides unmap theirs. */
struct inheritance {
	uint64_t size;
	uint32_t count, capacity;
	struct shared_lock locks[];
};

static void copy_lock(struct inheritance *all, const struct seg_lock *lock)
{
	const struct seg_resource *resource = segment_record(SEG_RESOURCES, lock->resource);
	struct shared_lock *copy;
	const char *path;

	if (all->count == all->capacity || !resource)
		return;
	copy = &all->locks[all->count++];
	copy->lock = *lock;
	copy->dev = resource->key1;
	copy->ino = resource->key2;
	copy->frames = stack_copy(lock->stack, copy->pcs);
	path = segment_text(resource->path);
	strncpy(copy->path, path, sizeof(copy->path) - 1);
}

static struct inheritance *new_inheritance(uint32_t capacity)
{
	uint64_t size = sizeof(struct inheritance) + capacity * sizeof(struct shared_lock);
	struct inheritance *all;

	all = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (all) {
		all->size = size;
		all->capacity = capacity;
	}
	return all;
}

void inherit_prepare(void)
{
	struct seg_header *header;
	struct inheritance *all;
	int saved_errno;

	shim_self.inheritance = NULL;
	if (!segment_get() || !lockset_has_ofd() || !shim_begin(&saved_errno))
		return;
	header = segment_get();
	all = new_inheritance(MAX_SHARED);
	for (uint32_t slot = 1; all && slot <= header->tables[SEG_LOCKS].used; slot++) {
		struct seg_lock *lock = segment_record(SEG_LOCKS, slot);

		if (lock->state != SEG_LOCK_HELD || lock->kind == SEG_LOCK_POSIX)
			continue;
		segment_open_record(&lock->seq);
		lock->flags |= SEG_LOCK_SHARED;
		segment_publish(&lock->seq);
		copy_lock(all, lock);
	}
	shim_self.inheritance = all;
	shim_end(saved_errno);
}

static void discard(void)
{
	struct inheritance *all = shim_self.inheritance;

	shim_self.inheritance = NULL;
	if (all)
		sys_munmap(all, all->size);
}

void inherit_parent(void)
{
	discard();
}

static void adopt(const struct shared_lock *shared)
{
	struct lockset_change change = { .verb = LOCKSET_GRANT };
	struct seg_lock *lock;
	uint32_t seq;

	change.slot = lockset_new(&lock);
	if (!change.slot)
		return;
	seq = lock->seq;
	*lock = shared->lock;
	lock->seq = seq;
	lock->flags = SEG_LOCK_INHERITED;
	lock->resource = resource_add(shared->dev, shared->ino, shared->path);
	lock->stack = stack_intern(shared->pcs, shared->frames);
	lock->thread = segment_thread();
	lock->use = 0;
	segment_publish(&lock->seq);
	descriptor_set_ofd(lock->fd, lock->ofd);
	descriptor_set_resource(lock->fd, lock->resource);
	lockset_submit(&change);
}

void inherit_child(void)
{
	const struct inheritance *all = shim_self.inheritance;
	int saved_errno;

	if (!all)
		return;
	if (shim_begin(&saved_errno)) {
		for (uint32_t i = 0; i < all->count; i++)
			adopt(&all->locks[i]);
		shim_end(saved_errno);
	}
	discard();
}
