/*
 * Wrappers in C that a thunk of unsafe.def leads to: the thunk has the exported name.
 */
#ifndef LOCKJAM_WRAP_H
#define LOCKJAM_WRAP_H

#include <pthread.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define WRAP_HIDDEN __attribute__((visibility("hidden")))

int wrap_fclose(FILE *stream) __attribute__((visibility("hidden")));
pid_t wrap_fork(void) __attribute__((visibility("hidden")));

/* wrap_mutex.c, wrap_rwlock.c */
int wrap_pthread_mutex_lock(pthread_mutex_t *mutex) WRAP_HIDDEN;
int wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
				 const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock) WRAP_HIDDEN;
int wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock) WRAP_HIDDEN;
int wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
				    const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
				    const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_spin_lock(pthread_spinlock_t *lock) WRAP_HIDDEN;

#endif
