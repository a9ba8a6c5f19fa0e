/*
 * Reading a segment (preload/segment.h) as untrusted input.
 *
 * The file is read into private memory, never mapped: its owner may cut it at any time. Only what
 * the tables say is used is read, and no more than the file holds. While the writer lives, tables
 * are read twice; a record whose seq changed or is odd is torn. Nothing here knows the model.
 */
#ifndef LOCKJAM_SEGMENT_READ_H
#define LOCKJAM_SEGMENT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/segment.h"

struct segment;

/*
 * 0, or -EINVAL (no segment, or its tables do not fit the file), -ENOTSUP (min_reader is newer),
 * -ENODATA (not ready: the writer died before the magic), -ENOMEM, or open/read's error. `cause`
 * gets a sentence on failure. `is_live`: the writer may still write.
 */
int segment_open_path(const char *path, bool is_live, struct segment **s, char *cause, size_t size);
int segment_open_fd(int fd, bool is_live, struct segment **s, char *cause, size_t size);
/* From memory (fuzzing, cores); copies nothing: `data` must outlive the segment. */
int segment_open_memory(const void *data, size_t length, struct segment **s, char *cause,
			size_t size);
void segment_close(struct segment *s);

/*
 * The same in two steps, for directories with many segments: the header alone (strings end, tables
 * fit the file; no record can be read yet), then the tables. `name` is below `dir`, or below the
 * working directory (AT_FDCWD). A descriptor stays open until the second step or segment_close().
 */
#define SEGMENT_LIVE 1u      /* the writer may still write */
#define SEGMENT_NO_EVENTS 2u /* leave SEG_EVENTS out */
int segment_probe_at(int dir, const char *name, struct segment **s, char *cause, size_t size);
int segment_probe_fd(int fd, struct segment **s, char *cause,
		     size_t size); /* takes fd in any case */
int segment_load(struct segment *s, unsigned flags, char *cause, size_t size);

/* The user who owns the file: who may have written it. 0 in memory. */
uid_t segment_owner(const struct segment *s);

/* A private, checked copy: strings in it end, tables fit the file. */
const struct seg_header *segment_header(const struct segment *s);

/* Made from outside, by looking now and then: header.sample_interval_ns and so on. */
bool segment_is_sampled(const struct segment *s);

/* Records that can be asked for, indices 1..count (pcs: 0..count-1). Never above capacity. */
uint32_t segment_count(const struct segment *s, enum seg_table_id table);

/*
 * Copies record `index` into `record` (`size` bytes; what an older writer did not have is zero).
 * 0, -ERANGE (no such record), -EAGAIN (torn: counted in segment_torn).
 */
int segment_read(const struct segment *s, enum seg_table_id table, uint32_t index, void *record,
		 size_t size);
uint64_t segment_torn(const struct segment *s);

/* The string at offset, "" for 0 or anything out of bounds; valid until segment_close(). */
const char *segment_text(const struct segment *s, uint32_t offset);

/* Up to `max` program counters of a stack, innermost first; their number. */
uint32_t segment_stack_pcs(const struct segment *s, const struct seg_stack *stack, uint64_t *pcs,
			   uint32_t max);

/* The bytes of a slice, or NULL when it does not lie inside SEG_SLICES. */
const void *segment_slice(const struct segment *s, const struct seg_slice *slice);

#endif
