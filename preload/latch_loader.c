/* The dynamic loader's lock: see latch_loader.h. */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "preload/latch_loader.h"
#include "preload/lookup.h"
#include "preload/sys.h"

#define NAPS 1000
#define NAP_NS 1000000

/* pthread_mutex_t as glibc's headers declare it (bits/struct_mutex.h), since 2.1. */
static struct {
	pthread_mutex_t *lock;
	int (*trylock)(pthread_mutex_t *);
	int (*unlock)(pthread_mutex_t *);
} loader;

static bool is_owned(const pthread_mutex_t *lock)
{
	return __atomic_load_n(&lock->__data.__owner, __ATOMIC_RELAXED) == sys_gettid();
}

static bool is_held_lock(const pthread_mutex_t *lock)
{
	return lock->__data.__lock && lock->__data.__count &&
	       lock->__data.__kind == PTHREAD_MUTEX_RECURSIVE_NP && is_owned(lock);
}

bool latch_loader_find(void)
{
	uint64_t size;
	char *data = lookup_variable("_rtld_global", &size);
	pthread_mutex_t *found = NULL;
	int count = 0;

	for (uint64_t at = 0; data && at + sizeof(*found) <= size; at += sizeof(void *)) {
		pthread_mutex_t *lock = (pthread_mutex_t *)(data + at);

		if (is_held_lock(lock)) {
			found = lock;
			count++;
		}
	}
	loader.trylock = (int (*)(pthread_mutex_t *))lookup_libc("pthread_mutex_trylock");
	loader.unlock = (int (*)(pthread_mutex_t *))lookup_libc("pthread_mutex_unlock");
	if (count != 1 || !loader.trylock || !loader.unlock)
		return false;
	loader.lock = found;
	return true;
}

/*
 * A thread that has it already is inside the loader, or was interrupted there: what the loader does may be
 * half done. The owner is set after the lock is had and cleared before it is given back.
 */
bool latch_loader_try(void)
{
	return loader.lock && !is_owned(loader.lock) && loader.trylock(loader.lock) == 0;
}

bool latch_loader_wait(void)
{

	for (int i = 0; i < NAPS; i++) {
		if (latch_loader_try())
			return true;
		if (!loader.lock || is_owned(loader.lock))
			return false;
		sys_nap(NAP_NS);
	}
	return false;
}

void latch_loader_release(void)
{
	loader.unlock(loader.lock);
}
