/*
 * The notes of a core: threads, process, signal, auxiliary vector, mapped files. Each is read by
 * itself: a core of many threads has hundreds of megabytes of other notes (vector registers).
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "collector/core/core.h"

struct note {
	uint32_t type;
	uint64_t offset, size; /* of its content in the file */
};

static bool read_note(const struct core *core, const struct note *note, void *data, size_t size)
{
	return note->size >= size && note->offset <= core->size &&
	       size <= core->size - note->offset &&
	       pread(core->fd, data, size, (off_t)note->offset) == (ssize_t)size;
}

static int add_thread(struct core *core, const struct note *note)
{
	union {
		struct elf_prstatus status;
		char bytes[1024];
	} u;
	size_t size = note->size < sizeof(u) ? note->size : sizeof(u);

	if (core->thread_count >= CORE_THREADS_MAX || !read_note(core, note, &u, size))
		return 0;
	/* Doubling: at powers of two the array is full. */
	if (!(core->thread_count & (core->thread_count - 1))) {
		size_t room = core->thread_count ? 2 * (size_t)core->thread_count : 1;
		struct arch_prstatus *grown = reallocarray(core->threads, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		core->threads = grown;
	}
	if (!arch_read_prstatus(&u, size, &core->threads[core->thread_count])) {
		core->dropped++;
		return 0;
	}
	if (!core->thread_count++ && !core->has_siginfo)
		core->signo = core->threads[0].signo;
	return 0;
}

/* The kernel's blanks and control characters stay out of what is shown. */
static void copy_text(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size);

	while (length && from[length - 1] == ' ')
		length--;
	memcpy(to, from, length);
	to[length] = 0;
}

static void read_psinfo(struct core *core, const struct note *note)
{
	struct elf_prpsinfo info;

	if (core->has_psinfo || !read_note(core, note, &info, sizeof(info)))
		return;
	core->has_psinfo = true;
	core->pid = info.pr_pid > 0 ? info.pr_pid : 0;
	core->ppid = info.pr_ppid > 0 ? info.pr_ppid : 0;
	core->uid = info.pr_uid;
	copy_text(core->comm, info.pr_fname, sizeof(info.pr_fname));
	copy_text(core->cmdline, info.pr_psargs, sizeof(info.pr_psargs));
}

static void read_siginfo(struct core *core, const struct note *note)
{
	siginfo_t info;

	if (core->has_siginfo || !read_note(core, note, &info, sizeof(info)) || info.si_signo <= 0)
		return;
	core->has_siginfo = true;
	core->signo = info.si_signo;
	core->si_code = info.si_code;
	if (info.si_code <= 0)
		core->sender = info.si_pid;
	else
		core->fault_address = (uintptr_t)info.si_addr;
}

static void read_auxv(struct core *core, const struct note *note)
{
	for (uint64_t at = 0; at + sizeof(Elf64_auxv_t) <= note->size && at < 4096;
	     at += sizeof(Elf64_auxv_t)) {
		struct note part = {.offset = note->offset + at, .size = sizeof(Elf64_auxv_t)};
		Elf64_auxv_t entry;

		if (!read_note(core, &part, &entry, sizeof(entry)) || entry.a_type == AT_NULL)
			return;
		if (entry.a_type == AT_PHDR)
			core->auxv.phdr = entry.a_un.a_val;
		else if (entry.a_type == AT_SYSINFO_EHDR)
			core->auxv.vdso = entry.a_un.a_val;
		else if (entry.a_type == AT_EXECFN)
			core->auxv.execfn = entry.a_un.a_val;
	}
}

static int compare_maps(const void *x, const void *y)
{
	const struct core_map *a = x, *b = y;

	return (a->start > b->start) - (a->start < b->start);
}

/*
 * count, page size; (start, end, offset in pages) of each; the paths, one after the other. The
 * last byte of `data` is NUL.
 */
static int parse_files(struct core *core, const char *data, uint64_t size)
{
	const uint64_t *words = (const uint64_t *)data;
	uint64_t count = words[0], page = words[1], rest = size / sizeof(*words) - 2;

	if (count > rest / 3 || count > CORE_MAPS_MAX || page > (1u << 24)) {
		core->dropped++;
		return 0;
	}
	const char *path = (const char *)(words + 2 + 3 * count), *end = data + size;

	core->maps = calloc(count + 1, sizeof(*core->maps));
	if (!core->maps)
		return -ENOMEM;
	for (uint64_t i = 0; i < count && path < end; i++, path += strlen(path) + 1) {
		const uint64_t *w = words + 2 + 3 * i;

		if (w[0] >= w[1] || (page && w[2] > UINT64_MAX / page))
			continue;
		core->maps[core->map_count++] = (struct core_map){w[0], w[1], w[2] * page, path};
	}
	qsort(core->maps, core->map_count, sizeof(*core->maps), compare_maps);
	return 0;
}

static int read_files(struct core *core, const struct note *note)
{
	if (core->file_note || note->size < 2 * sizeof(uint64_t) || note->size > CORE_NOTE_MAX ||
	    note->offset > core->size)
		return 0;
	/* Cut cores keep the mappings that are there. */
	uint64_t there = core->size - note->offset;
	uint64_t size = note->size < there ? note->size : there;

	if (size < 2 * sizeof(uint64_t))
		return 0;
	core->file_note = malloc(size + 1);
	if (!core->file_note)
		return -ENOMEM;
	if (pread(core->fd, core->file_note, size, (off_t)note->offset) != (ssize_t)size)
		return 0;
	core->file_note[size] = 0;
	return parse_files(core, core->file_note, size);
}

static int read_one(struct core *core, const struct note *note)
{
	switch (note->type) {
	case NT_PRSTATUS:
		return add_thread(core, note);
	case NT_PRPSINFO:
		read_psinfo(core, note);
		return 0;
	case NT_SIGINFO:
		read_siginfo(core, note);
		return 0;
	case NT_AUXV:
		read_auxv(core, note);
		return 0;
	case NT_FILE:
		return read_files(core, note);
	default:
		return 0;
	}
}

int core_read_notes(struct core *core, uint64_t offset, uint64_t size)
{
	uint64_t end = size < UINT64_MAX - offset ? offset + size : UINT64_MAX;
	int r = 0;

	if (end > core->size) {
		core->missing += end - core->size;
		end = core->size;
	}
	/* Each note is longer than nothing: this ends. */
	while (!r && offset < end && end - offset >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr header;
		char name[8] = "";

		if (pread(core->fd, &header, sizeof(header), (off_t)offset) != sizeof(header))
			return 0;
		struct note note = {.type = header.n_type,
				    .offset = offset + sizeof(header) +
					      ((header.n_namesz + UINT64_C(3)) & ~UINT64_C(3)),
				    .size = header.n_descsz};

		if (header.n_namesz <= sizeof(name) &&
		    pread(core->fd, name, header.n_namesz, (off_t)(offset + sizeof(header))) ==
			    (ssize_t)header.n_namesz &&
		    !memcmp(name, "CORE", 5))
			r = read_one(core, &note);
		offset = note.offset + ((note.size + 3) & ~UINT64_C(3));
	}
	return r;
}
