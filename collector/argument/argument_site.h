/*
 * The call that led to a frame's function. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_SITE_H
#define LOCKJAM_ARGUMENT_SITE_H

#include "collector/argument/argument_view.h"

/*
 * The call that led to v's function, and a view of the frame that made it, in which the values of
 * its parameters hold; *caller keeps `frame`. 0 or -ENODATA.
 */
int argument_site_find(struct argument_view *v, struct argument_frame *frame,
		       struct argument_view *caller, Dwarf_Die *site);

/* The same, if that call was a jump: *behind is the process's address behind it, in a function that
 * the stack shows no more. */
int argument_site_find_jump(struct argument_view *v, uint64_t *behind);

#endif
