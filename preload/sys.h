/*
 * The system calls that the shim makes for itself. They go straight to the kernel: another
 * preloaded library may have interposed libc's functions, and errno belongs to the program.
 * Each returns the kernel's answer: a value, or a negative errno. All are async-signal-safe and
 * none is a cancellation point.
 */
#ifndef LOCKJAM_SYS_H
#define LOCKJAM_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
#include "preload/arch-x86_64.h"
#elif defined(__aarch64__)
#include "preload/arch-aarch64.h"
#else
#error "lockjam's shim knows x86-64 and aarch64"
#endif

#define sys0(nr) arch_syscall(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) arch_syscall(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) arch_syscall(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) arch_syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) arch_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(nr, a, b, c, d, e) \
	arch_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys6(nr, a, b, c, d, e, f) \
	arch_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

/*
 * Sleeps. Not by nanosleep(): that makes the kernel forget how much time is left to a system call that
 * the thread was taken out of (lockjam attach --inject).
 */
static inline void sys_nap(long ns)
{
	struct timespec time = {0, ns};

	sys5(SYS_ppoll, NULL, 0, &time, NULL, 0);
}

static inline int sys_open(const char *path, int flags, int mode)
{
	return (int)sys4(SYS_openat, AT_FDCWD, path, flags, mode);
}

static inline int sys_close(int fd)
{
	return (int)sys1(SYS_close, fd);
}

static inline long sys_read(int fd, void *buffer, size_t size)
{
	return sys3(SYS_read, fd, buffer, size);
}

static inline long sys_readlink(const char *path, char *buffer, size_t size)
{
	return sys4(SYS_readlinkat, AT_FDCWD, path, buffer, size);
}

static inline int sys_unlink(const char *path)
{
	return (int)sys3(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* The kernel's struct stat is glibc's on both processors. */
static inline int sys_fstat(int fd, struct stat *st)
{
	return (int)sys2(SYS_fstat, fd, st);
}

static inline int sys_lstat(const char *path, struct stat *st)
{
	return (int)sys4(SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

/* NULL when the mapping could not be had. */
static inline void *sys_mmap(void *at, size_t size, int prot, int flags, int fd)
{
	long ret = sys6(SYS_mmap, at, size, prot, flags, fd, 0);

	return ret < 0 && ret > -4096 ? NULL : (void *)ret;
}

static inline int sys_munmap(void *at, size_t size)
{
	return (int)sys2(SYS_munmap, at, size);
}

static inline int sys_madvise(void *at, size_t size, int advice)
{
	return (int)sys3(SYS_madvise, at, size, advice);
}

static inline uint64_t sys_rlimit(int resource)
{
	struct rlimit limit;

	return sys4(SYS_prlimit64, 0, resource, NULL, &limit) < 0 ? RLIM_INFINITY : limit.rlim_cur;
}

/*
 * Can the 8 bytes at this aligned address be read? Asked of rt_sigprocmask with an operation that
 * does not exist: the kernel reads the set first (EFAULT), then refuses (EINVAL). NULL would mean that
 * there is no set.
 */
static inline bool sys_is_readable(uintptr_t address)
{
	address &= ~(uintptr_t)7;
	return address && sys4(SYS_rt_sigprocmask, -1, address, NULL, 8) == -EINVAL;
}

static inline int sys_getpid(void)
{
	return (int)sys0(SYS_getpid);
}

static inline int sys_gettid(void)
{
	return (int)sys0(SYS_gettid);
}

#endif
