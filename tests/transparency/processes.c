/* fork, vfork, posix_spawn, exec: what children inherit, and what they must not leave behind. */
#include "table.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *self; /* how this program was called */
static volatile sig_atomic_t arrived;

static void count(int signo)
{
	(void)signo;
	arrived = arrived + 1;
}

static const char *disposition(int signo)
{
	struct sigaction now;

	if (sigaction(signo, NULL, &now))
		return "error";
	return now.sa_handler == SIG_DFL ? "default" : now.sa_handler == SIG_IGN ? "ignored" : "handled";
}

static void show_dispositions(const char *who)
{
	show("%s: USR1 %s, USR2 %s, HUP %s\n", who, disposition(SIGUSR1), disposition(SIGUSR2),
	     disposition(SIGHUP));
}

/* The descriptors below TABLE_FD; the one that reads the directory is left out. */
static void show_descriptors(const char *who)
{
	char line[512] = "";
	size_t used = 0;

	for (int fd = 0; fd < TABLE_FD; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %d", fd);
	show("%s has%s\n", who, line);
}

/* What a new image sees: called with the name of this case as argument by the cases below. */
static void new_image(void)
{
	show_dispositions("new image");
	show_descriptors("new image");
}

static void reexec(void)
{
	execl("/proc/self/exe", self, "-", "new image", (char *)NULL);
	show("exec failed: %s\n", strerrorname_np(errno));
}

static void inherited(void)
{
	signal(SIGUSR1, count);
	signal(SIGUSR2, SIG_IGN);
	pid_t child = table_fork();
	if (child == 0) {
		show_dispositions("child");
		raise(SIGUSR1);
		raise(SIGUSR2);
		show("arrived %d\n", (int)arrived);
		signal(SIGUSR1, SIG_DFL);
		_exit(0);
	}
	table_reap("child", child);
	show_dispositions("parent");
	reexec();
}

static void failed_exec(void)
{
	char *const arguments[] = { "nothing", NULL };
	char *const environment[] = { NULL };

	signal(SIGUSR1, count);
	SHOW(execl("/nowhere/at/all", "nothing", (char *)NULL));
	SHOW(execv("/", arguments));
	SHOW(execve("/etc/passwd", arguments, environment));
	SHOW(execvp("no-such-program-anywhere", arguments));
	SHOW(execvpe("no-such-program-anywhere", arguments, environment));
	SHOW(execle("/nowhere", "nothing", (char *)NULL, environment));
	SHOW(execlp("no-such-program-anywhere", "nothing", (char *)NULL));
	SHOW(fexecve(-1, arguments, environment));
	SHOW(execveat(-1, "nothing", arguments, environment, 0));
	raise(SIGUSR1);
	show("arrived %d\n", (int)arrived);
}

static char *const shell_arguments[] = { "sh", "-c", "exit $0$1", "4", "2", NULL };
static char *const shell_environment[] = { "A=b", NULL };

static void exec_by_arguments(int which)
{
	switch (which) {
	case 4: execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL); break;
	case 5: execlp("sh", "sh", "-c", "exit 6", (char *)NULL); break;
	case 6: execle("/bin/sh", "sh", "-c", "test $A = b", (char *)NULL, shell_environment); break;
	case 7: fexecve(open("/bin/sh", O_RDONLY), shell_arguments, environ); break;
	case 8: execveat(AT_FDCWD, "/bin/sh", shell_arguments, environ, 0); break;
	}
}

static void exec_by_array(int which)
{
	switch (which) {
	case 0: execv("/bin/sh", shell_arguments); break;
	case 1: execve("/bin/sh", shell_arguments, shell_environment); break;
	case 2: execvp("sh", shell_arguments); break;
	case 3: execvpe("sh", shell_arguments, environ); break;
	}
}

static void run_exec(int which, bool is_vfork)
{
	pid_t child = is_vfork ? vfork() : fork();

	if (child == 0) {
		exec_by_array(which);
		exec_by_arguments(which);
		_exit(111);
	}
	table_reap("child", child);
}

static void all_execs(void)
{
	for (int i = 0; i < 18; i++)
		run_exec(i / 2, i % 2);
}

static void vfork_and_change(int fd, int which)
{
	pid_t child = vfork();

	if (child == 0) {
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, SIG_DFL);
		signal(SIGHUP, count);
		close(fd);
		if (which == 1)
			execl("/bin/true", "true", (char *)NULL);
		_exit(which);
	}
	table_reap("vfork child", child);
}

static void vfork_children(void)
{
	int fd = table_file("file");
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	signal(SIGUSR1, count);
	signal(SIGUSR2, count);
	for (int i = 0; i < 3; i++) {
		vfork_and_change(fd, i);
		show_dispositions("parent");
		raise(SIGUSR1);
		raise(SIGUSR2);
		show("arrived %d\n", (int)arrived);
		SHOW(fcntl(fd, F_SETLK, &lock));
	}
}

