/* Locks of threads: libc's objects as they stand in memory, and lists of a dead process. */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/collector.h"
#include "collector/proc/thread_lock.h"
#include "collector/segment/session.h"
#include "tests/unit/segment_fixture.h"
#include "tests/unit/unit.h"

static pid_t own_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static struct thread_lock parsed(enum lock_kind kind, const void *lock)
{
	struct thread_lock result;

	thread_lock_parse(kind, lock, &result);
	return result;
}

static void check_mutex(int type, int protocol, int robustness, int shared)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutexattr_setrobust(&attributes, robustness);
	pthread_mutexattr_setpshared(&attributes, shared);
	CU_ASSERT_EQUAL_FATAL(pthread_mutex_init(&mutex, &attributes), 0);
	CU_ASSERT_FALSE(parsed(LOCK_MUTEX, &mutex).is_taken);
	CU_ASSERT_EQUAL(parsed(LOCK_MUTEX, &mutex).owner, 0);
	CU_ASSERT_EQUAL(pthread_mutex_lock(&mutex), 0);
	CU_ASSERT(parsed(LOCK_MUTEX, &mutex).is_taken);
	CU_ASSERT_EQUAL(parsed(LOCK_MUTEX, &mutex).owner, own_tid());
	/* libc makes a robust one as if it were shared. */
	CU_ASSERT_EQUAL(parsed(LOCK_MUTEX, &mutex).is_shared,
			shared == PTHREAD_PROCESS_SHARED || robustness == PTHREAD_MUTEX_ROBUST);
	CU_ASSERT_FALSE(parsed(LOCK_MUTEX, &mutex).has_dead_owner);
	CU_ASSERT_EQUAL(pthread_mutex_unlock(&mutex), 0);
	CU_ASSERT_FALSE(parsed(LOCK_MUTEX, &mutex).is_taken);
	pthread_mutex_destroy(&mutex);
}

static void mutexes_of_every_type(void)
{
	static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
				    PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (int n = 0; n < 8; n++)
			check_mutex(types[i], n & 1 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE,
				    n & 2 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED,
				    n & 4 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
}

static void *leave_taken(void *mutex)
{
	pthread_mutex_lock(mutex);
	return NULL;
}

static void a_robust_one_without_its_owner(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	pthread_t thread;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &attributes);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, leave_taken, &mutex), 0);
	pthread_join(thread, NULL);
	CU_ASSERT(parsed(LOCK_MUTEX, &mutex).has_dead_owner);
	CU_ASSERT_EQUAL(parsed(LOCK_MUTEX, &mutex).owner, 0);
}

static void locks_of_readers_and_writers(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

	CU_ASSERT_FALSE(parsed(LOCK_RWLOCK, &lock).is_taken);
	pthread_rwlock_rdlock(&lock);
	pthread_rwlock_rdlock(&lock);
	CU_ASSERT(parsed(LOCK_RWLOCK, &lock).is_taken);
	CU_ASSERT_EQUAL(parsed(LOCK_RWLOCK, &lock).readers, 2);
	CU_ASSERT_EQUAL(parsed(LOCK_RWLOCK, &lock).owner, 0);
	pthread_rwlock_unlock(&lock);
	pthread_rwlock_unlock(&lock);
	pthread_rwlock_wrlock(&lock);
	CU_ASSERT_EQUAL(parsed(LOCK_RWLOCK, &lock).readers, 0);
	CU_ASSERT_EQUAL(parsed(LOCK_RWLOCK, &lock).owner, own_tid());
	pthread_rwlock_unlock(&lock);
	CU_ASSERT_FALSE(parsed(LOCK_RWLOCK, &lock).is_taken);
	CU_ASSERT_FALSE(parsed(LOCK_RWLOCK, &lock).is_shared);
}

static void spin_locks(void)
{
	pthread_spinlock_t lock;

	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	CU_ASSERT_FALSE(parsed(LOCK_SPIN, (const void *)&lock).is_taken);
	pthread_spin_lock(&lock);
	CU_ASSERT(parsed(LOCK_SPIN, (const void *)&lock).is_taken);
	pthread_spin_unlock(&lock);
}

static void a_place_in_a_shared_file(void)
{
	char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct proc *proc = proc_new("/");
	struct thread_lock_place place;
	int local;

	CU_ASSERT_EQUAL(thread_lock_place(proc, getpid(), (uintptr_t)shared + 4100, &place), 0);
	CU_ASSERT(place.ino != 0);
	CU_ASSERT_EQUAL(place.offset, 4100);
	CU_ASSERT(thread_lock_place(proc, getpid(), (uintptr_t)&local, &place) < 0);
	CU_ASSERT(thread_lock_place(proc, getpid(), 8, &place) < 0);
	proc_free(proc);
	munmap(shared, 8192);
}

/* --- records of the dead ------------------------------------------------------------------------ */

#define MUTEX_A 0x601000
#define MUTEX_B 0x602000

static struct segment_fixture f;
static struct collector *collector;
static char dir[64];

