/* What a stop of ptrace tells of the system call that it interrupted. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "collector/arch/arch.h"
#include "collector/arch/syscall_name.h"
#include "tests/unit/unit.h"

static void only_whole_sets(void)
{
	char set[ARCH_REGSET_MAX] = {0};
	struct arch_stopped stopped;

	CU_ASSERT_TRUE(arch_read_regset(set, sizeof(struct user_regs_struct), &stopped));
	/* user_regs_struct of a 32-bit x86 process, and of ARM. */
	CU_ASSERT_FALSE(arch_read_regset(set, 17 * 4, &stopped));
	CU_ASSERT_FALSE(arch_read_regset(set, 18 * 4, &stopped));
	CU_ASSERT_FALSE(arch_read_regset(set, 0, &stopped));
}

#if defined(__x86_64__)
static struct arch_stopped stop_in(long original, long result)
{
	struct user_regs_struct regs = {.rax = (unsigned long long)result,
					.orig_rax = (unsigned long long)original,
					.rip = 0x1234};
	struct arch_stopped stopped = {0};

	CU_ASSERT_TRUE(arch_read_regset(&regs, sizeof(regs), &stopped));
	CU_ASSERT_EQUAL(stopped.regs[ARCH_PC], 0x1234);
	arch_find_interrupted(&stopped, 0);
	return stopped;
}

static void interrupted(void)
{
	static const long again[] = {-512, -513, -514, -516};

	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
		CU_ASSERT_EQUAL(stop_in(SYS_fcntl, again[i]).syscall, SYS_fcntl);
		CU_ASSERT_FALSE(stop_in(SYS_fcntl, again[i]).has_ended);
		/* In a register of a program that was interrupted while it computed. */
		CU_ASSERT_EQUAL(stop_in(-1, again[i]).syscall, -1);
	}
	CU_ASSERT_EQUAL(stop_in(SYS_epoll_wait, -EINTR).syscall, SYS_epoll_wait);
	CU_ASSERT_TRUE(stop_in(SYS_epoll_wait, -EINTR).has_ended);
	/* It had come to its end by itself. */
	CU_ASSERT_EQUAL(stop_in(SYS_read, 5).syscall, -1);
	CU_ASSERT_EQUAL(stop_in(SYS_read, -EAGAIN).syscall, -1);
	CU_ASSERT_EQUAL(stop_in(-1, -EINTR).syscall, -1);
	CU_ASSERT_FALSE(stop_in(-1, -EINTR).has_ended);
}
#else
static void interrupted(void)
{
	struct arch_stopped stopped = {.regs = {[8] = SYS_fcntl}};

	arch_find_interrupted(&stopped, 0xd4000001); /* svc #0 */
	CU_ASSERT_EQUAL(stopped.syscall, SYS_fcntl);
	arch_find_interrupted(&stopped, 0xd503201f); /* nop */
	CU_ASSERT_EQUAL(stopped.syscall, -1);
}
#endif

static void names(void)
{
	CU_ASSERT_STRING_EQUAL(syscall_name(SYS_fcntl), "fcntl");
	CU_ASSERT_STRING_EQUAL(syscall_name(SYS_futex), "futex");
	CU_ASSERT_PTR_NULL(syscall_name(-1));
	CU_ASSERT_PTR_NULL(syscall_name(1000000));
	CU_ASSERT_TRUE(syscall_has_descriptor(SYS_flock));
	CU_ASSERT_FALSE(syscall_has_descriptor(SYS_futex));
}

/* Restorers without unwind information are known by their code, and the kernel's frame by its form. */
static void restorers(void)
{
	uint64_t saved[ARCH_SAVED_WORDS], regs[ARCH_REGS] = {0}, sum = 0;
#if defined(__x86_64__)
	static const uint8_t musl[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t another[] = {0x48, 0xc7, 0xc0, 0x27, 0, 0, 0, 0x0f, 0x05};
	const unsigned sp = 15, pc = 16; /* where struct sigcontext has them */
#else
	static const uint8_t musl[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4};
	static const uint8_t another[] = {0x68, 0x12, 0x80, 0xd2, 0x01, 0, 0, 0xd4};
	const unsigned sp = 31, pc = 32;
#endif

	CU_ASSERT_TRUE(arch_is_sigreturn(musl, sizeof(musl)));
	CU_ASSERT_FALSE(arch_is_sigreturn(musl, sizeof(musl) - 1));
	CU_ASSERT_FALSE(arch_is_sigreturn(another, sizeof(another)));
	for (unsigned i = 0; i < ARCH_SAVED_WORDS; i++)
		saved[i] = UINT64_C(1) << i;
	arch_saved_registers(saved, regs);
	CU_ASSERT_EQUAL(regs[ARCH_SP], UINT64_C(1) << sp);
	CU_ASSERT_EQUAL(regs[ARCH_PC], UINT64_C(1) << pc);
	for (unsigned i = 0; i < ARCH_REGS; i++)
		sum |= regs[i];
	CU_ASSERT_EQUAL(sum, (UINT64_C(1) << ARCH_SAVED_WORDS) - 1); /* each one, once */
}

static const struct unit_test tests[] = {
	{"a call of sigreturn, and what it puts back", restorers},
	{"registers are taken only as a whole set of this processor", only_whole_sets},
	{"a call that a stop interrupted is told from one that ended", interrupted},
	{"system calls have names", names},
	{NULL, NULL},
};
const struct unit_suite unit_arch = {tests};
