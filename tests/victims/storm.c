/*
 * Scenario: processes that lock, wait, fork, exec and handle signals, each killed with SIGKILL at
 * a random instant: storm DEATHS [TOGETHER [SEED]]. The parent itself locks nothing.
 * Expect: every segment that is left behind can be read; no lock is shown as held by the dead.
 */
#include "handler.h"

#include <sys/mman.h>

#define FILES 4
#define TOGETHER_MAX 64

/* Shared with the children: whether the one in this slot has made its first requests. */
static volatile char *at_work;
static int own_slot;

static uint64_t state; /* of xorshift: deaths differ, a seed repeats them as far as the kernel does */

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void *volatile kept;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)signo, (void)info, (void)context;
	kept = malloc(24); /* the program itself never allocates: nothing is corrupted */
	free(kept);
	errno = saved_errno;
}

static int open_one(void)
{
	char name[16];

	snprintf(name, sizeof(name), "file-%d", (int)draw(FILES));
	return victim_open(name);
}

/* One request of a random kind; its result does not matter. */
static void lock_something(int fd)
{
	static const int commands[] = { F_SETLK, F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW };
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK, F_UNLCK };

	if (draw(4) == 0)
		flock(fd, (draw(2) ? LOCK_EX : LOCK_UN) | (draw(2) ? LOCK_NB : 0));
	else
		victim_fcntl(fd, commands[draw(5)], types[draw(4)], (off_t)draw(100),
			     (off_t)draw(50));
}

static void churn(void)
{
	int fds[3] = { open_one(), open_one(), open_one() };

	for (unsigned requests = 0;; requests++) {
		lock_something(fds[draw(3)]);
		if (requests == 3 && at_work)
			at_work[own_slot] = 1;
		if (draw(64) == 0) {
			int which = (int)draw(3);
			close(fds[which]);
			fds[which] = open_one();
		}
	}
}

/* A child's life; it ends when somebody kills it. */
static void live(bool may_exec)
{
	char seed[32];

	victim_handle(SIGALRM, on_alarm, draw(2) ? SA_RESTART : 0);
	victim_alarm_every(200);
	if (may_exec && draw(8) == 0) {
		snprintf(seed, sizeof(seed), "%llu", (unsigned long long)state);
		open_one();
		execl("/proc/self/exe", "storm", "live", seed, (char *)NULL);
		_exit(99);
	}
	pid_t self = getpid();
	if (draw(4) == 0 && fork() == 0)
		victim_die_with(self);
	churn();
}

static pid_t start_one(int slot)
{
	at_work[slot] = 0;
	uint64_t seed = draw(UINT64_MAX - 1) + 1;
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		victim_die_with(parent);
		state = seed;
		own_slot = slot;
		live(true);
	}
	return pid;
}

/* One in eight dies whatever it does; the others have begun, or had time to (some wait or exec). */
static void kill_one(pid_t pid, int slot)
{
	bool is_patient = draw(8) != 0;

	for (int i = 0; is_patient && !at_work[slot] && i < 10; i++)
		victim_pause();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void storm(int deaths, int together)
{
	pid_t pids[TOGETHER_MAX] = { 0 };

	at_work = mmap(NULL, TOGETHER_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at_work == MAP_FAILED)
		err(99, "mmap");
	for (int i = 0; i < deaths; i++) {
		pid_t *slot = &pids[i % together];
		if (*slot)
			kill_one(*slot, i % together);
		*slot = start_one(i % together);
		nanosleep(&(struct timespec){ .tv_nsec = (long)draw(800000) }, NULL);
	}
	for (int i = 0; i < together; i++) {
		if (pids[i])
			kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "live") == 0) {
		state = strtoull(argv[2], NULL, 10) | 1;
		live(false);
	}
	victim_watchdog();
	state = argc > 3 ? strtoull(argv[3], NULL, 10) : 88172645463325252u;
	storm(argc > 1 ? atoi(argv[1]) : 100, argc > 2 ? atoi(argv[2]) : 4);
	victim_ready();
	return 0;
}