static struct seg_holds *add_list(pid_t tid, uint64_t held, uint64_t asked)
{
	struct seg_thread *thread = segment_fixture_add(&f, SEG_THREADS, NULL);
	struct seg_holds *list = segment_fixture_add(&f, SEG_LISTS, NULL);

	thread->tid = list->tid = tid;
	list->top = 2;
	list->holds[0] = (struct seg_hold){.address = held,
					   .site = 0x5000,
					   .state = SEG_HOLD_HELD,
					   .kind = SEG_HOLD_MUTEX,
					   .mode = SEG_MODE_WRITE};
	list->holds[1] = list->holds[0];
	list->holds[1].address = asked;
	list->holds[1].state = SEG_HOLD_ASKED;
	list->wait = (struct seg_thread_wait){.kind = SEG_WAIT_LOCK,
					      .hold_kind = SEG_HOLD_MUTEX,
					      .mode = SEG_MODE_WRITE,
					      .address = asked,
					      .since_ns = 5000,
					      .site = 0x5010,
					      .request = (uint32_t)tid};
	return list;
}

static void begin(void)
{
	segment_fixture_init(&f);
	add_list(FIXTURE_PID, MUTEX_A, MUTEX_B);
	add_list(FIXTURE_PID + 1, MUTEX_B, MUTEX_A);
}

static const struct model *opened(void)
{
	struct collect_options options = {.dir = dir};
	struct collect_error error;
	char path[128];

	strcpy(dir, "/tmp/lockjam-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	rmdir(dir);
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	CU_ASSERT_EQUAL(segment_fixture_write(&f, FIXTURE_SIZE, dir), 0);
	CU_ASSERT_EQUAL_FATAL(collector_open(&options, &collector, &error), 0);
	CU_ASSERT_PTR_NULL(model_check(collector_model(collector)));
	return collector_model(collector);
}

static void end(void)
{
	collector_close(collector);
	CU_ASSERT_EQUAL(session_remove(dir), 0);
}

static uint32_t count_locks(const struct model *m, enum lock_state state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->locks.count; i++)
		count += m->locks.items[i].state == state;
	return count;
}

static void two_that_wait_for_each_other(void)
{
	begin();
	const struct model *m = opened();

	CU_ASSERT_EQUAL(m->resources.count, 2);
	CU_ASSERT_EQUAL(count_locks(m, LOCK_HELD), 2);
	CU_ASSERT_EQUAL(count_locks(m, LOCK_WAITING), 2);
	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		CU_ASSERT_EQUAL(l->kind, LOCK_MUTEX);
		CU_ASSERT_EQUAL(l->evidence, EVIDENCE_RECORDED);
		CU_ASSERT_NOT_EQUAL(l->thread, MODEL_NONE);
		if (l->state != LOCK_WAITING)
			continue;
		CU_ASSERT_EQUAL(l->since_ns, 5000);
		CU_ASSERT_NOT_EQUAL_FATAL(l->blocker, MODEL_NONE);
		CU_ASSERT_NOT_EQUAL(m->locks.items[l->blocker].thread, l->thread);
	}
	end();
}

/* It may have been about to return. */
static void only_begun_is_no_wait(void)
{
	begin();
	((struct seg_holds *)segment_fixture_record(&f, SEG_LISTS, 1))->wait.kind = SEG_WAIT_NONE;
	CU_ASSERT_EQUAL(count_locks(opened(), LOCK_WAITING), 1);
	end();
}

static void nobody_waits(void)
{
	begin();
	for (uint32_t i = 1; i <= 2; i++) {
		struct seg_holds *list = segment_fixture_record(&f, SEG_LISTS, i);

		list->wait.kind = SEG_WAIT_NONE;
		list->holds[1].state = SEG_HOLD_HELD;
	}
	CU_ASSERT_EQUAL(opened()->locks.count, 0);
	end();
}

static void garbage(void)
{
	begin();
	struct seg_holds *list = segment_fixture_record(&f, SEG_LISTS, 1);

	list->top = UINT32_MAX;
	memset(&list->holds[2], 0xff, sizeof(list->holds) - 2 * sizeof(list->holds[0]));
	list->holds[1].kind = 200;
	list->wait.hold_kind = 200;
	list->wait.stack = UINT32_MAX;
	CU_ASSERT_EQUAL(count_locks(opened(), LOCK_WAITING), 1);
	end();
}

static const struct unit_test tests[] = {
	{"mutexes of every type name their owner", mutexes_of_every_type},
	{"a robust mutex says that its owner has ended", a_robust_one_without_its_owner},
	{"locks of readers and writers", locks_of_readers_and_writers},
	{"spin locks", spin_locks},
	{"a place in a shared file", a_place_in_a_shared_file},
	{"dead: two that wait for each other", two_that_wait_for_each_other},
	{"dead: a request that was only begun is no wait", only_begun_is_no_wait},
	{"dead: what nobody waits for stays out", nobody_waits},
	{"dead: garbage in a list", garbage},
	{NULL, NULL},
};
const struct unit_suite unit_thread_lock = {tests};
