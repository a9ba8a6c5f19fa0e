/*
 * A segment about another process: the writer's half of preload/segment.h, for `lockjam attach`.
 *
 * Everything stands in private memory first and goes to the file record by record, so that the file
 * can be read at every moment, also when the writer was killed between two writes. A full disk
 * costs records, which are counted.
 */
#ifndef LOCKJAM_SAMPLE_SEGMENT_H
#define LOCKJAM_SAMPLE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/segment.h"

struct sample_segment;

/*
 * Makes <pid>-<start_time>-<image>.seg in the directory, with the first image that is free from
 * h->image on. Of *h all but sizes, tables and magic is to be filled in. 0 or negative errno: then
 * there is no file.
 */
int sample_segment_new(int dir, const struct seg_header *h, struct sample_segment **s);
void sample_segment_free(struct sample_segment *s);

/* The header in memory; what is changed there goes to the file with sample_segment_tell(). */
struct seg_header *sample_segment_header(struct sample_segment *s);
void sample_segment_tell(struct sample_segment *s);

/* How many there are of a table, written or not. */
uint32_t sample_records(struct sample_segment *s, enum seg_table_id table);
/* A record's content in memory: the fields behind seq may be changed between begin and end, which
 * write it to the file. Index 1..used; NULL out of range. */
void *sample_record(struct sample_segment *s, enum seg_table_id table, uint32_t index);
void *sample_record_begin(struct sample_segment *s, enum seg_table_id table, uint32_t index);
void sample_record_end(struct sample_segment *s, enum seg_table_id table, uint32_t index);
/* A zeroed new record, begun: its index. 0: no room, which was counted. */
uint32_t sample_record_new(struct sample_segment *s, enum seg_table_id table);

/* Offset of a copy of text in SEG_STRINGS; 0 for "" and where there is no room. */
uint32_t sample_string(struct sample_segment *s, const char *text);
/* 1-based index of a stack of these program counters, one that is there already if it is equal; 0:
 * no room. `flags`: enum seg_stack_flag. */
uint32_t sample_stack(struct sample_segment *s, const uint64_t *pcs, uint32_t count,
		      uint32_t flags);
/* Into the ring; seq is filled in. */
void sample_event(struct sample_segment *s, const struct seg_event *event);

#endif
