/*
 * What an image of a process takes over from the one before execve(): the locks that survived.
 */
#ifndef LOCKJAM_CARRY_H
#define LOCKJAM_CARRY_H

/*
 * Looks at the former image's record: takes its place if it recorded nothing, else takes over
 * each hold whose descriptor is still open on the same file and that the kernel still shows in
 * /proc/self/fdinfo. In a bracket; for the constructor.
 */
void carry_over(void);

/* Had the process anything to tell: a lock, a delivery, a finding, a handler with two sets of flags?
 * Else its file may go. */
struct seg_header;
int carry_is_empty(const struct seg_header *header);

#endif
