/* Arguments that must fail, or must be passed on although they make no sense. */
#include "table.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt */

#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef LOCK_MAND
#define LOCK_MAND 32
#endif

static void *unmapped(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page, 4096);
	return page;
}

static void bad_descriptors(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
	int ends[2], path = open(".", O_PATH), reader, writer;

	close(table_file("file"));
	reader = open("file", O_RDONLY);
	writer = open("file", O_WRONLY);
	if (pipe(ends))
		return;
	SHOW(fcntl(-1, F_SETLK, &lock));
	SHOW(fcntl(899, F_SETLK, &lock));
	SHOW(fcntl(899, F_SETLKW, &lock));
	SHOW(fcntl(INT_MIN, F_OFD_SETLK, &lock));
	SHOW(fcntl(-1, F_GETFD));
	SHOW(fcntl(path, F_SETLK, &lock));
	SHOW(fcntl(path, F_GETFD));
	SHOW(fcntl(ends[0], F_SETLK, &lock));
	SHOW(fcntl(reader, F_SETLK, &lock));
	lock.l_type = F_RDLCK;
	SHOW(fcntl(writer, F_SETLK, &lock));
	SHOW(fcntl(reader, F_SETLK, &lock));
	SHOW(flock(-1, LOCK_EX));
	SHOW(flock(899, LOCK_SH));
	SHOW(flock(path, LOCK_SH));
	SHOW(flock(ends[0], LOCK_SH | LOCK_NB));
	SHOW(flock(reader, LOCK_EX | LOCK_NB));
	SHOW(lockf(-1, F_LOCK, 0));
	SHOW(lockf(reader, F_TLOCK, 0));
}

static void bad_pointers(void)
{
	int fd = table_file("file");
	void *gone = unmapped();

	SHOW(fcntl(fd, F_SETLK, NULL));
	SHOW(fcntl(fd, F_SETLKW, NULL));
	SHOW(fcntl(fd, F_GETLK, NULL));
	SHOW(fcntl(fd, F_SETLK, (void *)8));
	SHOW(fcntl(fd, F_SETLKW, (void *)-1L));
	SHOW(fcntl(fd, F_OFD_SETLK, gone));
	SHOW(fcntl(fd, F_OFD_SETLKW, gone));
	SHOW(fcntl(fd, F_OFD_GETLK, gone));
	SHOW(fcntl64(fd, F_SETLK, gone));
}

static void bad_fields(void)
{
	int fd = table_file("file");
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	lock.l_whence = 77;
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(99, SEEK_SET, 0, 0);
	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(fcntl(fd, F_OFD_SETLKW, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, -1, 0);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, 5, -10);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, 5, -5);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, LONG_MAX, 10);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, LONG_MAX, 1);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_CUR, -1, 1);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, LONG_MIN, LONG_MIN);
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
	lock.l_pid = 1;
	SHOW(fcntl(fd, F_OFD_SETLK, &lock));
	SHOW(fcntl(fd, F_OFD_GETLK, &lock));
	lock.l_type = F_UNLCK;
	SHOW(fcntl(fd, F_GETLK, &lock));
	SHOW(fcntl(fd, F_SETLK, &lock));
}

static void bad_commands(void)
{
	int fd = table_file("file");

	SHOW(fcntl(fd, 9999));
	SHOW(fcntl(fd, -1));
	SHOW(fcntl(fd, INT_MIN, 5L));
	SHOW(fcntl(fd, 9999, -1L));
	SHOW(flock(fd, 0));
	SHOW(flock(fd, 99));
	SHOW(flock(fd, LOCK_NB));
	SHOW(flock(fd, LOCK_EX | LOCK_SH));
	SHOW(flock(fd, LOCK_MAND));
	SHOW(flock(fd, LOCK_UN | LOCK_NB));
	SHOW(lockf(fd, 99, 0));
	SHOW(lockf(fd, -1, 0));
	SHOW(lockf(fd, F_LOCK, -5));
	SHOW(lockf(fd, F_TEST, LONG_MAX));
	SHOW(lockf(fd, F_TLOCK, LONG_MIN));
}

static void bad_closes(void)
{
	int fd = table_file("file");

	SHOW(close(-1));
	SHOW(close(899));
	SHOW(close(INT_MAX));
	SHOW(close_range(20, 10, 0));
	SHOW(close_range(20, 30, 0x80));
	SHOW(close_range(20, 30, CLOSE_RANGE_CLOEXEC));
	SHOW(dup2(-1, 5));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, fd) == fd);
	SHOW(dup2(899, 899));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 40, 0x80));
	SHOW(dup3(fd, 40, O_CLOEXEC));
	SHOW(fcntl(40, F_GETFD));
	SHOW(close(fd));
	SHOW(close(fd));
}

static void bad_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_IGN }, old;

	SHOW(sigaction(0, &action, NULL));
	SHOW(sigaction(-1, &action, NULL));
	SHOW(sigaction(65, &action, NULL));
	SHOW(sigaction(INT_MAX, NULL, &old));
	SHOW(sigaction(32, &action, NULL));
	SHOW(sigaction(33, NULL, &old));
	SHOW(sigaction(SIGKILL, &action, NULL));
	SHOW(sigaction(SIGSTOP, &action, NULL));
	SHOW(sigaction(SIGKILL, NULL, &old));
	SHOW(sigaction(SIGUSR1, NULL, NULL));
	SHOW(signal(0, SIG_IGN));
	SHOW(signal(SIGKILL, SIG_IGN));
	SHOW(signal(1000, SIG_DFL));
	SHOW(signal(SIGUSR1, SIG_ERR));
	SHOW(siginterrupt(0, 1));
	SHOW(siginterrupt(SIGKILL, 0));
}

static void listens(void)
{
	const struct sockaddr address = { .sa_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	SHOW(listen(-1, 1));
	SHOW(listen(STDIN_FILENO, 1));
	SHOW(listen(fd, 1));
	SHOW(bind(fd, &address, sizeof(sa_family_t)));
	SHOW(listen(fd, 1));
	SHOW(listen(fd, -1));
	close(fd);
}

static const struct table_case cases[] = {
	{ "bad descriptors", bad_descriptors },
	{ "bad pointers", bad_pointers },
	{ "bad fields", bad_fields },
	{ "bad commands", bad_commands },
	{ "bad closes", bad_closes },
	{ "bad signals", bad_signals },
	{ "listens", listens },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
