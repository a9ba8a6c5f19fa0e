#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collector/proc/program.h"

#define INTERPRETERS_MAX 4 /* as the kernel: a script whose interpreter is a script, ... */
#define HEADERS_MAX 64     /* program headers; real files have a dozen */

/* 0 if it may be executed, else negative errno. */
static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -EACCES;
	return 0;
}

int program_find(const char *name, char *path, size_t size)
{
	const char *list = getenv("PATH");
	int result = -ENOENT;

	if (strchr(name, '/'))
		return (size_t)snprintf(path, size, "%s", name) < size ? check_file(name)
								       : -ENAMETOOLONG;
	if (!*name)
		return -ENOENT;
	for (list = list ? list : "/bin:/usr/bin";; list++) {
		int length = strcspn(list, ":");
		int error = -ENAMETOOLONG;

		/* An empty element is the current directory. */
		if ((size_t)snprintf(path, size, "%.*s%s%s", length, list, length ? "/" : "./",
				     name) < size)
			error = check_file(path);
		if (error == 0)
			return 0;
		if (error == -EACCES)
			result = -EACCES;
		list += length;
		if (!*list)
			return result;
	}
}

static bool has_file_capabilities(int fd)
{
	return geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* ld.so ignores LD_PRELOAD where running the file changes who we are. */
static const char *check_identity(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
		return "is setuid: ld.so loads no shim into it";
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid())
		return "is setgid: ld.so loads no shim into it";
	if (has_file_capabilities(fd))
		return "has file capabilities: ld.so loads no shim into it";
	return NULL;
}

static const char *check_elf(int fd, const Elf64_Ehdr *header)
{
	Elf64_Phdr p;

#if defined(__x86_64__)
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
#elif defined(__aarch64__)
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_AARCH64)
#endif
		return "is of another architecture than the shim, which cannot be loaded into it";
	for (int i = 0; i < header->e_phnum && i < HEADERS_MAX; i++) {
		off_t at = header->e_phoff + (off_t)i * header->e_phentsize;

		if (pread(fd, &p, sizeof(p), at) != sizeof(p))
			return NULL;
		if (p.p_type == PT_INTERP)
			return check_identity(fd);
	}
	return "is linked statically: no shim can be loaded into it";
}

/* Cuts "#!/bin/sh -e" down to the interpreter. */
static const char *interpreter_of(char *line)
{
	char *start = line + 2 + strspn(line + 2, " \t");

	start[strcspn(start, " \t\n")] = '\0';
	return start;
}

const char *program_obstacle(const char *path)
{
	char current[PATH_MAX], head[PATH_MAX + 1];
	const char *obstacle = NULL;
	bool is_script = true;

	if (!memccpy(current, path, '\0', sizeof(current)))
		return NULL;
	for (int i = 0; is_script && i < INTERPRETERS_MAX; i++) {
		int fd = open(current, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head) - 1, 0);

		is_script = n > 2 && head[0] == '#' && head[1] == '!';
		if (n >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
			obstacle = check_elf(fd, (const Elf64_Ehdr *)head);
		if (fd >= 0)
			close(fd);
		head[n < 0 ? 0 : n] = '\0';
		if (is_script && !memccpy(current, interpreter_of(head), '\0', sizeof(current)))
			return NULL;
	}
	return obstacle;
}
