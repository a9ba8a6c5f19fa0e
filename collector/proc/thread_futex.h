/*
 * Of which object of glibc a futex is a part, by what stands around it: without symbols, and
 * without a record of how it was made. What is read is the process's own and may be anything: an
 * object counts as recognised only if all of its fields fit each other and the call, and the owner
 * that it names is a thread. Pure, but for asking that.
 */
#ifndef LOCKJAM_THREAD_FUTEX_H
#define LOCKJAM_THREAD_FUTEX_H

#include "collector/model/model.h"

#define FUTEX_AROUND 64 /* bytes on either side of the word that are looked at */

enum futex_use {
	FUTEX_USE_UNKNOWN,
	FUTEX_USE_MUTEX,
	FUTEX_USE_RWLOCK,
	FUTEX_USE_STREAM, /* of a FILE */
	FUTEX_USE_CONDITION,
	FUTEX_USE_SEMAPHORE,
	FUTEX_USE_BARRIER,
	FUTEX_USE_JOIN, /* the end of a thread */
};

/* The call that a thread sleeps in. */
struct futex_call {
	uint64_t address;
	int operation; /* without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME */
	bool is_private;
	uint32_t value; /* that it found there */
};

/* What is around the word; has: which of the bytes could be read. */
struct futex_memory {
	uint8_t bytes[2 * FUTEX_AROUND];
	unsigned before, after; /* so many around the word's first byte */
};

struct futex_object {
	enum futex_use use;
	uint64_t address;    /* of the object */
	pid_t owner;         /* a thread, by its own namespace's number; 0 unknown */
	uint64_t owner_self; /* FUTEX_USE_STREAM: where its thread control block is */
	enum lock_mode mode; /* that is asked for */
	uint32_t readers;
	bool is_shared;      /* between processes */
	bool has_dead_owner; /* no such thread is there */
	bool is_doubtful;    /* that is deduced: the number may never have been a thread's */
};

/* Whether a thread of that number may own something here. */
typedef bool futex_is_thread(void *context, pid_t tid, bool is_shared);

void futex_recognise(const struct futex_call *call, const struct futex_memory *memory,
		     futex_is_thread *is_thread, void *context, struct futex_object *object);

#endif
