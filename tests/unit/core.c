/* The reader of cores: memory, headers and notes, whatever they say. */
#include "config.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "collector/core/core.h"
#include "tests/unit/unit.h"

#define HEADERS 8
#define NOTES 512 /* offset of the notes, behind the headers */
#define MEMORY 8192
#define SIZE 12288

/* A core in the making. */
static struct {
	union {
		struct {
			Elf64_Ehdr eh;
			Elf64_Phdr ph[HEADERS];
		};
		uint8_t data[SIZE];
	};
	size_t used; /* of the notes */
} c;
static struct core *core;
static struct collect_error error;

static void begin(void)
{
	memset(&c, 0, sizeof(c));
	memcpy(c.eh.e_ident, ELFMAG, SELFMAG);
	c.eh.e_ident[EI_CLASS] = ELFCLASS64;
	c.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	c.eh.e_type = ET_CORE;
	c.eh.e_machine = ARCH_MACHINE;
	c.eh.e_phoff = sizeof(c.eh);
	c.eh.e_phentsize = sizeof(c.ph[0]);
	c.eh.e_phnum = 1;
	c.ph[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES};
	for (size_t i = MEMORY; i < SIZE; i++)
		c.data[i] = (uint8_t)(i * 7 + i / 256);
}

static void add_note(uint32_t type, const void *data, size_t size)
{
	Elf64_Nhdr header = {.n_namesz = 5, .n_descsz = size, .n_type = type};
	uint8_t *at = c.data + NOTES + c.used;

	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), "CORE", 5);
	memcpy(at + sizeof(header) + 8, data, size);
	c.used += sizeof(header) + 8 + ((size + 3) & ~(size_t)3);
	c.ph[0].p_filesz = c.used;
}

static void add_thread(pid_t tid)
{
	struct elf_prstatus status = {.pr_pid = tid, .pr_cursig = SIGABRT};

	add_note(NT_PRSTATUS, &status, sizeof(status));
}

static void add_load(uint64_t address, uint64_t offset, uint64_t filled, uint64_t size)
{
	c.ph[c.eh.e_phnum++] = (Elf64_Phdr){.p_type = PT_LOAD,
					    .p_vaddr = address,
					    .p_offset = offset,
					    .p_filesz = filled,
					    .p_memsz = size};
}

/* Opens the first `size` bytes of it; core_open()'s result. */
static int open_cut(size_t size)
{
	char path[] = "/tmp/lockjam-core-XXXXXX";
	int fd = mkstemp(path), r;

	CU_ASSERT_FATAL(fd >= 0 && write(fd, c.data, size) == (ssize_t)size);
	close(fd);
	r = core_open(path, &core, &error);
	unlink(path);
	return r;
}

static void reads_memory(void)
{
	uint8_t bytes[64];

	begin();
	add_thread(1);
	add_load(0x20000, MEMORY + 0x200, 0x100, 0x1000);
	add_load(0x10000, MEMORY, 0x100, 0x100);
	add_load(0x10100, MEMORY + 0x100, 0x100, 0x100);
	CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0);
	CU_ASSERT(core_read(core, 0x10010, bytes, sizeof(bytes)));
	CU_ASSERT_EQUAL(memcmp(bytes, c.data + MEMORY + 0x10, sizeof(bytes)), 0);
	CU_ASSERT(core_read(core, 0x100f0, bytes, 32)); /* over the border of two */
	CU_ASSERT_EQUAL(memcmp(bytes, c.data + MEMORY + 0xf0, 32), 0);
	CU_ASSERT(core_read(core, 0x200ff, bytes, 1));
	CU_ASSERT_FALSE(core_read(core, 0x200ff, bytes, 2)); /* mapped, but not in the core */
	CU_ASSERT_FALSE(core_read(core, 0x101ff, bytes, 2));
	CU_ASSERT_FALSE(core_read(core, 0xffff, bytes, 2));
	CU_ASSERT_FALSE(core_read(core, UINT64_MAX - 1, bytes, 16));
	CU_ASSERT_PTR_NULL(core_find_load(core, 0x30000));
	core_close(core);
}

static void overlapping_memory(void)
{
	uint8_t byte;

	begin();
	add_thread(1);
	add_load(0x10000, MEMORY, 0x100, 0x2000);
	add_load(0x10080, MEMORY, 0x100, 0x100);
	add_load(UINT64_MAX - 0x10, MEMORY, 0x100, 0x100); /* wraps */
	add_load(0x40000, UINT64_MAX - 0x10, 0x100, 0x100);
	CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0);
	CU_ASSERT_EQUAL(core->load_count, 2);
	CU_ASSERT_FALSE(core_read(core, 0x40000, &byte, 1));
	CU_ASSERT_EQUAL(core->missing, 0x100);
	core_close(core);
}

