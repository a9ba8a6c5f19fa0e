/*
 * Programs that start with little: few descriptors, little memory, closed standard streams. Each
 * case sets its limits, then replaces itself: the shim begins in the new image under the limits.
 */
#include "table.h"

#include <sys/mman.h>
#include <sys/resource.h>

static char *self;
static volatile sig_atomic_t arrived;

static void count(int signo)
{
	(void)signo;
	arrived = arrived + 1;
}

/* The new image's work: one of everything that the shim watches. */
static void work(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
	int fd = open("/dev/null", O_RDWR);
	void *memory = malloc(100000);

	show("descriptor %d\n", fd);
	if (fd < 0)
		fd = 0;
	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(flock(fd, LOCK_SH | LOCK_NB));
	show("memory %d\n", memory != NULL);
	free(memory);
	signal(SIGUSR1, count);
	raise(SIGUSR1);
	show("arrived %d\n", (int)arrived);
	pid_t child = table_fork();
	if (child == 0) {
		SHOW(fcntl(fd, F_SETLK, &lock));
		raise(SIGUSR1);
		show("arrived %d\n", (int)arrived);
		_exit(0);
	}
	if (child < 0)
		show("fork %s\n", strerrorname_np(errno));
	else
		table_reap("child", child);
	SHOW(close(fd));
}

static void reexec(void)
{
	execl("/proc/self/exe", self, "-", "work", (char *)NULL);
	show("exec failed: %s\n", strerrorname_np(errno));
}

static void limit(int resource, rlim_t value)
{
	struct rlimit limits = { value, value };

	show("setrlimit %d\n", setrlimit(resource, &limits));
}

/* TABLE_FD itself is above the limit: it stays open, only new ones are bounded. */
static void three_descriptors(void)
{
	limit(RLIMIT_NOFILE, 3);
	work();
}

/* The loader needs one for itself, stdin's. */
static void three_descriptors_from_the_start(void)
{
	close(0);
	limit(RLIMIT_NOFILE, 3);
	reexec();
}

static void closed_streams(void)
{
	close(0);
	close(1);
	close(2);
	reexec();
}

static void closed_stdin(void)
{
	close(0);
	reexec();
}

static void no_file_may_grow(void)
{
	limit(RLIMIT_FSIZE, 0);
	reexec();
}

static void no_file_may_grow_in_this_process(void)
{
	limit(RLIMIT_FSIZE, 0);
	work();
}

static void small_address_space(void)
{
	limit(RLIMIT_AS, 24 << 20);
	reexec();
}

static void no_address_space_left(void)
{
	limit(RLIMIT_AS, 1 << 20);
	show("mmap %d\n", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
	int fd = table_file("file");
	SHOW(fcntl(fd, F_SETLK, &lock));
	pid_t child = table_fork();
	if (child == 0) {
		SHOW(fcntl(fd, F_SETLK, &lock));
		raise(SIGUSR1);
		_exit(0);
	}
	table_reap("child", child);
}

static void small_stack(void)
{
	limit(RLIMIT_STACK, 160 << 10);
	reexec();
}

static void nothing_locked_in_memory(void)
{
	limit(RLIMIT_MEMLOCK, 0);
	reexec();
}

static const struct table_case cases[] = {
	{ "RLIMIT_NOFILE 3", three_descriptors },
	{ "RLIMIT_NOFILE 3 from the start", three_descriptors_from_the_start },
	{ "closed stdin, stdout, stderr", closed_streams },
	{ "closed stdin", closed_stdin },
	{ "RLIMIT_FSIZE", no_file_may_grow },
	{ "RLIMIT_FSIZE set by the process itself", no_file_may_grow_in_this_process },
	{ "RLIMIT_AS", small_address_space },
	{ "RLIMIT_AS with nothing left", no_address_space_left },
	{ "RLIMIT_STACK", small_stack },
	{ "RLIMIT_MEMLOCK", nothing_locked_in_memory },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "-") == 0) {
		signal(SIGUSR1, count);
		work();
		return 0;
	}
	return table_main(cases, argc, argv);
}
