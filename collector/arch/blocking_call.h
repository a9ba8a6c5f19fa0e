/*
 * System calls in which threads wait, and what becomes of them when a signal's handler has run
 * (signal(7), "Interruption of system calls and library functions by signal handlers").
 */
#ifndef LOCKJAM_BLOCKING_CALL_H
#define LOCKJAM_BLOCKING_CALL_H

#include <stdint.h>

enum call_restart {
	CALL_RESTARTS,       /* waits on if the handler has SA_RESTART, else EINTR; sockets with a
			      * timeout of their own (SO_RCVTIMEO) give EINTR in any case */
	CALL_NEVER_RESTARTS, /* EINTR whatever the flags say */
};

struct blocking_call {
	long number; /* of the processor that lockjam was built for */
	enum call_restart restart;
};

/* NULL: no call in which a thread waits for something outside of the kernel. args: its arguments.
 */
const struct blocking_call *blocking_call_find(long number, const uint64_t args[6]);

#endif
