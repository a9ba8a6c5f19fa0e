/*
 * Scenario: a handler calls every function that POSIX calls async-signal-safe and that this libc has,
 * with arguments that do no harm (most fail). Those that do not return are called in children.
 * Expect: no finding, not even a note.
 * Twins: handler-why.c, handler-calls.c.
 */
#include "handler.h"

#include <aio.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <termios.h>
#include <utime.h>
#include <wchar.h>

/* The results do not matter, the calls do; sigset() and sigpause() are old, and on the list. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define KEEP(x) (kept = (uintptr_t)(x))
#define NOWHERE "" /* a path that leads to ENOENT */

static char *const arguments[] = { "true", NULL };
static volatile uintptr_t kept;
static timer_t timer;
static sem_t semaphore;
static jmp_buf back;
static char a[64] = "abc", b[64];
static wchar_t wa[64] = L"abc", wb[64];
static volatile sig_atomic_t is_done;

static void call_files(void)
{
	struct stat st;
	struct timespec times[2] = { { 0 } };
	struct timeval old[2] = { { 0 } };

	access(NOWHERE, R_OK), chdir("."), fchdir(-1), chmod(NOWHERE, 0), chown(NOWHERE, 0, 0);
	close(creat(NOWHERE, 0)), close(open(NOWHERE, O_RDONLY)), close(openat(-1, NOWHERE, O_RDONLY));
	faccessat(-1, NOWHERE, R_OK, 0), fchmod(-1, 0), fchmodat(-1, NOWHERE, 0, 0);
	fchown(-1, 0, 0), fchownat(-1, NOWHERE, 0, 0, 0), fdatasync(-1), fsync(-1);
	stat(NOWHERE, &st), lstat(NOWHERE, &st), fstat(-1, &st), fstatat(-1, NOWHERE, &st, 0);
	ftruncate(-1, 0), futimens(-1, times), utimensat(-1, NOWHERE, times, 0);
	utime(NOWHERE, NULL), utimes(NOWHERE, old);
	link(NOWHERE, NOWHERE), linkat(-1, NOWHERE, -1, NOWHERE, 0), lseek(-1, 0, SEEK_SET);
	mkdir(NOWHERE, 0), mkdirat(-1, NOWHERE, 0), mkfifo(NOWHERE, 0), mkfifoat(-1, NOWHERE, 0);
	mknod(NOWHERE, 0, 0), mknodat(-1, NOWHERE, 0, 0), rmdir(NOWHERE);
	(void)!readlink(NOWHERE, b, 1), (void)!readlinkat(-1, NOWHERE, b, 1);
	rename(NOWHERE, NOWHERE), renameat(-1, NOWHERE, -1, NOWHERE), symlink(NOWHERE, NOWHERE);
	symlinkat(NOWHERE, -1, NOWHERE), unlink(NOWHERE), unlinkat(-1, NOWHERE, 0), umask(umask(0));
}

static void call_descriptors(void)
{
	struct iovec part = { b, 0 };
	struct aiocb aio = { .aio_fildes = -1 };
	const struct aiocb *list[] = { NULL };
	struct timespec none = { 0, 0 };
	struct timeval none_old = { 0, 0 };
	int ends[2];

	close(dup(-1)), dup2(-1, -1), dup3(-1, 7, 0), fcntl(-1, F_GETFD);
	if (pipe(ends) == 0)
		(void)!write(ends[1], "x", 1), (void)!read(ends[0], b, 1), close(ends[0]), close(ends[1]);
	if (pipe2(ends, O_CLOEXEC) == 0)
		close(ends[0]), close(ends[1]);
	(void)!readv(-1, &part, 1), (void)!writev(-1, &part, 1);
	(void)!pread(-1, b, 1, 0), (void)!pwrite(-1, b, 1, 0);
	poll(NULL, 0, 0), ppoll(NULL, 0, &none, NULL), select(0, NULL, NULL, NULL, &none_old);
	pselect(0, NULL, NULL, NULL, &none, NULL);
	aio_error(&aio), aio_return(&aio), aio_suspend(list, 1, &none);
}

