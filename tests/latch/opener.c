/*
 * Preloaded into a table of tests/transparency: opens the shim as a running program would, and has the program
 * recorded (LATCH_SHIM, LATCH_FOLDER). Leaves no other trace.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *why)
{
	if (write(STDERR_FILENO, why, strlen(why)) < 0)
		_exit(98);
	_exit(99);
}

__attribute__((constructor)) static void open_shim(void)
{
	const char *path = getenv("LATCH_SHIM"), *folder = getenv("LATCH_FOLDER");
	int64_t (*attach)(const char *);
	void *shim = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

	if (!shim || !folder)
		fail("the shim cannot be opened\n");
	attach = (int64_t(*)(const char *))dlsym(shim, "lockjam_attach");
	if (!attach || attach(folder) <= 0)
		fail("the shim refuses\n");
	unsetenv("LD_PRELOAD");
	unsetenv("LATCH_SHIM");
	unsetenv("LATCH_FOLDER");
}
