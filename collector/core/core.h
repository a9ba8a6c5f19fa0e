/*
 * Core files: the memory and the threads of a process at the moment it died (the kernel), or was
 * copied (gcore). Plain ELF, or compressed as systemd-coredump stores them.
 *
 * A core is untrusted input: it is what a process had in its memory, and anybody may have written
 * the file. It is read with pread (never mapped: it may be cut meanwhile); every offset, count and
 * length is bounded by the size of the file and by the limits below.
 *
 * Facts: elf(5), core(5); the kernel's fs/binfmt_elf.c: one PT_NOTE with NT_PRSTATUS of each thread
 * (the one that got the signal first), NT_PRPSINFO, NT_SIGINFO, NT_AUXV and NT_FILE; one
 * PT_LOAD for each mapping. What /proc/PID/coredump_filter leaves out has p_filesz 0, or one page
 * when it begins with an ELF header.
 */
#ifndef LOCKJAM_CORE_H
#define LOCKJAM_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/arch/arch.h"
#include "collector/collect.h"

#define CORE_LOADS_MAX (1u << 20)
#define CORE_THREADS_MAX (1u << 16)
#define CORE_MAPS_MAX (1u << 18)
#define CORE_NOTE_MAX ((uint64_t)64 << 20) /* of one note; NT_FILE is the largest */

/* PT_LOAD: memory, of which the first `filled` bytes are in the core. */
struct core_load {
	uint64_t start, end;
	uint64_t offset, filled;
	bool is_code; /* executable */
};

/* NT_FILE, or what the loader knew: a mapping of a file. */
struct core_map {
	uint64_t start, end;
	uint64_t offset; /* in the file, bytes */
	const char *path;
};

/* The values of the auxiliary vector that are of use; 0 unknown. */
struct core_auxv {
	uint64_t phdr, vdso, execfn;
};

struct core {
	const char *path;        /* as the user gave it */
	uint64_t size;           /* uncompressed */
	uint64_t missing;        /* bytes that its headers promise, and the file does not have */
	bool is_cut;             /* the compressed file ends early */
	uint64_t changed_ns;     /* mtime, CLOCK_REALTIME: about when it was made */
	struct core_load *loads; /* by start, not overlapping */
	uint32_t load_count;
	struct core_map *maps; /* by start */
	uint32_t map_count;
	struct arch_prstatus *threads; /* in the core's order */
	uint32_t thread_count;
	struct core_auxv auxv;
	bool has_psinfo;
	pid_t pid, ppid; /* 0 unknown */
	uid_t uid;
	char comm[17];
	char cmdline[81]; /* cut by the kernel at 80 bytes */
	int signo;        /* why it was made; 0 not by a signal */
	int si_code;
	pid_t sender;           /* of a signal that was sent; 0 unknown */
	uint64_t fault_address; /* of SIGSEGV, SIGBUS, SIGFPE, SIGILL */
	bool has_siginfo;

	/* Private to core*.c. */
	int fd;
	char *file_note;  /* NT_FILE: paths point into it */
	uint32_t dropped; /* notes that were not understood */
	struct core_block *blocks;
};

/*
 * 0, or a negative errno with *error filled: -EINVAL (no core, or its headers are damaged),
 * -ENOTSUP (another processor, or compressed in a way that this build cannot read), -ENOSPC, open's
 * and read's errors. `path` must outlive the core.
 */
int core_open(const char *path, struct core **core, struct collect_error *error);
void core_close(struct core *core);

/* All `size` bytes at an address of the process, or false: not in the core. */
bool core_read(const struct core *core, uint64_t address, void *data, size_t size);
/* A string of at most size - 1 bytes; false if it cannot be read or does not end. */
bool core_read_text(const struct core *core, uint64_t address, char *text, size_t size);

/* The mapping of a file that covers an address; NULL if none. */
const struct core_map *core_find_map(const struct core *core, uint64_t address);
/* The memory that covers an address; NULL if none. */
const struct core_load *core_find_load(const struct core *core, uint64_t address);

/* Memory that lives as long as the core; NULL if there is none left. */
void *core_alloc(struct core *core, size_t size);

/* --- core_tell.c ----------------------------------------------------------------------------- */

/* "SIGSEGV (address 0x10)", "SIGABRT sent by process 12", "" if no signal made it. */
void core_signal_text(const struct core *core, char *text, size_t size);
/* The path of the program: of the mapping that holds its program headers, else its name; or "". */
const char *core_exe(const struct core *core);
/* "; it is of imapd -s (pid 12), ended by SIGSEGV", "" if that is not known: for an error about a
 * core whose threads cannot be read. Only from notes that are the same on all 64-bit processors. */
void core_describe(const struct core *core, char *text, size_t size);
/* Of an ELF e_machine; NULL unknown. */
const char *core_machine_name(uint16_t machine);

/* --- core_note.c ------------------------------------------------------------------------------ */

/* The notes in [offset, offset + size) of the file. 0, -ENOMEM, or read's error. */
int core_read_notes(struct core *core, uint64_t offset, uint64_t size);

/* --- core_link_map.c ------------------------------------------------------------------------- */

/* Fills maps from the loader's list, as far as it can be read. */
void core_read_link_map(struct core *core);

/* --- core_unpack.c ---------------------------------------------------------------------------- */

/*
 * If the file behind *fd is compressed, *fd becomes an unlinked temporary file with its content
 * (in $TMPDIR, else /var/tmp). *is_cut: it ends early; what there is was unpacked. 0, or as
 * core_open(); *fd stays open in any case.
 */
int core_unpack(const char *path, int *fd, bool *is_cut, struct collect_error *error);

/* A regular file that is no segment: to be given as collect_options.core. */
bool core_is_file(const char *path);

#endif
