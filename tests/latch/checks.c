/*
 * The process as it is, beside what it was: the words by which its objects call each other, the protection
 * of their pages, its handlers as the kernel has them. Reads all of it by itself, without the shim's code.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/latch/rounds.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__aarch64__)
#define RELOCATION_COPY R_AARCH64_COPY
#define RELOCATION_CALL R_AARCH64_JUMP_SLOT
#else
#define RELOCATION_COPY R_X86_64_COPY
#define RELOCATION_CALL R_X86_64_JUMP_SLOT
#endif

#define WORDS 65536
#define MAPPINGS 4096

struct word {
	uintptr_t *at;
	uintptr_t value;
	bool is_call; /* may become bound meanwhile */
};

struct mapping {
	unsigned long start, end;
	char protection[5];
};

/* The kernel's. */
struct action {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

static struct {
	struct word words[WORDS];
	int word_count;
	struct mapping mappings[MAPPINGS];
	int mapping_count;
	struct action actions[65];
} before;

/* --- words -------------------------------------------------------------------------------------- */

static void note_words(const struct link_map *map, const ElfW(Rela) *first, size_t count)
{
	for (const ElfW(Rela) *r = first; r < first + count; r++) {
		uintptr_t *at = (uintptr_t *)(map->l_addr + r->r_offset);

		if (!ELF64_R_SYM(r->r_info) || ELF64_R_TYPE(r->r_info) == RELOCATION_COPY ||
		    (uintptr_t)at % sizeof(*at) || before.word_count == WORDS)
			continue;
		before.words[before.word_count++] =
			(struct word){at, *at, ELF64_R_TYPE(r->r_info) == RELOCATION_CALL};
	}
}

static void note_object(const struct link_map *map)
{
	const ElfW(Rela) *relocations[2] = {NULL, NULL};
	size_t sizes[2] = {0, 0};

	if (strstr(map->l_name, "vdso"))
		return;
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_RELA || d->d_tag == DT_JMPREL)
			relocations[d->d_tag == DT_JMPREL] = (const void *)d->d_un.d_ptr;
		if (d->d_tag == DT_RELASZ || d->d_tag == DT_PLTRELSZ)
			sizes[d->d_tag == DT_PLTRELSZ] = d->d_un.d_val / sizeof(ElfW(Rela));
	}
	for (int i = 0; i < 2; i++)
		if (relocations[i])
			note_words(map, relocations[i], sizes[i]);
}

static bool is_in_shim(uintptr_t value)
{
	static uintptr_t low, high;
	struct dl_find_object object;

	if (!low) {
		uintptr_t verb = (uintptr_t)value;

		if (_dl_find_object((void *)verb, &object) ||
		    !strstr(object.dlfo_link_map->l_name, "liblockjam"))
			return false;
		low = (uintptr_t)object.dlfo_map_start;
		high = (uintptr_t)object.dlfo_map_end;
	}
	return value >= low && value < high;
}

static void compare_words(void)
{
	for (int i = 0; i < before.word_count; i++) {
		struct word *w = &before.words[i];
		uintptr_t value = *w->at;

		HOLDS(!is_in_shim(value));
		if (w->is_call && value != w->value)
			w->value = value; /* was bound */
		HOLDS(value == w->value);
	}
}

uint64_t checks_redirected(void)
{
	uint64_t count = 0;

	for (int i = 0; i < before.word_count; i++)
		count += is_in_shim(*before.words[i].at);
	return count;
}

/* --- mappings ----------------------------------------------------------------------------------- */

/* Of the objects that are there from the start; neighbours of equal protection count as one. */
static int read_mappings(struct mapping *list)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[4096], path[4096];
	int count = 0;

	HOLDS(file);
	while (fgets(line, sizeof(line), file)) {
		struct mapping m;

		path[0] = 0;
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %4095s", &m.start, &m.end, m.protection,
			   path) < 4 ||
		    !(strstr(path, "libc.so") || strstr(path, "ld-linux") || strstr(path, "/rounds")))
			continue;
		if (count && list[count - 1].end == m.start &&
		    !strcmp(list[count - 1].protection, m.protection))
			list[count - 1].end = m.end;
		else if (count < MAPPINGS)
			list[count++] = m;
	}
	fclose(file);
	return count;
}

static void compare_mappings(void)
{
	static struct mapping now[MAPPINGS];
	int count = read_mappings(now);

	for (int i = 0; i < count && i < before.mapping_count; i++) {
		HOLDS(now[i].start == before.mappings[i].start);
		HOLDS(now[i].end == before.mappings[i].end);
		HOLDS(!strcmp(now[i].protection, before.mappings[i].protection));
	}
	HOLDS(count == before.mapping_count);
}

/* --- dispositions -------------------------------------------------------------------------------- */

/* A worker changes these. */
static bool is_free(int signo)
{
	return signo == SIGUSR1 || signo == SIGURG || signo == 32 || signo == 33; /* libc's own */
}

static void compare_actions(void)
{
	for (int signo = 1; signo <= 64; signo++) {
		struct action now = {0};

		syscall(SYS_rt_sigaction, signo, NULL, &now, 8);
		if (is_free(signo))
			continue;
		HOLDS(now.handler == before.actions[signo].handler);
		HOLDS(now.flags == before.actions[signo].flags);
		HOLDS(now.restorer == before.actions[signo].restorer);
		HOLDS(now.mask == before.actions[signo].mask);
	}
}

static void on_signal(int signo)
{
	(void)signo;
}

static void install(int signo, int flags, int masked)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};

	if (masked)
		sigaddset(&act.sa_mask, masked);
	sigaction(signo, &act, NULL);
}

/* --- what rounds.c calls -------------------------------------------------------------------------- */

void checks_begin(void)
{
	install(SIGUSR2, SA_RESTART | SA_ONSTACK, SIGHUP);
	install(SIGHUP, (int)SA_RESETHAND, 0);
	install(SIGIO, SA_SIGINFO | SA_NODEFER, SIGIO);
	install(SIGRTMIN + 3, 0, SIGRTMAX);
	signal(SIGWINCH, on_signal);
	signal(SIGTTOU, SIG_IGN);
	for (int signo = 1; signo <= 64; signo++)
		syscall(SYS_rt_sigaction, signo, NULL, &before.actions[signo], 8);
	for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
		note_object(m);
	before.mapping_count = read_mappings(before.mappings);
	HOLDS(before.word_count > 100 && before.mapping_count > 5);
}

void checks_unchanged(void)
{
	compare_words();
	compare_mappings();
	compare_actions();
}

int checks_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	HOLDS(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}
