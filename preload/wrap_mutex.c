/* Mutexes of every type. See wrap_hold.h. */
#include "preload/wrap_hold.h"

/*
 * glibc, struct __pthread_mutex_s (bits/struct_mutex.h): __lock is 0 while a mutex of any type is free;
 * the low bits of __kind are its type. Once more by its owner a recursive one does not wait.
 */
#define TYPE_MASK 3

static inline bool is_busy(const pthread_mutex_t *mutex)
{
	if (shim_likely(!__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED)))
		return false;
	return mutex->__data.__owner != shim_self.tid ||
	       (mutex->__data.__kind & TYPE_MASK) != PTHREAD_MUTEX_RECURSIVE;
}

int wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	HOLD_ACQUIRE(pthread_mutex_lock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex, is_busy(mutex),
		     false, mutex);
}

int wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_mutex_timedlock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex, is_busy(mutex),
		     true, mutex, until);
}

int wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
				 const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_mutex_clocklock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex, is_busy(mutex),
		     true, mutex, clock, until);
}

SHIM_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	HOLD_TRY(pthread_mutex_trylock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex);
}

SHIM_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	HOLD_RELEASE(pthread_mutex_unlock, mutex);
}

/* --- C11: the same objects, and other results ----------------------------------------------------- */

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc: one object");

int wrap_mtx_lock(mtx_t *mutex)
{
	HOLD_ACQUIRE(mtx_lock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex,
		     is_busy((const pthread_mutex_t *)mutex), false, mutex);
}

int wrap_mtx_timedlock(mtx_t *mutex, const struct timespec *until)
{
	HOLD_ACQUIRE(mtx_timedlock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex,
		     is_busy((const pthread_mutex_t *)mutex), true, mutex, until);
}

SHIM_EXPORT int mtx_trylock(mtx_t *mutex)
{
	HOLD_TRY(mtx_trylock, SEG_HOLD_MUTEX, SEG_MODE_WRITE, mutex);
}

SHIM_EXPORT int mtx_unlock(mtx_t *mutex)
{
	HOLD_RELEASE(mtx_unlock, mutex);
}
