/*
 * Functions that the user says are unsafe in handlers (LOCKJAM_UNSAFE): of libraries that we know nothing
 * of, and so export nothing for. Their calls are led to spare thunks as a late shim does it (latch.h).
 */
#ifndef LOCKJAM_NAMED_H
#define LOCKJAM_NAMED_H

/*
 * The constructor's part, when the segment is there. A name that no object of the start has is passed over, and so are
 * calls by objects that are loaded later.
 */
void named_init(void);

#endif
