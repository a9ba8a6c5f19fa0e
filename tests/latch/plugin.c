/* A library that rounds loads and unloads. Built twice: bound at once behind read-only pages, and late. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int plugin_use(const char *folder, int number);

/* A word of data that leads to a function, as sqlite has them. */
static int (*lock_it)(int, int) = flock;

__attribute__((constructor)) static void come(void)
{
	free(strdup("a constructor that allocates"));
}

int plugin_use(const char *folder, int number)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = number};
	char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/plugin", folder) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (fd < 0 || lock_it(fd, LOCK_SH) || fcntl(fd, F_OFD_SETLKW, &lock) || lock_it(fd, LOCK_UN))
		return -2;
	close(fd);
	return number;
}
