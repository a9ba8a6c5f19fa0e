/*
 * The functions of libc out of which a thread may be taken to call dlopen(): those that only wait,
 * in a system call, without a lock of libc's and without a buffer half filled. All others may hold
 * one: what is not listed here is not harmless.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/inject/inject_target.h"

/* Sorted. */
static const char *const harmless[] = {
	"__libc_start_main",
	"__nanosleep",
	"__poll",
	"__poll_chk",
	"__ppoll_chk",
	"__read",
	"__select",
	"__wait",
	"accept",
	"accept4",
	"bsearch",
	"clock_nanosleep",
	"epoll_pwait",
	"epoll_wait",
	"nanosleep",
	"pause",
	"poll",
	"ppoll",
	"pread",
	"pread64",
	"pselect",
	"pthread_clockjoin_np",
	"pthread_cond_clockwait",
	"pthread_cond_timedwait",
	"pthread_cond_wait",
	"pthread_join",
	"pthread_timedjoin_np",
	"read",
	"readv",
	"recv",
	"recvfrom",
	"recvmsg",
	"select",
	"sem_clockwait",
	"sem_timedwait",
	"sem_wait",
	"sigpause",
	"sigsuspend",
	"sigtimedwait",
	"sigwait",
	"sigwaitinfo",
	"sleep",
	"usleep",
	"wait",
	"wait3",
	"wait4",
	"waitid",
	"waitpid",
};

static int compare(const void *name, const void *item)
{
	return strcmp(name, *(const char *const *)item);
}

bool inject_is_harmless(const char *name)
{
	return bsearch(name, harmless, sizeof(harmless) / sizeof(harmless[0]), sizeof(harmless[0]),
		       compare) != NULL;
}
