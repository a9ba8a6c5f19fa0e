/* Locks that the program held before the shim came: taken over from the kernel's word. */
#ifndef LOCKJAM_LATCH_LOCK_H
#define LOCKJAM_LATCH_LOCK_H

/*
 * While the wrappers record already. Marks what it finds SEG_LOCK_BEFORE; what was released meanwhile by a
 * call that we did not see is taken out again. In a bracket; async-signal-safe.
 */
void latch_lock_take_over(void);

#endif
