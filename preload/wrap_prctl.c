/*
 * prctl() and syscall(SYS_seccomp): what forbids the things that the shim does for itself. A filter
 * that was there before exec is not seen.
 *
 * Not with <sys/prctl.h>: all arguments are words here, however many the program gives.
 */
#include <stdatomic.h>

#include "preload/lookup.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define SECCOMP_SET_MODE_STRICT 0
#define SECCOMP_SET_MODE_FILTER 1

#define PR_SET_SECCOMP 22
#define PR_SET_TSC 26
#define PR_TSC_SIGSEGV 2

int prctl(int operation, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

static bool is_sealed(void)
{
	return atomic_load(&shim_aside) & SHIM_ASIDE_SEALED;
}

/* Before the call: after it there may be no way back. */
static void seal(void)
{
	int saved_errno;

	if (segment_get() && shim_begin(&saved_errno)) {
		segment_limit(SEG_LIMIT_SEALED);
		shim_end(saved_errno);
	}
	atomic_fetch_or(&shim_aside, SHIM_ASIDE_SEALED);
}

SHIM_EXPORT int prctl(int operation, unsigned long a, unsigned long b, unsigned long c,
		      unsigned long d)
{
	bool is_sealing = operation == PR_SET_SECCOMP && !is_sealed() && !shim_self.in_vfork;
	int ret;

	if (operation == PR_SET_TSC && a == PR_TSC_SIGSEGV)
		shim_no_counter = true;
	if (is_sealing)
		seal();
	ret = real()->prctl(operation, a, b, c, d);
	if (is_sealing && ret < 0)
		atomic_fetch_and(&shim_aside, ~(uint32_t)SHIM_ASIDE_SEALED);
	return ret;
}

/* --- called by syscall() in thunk-*.S -------------------------------------------------------- */

extern _Atomic(void *) syscall_real __attribute__((visibility("hidden")));
void syscall_find(void) __attribute__((visibility("hidden")));
void syscall_seccomp(const uint64_t *regs) __attribute__((visibility("hidden")));

void syscall_find(void)
{
	void *found = lookup_next("syscall");

	if (found)
		atomic_store(&syscall_real, found);
	else
		__builtin_trap(); /* there is no libc without it */
}

/* Without a filter it is only asked what the kernel knows. */
void syscall_seccomp(const uint64_t *regs)
{
	uint32_t operation = (uint32_t)regs[ARCH_REG_ARG1];

	if (is_sealed() || shim_self.in_vfork)
		return;
	if (operation == SECCOMP_SET_MODE_STRICT ||
	    (operation == SECCOMP_SET_MODE_FILTER && regs[ARCH_REG_ARG3]))
		seal();
}
