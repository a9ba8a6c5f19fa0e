/*
 * The body of victims that get SIGHUP while they sleep in accept(): a child sends it, and says `ready`
 * when the handler has run and the parent sleeps there again, or has seen its flag. The handler is to set
 * shared->wants_to_end.
 */
#include "tests/victims/victim.h"

#include <sys/mman.h>
#include <sys/socket.h>

static struct {
	volatile sig_atomic_t wants_to_end, has_seen;
} *shared;
static int wake_pipe[2];

static int loopback(int listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	victim_must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
	victim_must(connect(fd, (struct sockaddr *)&address, size), "connect");
	return fd;
}

/* In the child. */
static void send_hup(pid_t service, int listener)
{
	victim_await_blocked(service, SYS_accept);
	kill(service, SIGHUP);
	while (!shared->wants_to_end)
		victim_pause();
	while (!shared->has_seen && !victim_is_blocked(service, SYS_accept))
		victim_pause();
	victim_say_pid("service", service);
	victim_ready();
	if (!shared->has_seen)
		close(loopback(listener)); /* the one connection too late */
}

static int swallow_main(void (*on_hup)(int), int flags)
{
	struct sigaction action = {.sa_handler = on_hup, .sa_flags = flags};
	struct sockaddr address = {.sa_family = AF_UNIX};
	pid_t service = getpid(), child;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	victim_watchdog();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	victim_must(pipe2(wake_pipe, O_CLOEXEC), "pipe2");
	/* Without a name: the kernel chooses one (unix(7), autobind). */
	victim_must(bind(listener, &address, sizeof(sa_family_t)), "bind");
	victim_must(listen(listener, 1), "listen");
	victim_must(sigaction(SIGHUP, &action, NULL), "sigaction");
	child = fork();
	if (child == 0) {
		victim_die_with(service);
		send_hup(service, listener);
		_exit(0);
	}
	while (!shared->wants_to_end)
		close(accept(listener, NULL, NULL));
	shared->has_seen = 1;
	while (waitpid(child, NULL, 0) < 0)
		;
	return 0;
}
