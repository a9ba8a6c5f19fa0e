/*
 * Scenario: processes that lock, wait, fork, exec and handle signals, each killed with SIGKILL at
 * a random instant: storm DEATHS [TOGETHER [SEED]]. The parent itself locks nothing.
 * Expect: every segment that is left behind can be read; no lock is shown as held by the dead.
 */
#include "handler.h"

#define FILES 4

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

	for (;;) {
		lock_something(fds[draw(3)]);
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

static pid_t start_one(void)
{
	uint64_t seed = draw(UINT64_MAX - 1) + 1;
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		victim_die_with(parent);
		state = seed;
		live(true);
	}
	return pid;
}

static void storm(int deaths, int together)
{
	pid_t pids[64] = { 0 };

	for (int i = 0; i < deaths; i++) {
		pid_t *slot = &pids[i % together];
		if (*slot) {
			kill(*slot, SIGKILL);
			waitpid(*slot, NULL, 0);
		}
		*slot = start_one();
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
