/*
 * How the segment comes into being, for the files that make it. segment_file.c makes the file and its
 * mapping, segment_pages.c lays it out, segment.c makes it ours, segment_record.c fills it.
 */
#ifndef LOCKJAM_SEGMENT_FILE_H
#define LOCKJAM_SEGMENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/segment.h"

#define SEGMENT_LOCKS 8192 /* capacity of SEG_LOCKS */
#define SEGMENT_PATH_MAX 1024
#define SEGMENT_FIRST_BYTES 8192 /* of each table, where pages cannot be had later */

/* A new mapping with a complete header, all but its magic. */
struct segment_file {
	struct seg_header *header;
	bool grows;  /* pages can be had later with MADV_POPULATE_WRITE */
	uint32_t image;
	char path[SEGMENT_PATH_MAX]; /* empty for a memfd */
};

/*
 * Creates a segment of `size` bytes whose tables are laid out as `tables` says (SEG_TABLE_IDS
 * entries). Returns 0, or a negative errno: then nothing is left behind. Async-signal-safe; uses
 * up to one descriptor at a time, for a moment.
 */
int segment_file_create(struct segment_file *file, const struct seg_table *tables, uint64_t size);

/* Where the session's directory is; called once, while the environment is the one of exec. */
void segment_file_find_directory(void);

/* --- segment_pages.c ---------------------------------------------------------------------------- */

#define SEGMENT_MAX_PAGES 4096 /* of 4 KiB: 16 MiB */

/* Where the tables of every segment of this version lie; filled by segment_lay_out(). */
extern struct seg_table segment_tables[SEG_TABLE_IDS] __attribute__((visibility("hidden")));

/* The size of a segment; 0 if SEGMENT_MAX_PAGES is too small for it. */
uint64_t segment_lay_out(void);

/* A new mapping: only what segment_file_create() made resident is there. */
void segment_pages_reset(bool grows);

/* Makes the bytes writable without a fault; false when a page could not be had. */
bool segment_have_bytes(struct seg_header *header, uint64_t offset, uint64_t length);

/* --- segment_record.c, for a segment that is not the current one yet -------------------------------- */

uint32_t segment_append_to(struct seg_header *header, enum seg_table_id table, void **record);
void *segment_record_of(struct seg_header *header, enum seg_table_id table, uint32_t index);
uint32_t segment_string_to(struct seg_header *header, const char *text);
/* A string of a segment by its offset; "" for 0 and for what is out of range. */
const char *segment_text_of(struct seg_header *header, uint32_t offset);
const char *segment_text(uint32_t offset);
/* Room for `count` records in a row (bytes, or SEG_PCS): the 0-based first one, or -1. */
int64_t segment_reserve(struct seg_header *header, enum seg_table_id table, uint32_t count,
			void **first);

/* In a forked child: where the kernel could not wipe the pointer, the parent's segment is not ours. */
void segment_forget(void);

/* --- segment.c, for a shim that was loaded into a running program (latch.h) ------------------------ */

/* The constructor's: until further notice the shim stands aside (SHIM_ASIDE_DETACHED). */
void segment_set_late(void);

/* While it stands aside: is no thread inside a bracket? Those are short, if they have a processor. */
bool segment_is_quiet(void);

/*
 * A new segment, the next image, in the place of the former one. Only aside and quiet. 0 or a
 * negative errno.
 */
int segment_next_image(void);

/* Where the session is, in place of what the environment says: an absolute path, or NULL for the default. */
int segment_file_set_directory(const char *path);
const char *segment_file_directory(void); /* empty: none */

/* <directory>/<pid>-<start_time>-<image>.seg into path; false if it is too long. */
bool segment_file_path(char path[SEGMENT_PATH_MAX], uint64_t start_time, uint32_t image);

#endif
