/*
 * Scenario: blocked in one system call, named by the first argument, for the seconds of the second
 *	(where the call takes a time limit), else until its event comes: a byte or a connection on
 *	descriptor 3, SIGUSR1, or the end of its child.
 * Expect: whoever takes the thread out of the call and puts it back changes nothing. It prints
 *	"NAME RESULT ERRNO MILLISECONDS".
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int seconds;
static struct timespec limit;
static int input; /* the descriptor with the event */
static sigset_t usr1;
static const char *argument; /* the third */

static void on_usr1(int signo)
{
	(void)signo;
}

static long in_pause(void)
{
	return pause();
}

static long in_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigsuspend(&none);
}

static long in_sigtimedwait(void)
{
	return sigtimedwait(&usr1, NULL, &limit);
}

static long in_sigwaitinfo(void)
{
	return sigwaitinfo(&usr1, NULL);
}

static long in_read(void)
{
	char byte;

	return read(input, &byte, 1);
}

static long in_recv(void)
{
	char byte;

	return recv(input, &byte, 1, 0);
}

static long in_recv_timeo(void)
{
	struct timeval timeout = {.tv_sec = seconds};
	char byte;

	setsockopt(input, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return recv(input, &byte, 1, 0);
}

static long in_accept(void)
{
	return accept(input, NULL, NULL) >= 0;
}

static long in_poll(void)
{
	struct pollfd fd = {.fd = input, .events = POLLIN};

	return poll(&fd, 1, seconds ? seconds * 1000 : -1);
}

static long in_ppoll(void)
{
	struct pollfd fd = {.fd = input, .events = POLLIN};

	return ppoll(&fd, 1, seconds ? &limit : NULL, NULL);
}

static long in_select(void)
{
	struct timeval timeout = {.tv_sec = seconds};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(input, &set);
	return select(input + 1, &set, NULL, NULL, seconds ? &timeout : NULL);
}

static long in_pselect(void)
{
	sigset_t none;
	fd_set set;

	sigemptyset(&none);
	FD_ZERO(&set);
	FD_SET(input, &set);
	return pselect(input + 1, &set, NULL, NULL, seconds ? &limit : NULL, &none);
}

static long in_epoll(const sigset_t *mask)
{
	struct epoll_event event = {.events = EPOLLIN}, got;
	int set = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(set, EPOLL_CTL_ADD, input, &event);
	return epoll_pwait(set, &got, 1, seconds ? seconds * 1000 : -1, mask);
}

static long in_epoll_wait(void)
{
	return in_epoll(NULL);
}

static long in_epoll_pwait(void)
{
	sigset_t none;

	sigemptyset(&none);
	return in_epoll(&none);
}

static long in_nanosleep(void)
{
	return nanosleep(&limit, NULL);
}

static long in_clock_nanosleep(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static long in_wait(void)
{
	pid_t child = fork();
	char byte;

	if (!child)
		_exit(read(input, &byte, 1) != 1);
	return waitpid(child, NULL, 0) == child;
}

static sem_t semaphore;

static long in_sem_wait(void)
{
	return sem_wait(&semaphore);
}

static void post(int signo)
{
	(void)signo;
	sem_post(&semaphore);
}

static long in_sem_timedwait(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	return sem_timedwait(&semaphore, &until);
}

/* Not one of libc's waits: it looks like one for a lock. */
static long in_futex(void)
{
	static uint32_t word;

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static long in_cond_timedwait(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&mutex);
	return pthread_cond_timedwait(&condition, &mutex, &until);
}

static long in_mutex(void)
{
	pthread_mutex_lock(&mutex);
	return pthread_mutex_lock(&mutex);
}

static long in_write(void)
{
	static char much[1 << 20];

	return write(input, much, sizeof(much));
}

static long in_handler(void)
{
	return pause();
}

static long in_fgetc(void)
{
	return fgetc(stdin) == 'x';
}

static void *pause_only(void *unused)
{
	pause();
	return unused;
}

/* The main thread waits for a lock, another one for nothing. */
static long in_fcntl(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(argument, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	pthread_t thread;

	pthread_create(&thread, NULL, pause_only, NULL);
	return fcntl(fd, F_SETLKW, &lock);
}

#ifndef IS_STATIC
static void *load(void *path)
{
	return dlopen(path, RTLD_NOW);
}

/* Another thread has the loader's lock, for ever. */

static long at_door(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&thread, NULL, load, (void *)argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pause();
}
#endif

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{"pause", in_pause},
	{"sigsuspend", in_sigsuspend},
	{"sigtimedwait", in_sigtimedwait},
	{"sigwaitinfo", in_sigwaitinfo},
	{"read", in_read},
	{"recv", in_recv},
	{"recv-timeo", in_recv_timeo},
	{"accept", in_accept},
	{"poll", in_poll},
	{"ppoll", in_ppoll},
	{"select", in_select},
	{"pselect", in_pselect},
	{"epoll_wait", in_epoll_wait},
	{"epoll_pwait", in_epoll_pwait},
	{"nanosleep", in_nanosleep},
	{"clock_nanosleep", in_clock_nanosleep},
	{"wait", in_wait},
	{"sem_wait", in_sem_wait},
	{"sem_timedwait", in_sem_timedwait},
	{"futex", in_futex},
	{"cond_timedwait", in_cond_timedwait},
	{"mutex", in_mutex},
	{"write", in_write},
	{"handler", in_handler},
	{"fgetc", in_fgetc},
	{"fcntl", in_fcntl},
#ifndef IS_STATIC
	{"door", at_door},
#endif
};

static long (*find_call(const char *name))(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].call;
	fprintf(stderr, "blocked: no call %s\n", name);
	exit(2);
}

/* For "accept" a listening socket; its path is the third argument. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		exit(2);
	return fd;
}

static void sleep_in_handler(int signo)
{
	(void)signo;
	puts("in handler");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_usr1};
	struct timespec begin, end;
	long (*call)(void) = find_call(argc > 1 ? argv[1] : "");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	seconds = argc > 2 ? atoi(argv[2]) : 0;
	limit.tv_sec = seconds;
	input = argc > 3 && call == in_accept ? listen_at(argv[3]) : STDIN_FILENO;
	argument = argc > 3 ? argv[3] : NULL;
	sem_init(&semaphore, 0, 0);
	if (call == in_sem_wait)
		action.sa_handler = post;
	if (call == in_handler)
		action.sa_handler = sleep_in_handler;
	if (call == in_sem_wait)
		action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	if (call == in_sigsuspend || call == in_sigwaitinfo || call == in_sigtimedwait ||
	    call == in_pselect || call == in_epoll_pwait)
		sigprocmask(SIG_BLOCK, &usr1, NULL);
	puts("ready");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	errno = 0;
	long result = call();
	int error = errno;

	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%s %ld %d %ld\n", argv[1], result, error,
	       (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000);
	fflush(stdout);
	_exit(0); /* exit() would wait for the loader */
}
