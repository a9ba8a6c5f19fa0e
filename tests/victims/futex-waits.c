/*
 * Scenario: one thread for each thing that a thread can wait for in futex(), of which the main thread
 * has all: mutexes of every type, locks of readers and writers, a condition variable, a semaphore, a
 * barrier, the end of a thread, a FILE, a mutex with a limit of time, a word of nobody knows what, a
 * robust mutex whose owner ended. With `abba` two threads lock two mutexes in both orders, too.
 * Expect: each is told for what it is, with its owner; a deadlock of the two, and nothing else.
 */
#include "victim.h"

#include <dirent.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER, one = PTHREAD_MUTEX_INITIALIZER,
		       two = PTHREAD_MUTEX_INITIALIZER, paired = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive, checking, adaptive, robust, inheriting, orphan, timed;
static pthread_mutex_t *shared;
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER, read_by_main = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier, meeting;
static pthread_t main_thread;
static sem_t semaphore;
static int word[64] = {[32] = 7};
static FILE *stream;

static void *lock_mutex(void *mutex)
{
	pthread_mutex_lock(mutex);
	return NULL;
}

static void *lock_timed(void *mutex)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1000;
	pthread_mutex_timedlock(mutex, &until);
	return NULL;
}

static void *lock_read(void *lock)
{
	pthread_rwlock_rdlock(lock);
	return NULL;
}

static void *lock_write(void *lock)
{
	pthread_rwlock_wrlock(lock);
	return NULL;
}

static void *await_condition(void *arg)
{
	pthread_mutex_lock(&paired);
	pthread_cond_wait(&condition, &paired);
	return arg;
}

static void *await_semaphore(void *arg)
{
	sem_wait(&semaphore);
	return arg;
}

static void *await_barrier(void *arg)
{
	pthread_barrier_wait(&barrier);
	return arg;
}

static void *await_thread(void *arg)
{
	pthread_join(main_thread, NULL);
	return arg;
}

static void *await_stream(void *arg)
{
	putc('x', stream);
	return arg;
}

static void *await_word(void *arg)
{
	syscall(SYS_futex, &word[32], FUTEX_WAIT_PRIVATE, 7, NULL, NULL, 0);
	return arg;
}

static void *lock_both(void *order)
{
	pthread_mutex_t *first = order ? &one : &two, *second = order ? &two : &one;

	pthread_mutex_lock(first);
	pthread_barrier_wait(&meeting);
	pthread_mutex_lock(second);
	return NULL;
}

static void *leave_locked(void *arg)
{
	pthread_mutex_lock(&orphan);
	return arg;
}

static void init_mutex(pthread_mutex_t *mutex, int type, int robustness, int protocol, int is_shared)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setrobust(&a, robustness);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutexattr_setpshared(&a, is_shared);
	pthread_mutex_init(mutex, &a);
	pthread_mutex_lock(mutex);
}

static void lock_all(void)
{
	init_mutex(&recursive, PTHREAD_MUTEX_RECURSIVE, 0, 0, 0);
	pthread_mutex_lock(&recursive);
	init_mutex(&checking, PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0);
	init_mutex(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0);
	init_mutex(&robust, 0, PTHREAD_MUTEX_ROBUST, 0, 0);
	init_mutex(&inheriting, 0, 0, PTHREAD_PRIO_INHERIT, 0);
	init_mutex(shared, 0, 0, 0, PTHREAD_PROCESS_SHARED);
	init_mutex(&timed, 0, 0, 0, 0);
	pthread_mutex_lock(&normal);
	pthread_rwlock_wrlock(&written);
	pthread_rwlock_rdlock(&read_by_main);
	sem_init(&semaphore, 0, 0);
	pthread_barrier_init(&barrier, NULL, 2);
	flockfile(stream);
}

/* Named after what it waits for, by which the test knows it. */
static void start(const char *name, void *(*begin)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, begin, arg))
		errx(99, "pthread_create");
	pthread_setname_np(thread, name);
}

static bool is_in_futex(const char *tid)
{
	char path[320], text[64] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", tid);
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && strtol(text, NULL, 10) == SYS_futex;
}

/* Each but the main one sleeps in futex(). */
static bool all_are_blocked(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	bool are = tasks != NULL;

	while (are && (e = readdir(tasks)))
		are = atoi(e->d_name) <= 0 || atoi(e->d_name) == getpid() || is_in_futex(e->d_name);
	closedir(tasks);
	return are;
}

int main(int argc, char **argv)
{
	bool is_abba = argc > 1 && !strcmp(argv[1], "abba");
	pthread_t thread;

	victim_watchdog();
	main_thread = pthread_self();
	stream = tmpfile();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	lock_all();
	pthread_create(&thread, NULL, leave_locked, NULL);
	pthread_join(thread, NULL);
	start("normal", lock_mutex, &normal);
	start("recursive", lock_mutex, &recursive);
	start("checking", lock_mutex, &checking);
	start("adaptive", lock_mutex, &adaptive);
	start("robust", lock_mutex, &robust);
	start("inheriting", lock_mutex, &inheriting);
	start("shared", lock_mutex, shared);
	start("timed", lock_timed, &timed);
	start("orphan", lock_mutex, &orphan);
	start("reader", lock_read, &written);
	start("writer", lock_write, &written);
	start("upgrader", lock_write, &read_by_main);
	start("condition", await_condition, NULL);
	start("semaphore", await_semaphore, NULL);
	start("barrier", await_barrier, NULL);
	start("join", await_thread, NULL);
	start("stream", await_stream, NULL);
	start("word", await_word, NULL);
	pthread_barrier_init(&meeting, NULL, 2);
	if (is_abba) {
		start("a", lock_both, NULL);
		start("b", lock_both, &one);
	}
	while (!all_are_blocked())
		victim_pause();
	victim_ready();
	_exit(0);
}
