/*
 * The functions of libc out of which a thread may be taken to call dlopen(): those that only wait,
 * in a system call, without a lock of libc's. Those of stdio hold their stream's, which nobody
 * needs for that, but they may also be allocating: they count only while they wait. All others may
 * hold something: what is not listed here is not harmless.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/inject/inject_target.h"

struct row {
	const char *name;
	enum inject_harm harm;
};

/* Sorted by name. */
static const struct row rows[] = {
	{"_IO_default_uflow", INJECT_WAITING},
	{"_IO_fgets", INJECT_WAITING},
	{"_IO_file_read", INJECT_WAITING},
	{"_IO_file_underflow", INJECT_WAITING},
	{"_IO_file_xsgetn", INJECT_WAITING},
	{"_IO_fread", INJECT_WAITING},
	{"_IO_getc", INJECT_WAITING},
	{"_IO_getline", INJECT_WAITING},
	{"_IO_getline_info", INJECT_WAITING},
	{"_IO_sgetn", INJECT_WAITING},
	{"__fgets_chk", INJECT_WAITING},
	{"__fread_chk", INJECT_WAITING},
	{"__getdelim", INJECT_WAITING},
	{"__libc_start_main", INJECT_HARMLESS},
	{"__nanosleep", INJECT_HARMLESS},
	{"__poll", INJECT_HARMLESS},
	{"__poll_chk", INJECT_HARMLESS},
	{"__ppoll_chk", INJECT_HARMLESS},
	{"__read", INJECT_HARMLESS},
	{"__select", INJECT_HARMLESS},
	{"__uflow", INJECT_WAITING},
	{"__underflow", INJECT_WAITING},
	{"__wait", INJECT_HARMLESS},
	{"accept", INJECT_HARMLESS},
	{"accept4", INJECT_HARMLESS},
	{"bsearch", INJECT_HARMLESS},
	{"clock_nanosleep", INJECT_HARMLESS},
	{"epoll_pwait", INJECT_HARMLESS},
	{"epoll_wait", INJECT_HARMLESS},
	{"fgetc", INJECT_WAITING},
	{"fgets", INJECT_WAITING},
	{"fread", INJECT_WAITING},
	{"getc", INJECT_WAITING},
	{"getchar", INJECT_WAITING},
	{"getdelim", INJECT_WAITING},
	{"getline", INJECT_WAITING},
	{"nanosleep", INJECT_HARMLESS},
	{"pause", INJECT_HARMLESS},
	{"poll", INJECT_HARMLESS},
	{"ppoll", INJECT_HARMLESS},
	{"pread", INJECT_HARMLESS},
	{"pread64", INJECT_HARMLESS},
	{"pselect", INJECT_HARMLESS},
	{"pthread_clockjoin_np", INJECT_HARMLESS},
	{"pthread_cond_clockwait", INJECT_HARMLESS},
	{"pthread_cond_timedwait", INJECT_HARMLESS},
	{"pthread_cond_wait", INJECT_HARMLESS},
	{"pthread_join", INJECT_HARMLESS},
	{"pthread_timedjoin_np", INJECT_HARMLESS},
	{"read", INJECT_HARMLESS},
	{"readv", INJECT_HARMLESS},
	{"recv", INJECT_HARMLESS},
	{"recvfrom", INJECT_HARMLESS},
	{"recvmsg", INJECT_HARMLESS},
	{"select", INJECT_HARMLESS},
	{"sem_clockwait", INJECT_HARMLESS},
	{"sem_timedwait", INJECT_HARMLESS},
	{"sem_wait", INJECT_HARMLESS},
	{"sigpause", INJECT_HARMLESS},
	{"sigsuspend", INJECT_HARMLESS},
	{"sigtimedwait", INJECT_HARMLESS},
	{"sigwait", INJECT_HARMLESS},
	{"sigwaitinfo", INJECT_HARMLESS},
	{"sleep", INJECT_HARMLESS},
	{"usleep", INJECT_HARMLESS},
	{"wait", INJECT_HARMLESS},
	{"wait3", INJECT_HARMLESS},
	{"wait4", INJECT_HARMLESS},
	{"waitid", INJECT_HARMLESS},
	{"waitpid", INJECT_HARMLESS},
};

static int compare(const void *name, const void *item)
{
	return strcmp(name, ((const struct row *)item)->name);
}

enum inject_harm inject_harm(const char *name)
{
	const struct row *row =
		bsearch(name, rows, sizeof(rows) / sizeof(rows[0]), sizeof(rows[0]), compare);

	return row ? row->harm : INJECT_HARMFUL;
}
