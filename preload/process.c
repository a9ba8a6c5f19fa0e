/* The life of a process: see process.h. */
#include <errno.h>

#include "preload/arch-offsets.h"
#include "preload/lockset.h"
#include "preload/process.h"
#include "preload/shim.h"
#include "preload/sys.h"

static_assert(offsetof(struct shim_self, in_vfork) == SHIM_SELF_IN_VFORK, "arch-*.S uses it");
static_assert(offsetof(struct shim_self, frame) == SHIM_SELF_FRAME, "thunks use it");

static struct {
	bool early_done;
} process;

void process_early_init(void)
{
	if (process.early_done)
		return;
	process.early_done = true;
	segment_file_find_directory();
}

void process_init(void)
{
	int saved_errno;

	process_early_init();
	if (shim_begin(&saved_errno)) {
		segment_event(SEG_EV_START, 0, 0, segment_get()->image, 0);
		shim_end(saved_errno);
	}
}

void process_segment_created(struct seg_header *fresh, struct seg_header *parent,
			     const struct segment_file *file)
{
	(void)fresh;
	(void)parent;
	(void)file;
	lockset_reset();
}

int process_vfork_failed(int negative_errno)
{
	errno = -negative_errno;
	return -1;
}