static void spawned(void)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	sigset_t defaults;
	char *const arguments[] = { self, "-", "new image", NULL };
	pid_t child;

	signal(SIGUSR1, count);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGUSR2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 0);
	int spawned_error = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, arguments,
					environ);
	table_reap("spawned", child);
	show("spawn %d\n", spawned_error);
	show("spawn %d\n", posix_spawn(&child, "/nowhere", NULL, NULL, arguments, environ));
	show("spawnp %d\n", posix_spawnp(&child, "no-such-program", NULL, NULL, arguments, environ));
	show_dispositions("parent");
}

static void locks_over_fork_and_exec(void)
{
	int fd = open("kept", O_RDWR | O_CREAT, 0600), flocked = open("kept2", O_RDWR | O_CREAT, 0600);
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(flock(flocked, LOCK_EX));
	pid_t child = table_fork();
	if (child == 0) {
		SHOW(fcntl(fd, F_SETLK, &lock)); /* POSIX: not inherited */
		SHOW(flock(flocked, LOCK_SH | LOCK_NB)); /* the same description: converts */
		_exit(0);
	}
	table_reap("child", child);
	reexec();
}

static void raw_clone(void)
{
	signal(SIGUSR1, count);
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
		SHOW(fcntl(table_file("raw"), F_SETLK, &lock));
		raise(SIGUSR1);
		show("arrived %d\n", (int)arrived);
		_exit(0);
	}
	table_reap("clone", child);
	child = _Fork();
	if (child == 0) {
		struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
		SHOW(fcntl(table_file("raw"), F_SETLK, &lock));
		raise(SIGUSR1);
		show("arrived %d\n", (int)arrived);
		_exit(0);
	}
	table_reap("_Fork", child);
}

static void shells(void)
{
	char line[64] = "";
	FILE *out = popen("echo popen; exit 3", "r");

	show("system %d\n", system("exit 7"));
	show("line %s", fgets(line, sizeof(line), out));
	show("pclose %d\n", pclose(out));
	out = popen("i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i+1)); done; echo done", "r");
	show("line %s", fgets(line, sizeof(line), out));
	show("pclose %d\n", pclose(out));
}

static void descriptors(void)
{
	show_descriptors("program");
	int fd = table_file("file");
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);
	SHOW(fcntl(fd, F_SETLK, &lock));
	signal(SIGUSR1, count);
	raise(SIGUSR1);
	show_descriptors("after a lock and a signal");
	pid_t child = table_fork();
	if (child == 0) {
		SHOW(fcntl(fd, F_SETLK, &lock));
		SHOW(open("/dev/null", O_RDONLY) - fd);
		show_descriptors("child");
		reexec();
	}
	table_reap("child", child);
}

static void daemon_that_closes_all(void)
{
	int done[2];
	char byte;

	if (pipe(done))
		return;
	pid_t child = table_fork();
	if (child == 0) {
		if (fork())
			_exit(0);
		setsid();
		if (chdir("/") || dup2(done[1], 800) < 0)
			_exit(1);
		umask(0);
		close_range(0, 799, 0);
		int fd = open("/dev/null", O_RDWR);
		show("first descriptor %d\n", fd);
		SHOW(flock(fd, LOCK_EX | LOCK_NB));
		signal(SIGUSR1, count);
		raise(SIGUSR1);
		show("arrived %d\n", (int)arrived);
		closefrom(TABLE_FD + 1);
		show("next descriptor %d\n", dup(fd));
		_exit(0);
	}
	close(done[1]);
	show("end %zd\n", read(done[0], &byte, 1)); /* the daemon's: its lines come first */
	table_reap("daemon's parent", child);
}

static const char *const hidden[] = { "LD_PRELOAD", "LOCKJAM_", "_=" };

static void environment(void)
{
	for (char **entry = environ; *entry; entry++) {
		bool is_hidden = false;
		for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
			is_hidden |= strncmp(*entry, hidden[i], strlen(hidden[i])) == 0;
		if (!is_hidden)
			show("%s\n", *entry);
	}
	clearenv();
	reexec();
}

static const struct table_case cases[] = {
	{ "handlers over fork and exec", inherited },
	{ "exec that fails", failed_exec },
	{ "every exec", all_execs },
	{ "vfork children that change handlers", vfork_children },
	{ "posix_spawn", spawned },
	{ "locks over fork and exec", locks_over_fork_and_exec },
	{ "clone and _Fork", raw_clone },
	{ "system and popen", shells },
	{ "descriptors", descriptors },
	{ "a daemon that closes every descriptor", daemon_that_closes_all },
	{ "environment", environment },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "-") == 0) {
		new_image();
		return 0;
	}
	return table_main(cases, argc, argv);
}
