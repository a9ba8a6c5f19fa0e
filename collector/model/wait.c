/* What the kinds of waits are called. */
#include "config.h"

#include <stddef.h>

#include "collector/model/wait.h"

const char *wait_kind_name(enum wait_kind kind)
{
	static const char *const names[] = {
		"lock",   "condition", "semaphore", "barrier", "join",     "child",  "pipe",
		"socket", "remote",    "accept",    "message", "terminal", "events", "signal",
		"sleep",  "stopped",   "traced",    "disk",    "futex",    "unknown"};

	_Static_assert(sizeof(names) / sizeof(names[0]) == WAIT_KINDS, "one name for each kind");
	return kind < WAIT_KINDS ? names[kind] : "unknown";
}
