/*
 * A mail server, as small as it can be and still hang like a real one.
 *
 * Three services share one mailbox. The first rewrites its index under an fcntl WRITE lock, while a
 * timer's signal handler tells its client what changed; for that the handler allocates memory. One
 * day the signal arrives inside malloc(): the handler's malloc() waits for the heap's lock, which
 * the interrupted malloc() holds. Nobody will ever release it, nor the mailbox; the other services
 * queue up behind. The master watches: it says so when a service makes no progress any more.
 *
 * Nothing here is arranged but for the timer's pace: the signal really interrupts malloc().
 *
 *	maild MAILBOX-DIRECTORY [SIGNALS]
 *
 * With a number there is no timer but a storm: so many signals, each sent as soon as the last one was
 * handled. A service that survives it looks at all its messages, says whether they are whole, and ends.
 *
 * Ends when all services have ended; a watchdog ends it after a minute in any case (a storm may take longer).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVICES 3
#define WATCHDOG_SECONDS 60
#define SIGNALS_A_SECOND 500 /* of a storm, at the very least */
#define MESSAGES 64	     /* that are kept in memory */

enum idle_flags {
	IDLE_MAILBOX = 1,
	IDLE_ALERT = 2
};

struct index_state {
	int fd;
	unsigned exists; /* messages */
};

struct message {
	size_t size; /* of the text, which is this number's lowest byte throughout */
	unsigned number;
	char text[];
};

/* What the master can see of its services. */
static struct {
	volatile unsigned progress; /* messages written */
	volatile unsigned long told; /* how often the client was told of changes */
	volatile bool is_done;
} *shared;
static unsigned long storm; /* signals; 0: the timer's go on for ever */
static struct index_state mailbox;
static struct message *messages[MESSAGES];

static void die(const char *what)
{
	fprintf(stderr, "maild: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- memory -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void *mem_get(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		abort();
	return memory;
}

/* --- the mailbox's index ------------------------------------------------------------------- */

static __attribute__((noinline)) void index_lock(struct index_state *state)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	while (fcntl(state->fd, F_SETLKW, &whole) < 0)
		if (errno != EINTR)
			die("lock");
}

static __attribute__((noinline)) void index_unlock(struct index_state *state)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (fcntl(state->fd, F_SETLKW, &whole) < 0)
		die("unlock");
}

static bool is_whole(const struct message *m)
{
	for (size_t i = 0; m && i < m->size; i++)
		if (m->text[i] != (char)m->number)
			return false;
	return true;
}

static void message_fill(struct message *m, size_t size, unsigned number)
{
	m->size = size - sizeof(*m);
	m->number = number;
	memset(m->text, (int)number, m->size);
}

/* A record per message, as after the arrival of many. */
static __attribute__((noinline)) void index_rewrite(struct index_state *state)
{
	while (!storm || shared->told < storm) {
		struct message **oldest = &messages[state->exists % MESSAGES];
		size_t size = 1500 + state->exists % 3000;
		struct message *m = mem_get(size);

		message_fill(m, size, ++state->exists);
		if (pwrite(state->fd, &m->number, sizeof(m->number), 0) < 0)
			die("write");
		if (!is_whole(*oldest))
			abort();
		free(*oldest);
		*oldest = m;
		shared->progress++;
	}
}

/* After a storm: is the data what it should be, in memory and in the file? */
static bool index_check(const struct index_state *state)
{
	unsigned number = 0;

	for (unsigned i = 0; i < MESSAGES; i++)
		if (!is_whole(messages[i]))
			return false;
	return pread(state->fd, &number, sizeof(number), 0) == sizeof(number) &&
	       number == state->exists;
}

static __attribute__((noinline)) size_t index_tell_expunged(const struct index_state *state)
{
	static const char text[] = "* 1 EXPUNGE\r\n";
	char *line = mem_get(2048);
	size_t length = state->exists ? sizeof(text) - 1 : 0;

	memcpy(line, text, length);
	free(line);
	return length;
}

static inline __attribute__((always_inline)) size_t
index_tell_changes(const struct index_state *state, int can_expunge)
{
	return can_expunge ? index_tell_expunged(state) : 0;
}

/* --- telling an idle client ---------------------------------------------------------------- */

static __attribute__((noinline)) void idle_update(enum idle_flags flags)
{
	if (flags & IDLE_MAILBOX)
		index_tell_changes(&mailbox, 1);
}

