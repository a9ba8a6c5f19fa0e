/*
 * Scenario: libc calls back into the program, which pauses: below it stand functions of libc, as
 * optimised as Debian builds it. Worth something where libc's debug information is installed.
 * Expect: their arguments, too, are a debugger's.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_here(void)
{
	static int is_waiting;

	if (!is_waiting++)
		if (write(1, "ready\n", 6) != 6)
			_exit(1);
	for (;;)
		pause();
}

static ssize_t on_write(void *cookie, const char *data, size_t size)
{
	wait_here();
	return (ssize_t)size;
}

static int on_compare(const void *a, const void *b)
{
	wait_here();
	return strcmp(a, b);
}

static int on_entry(const struct dirent *entry)
{
	wait_here();
	return entry != NULL;
}

static int on_file(const char *path, const struct stat *status, int flag, struct FTW *where)
{
	wait_here();
	return 0;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *data)
{
	wait_here();
	return 0;
}

static int on_error(const char *path, int error)
{
	wait_here();
	return 0;
}

static void on_signal(int signo)
{
	wait_here();
}

static void on_once(void)
{
	wait_here();
}

static void run(const char *scene)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char words[4][8] = {"four", "three", "two", "one"};
	void *tree = NULL;
	glob_t found;

	if (!strcmp(scene, "printf")) {
		cookie_io_functions_t functions = {.write = on_write};
		FILE *f = fopencookie(words, "w", functions);

		setvbuf(f, NULL, _IONBF, 0);
		fprintf(f, "%s %d %5.2f\n", words[0], 17, 3.5);
	}
	if (!strcmp(scene, "fwrite")) {
		cookie_io_functions_t functions = {.write = on_write};
		FILE *f = fopencookie(words, "w", functions);

		fwrite(words, 1, sizeof(words), f);
		fflush(NULL);
	}
	if (!strcmp(scene, "qsort"))
		qsort(words, 4, 8, on_compare);
	if (!strcmp(scene, "bsearch"))
		bsearch("two", words, 4, 8, on_compare);
	if (!strcmp(scene, "tsearch"))
		tsearch(words[0], &tree, on_compare), tsearch(words[1], &tree, on_compare);
	if (!strcmp(scene, "scandir"))
		scandir("/", NULL, on_entry, NULL);
	if (!strcmp(scene, "nftw"))
		nftw("/etc", on_file, 4, FTW_PHYS);
	if (!strcmp(scene, "phdr"))
		dl_iterate_phdr(on_object, words);
	if (!strcmp(scene, "glob"))
		glob("/proc/self/mem/*", 0, on_error, &found);
	if (!strcmp(scene, "raise"))
		signal(SIGUSR1, on_signal), raise(SIGUSR1);
	if (!strcmp(scene, "once"))
		pthread_once(&once, on_once);
	if (!strcmp(scene, "exit"))
		atexit(on_once), exit(3);
	if (!strcmp(scene, "abort"))
		signal(SIGABRT, on_signal), abort();
}

int main(int argc, char **argv)
{
	alarm(120);
	run(argc > 1 ? argv[1] : "");
	return 1;
}
