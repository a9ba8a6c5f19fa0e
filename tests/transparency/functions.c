/*
 * The functions that the shim passes on: allocation, stdio, exit. Every register and every
 * argument on the stack must arrive, in handlers and outside. Built a second time with
 * _FORTIFY_SOURCE, which calls __printf_chk and its kin.
 */
#include "table.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <syslog.h>
#include <wchar.h>

static volatile size_t zero;
static volatile size_t huge = SIZE_MAX / 2;
static void *volatile memory;
static char text[4096];

static void show_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	show("%s", text);
}

static void allocation(void)
{
	show("malloc(0) %d\n", (memory = malloc(zero)) != NULL);
	SHOW(malloc(huge) == NULL);
	show("%s\n", strerrorname_np(errno));
	SHOW(calloc(huge, 16) == NULL);
	show("%s\n", strerrorname_np(errno));
	show("zeroed %d\n", *(char *)(memory = calloc(10, 10)) == 0);
	memory = realloc(NULL, 10);
	memory = realloc(memory, 1000000);
	show("realloc %d\n", memory != NULL);
	SHOW(reallocarray(memory, huge, 16) == NULL);
	show("%s\n", strerrorname_np(errno));
	show("usable %d\n", malloc_usable_size(memory) >= 1000000);
	SHOW(realloc(memory, zero) == NULL);
	void *aligned = (void *)1;
	SHOW(posix_memalign(&aligned, 3, 100));
	show("untouched %d\n", aligned == (void *)1);
	SHOW(posix_memalign(&aligned, 4096, 100));
	show("aligned %d\n", ((uintptr_t)aligned & 4095) == 0);
	errno = ENOTNAM;
	free(aligned);
	show("errno %s\n", strerrorname_np(errno));
	show("aligned_alloc %d\n", ((uintptr_t)(memory = aligned_alloc(64, 128)) & 63) == 0);
	show("memalign %d\n", ((uintptr_t)(memory = memalign(256, 10)) & 255) == 0);
	show("valloc %d\n", ((uintptr_t)(memory = valloc(10)) & 4095) == 0);
	show("pvalloc %d\n", malloc_usable_size(memory = pvalloc(10)) >= 4096);
	free(NULL);
	free(memory);
}

static void print_all(void)
{
	int n = 0;

	n += printf("%d %s %c %ld %x %o %p %g %f %.3e %Lg\n", 1, "two", '3', 4L, 5, 6, (void *)7, 8.5,
		    9.25, 10.125, 11.5L);
	n += printf("%g %g %g %g %g %g %g %g %g %g %g\n", 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11.);
	n += printf("%d %d %d %d %d %d %d %d %d\n", 1, 2, 3, 4, 5, 6, 7, 8, 9);
	n += fprintf(stdout, "%s %g %d\n", "fprintf", 1.5, 2);
	n += puts("puts");
	n += fputs("fputs\n", stdout) >= 0;
	n += (int)fwrite("fwrite\n", 1, 7, stdout);
	n += putchar('x');
	n += fputc('y', stdout);
	n += putc('\n', stdout);
	n += fflush(stdout);
	n += fflush(NULL);
	show("sum %d\n", n);
}

static void printing(void)
{
	if (!freopen("printed", "w", stdout))
		return;
	print_all();
	show_file("printed");
}

static void print_in_handler(int signo)
{
	(void)signo;
	print_all();
	snprintf(text, sizeof(text), "%d %g %s", 1, 2.5, "three");
	show("%s\n", text);
	time_t when = 86400 * 365;
	struct tm *tm = gmtime(&when);
	show("year %d\n", tm ? tm->tm_year : -1);
	tm = localtime(&when);
	show("year %d\n", tm ? tm->tm_year : -1);
	memory = realloc(malloc(10), 100);
	show("memory %d\n", memory != NULL);
	free(memory);
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	SHOW(pthread_mutex_lock(&mutex));
	SHOW(pthread_mutex_unlock(&mutex));
	SHOW((syslog(LOG_DEBUG, "%d %g", 1, 2.5), 0));
}

static void printing_in_a_handler(void)
{
	if (!freopen("printed", "w", stdout))
		return;
	signal(SIGUSR1, print_in_handler);
	raise(SIGUSR1);
	show_file("printed");
}

static void first(void)
{
	show("first\n");
}

static void second(void)
{
	show("second\n");
}

static void exit_in_handler(int signo)
{
	exit(signo);
}

static void exits(void)
{
	if (!freopen("exited", "w", stdout))
		return;
	for (int i = 0; i < 4; i++) {
		pid_t child = table_fork();
		if (child == 0) {
			atexit(first);
			atexit(second);
			printf("not flushed by hand\n");
			signal(SIGUSR1, exit_in_handler);
			if (i == 0)
				exit(300);
			if (i == 1)
				_exit(-1);
			if (i == 2)
				quick_exit(5);
			raise(SIGUSR1);
		}
		table_reap("child", child);
		show_file("exited");
	}
}

static void aborts(void)
{
	pid_t child = table_fork();

	if (child == 0)
		abort();
	table_reap("abort", child);
	child = table_fork();
	if (child == 0) {
		setenv("LIBC_FATAL_STDERR_", "1", 1);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		memory = malloc(10);
		free(memory);
		free(memory); /* glibc finds this one */
	}
	table_reap("double free", child);
}

static void *thread(void *argument)
{
	for (int i = 0; i < 1000; i++) {
		void *mine = malloc(100 + (size_t)i);
		if (!mine)
			return NULL;
		free(mine);
	}
	pthread_exit(argument);
}

static void threads(void)
{
	pthread_t ids[8];
	long sum = 0;

	for (long i = 0; i < 8; i++)
		show("create %d\n", pthread_create(&ids[i], NULL, thread, (void *)i));
	for (long i = 0; i < 8; i++) {
		void *result = NULL;
		pthread_join(ids[i], &result);
		sum += (long)result;
	}
	show("sum %ld\n", sum);
}

static const struct table_case cases[] = {
	{ "allocation", allocation },
	{ "printing", printing },
	{ "printing in a handler", printing_in_a_handler },
	{ "exit", exits },
	{ "abort", aborts },
	{ "threads", threads },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
