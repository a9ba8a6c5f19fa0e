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
 *	maild MAILBOX-DIRECTORY
 *
 * Ends when all services have ended; a watchdog ends it after a minute in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

enum idle_flags {
	IDLE_MAILBOX = 1,
	IDLE_ALERT = 2
};

struct index_state {
	int fd;
	unsigned exists; /* messages */
};

/* What the master can see of its services: a counter that moves while messages are written. */
static volatile unsigned *progress;
static struct index_state mailbox;

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

/* Appends a record per message, as after the arrival of many. */
static __attribute__((noinline)) void index_rewrite(struct index_state *state)
{
	for (;;) {
		char *record = mem_get(1500 + state->exists % 3000);

		snprintf(record, 64, "message %u\n", ++state->exists);
		if (pwrite(state->fd, record, strlen(record), 0) < 0)
			die("write");
		free(record);
		*progress += 1;
	}
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
}

static void idle_start(void)
{
	struct sigaction action = {.sa_handler = idle_handler, .sa_flags = SA_RESTART};
	const struct itimerval pace = {{0, 500}, {0, 500}};

	sigaction(SIGALRM, &action, NULL);
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
	close(ready);
	idle_start();
	index_rewrite(&mailbox);
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

/* --- the master ---------------------------------------------------------------------------- */

/* Waits until the busy service has not moved for a while. */
static void watch(pid_t busy)
{
	const struct timespec while_ns = {.tv_nsec = 200000000};
	unsigned last = *progress - 1;

	while (*progress != last || last == 0) {
		last = *progress;
		nanosleep(&while_ns, NULL);
	}
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

	if (argc != 2 || snprintf(path, sizeof(path), "%s/index", argv[1]) >= (int)sizeof(path)) {
		fputs("usage: maild MAILBOX-DIRECTORY\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED)
		die("mmap");
	alarm(WATCHDOG_SECONDS);
	busy = start_service(path, 0);
	for (int i = 1; i < SERVICES; i++)
		start_service(path, i);
	watch(busy);
	reap();
	return 0;
}
