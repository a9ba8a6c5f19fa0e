/* Locks of readers and writers, and spin locks. See wrap_hold.h. */
#include "preload/wrap_hold.h"

/*
 * glibc 2.25 and later, nptl/pthread_rwlock_common.c: bit 1 of __readers is set while a writer has the
 * lock or is first to have it, bit 0 in the writers' phase, the number of readers stands above bit 2.
 */
#define RWLOCK_WRITER 2u
#define RWLOCK_READERS_SHIFT 3

static inline bool is_written(const pthread_rwlock_t *lock)
{
	return __atomic_load_n(&lock->__data.__readers, __ATOMIC_RELAXED) & RWLOCK_WRITER;
}

static inline bool is_taken(const pthread_rwlock_t *lock)
{
	unsigned int word = __atomic_load_n(&lock->__data.__readers, __ATOMIC_RELAXED);

	return word & RWLOCK_WRITER || word >> RWLOCK_READERS_SHIFT;
}

int wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	HOLD_ACQUIRE(pthread_rwlock_rdlock, SEG_HOLD_RWLOCK, SEG_MODE_READ, lock, is_written(lock),
		     false, lock);
}

int wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_rwlock_timedrdlock, SEG_HOLD_RWLOCK, SEG_MODE_READ, lock,
		     is_written(lock), true, lock, until);
}

int wrap_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
				    const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_rwlock_clockrdlock, SEG_HOLD_RWLOCK, SEG_MODE_READ, lock,
		     is_written(lock), true, lock, clock, until);
}

int wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	HOLD_ACQUIRE(pthread_rwlock_wrlock, SEG_HOLD_RWLOCK, SEG_MODE_WRITE, lock, is_taken(lock),
		     false, lock);
}

int wrap_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_rwlock_timedwrlock, SEG_HOLD_RWLOCK, SEG_MODE_WRITE, lock,
		     is_taken(lock), true, lock, until);
}

int wrap_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
				    const struct timespec *until)
{
	HOLD_ACQUIRE(pthread_rwlock_clockwrlock, SEG_HOLD_RWLOCK, SEG_MODE_WRITE, lock,
		     is_taken(lock), true, lock, clock, until);
}

SHIM_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	HOLD_TRY(pthread_rwlock_tryrdlock, SEG_HOLD_RWLOCK, SEG_MODE_READ, lock);
}

SHIM_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
	HOLD_TRY(pthread_rwlock_trywrlock, SEG_HOLD_RWLOCK, SEG_MODE_WRITE, lock);
}

SHIM_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	HOLD_RELEASE(pthread_rwlock_unlock, lock);
}

/* --- spin locks --------------------------------------------------------------------------------- */

/* glibc, pthread_spin_lock.S of x86: 1 is free; elsewhere 0 is. */
static inline bool is_spinning(const pthread_spinlock_t *lock)
{
	int word = __atomic_load_n(lock, __ATOMIC_RELAXED);

#ifdef __x86_64__
	return word != 1;
#else
	return word != 0;
#endif
}

int wrap_pthread_spin_lock(pthread_spinlock_t *lock)
{
	HOLD_ACQUIRE(pthread_spin_lock, SEG_HOLD_SPIN, SEG_MODE_WRITE, lock, is_spinning(lock),
		     false, lock);
}

SHIM_EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock)
{
	HOLD_TRY(pthread_spin_trylock, SEG_HOLD_SPIN, SEG_MODE_WRITE, lock);
}

SHIM_EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	HOLD_RELEASE(pthread_spin_unlock, lock);
}