static void many_headers(void)
{
	Elf64_Shdr section = {.sh_info = 2};

	begin();
	add_thread(1);
	add_load(0x10000, MEMORY, 0x100, 0x100);
	c.eh.e_phnum = PN_XNUM;
	c.eh.e_shentsize = sizeof(section);
	c.eh.e_shoff = MEMORY + 0x1000 - sizeof(section);
	memcpy(c.data + c.eh.e_shoff, &section, sizeof(section));
	CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0);
	CU_ASSERT_EQUAL(core->load_count, 1);
	core_close(core);
	CU_ASSERT_EQUAL(open_cut(MEMORY), -EINVAL); /* the section is cut off */
}

static void what_notes_say(void)
{
	const uint64_t files[] = {2, 4096, 0x7000, 0x9000, 3, 0x1000, 0x2000, 0};
	struct elf_prpsinfo info = {
		.pr_pid = 12, .pr_ppid = 11, .pr_fname = "imapd", .pr_psargs = "imapd -s  "};
	siginfo_t signal = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
	uint8_t note[sizeof(files) + 64] = {0};
	char text[64];

	signal.si_addr = (void *)0x10;
	memcpy(note, files, sizeof(files));
	memcpy(note + sizeof(files), "/lib/a\0/bin/b", 14);
	begin();
	add_thread(12);
	add_note(NT_PRPSINFO, &info, sizeof(info));
	add_note(NT_SIGINFO, &signal, sizeof(signal));
	add_note(NT_FILE, note, sizeof(files) + 14);
	add_thread(13);
	CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0);
	CU_ASSERT_EQUAL_FATAL(core->thread_count, 2);
	CU_ASSERT_EQUAL(core->threads[1].tid, 13);
	CU_ASSERT_EQUAL(core->pid, 12);
	CU_ASSERT_STRING_EQUAL(core->cmdline, "imapd -s");
	core_signal_text(core, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "SIGSEGV (address 0x10)");
	CU_ASSERT_EQUAL_FATAL(core->map_count, 2);
	CU_ASSERT_STRING_EQUAL(core->maps[0].path, "/bin/b");
	CU_ASSERT_EQUAL(core->maps[1].offset, 3 * 4096);
	CU_ASSERT_PTR_EQUAL(core_find_map(core, 0x8fff), &core->maps[1]);
	CU_ASSERT_PTR_NULL(core_find_map(core, 0x9000));
	core_close(core);
}

static void notes_that_lie(void)
{
	const uint64_t counts[] = {UINT64_MAX, UINT64_MAX / 3, 1000, 1};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t files[5] = {counts[i], 4096, 0x7000, 0x9000, 0};

		begin();
		add_thread(1);
		add_note(NT_FILE, files, sizeof(files)); /* no path at all */
		CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0);
		CU_ASSERT_EQUAL(core->map_count, 0);
		core_close(core);
	}
	begin();
	add_thread(1);
	add_thread(2);
	((Elf64_Nhdr *)(c.data + NOTES))->n_descsz = UINT32_MAX;
	c.ph[0].p_filesz = UINT64_MAX;
	CU_ASSERT_EQUAL_FATAL(open_cut(SIZE), 0); /* one thread is readable, then it ends */
	CU_ASSERT_EQUAL(core->thread_count, 1);
	core_close(core);
	begin();
	add_note(NT_PRSTATUS, "short", 5);
	CU_ASSERT_EQUAL(open_cut(SIZE), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error.cause, "is a core without threads");
}

static void cut_anywhere(void)
{
	begin();
	add_thread(1);
	add_load(0x10000, MEMORY, 0x100, 0x100);
	for (size_t size = 0; size < NOTES + c.used + 8; size++) {
		bool is_open = !open_cut(size);

		CU_ASSERT(is_open || (error.cause[0] && error.object[0]));
		if (is_open)
			core_close(core);
	}
}

static const struct unit_test tests[] = {
	{"memory is read over borders, and only what is there", reads_memory},
	{"overlapping and impossible memory", overlapping_memory},
	{"65535 headers and more", many_headers},
	{"what the notes say", what_notes_say},
	{"notes that lie", notes_that_lie},
	{"a core cut at any byte", cut_anywhere},
	{NULL, NULL},
};
const struct unit_suite unit_core = {tests};