static void call_sockets(void)
{
	struct sockaddr address = { 0 };
	struct msghdr message = { 0 };
	socklen_t length = sizeof(address);
	int ends[2], value = 0;

	accept(-1, &address, &length), accept4(-1, &address, &length, 0), bind(-1, &address, length);
	connect(-1, &address, length), listen(-1, 1), getpeername(-1, &address, &length);
	getsockname(-1, &address, &length), getsockopt(-1, 0, 0, &value, &length);
	setsockopt(-1, 0, 0, &value, length), shutdown(-1, SHUT_RD), sockatmark(-1);
	close(socket(AF_UNIX, SOCK_STREAM, 0));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
		send(ends[0], "x", 1, 0), recv(ends[1], b, 1, 0), close(ends[0]), close(ends[1]);
	sendto(-1, b, 0, 0, &address, length), recvfrom(-1, b, 1, 0, &address, &length);
	sendmsg(-1, &message, 0), recvmsg(-1, &message, 0);
	KEEP(htonl(1) + htons(1) + ntohl(1) + ntohs(1));
}

static void call_terminals(void)
{
	struct termios t = { 0 };

	cfsetispeed(&t, cfgetispeed(&t)), cfsetospeed(&t, cfgetospeed(&t));
	tcgetattr(-1, &t), tcsetattr(-1, TCSANOW, &t), tcdrain(-1), tcflow(-1, 0), tcflush(-1, 0);
	tcgetpgrp(-1), tcsetpgrp(-1, 1), tcsendbreak(-1, 0);
}

static void call_identities(void)
{
	uid_t u[3];
	gid_t g[3];

	getresuid(&u[0], &u[1], &u[2]), getresgid(&g[0], &g[1], &g[2]), getgroups(0, NULL);
	(void)!setuid(getuid()), (void)!setgid(getgid()), (void)!seteuid(geteuid());
	(void)!setegid(getegid()), (void)!setreuid(-1, -1), (void)!setregid(-1, -1);
	(void)!setresuid(-1, -1, -1), (void)!setresgid(-1, -1, -1);
	getpid(), getppid(), getpgrp(), setpgid(-1, -1);
}

static void call_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set, old;
	union sigval value = { 0 };

	sigemptyset(&set), sigfillset(&old), sigaddset(&set, SIGUSR2), sigdelset(&old, SIGUSR2);
	sigismember(&set, SIGUSR2), sigpending(&old), sigprocmask(SIG_BLOCK, &set, &old);
	sigaction(SIGWINCH, &action, NULL), signal(SIGWINCH, SIG_DFL), sigset(SIGWINCH, SIG_DFL);
	raise(SIGWINCH), kill(getpid(), 0), pthread_kill(pthread_self(), 0);
	sigqueue(getpid(), SIGWINCH, value);
	sigdelset(&old, SIGUSR2), kill(getpid(), SIGUSR2), sigsuspend(&old);
	kill(getpid(), SIGUSR2), sigpause(SIGUSR2), pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void call_clocks(void)
{
	struct timespec now;
	struct itimerspec when = { { 0, 0 }, { 0, 0 } };
	struct tms spent;
	struct utsname name;

	clock_gettime(CLOCK_REALTIME, &now), time(NULL), times(&spent), uname(&name), sleep(0);
	timer_settime(timer, 0, &when, NULL), timer_gettime(timer, &when), timer_getoverrun(timer);
	sem_post(&semaphore);
}

