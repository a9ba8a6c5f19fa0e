/* Locks that the program held before the shim came: see latch_lock.h. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "preload/descriptor.h"
#include "preload/fdinfo.h"
#include "preload/latch_lock.h"
#include "preload/lockset.h"
#include "preload/lockset_list.h"
#include "preload/resource.h"
#include "preload/shim.h"
#include "preload/sys.h"

struct visit {
	int fd;
	uint64_t now_ns;
};

/* --- one lock ------------------------------------------------------------------------------------ */

static bool is_same(const struct seg_lock *record, const struct fdinfo_lock *lock)
{
	return record->kind == lock->kind && record->mode == lock->mode &&
	       record->start == lock->range.start && record->end == lock->range.end;
}

/*
 * The description behind fd: the one of another descriptor that shows the same lock. Where the kernel does not
 * say whether they share it, they do: the same lock twice would be worse than one of two readers.
 */
static uint64_t find_ofd(uint32_t resource, int fd, const struct fdinfo_lock *lock)
{
	for_each_of(slot, after, resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (record->state == SEG_LOCK_HELD && is_same(record, lock) &&
		    descriptor_same_file(record->fd, fd) != 0)
			return record->ofd;
	}
	return descriptor_ofd(fd) ? descriptor_ofd(fd) : descriptor_new_ofd();
}

static bool adopt(void *data, const struct fdinfo_lock *lock)
{
	const struct visit *visit = data;
	struct lockset_change change = {.verb = LOCKSET_ADOPT};
	struct seg_header *header = segment_get();
	struct seg_lock *record;
	uint32_t resource;
	struct stat st;

	if (sys_fstat(visit->fd, &st) < 0 || !(resource = resource_of(&st, visit->fd)))
		return false;
	change.slot = lockset_new(&record);
	if (!change.slot)
		return false;
	record->kind = lock->kind;
	record->mode = lock->mode;
	record->flags = SEG_LOCK_BEFORE;
	if (lock->kind != SEG_LOCK_POSIX && lock->pid > 0 && lock->pid != header->pid)
		record->flags |= SEG_LOCK_INHERITED;
	record->resource = resource;
	record->fd = visit->fd;
	record->request = atomic_fetch_add((_Atomic uint32_t *)&header->wait_counter, 1) + 1;
	record->start = lock->range.start;
	record->end = lock->range.end;
	record->wait_since_ns = record->hold_since_ns = visit->now_ns;
	if (lock->kind != SEG_LOCK_POSIX) {
		record->ofd = find_ofd(resource, visit->fd, lock);
		descriptor_set_ofd(visit->fd, record->ofd);
	}
	descriptor_set_resource(visit->fd, resource);
	record->state = SEG_LOCK_HELD;
	segment_publish(&record->seq);
	lockset_submit(&change);
	return true;
}

/* --- all of them --------------------------------------------------------------------------------- */

/* getdents64(2); libc's readdir() allocates. */
struct entry {
	uint64_t ino, offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static void take_all(struct visit *visit)
{
	int directory = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	uint64_t buffer[256];
	long size;

	if (directory < 0) {
		segment_limit(SEG_LIMIT_PARTIAL);
		return;
	}
	while ((size = sys3(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < size;) {
			const struct entry *e = (const void *)((const char *)buffer + at);

			at += e->length;
			visit->fd = (int)strtol(e->name, NULL, 10);
			if (e->name[0] != '.' && visit->fd != directory)
				fdinfo_locks(visit->fd, adopt, visit);
		}
	}
	sys_close(directory);
}

struct check {
	const struct seg_lock *record;
	bool is_there;
};

static bool compare(void *data, const struct fdinfo_lock *lock)
{
	struct check *check = data;
	struct range range = {check->record->start, check->record->end};

	check->is_there = check->record->kind == lock->kind && check->record->mode == lock->mode &&
			  range_covers(lock->range, range);
	return !check->is_there;
}

/* A thread may have been on its way to an unlock past us when the calls were redirected. */
static void verify(uint32_t slot, const struct seg_lock *record, uint64_t now_ns)
{
	struct lockset_change change = {.verb = LOCKSET_DISOWN, .slot = slot};
	struct seg_lock copy = *record;
	struct check check = {.record = &copy};

	/* Where a later grant was merged with it, the later request's time is in the record. */
	if (copy.state != SEG_LOCK_HELD || !(copy.flags & SEG_LOCK_BEFORE) ||
	    copy.wait_since_ns != now_ns)
		return;
	change.request = copy.request;
	change.resource = copy.resource;
	if (fdinfo_locks(copy.fd, compare, &check) && check.is_there)
		return;
	lockset_submit(&change);
}

void latch_lock_take_over(void)
{
	struct visit visit = {.now_ns = shim_now_ns()};

	take_all(&visit);
	for (uint32_t slot = 1; slot <= segment_get()->tables[SEG_LOCKS].used; slot++)
		verify(slot, lockset_record(slot), visit.now_ns);
}
