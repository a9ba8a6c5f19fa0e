/*
 * Where the recorded threads are: waiters once per wait, who keeps others waiting as long as that
 * lasts. Blocked threads only, without stopping anybody; program counters, named by who reads the
 * record.
 */
#ifndef LOCKJAM_SAMPLE_STACK_H
#define LOCKJAM_SAMPLE_STACK_H

#include "collector/sample/sample_record.h"
#include "collector/symbol/image.h"

struct sample_stacks {
	struct images *images; /* kept from look to look */
	uint64_t budget_ns;    /* that one look may spend on this */
	bool is_again;         /* look also at those who seem to be where they were */
};

/* True if time ran out before all was done, or a holder could not be seen because it ran: the next
 * look is to go on. */
bool sample_stacks_take(struct sample_stacks *stacks, const struct sample_look *look);

#endif
