/*
 * What segment_read.c (opening, checking, asking) and segment_load.c (tables of a file that may be
 * written meanwhile) share. Nobody else includes this.
 */
#ifndef LOCKJAM_SEGMENT_PRIVATE_H
#define LOCKJAM_SEGMENT_PRIVATE_H

#include "collector/segment/segment_read.h"

struct table {
	const uint8_t *data; /* NULL: not loaded */
	uint32_t count;
};

struct segment {
	int fd;                /* -1 once loaded, or in memory */
	const uint8_t *memory; /* segment_open_memory: not ours */
	uint64_t size;
	uid_t owner;
	uint64_t torn;
	struct seg_header header;
	struct table tables[SEG_TABLE_IDS];
};

/* Whether records of this table begin with a seq. */
bool segment_has_seq(enum seg_table_id id);
/* Of the loaded record `index` (from 0). */
uint32_t segment_record_seq(const struct segment *s, enum seg_table_id id, uint32_t index);
/* Exactly `length` bytes at `offset`, or -EINVAL (the file was cut), or read's error. */
int segment_read_at(const struct segment *s, void *data, size_t length, uint64_t offset);
/* Fills `cause`; returns `error`. */
int segment_fail(int error, char *cause, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
