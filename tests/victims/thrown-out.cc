/*
 * Scenario: a handler of SIGSEGV throws an exception through the interrupted function; it is
 * caught, and the program goes on to allocate, at its old depth and deeper.
 * Expect: malloc in the handler of SIGSEGV, 10 times (the exception itself); nothing of what
 * follows. What libstdc++ does once at the first throw may be found too.
 * Twin: outside-handlers.c.
 */
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <unistd.h>

static void on_fault(int)
{
	sigset_t fault;

	sigemptyset(&fault);
	sigaddset(&fault, SIGSEGV);
	sigprocmask(SIG_UNBLOCK, &fault, nullptr);
	throw 42;
}

__attribute__((noinline)) static int read_at(volatile int *p)
{
	return *p;
}

__attribute__((noinline)) static void allocate_at(unsigned depth)
{
	char frame[256];

	std::memset(frame, static_cast<int>(depth), sizeof(frame));
	if (depth)
		allocate_at(depth - 1);
	else
		std::make_unique<std::string>("long enough to be on the heap, not inside it");
	__asm__ volatile("" : : "r"(frame) : "memory");
}

int main()
{
	int caught = 0;
	char byte;

	alarm(120);
	std::signal(SIGSEGV, on_fault);
	for (int i = 0; i < 10; i++) {
		try {
			read_at(nullptr);
		} catch (int) {
			caught++;
		}
		allocate_at(0);
		allocate_at(30);
	}
	if (caught != 10 || write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 99;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