static void idle_handler(int sig)
{
	(void)sig;
	idle_update(IDLE_MAILBOX | IDLE_ALERT);
	shared->told++;
}

static void idle_start(void)
{
	struct sigaction action = {.sa_handler = idle_handler, .sa_flags = SA_RESTART};
	const struct itimerval pace = {{0, 500}, {0, 500}};

	sigaction(SIGALRM, &action, NULL);
	if (!storm)
		setitimer(ITIMER_REAL, &pace, NULL);
}

/* --- services ------------------------------------------------------------------------------ */

/* Reads the client's commands; there is none. With it the process has two threads. */
static void *client_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void start_client_thread(void)
{
	sigset_t all, old;
	pthread_t thread;

	/* The timer's signal is for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&thread, NULL, client_thread, NULL))
		die("thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void serve_busy(int ready)
{
	start_client_thread();
	index_lock(&mailbox);
	printf("maild: service %d has locked the mailbox\n", getpid());
	idle_start();
	close(ready);
	index_rewrite(&mailbox);
	printf("maild: service %d has told its client %lu times, its messages are %s\n", getpid(),
	       shared->told, index_check(&mailbox) ? "whole" : "damaged");
	index_unlock(&mailbox);
	shared->is_done = true;
	_exit(0); /* with its thread */
}

static void serve_waiting(void)
{
	printf("maild: service %d wants the mailbox\n", getpid());
	index_lock(&mailbox);
	printf("maild: service %d has got the mailbox\n", getpid());
	index_unlock(&mailbox);
}

static __attribute__((noinline)) pid_t start_service(const char *path, int number)
{
	int ready[2];
	pid_t pid = -1;
	char byte;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		die("start a service");
	if (pid == 0) {
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* the master's watchdog ends us too */
		mailbox.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (mailbox.fd < 0)
			die(path);
		if (number == 0)
			serve_busy(ready[1]);
		close(ready[1]);
		serve_waiting();
		exit(0);
	}
	close(ready[1]);
	/* The end of the pipe says that the service stands where it should. */
	if (read(ready[0], &byte, 1) < 0)
		die("wait for a service");
	close(ready[0]);
	return pid;
}

/* --- the storm ----------------------------------------------------------------------------- */

/* Waits until the service has handled the last signal; false when it has ended. */
static bool await_handler(pid_t busy, unsigned long told)
{
	const struct timespec while_ns = {.tv_nsec = 1000000};

	for (unsigned tries = 0; shared->told == told; tries++) {
		if (kill(busy, 0) < 0 || shared->is_done)
			return false;
		if (tries < 1000)
			sched_yield();
		else
			nanosleep(&while_ns, NULL);
	}
	return true;
}

static void start_storm(pid_t busy)
{
	pid_t pid = fork();

	if (pid < 0)
		die("start the storm");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned long told = 0; told < storm; told++) {
		if (kill(busy, SIGALRM) < 0 || !await_handler(busy, told))
			break;
	}
	_exit(0);
}

/* --- the master ---------------------------------------------------------------------------- */

/* Waits until the busy service has not moved for a while. */
static void watch(pid_t busy)
{
	const struct timespec while_ns = {.tv_nsec = 200000000};
	unsigned last = shared->progress - 1;

	while ((shared->progress != last || last == 0) && !shared->is_done) {
		last = shared->progress;
		nanosleep(&while_ns, NULL);
	}
	if (shared->is_done)
		return;
	printf("maild: service %d makes no progress any more (after %u messages)\n", busy, last);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		if (WIFSIGNALED(status))
			printf("maild: service %d was ended by signal %d\n", pid, WTERMSIG(status));
		else
			printf("maild: service %d is done\n", pid);
	}
}

int main(int argc, char **argv)
{
	char path[4096];
	pid_t busy;

	if (argc < 2 || argc > 3 || snprintf(path, sizeof(path), "%s/index", argv[1]) >= (int)sizeof(path)) {
		fputs("usage: maild MAILBOX-DIRECTORY [SIGNALS]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	storm = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	alarm(WATCHDOG_SECONDS + (unsigned)(storm / SIGNALS_A_SECOND));
	busy = start_service(path, 0);
	if (storm)
		start_storm(busy);
	for (int i = 1; i < SERVICES; i++)
		start_service(path, i);
	watch(busy);
	reap();
	return 0;
}
