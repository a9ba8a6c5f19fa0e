/* What is known about the program's descriptors: see descriptor.h. */
#include <linux/kcmp.h>
#include <stdatomic.h>

#include "preload/descriptor.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define MAX_FD 65536 /* what is above is not followed over dup and close */

struct descriptor {
	_Atomic uint64_t ofd;
	_Atomic uint64_t resource; /* epoch << 32 | index */
};

/* Zero pages until used: a program with few descriptors touches one. */
static struct {
	struct descriptor table[MAX_FD];
	_Atomic int limit;
	_Atomic uint32_t counter;
} descriptors;

static struct descriptor *slot(int fd)
{
	return fd >= 0 && fd < MAX_FD ? &descriptors.table[fd] : NULL;
}

static void note_limit(int fd)
{
	int limit = atomic_load_explicit(&descriptors.limit, memory_order_relaxed);

	while (fd >= limit && !atomic_compare_exchange_weak(&descriptors.limit, &limit, fd + 1))
		;
}

int descriptor_limit(void)
{
	return atomic_load_explicit(&descriptors.limit, memory_order_relaxed);
}

uint64_t descriptor_ofd(int fd)
{
	struct descriptor *d = slot(fd);

	return d ? atomic_load_explicit(&d->ofd, memory_order_relaxed) : 0;
}

void descriptor_set_ofd(int fd, uint64_t ofd)
{
	struct descriptor *d = slot(fd);

	if (!d)
		return;
	note_limit(fd);
	atomic_store_explicit(&d->ofd, ofd, memory_order_relaxed);
}

uint64_t descriptor_new_ofd(void)
{
	return (uint64_t)sys_getpid() << 32 |
	       (atomic_fetch_add_explicit(&descriptors.counter, 1, memory_order_relaxed) + 1);
}

uint32_t descriptor_resource(int fd)
{
	struct descriptor *d = slot(fd);
	uint64_t value = d ? atomic_load_explicit(&d->resource, memory_order_relaxed) : 0;

	return value >> 32 == (segment_epoch() & UINT32_MAX) ? (uint32_t)value : 0;
}

void descriptor_set_resource(int fd, uint32_t resource)
{
	struct descriptor *d = slot(fd);

	if (!d)
		return;
	note_limit(fd);
	atomic_store_explicit(&d->resource, (segment_epoch() & UINT32_MAX) << 32 | resource,
			      memory_order_relaxed);
}

int descriptor_other(uint64_t ofd, int fd)
{
	int limit = descriptor_limit();

	for (int other = 0; other < limit; other++)
		if (other != fd && descriptor_ofd(other) == ofd)
			return other;
	return -1;
}

void descriptor_duplicated(int from, int to)
{
	uint64_t ofd = descriptor_ofd(from);

	if (from == to)
		return;
	if (!ofd) {
		ofd = descriptor_new_ofd();
		descriptor_set_ofd(from, ofd);
	}
	descriptor_set_ofd(to, ofd);
	descriptor_set_resource(to, descriptor_resource(from));
}

void descriptor_closed(int fd)
{
	struct descriptor *d = slot(fd);

	if (!d || fd >= descriptor_limit())
		return;
	atomic_store_explicit(&d->ofd, 0, memory_order_relaxed);
	atomic_store_explicit(&d->resource, 0, memory_order_relaxed);
}

void descriptor_reset(void)
{
	for (int fd = descriptor_limit() - 1; fd >= 0; fd--)
		descriptor_closed(fd);
}

int descriptor_same_file(int a, int b)
{
	int pid = sys_getpid();
	long ret = sys5(SYS_kcmp, pid, pid, KCMP_FILE, a, b);

	return ret < 0 ? -1 : ret == 0;
}
