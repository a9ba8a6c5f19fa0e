/* Waits for the other end of a pipe or FIFO: all who have it open. See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *how(enum direction direction)
{
	return direction == DIRECTION_IN ? "holds the write end" : "holds the read end";
}

static const char *what(enum direction direction)
{
	return direction == DIRECTION_IN ? "the write end" : "the read end";
}

/* Who is opened for both directions has both ends. */
static bool is_other_end(int flags, enum direction direction)
{
	int mode = flags & O_ACCMODE;

	return mode == O_RDWR || mode == (direction == DIRECTION_IN ? O_WRONLY : O_RDONLY);
}

/* Of a FIFO: the same number on another device is another file. */
static bool is_same_file(const struct proc *proc, const struct end *at, const struct end_info *info,
			 uint64_t device)
{
	uint64_t other = ends_device(proc, at->task, info->mnt_id);

	return !device || !other || device == other;
}

/* Ends of the pipe that `number` is, as ways; of a FIFO those on `device` (0 unknown). */
static uint32_t add_ends(struct waiting *w, enum end_kind kind, uint64_t number, uint64_t device,
			 enum direction direction)
{
	const struct proc *proc = w->all->g->proc;
	struct ends *e = waits_ends(w->all);
	struct end_info info;
	struct end *found;
	uint32_t count, added = 0;

	if (!e || ends_find(e, kind, number, &found, &count)) {
		waiting_unseen(w, "memory ran out");
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (ends_read_info(proc, &found[i], &info) || !is_other_end(info.flags, direction))
			continue;
		if (kind == END_FILE &&
		    (info.ino != number || !is_same_file(proc, &found[i], &info, device)))
			continue;
		added += waiting_way(w, found[i].pid, 0, how(direction));
	}
	free(found);
	return added;
}

/* Whoever waits in poll() for the hang-up of a pipe asks for no direction: the end that it has
 * tells. */
static enum direction direction_of(struct waiting *w, int fd, enum direction asked)
{
	struct end at = {w->pid, w->tid, fd};
	struct end_info info;

	if (ends_read_info(w->all->g->proc, &at, &info) || (info.flags & O_ACCMODE) == O_RDWR)
		return asked;
	return (info.flags & O_ACCMODE) == O_WRONLY ? DIRECTION_OUT : DIRECTION_IN;
}

struct waited waiting_pipe(struct waiting *w, int fd, uint64_t ino, enum direction asked)
{
	enum direction direction = direction_of(w, fd, asked);
	uint32_t found = add_ends(w, END_PIPE, ino, 0, direction);

	waiting_hidden(w, found, what(direction));
	return (struct waited){
		WAIT_PIPE, model_stringf(w->m, "%s pipe:[%" PRIu64 "]",
					 direction == DIRECTION_IN ? "input of" : "room in", ino)};
}

struct waited waiting_fifo(struct waiting *w, int fd, const char *path, enum direction direction)
{
	const struct proc *proc = w->all->g->proc;
	struct end at = {w->pid, w->tid, fd};
	struct end_info info;
	struct waited waited = {
		WAIT_PIPE, model_stringf(w->m, "%s the FIFO %s",
					 direction == DIRECTION_IN ? "input of" : "room in", path)};

	if (ends_read_info(proc, &at, &info) || !info.ino) {
		waiting_unseen(w, "which file it is cannot be told (Linux 5.14 has it in fdinfo)");
		return waited;
	}
	uint32_t found =
		add_ends(w, END_FILE, info.ino, ends_device(proc, w->tid, info.mnt_id), direction);

	waiting_hidden(w, found, what(direction));
	waiting_unseen(w, "any process may open it");
	return waited;
}
