/*
 * Wrappers in C that a thunk of unsafe.def leads to: the thunk has the exported name.
 */
#ifndef LOCKJAM_WRAP_H
#define LOCKJAM_WRAP_H

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/types.h>
#include <threads.h>
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

/* wrap_cond.c */
int wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
				const struct timespec *until) WRAP_HIDDEN;
int wrap_cnd_wait(cnd_t *condition, mtx_t *mutex) WRAP_HIDDEN;
int wrap_cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) WRAP_HIDDEN;

/* wrap_mutex.c */
int wrap_mtx_lock(mtx_t *mutex) WRAP_HIDDEN;
int wrap_mtx_timedlock(mtx_t *mutex, const struct timespec *until) WRAP_HIDDEN;

/* wrap_sem.c */
int wrap_sem_wait(sem_t *semaphore) WRAP_HIDDEN;
int wrap_sem_timedwait(sem_t *semaphore, const struct timespec *until) WRAP_HIDDEN;
int wrap_sem_trywait(sem_t *semaphore) WRAP_HIDDEN;
int wrap_sem_post(sem_t *semaphore) WRAP_HIDDEN;

/* wrap_join.c */
int wrap_pthread_barrier_wait(pthread_barrier_t *barrier) WRAP_HIDDEN;
int wrap_pthread_join(pthread_t thread, void **result) WRAP_HIDDEN;
int wrap_pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until) WRAP_HIDDEN;
int wrap_pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
			      const struct timespec *until) WRAP_HIDDEN;
int wrap_thrd_join(thrd_t thread, int *result) WRAP_HIDDEN;

#endif