static void call_strings(void)
{
	char *next = b;

	strcpy(b, a), strcat(b, a), strncpy(b, a, 5), strncat(b, a, 5), stpcpy(b, a), stpncpy(b, a, 5);
	memcpy(b, a, 5), memmove(b, a, 5), memset(b, 0, 5), memccpy(b, a, 'c', 5), KEEP(memcmp(a, b, 5));
	KEEP(memchr(a, 'b', 5)), KEEP(memmem(a, 5, "b", 1)), KEEP(strchr(a, 'b')), KEEP(strcmp(a, b));
	KEEP(strcspn(a, "b")), KEEP(strlen(a)), KEEP(strncmp(a, b, 3)), KEEP(strnlen(a, 5)), KEEP(strpbrk(a, "b"));
	KEEP(strrchr(a, 'b')), KEEP(strspn(a, "a")), KEEP(strstr(a, "b")), strtok_r(b, "b", &next);
	KEEP(ffs(1) + ffsl(1) + ffsll(1));
}

static void call_wide_strings(void)
{
	wchar_t *next = wb;

	wcscpy(wb, wa), wcscat(wb, wa), wcsncpy(wb, wa, 5), wcsncat(wb, wa, 5), wcpcpy(wb, wa);
	wcpncpy(wb, wa, 5), wmemcpy(wb, wa, 5), wmemmove(wb, wa, 5), wmemset(wb, 0, 5);
	KEEP(wmemcmp(wa, wb, 5)), KEEP(wmemchr(wa, L'b', 5)), KEEP(wcschr(wa, L'b')), KEEP(wcscmp(wa, wb));
	KEEP(wcscspn(wa, L"b")), KEEP(wcslen(wa)), KEEP(wcsncmp(wa, wb, 3)), KEEP(wcsnlen(wa, 5)), KEEP(wcspbrk(wa, L"b"));
	KEEP(wcsrchr(wa, L'b')), KEEP(wcsspn(wa, L"a")), KEEP(wcsstr(wa, L"b")), wcstok(wb, L"b", &next);
}

/* What ends a process, or replaces it, or waits for its end. */
static void end_child(int way)
{
	alarm(1);
	switch (way) {
	case 0: _exit(0);
	case 1: _Exit(0);
	case 2: quick_exit(0);
	case 3: abort();
	case 4: execl("/bin/true", "true", (char *)NULL); break;
	case 5: execle("/bin/true", "true", (char *)NULL, environ); break;
	case 6: execv("/bin/true", arguments); break;
	case 7: execve("/bin/true", arguments, environ); break;
	case 8: fexecve(open("/bin/true", O_RDONLY | O_CLOEXEC), arguments, environ); break;
	case 9: longjmp(back, 1);
	case 10: _longjmp(back, 1);
	case 11: siglongjmp(back, 1);
	case 12: setsid(), pause(); break;
	}
	_exit(99);
}

static void call_processes(void)
{
	siginfo_t info;

	for (int way = 0; way <= 12; way++) {
		pid_t child = _Fork();
		if (child == 0)
			end_child(way);
		else if (way % 3 == 0)
			waitpid(child, NULL, 0);
		else if (way % 3 == 1)
			waitid(P_PID, (id_t)child, &info, WEXITED);
		else
			wait(NULL);
	}
}

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)signo, (void)info, (void)context;
	call_files(), call_descriptors(), call_sockets(), call_terminals(), call_identities();
	call_signals(), call_clocks(), call_strings(), call_wide_strings(), call_processes();
	errno = saved_errno;
	is_done = 1;
}

static void on_usr2(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };

	victim_watchdog();
	prctl(PR_SET_DUMPABLE, 0); /* the child that aborts leaves no core */
	victim_must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
	victim_must(sem_init(&semaphore, 0, 0), "sem_init");
	victim_handle(SIGUSR1, on_usr1, 0);
	victim_handle(SIGUSR2, on_usr2, 0);
	if (setjmp(back))
		_exit(0); /* a child that left the handler */
	victim_must(kill(getpid(), SIGUSR1), "kill");
	if (is_done)
		victim_ready();
	return 0;
}
