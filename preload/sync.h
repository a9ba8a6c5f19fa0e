/*
 * Who signalled a condition variable or posted a semaphore last (struct seg_sync): what a wait that does not
 * end is held against. Async-signal-safe; keeps errno.
 */
#ifndef LOCKJAM_SYNC_H
#define LOCKJAM_SYNC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Before the real call. kind: enum seg_thread_wait_kind; is_foreign: of a semaphore that this thread had not
 * taken.
 */
void sync_happened(uint8_t kind, uint64_t address, uint64_t site, bool is_foreign);

#endif
