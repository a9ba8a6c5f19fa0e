#include "config.h"

#include "collector/arch/syscall_name.h"

#include <stddef.h>
#include <sys/syscall.h>

static const struct {
	long number;
	const char *name;
} names[] = {
#include "collector/arch/syscall_names.inc"
};

/* Those in which threads wait. */
static const long of_descriptors[] = {
	SYS_accept,     SYS_accept4,  SYS_connect,   SYS_fcntl,     SYS_fdatasync,
	SYS_flock,      SYS_fsync,    SYS_ioctl,     SYS_pread64,   SYS_preadv,
	SYS_pwrite64,   SYS_pwritev,  SYS_read,      SYS_readv,     SYS_recvmsg,
	SYS_recvfrom,   SYS_recvmmsg, SYS_sendmmsg,  SYS_sendmsg,   SYS_sendto,
	SYS_write,      SYS_writev,   SYS_fallocate, SYS_ftruncate, SYS_epoll_pwait,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_getdents64
	SYS_getdents64,
#endif
};

const char *syscall_name(long number)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

bool syscall_has_descriptor(long number)
{
	for (size_t i = 0; i < sizeof(of_descriptors) / sizeof(of_descriptors[0]); i++)
		if (of_descriptors[i] == number)
			return true;
	return false;
}
