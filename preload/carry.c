/* What survives execve(): see carry.h. */
#include <string.h>

#include "preload/carry.h"
#include "preload/descriptor.h"
#include "preload/fdinfo.h"
#include "preload/lockset.h"
#include "preload/resource.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"

struct former {
	struct seg_header *header; /* mapped, private: nobody changes it under us */
	uint64_t size;
};

/* One function for one signal, with different flags: to be told, though no signal ever came. */
static bool has_variants(const struct seg_header *header)
{
	const struct seg_table *table = &header->tables[SEG_HANDLERS];
	const struct seg_handler *handlers = (const void *)((const char *)header + table->offset);

	for (uint32_t i = 0; i < table->used; i++)
		for (uint32_t j = 0; j < i; j++)
			if (handlers[i].signo == handlers[j].signo &&
			    handlers[i].handler == handlers[j].handler &&
			    handlers[i].flags != handlers[j].flags)
				return true;
	return false;
}

int carry_is_empty(const struct seg_header *header)
{
	return !header->tables[SEG_LOCKS].used && !header->tables[SEG_FINDINGS].used &&
	       !header->lost_findings && !header->deliveries &&
	       !header->tables[SEG_LOCKS].dropped && !header->tables[SEG_LOST].used && !has_variants(header);
}

/* --- the former image's file ------------------------------------------------------------------- */

static bool is_table_sound(const struct former *former, enum seg_table_id id, uint32_t record_size)
{
	const struct seg_table *table = &SEG_TABLE(former->header, id);

	return table->record_size == record_size && table->offset <= former->size &&
	       table->used <= table->capacity &&
	       table->capacity <= (former->size - table->offset) / record_size;
}

/* It was written by ourselves, but anything may have happened to it since. */
static bool is_sound(const struct former *former)
{
	const struct seg_header *header = former->header;

	return header->magic == SEG_MAGIC && header->version == SEG_VERSION &&
	       header->pid == sys_getpid() &&
	       is_table_sound(former, SEG_LOCKS, sizeof(struct seg_lock)) &&
	       is_table_sound(former, SEG_RESOURCES, sizeof(struct seg_resource)) &&
	       is_table_sound(former, SEG_HANDLERS, sizeof(struct seg_handler)) &&
	       is_table_sound(former, SEG_STRINGS, 1);
}

static bool open_former(struct former *former, const char *path)
{
	int fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return false;
	former->header = NULL;
	if (sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size > sizeof(struct seg_header)) {
		former->size = (uint64_t)st.st_size;
		former->header = sys_mmap(NULL, former->size, PROT_READ, MAP_PRIVATE, fd);
	}
	sys_close(fd);
	if (former->header && is_sound(former))
		return true;
	if (former->header)
		sys_munmap(former->header, former->size);
	return false;
}

static const void *former_record(const struct former *former, enum seg_table_id id, uint32_t index)
{
	const struct seg_table *table = &SEG_TABLE(former->header, id);

	if (!index || index > table->used)
		return NULL;
	return (const char *)former->header + table->offset +
	       (uint64_t)(index - 1) * table->record_size;
}

static const char *former_text(const struct former *former, uint32_t offset)
{
	const struct seg_table *table = &former->header->tables[SEG_STRINGS];
	const char *text = (const char *)former->header + table->offset + offset;

	if (offset >= table->used || !memchr(text, 0, table->used - offset))
		return "";
	return text;
}

/* --- the kernel's word ------------------------------------------------------------------------- */

struct question {
	const struct seg_lock *lock;
	bool is_confirmed;
};

static bool compare(void *data, const struct fdinfo_lock *listed)
{
	struct question *question = data;
	const struct seg_lock *lock = question->lock;

	question->is_confirmed =
		listed->kind == lock->kind && listed->mode == lock->mode &&
		range_covers(listed->range, (struct range){ lock->start, lock->end });
	return !question->is_confirmed;
}

/* Is the lock among those that the kernel lists for the descriptor? */
static bool is_confirmed(const struct seg_lock *lock)
{
	struct question question = { .lock = lock };

	fdinfo_locks(lock->fd, compare, &question);
	return question.is_confirmed;
}

static bool is_still_there(const struct seg_lock *lock, const struct seg_resource *resource)
{
	struct stat st;

	return lock->fd >= 0 && sys_fstat(lock->fd, &st) == 0 && st.st_dev == resource->key1 &&
	       st.st_ino == resource->key2 && is_confirmed(lock);
}

/* --- taking over ------------------------------------------------------------------------------- */

/* The addresses of its stack mean nothing in this image: the report finds them in the former's. */
static void take_over(const struct former *former, const struct seg_lock *old)
{
	const struct seg_resource *resource = former_record(former, SEG_RESOURCES, old->resource);
	struct lockset_change change = { .verb = LOCKSET_GRANT };
	struct seg_lock *lock;
	uint32_t seq;

	if (!resource || !is_still_there(old, resource) || !(change.slot = lockset_new(&lock)))
		return;
	seq = lock->seq;
	*lock = *old;
	lock->seq = seq;
	lock->flags = (old->flags & (SEG_LOCK_INHERITED | SEG_LOCK_SHARED)) | SEG_LOCK_CARRIED;
	lock->stack = 0;
	lock->use = 0;
	lock->thread = segment_thread();
	lock->resource = resource_add(resource->key1, resource->key2,
				      former_text(former, resource->path));
	segment_publish(&lock->seq);
	descriptor_set_ofd(lock->fd, lock->ofd);
	descriptor_set_resource(lock->fd, lock->resource);
	lockset_submit(&change);
}

/* Nobody needs the former record: its name becomes ours, so images stay numbered without gaps. */
static void take_place(const char *former_path)
{
	struct seg_header *header = segment_get();
	char path[SEGMENT_PATH_MAX];

	if (segment_file_path(path, header->start_time, header->image) &&
	    sys4(SYS_renameat, AT_FDCWD, path, AT_FDCWD, former_path) == 0)
		header->image--;
}

/* Of the handlers that execve() took away. */
static uint64_t caught_by(const struct former *former)
{
	const struct seg_handler *handler;
	uint64_t caught = 0;

	for (uint32_t i = 1; (handler = former_record(former, SEG_HANDLERS, i)); i++)
		if (handler->current && handler->signo >= 1 && handler->signo <= 64)
			caught |= UINT64_C(1) << (handler->signo - 1);
	return caught;
}

void carry_over(void)
{
	struct seg_header *header = segment_get();
	char path[SEGMENT_PATH_MAX];
	struct former former = { 0 };

	if (!header->image || !segment_file_path(path, header->start_time, header->image - 1))
		return;
	if (!open_former(&former, path)) {
		segment_limit(SEG_LIMIT_CARRY);
		return;
	}
	header->caught_before = caught_by(&former);
	if (carry_is_empty(former.header))
		take_place(path);
	for (uint32_t i = 1; i <= former.header->tables[SEG_LOCKS].used; i++) {
		const struct seg_lock *old = former_record(&former, SEG_LOCKS, i);

		if (old->state == SEG_LOCK_HELD && !(old->seq & 1))
			take_over(&former, old);
	}
	sys_munmap(former.header, former.size);
}
