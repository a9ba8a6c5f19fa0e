/*
 * A small segment in memory, written as the shim would: one process that holds a lock, waits for
 * another, and called malloc in a handler. For the tests of the reader and for the fuzzer's corpus.
 */
#ifndef LOCKJAM_TESTS_SEGMENT_FIXTURE_H
#define LOCKJAM_TESTS_SEGMENT_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "preload/segment.h"

#define FIXTURE_SIZE 32768
#define FIXTURE_PID 4711
#define FIXTURE_START 8150

struct segment_fixture {
	union {
		struct seg_header header;
		uint8_t data[FIXTURE_SIZE];
	};
};

/* Header and empty tables; threads have 8 records, events 4, all others 16. */
void segment_fixture_init(struct segment_fixture *f);
/* The next record of a table, zero but for its seq (2); its index in *index if not NULL. */
void *segment_fixture_add(struct segment_fixture *f, enum seg_table_id table, uint32_t *index);
uint32_t segment_fixture_string(struct segment_fixture *f, const char *text);
/* A record at its 1-based index. */
void *segment_fixture_record(struct segment_fixture *f, enum seg_table_id table, uint32_t index);

/* Adds the case told above. */
void segment_fixture_fill(struct segment_fixture *f);

/* Writes `length` bytes of it to a file of the name that its header asks for, in `dir`. 0 or
 * -errno. */
int segment_fixture_write(const struct segment_fixture *f, size_t length, const char *dir);

#endif
