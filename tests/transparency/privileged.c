/*
 * What servers do at their start as root: drop to another user, chroot into an empty directory,
 * fork after it. Each case says `ready` in a state that the test looks at, and goes on when its
 * stdin ends; the outputs must not depend on the shim.
 */
#include "tests/victims/victim.h"

#include <grp.h>
#include <sys/stat.h>

#define NOBODY 65534

static const char *path;

static void lock_and_tell(const char *who)
{
	int fd = victim_open(path);
	int result = victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 10);

	dprintf(STDOUT_FILENO, "%s: %d %s\n", who, result, result ? strerrorname_np(errno) : "");
}

static void wait_as_child(void)
{
	lock_and_tell("child");
	victim_ready();
}

static void drop_user(void)
{
	lock_and_tell("root");
	victim_must(chmod(path, 0666), "chmod");
	victim_must(setgroups(0, NULL), "setgroups");
	victim_must(setresgid(NOBODY, NOBODY, NOBODY), "setresgid");
	victim_must(setresuid(NOBODY, NOBODY, NOBODY), "setresuid");
}

/* The lock of the parent is for the test to see; the child asks for other bytes. */
static void fork_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		int result = victim_fcntl(fd, F_SETLK, F_WRLCK, 100, 10);
		dprintf(STDOUT_FILENO, "child: %d %s\n", result,
			result ? strerrorname_np(errno) : "");
		victim_ready();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void chroot_away(const char *directory)
{
	victim_must(chroot(directory), "chroot");
	victim_must(chdir("/"), "chdir");
	path = "/inside";
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(99, "usage: privileged CASE FILE DIRECTORY");
	path = argv[2];
	victim_watchdog();
	if (strcmp(argv[1], "drop") == 0) {
		drop_user();
		fork_child();
	} else if (strcmp(argv[1], "chroot") == 0) {
		chroot_away(argv[3]);
		waitpid(victim_fork(wait_as_child), NULL, 0);
	} else if (strcmp(argv[1], "chroot-drop") == 0) {
		chroot_away(argv[3]);
		drop_user();
		fork_child();
	}
	return 0;
}
