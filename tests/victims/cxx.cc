/*
 * Scenario: a C++ program takes a lock in a method, and a handler throws no exception but makes a
 * std::string, which allocates.
 * Expect: the hold's stack names mail::Store::lock(short) demangled; the finding is
 * unsafe-call-in-handler with malloc, called through operator new.
 * Twin: outside-handlers.c.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

namespace mail {

class Store {
public:
	explicit Store(const char *path) : fd_(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
	__attribute__((noinline)) bool lock(short type)
	{
		struct flock request = {};

		request.l_type = type;
		request.l_whence = SEEK_SET;
		bool is_granted = fcntl(fd_, F_SETLKW, &request) == 0;
		return is_granted && fd_ >= 0;
	}

private:
	int fd_;
};

} /* namespace mail */

static std::string *volatile kept;

static void on_usr1(int)
{
	kept = new std::string(100, 'x');
}

int main(int argc, char **argv)
{
	mail::Store store(argc > 1 ? argv[1] : "lock");
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!store.lock(F_WRLCK))
		return 99;
	std::signal(SIGUSR1, on_usr1);
	std::raise(SIGUSR1);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 99;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
