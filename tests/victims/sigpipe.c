/*
 * Scenario: a server on a unix socket, with one client. Argument: how it stands to SIGPIPE.
 *   default      left at its default
 *   dies         so, and when a line comes on its standard input it writes to a client that hung up
 *   ignored      ignored
 *   blocked      blocked
 *   child        each connection is for a child, which has the listener from its parent
 *   pipe         no server: it writes to a pipe that nobody reads, when a line comes
 * Expect: sigpipe-default: a note of `default` and `dies`, a warning of `dies` when it has ended; nothing
 * of the others.
 */
#include "tests/victims/victim.h"

#include <sys/socket.h>

static int listener, client, connection;

static void serve(void)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	socklen_t size = sizeof(address);

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Without a name: the kernel chooses one (unix(7), autobind). */
	victim_must(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), "bind");
	victim_must(listen(listener, 1), "listen");
	victim_must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	victim_must(connect(client, (struct sockaddr *)&address, size), "connect");
	connection = accept(listener, NULL, NULL);
	victim_must(connection, "accept");
}

static void stay(void)
{
	for (;;)
		pause();
}

static void write_in_vain(void)
{
	char byte;

	victim_must((int)read(STDIN_FILENO, &byte, 1), "read");
	close(client);
	victim_must((int)write(connection, "x", 1), "write");
}

static void make_pipe(void)
{
	int ends[2];

	victim_must(pipe2(ends, O_CLOEXEC), "pipe2");
	client = ends[0];
	connection = ends[1];
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "default";
	sigset_t set;

	victim_watchdog();
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	signal(SIGPIPE, !strcmp(mode, "ignored") ? SIG_IGN : SIG_DFL);
	if (!strcmp(mode, "blocked"))
		sigprocmask(SIG_BLOCK, &set, NULL);
	if (!strcmp(mode, "pipe"))
		make_pipe();
	else
		serve();
	if (!strcmp(mode, "child")) {
		victim_say_pid("child", victim_fork(stay));
		close(connection);
	}
	victim_say("ready");
	if (!strcmp(mode, "dies") || !strcmp(mode, "pipe"))
		write_in_vain();
	victim_await_end();
	return 0;
}
