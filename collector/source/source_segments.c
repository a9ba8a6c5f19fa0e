/*
 * Source: the segments of a session's directory, or of all sessions of the running system.
 *
 * Live: only the records of processes that still run; the records of the dead cost one look at
 * /proc each. Saved: every record.
 */
#include "config.h"

#include "collector/source/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/proc/crew.h"
#include "collector/segment/segment_name.h"
#include "collector/segment/session.h"

#define BYTES_MAX ((uint64_t)1 << 30) /* of all segments together */

/* Root's files are believed; others' only about their own processes. */
static bool is_owner_believable(const struct gather *g, const struct segment *s)
{
	uid_t owner = segment_owner(s), uid;

	if (!owner || proc_is_recorded(g->proc))
		return true;
	return !proc_read_uid(g->proc, segment_header(s)->pid, &uid) && uid == owner;
}

/* `is_alive`: its name, which tells pid and start time, was checked already. */
static enum process_state find_state(const struct gather *g, const struct segment *s, bool is_alive)
{
	const struct seg_header *h = segment_header(s);

	if (h->state == SEG_EXECED)
		return PROCESS_EXECED;
	if (h->state == SEG_DETACHED)
		return PROCESS_DETACHED;
	if (is_alive && h->start_time)
		return PROCESS_LIVE;
	/* A core is of a moment that is over. */
	if (!g->options->is_offline && !g->options->core &&
	    segment_is_running(g->proc, h->pid, h->start_time, h->created_mono_ns))
		return PROCESS_LIVE;
	return h->state == SEG_EXITED ? PROCESS_EXITED : PROCESS_KILLED;
}

/* One file on its way into the model. */
struct candidate {
	const char *name;
	struct segment *s; /* loaded, or NULL */
	enum process_state state;
	int error; /* why not, 0 when it is just of no interest */
	char cause[128];
};

struct directory {
	struct gather *g;
	const char *path;
	int fd;
	struct candidate *candidates;
	_Atomic uint64_t bytes; /* read so far: bounded over all segments */
};

/* Bytes that loading will take. */
static uint64_t used_bytes(const struct segment *s)
{
	const struct seg_header *h = segment_header(s);
	uint64_t bytes = 0;

	for (int id = 0; id < SEG_TABLE_IDS; id++) {
		uint32_t used = SEG_TABLE(h, id).used < SEG_TABLE(h, id).capacity
					? SEG_TABLE(h, id).used
					: SEG_TABLE(h, id).capacity;
		bytes += (uint64_t)used * SEG_TABLE(h, id).record_size;
	}
	return bytes;
}

static int refuse(struct candidate *c, int error, const char *cause)
{
	snprintf(c->cause, sizeof(c->cause), "%s", cause);
	return error;
}

/* Loads c->s if it is of interest; 0 or negative errno. */
static int load(struct directory *d, struct candidate *c)
{
	const struct collect_options *o = d->g->options;
	/* Of the dead, the last event tells how long they lived. */
	unsigned flags = o->want_events || c->state != PROCESS_LIVE ? 0 : SEGMENT_NO_EVENTS;

	if (!o->dir && c->state != PROCESS_LIVE)
		return 0;
	/* A sampled one knows no more of the present than the kernel. */
	if (!o->dir && !o->core && segment_is_sampled(c->s))
		return 0;
	if (c->state == PROCESS_LIVE && !is_owner_believable(d->g, c->s))
		return refuse(c, -EPERM, "belongs to another user than its process");
	uint64_t bytes = used_bytes(c->s);

	if (atomic_fetch_add(&d->bytes, bytes) + bytes > BYTES_MAX)
		return refuse(c, -EFBIG, "more than 1 GiB of records");
	return segment_load(c->s, flags | (c->state == PROCESS_LIVE ? SEGMENT_LIVE : 0), c->cause,
			    sizeof(c->cause))
		       ?: 1;
}

/* Keeps c->s only when it was loaded. */
static void load_or_close(struct directory *d, struct candidate *c)
{
	int r = load(d, c);

	if (r > 0)
		return;
	segment_close(c->s);
	c->s = NULL;
	c->error = r;
}

/* By several threads at a time. */
static void read_candidate(void *data, uint32_t item)
{
	struct directory *d = data;
	struct candidate *c = &d->candidates[item];
	bool is_live_view = !d->g->options->dir;
	struct segment_name parts;

	/* The name is a hint that saves opening the records of the dead; the header decides. */
	if (!segment_name_parse(c->name, &parts)) {
		c->error = refuse(c, -EINVAL, "its name is not that of a record");
		return;
	}
	if (is_live_view && !segment_name_is_running(d->g->proc, c->name))
		return;
	c->error = segment_probe_at(d->fd, c->name, &c->s, c->cause, sizeof(c->cause));
	if (c->error)
		return;
	const struct seg_header *h = segment_header(c->s);

	if (h->pid != parts.pid || h->start_time != parts.start_time || h->image != parts.image) {
		c->error = refuse(c, -EINVAL, "its name and its content do not agree");
		segment_close(c->s);
		c->s = NULL;
		return;
	}
	c->state = find_state(d->g, c->s, is_live_view);
	load_or_close(d, c);
}

/* The core's process has been added already, with what the core knows of it. */
static bool is_in_core(const struct gather *g, const struct segment *s)
{
	const struct segment *known =
		g->core && g->core_process < g->segment_room ? g->segments[g->core_process] : NULL;
	const struct seg_header *a = known ? segment_header(known) : NULL, *b = segment_header(s);

	return a && a->pid == b->pid && a->start_time == b->start_time && a->image == b->image;
}

/* In the live view sessions of all kinds are looked through: those of others than the targets, if
 * these are pids, are nobody's concern. */
static bool is_of_target(const struct gather *g, const struct candidate *c)
{
	const struct collect_options *o = g->options;
	struct segment_name parts;
	bool is_other =
		!gather_is_saved(g) && o->target_count && segment_name_parse(c->name, &parts);

	for (uint32_t i = 0; is_other && i < o->target_count; i++)
		is_other = o->targets[i].pid > 0 && o->targets[i].pid != parts.pid;
	return !is_other;
}

static void note_unread(const struct directory *d, const struct candidate *c, const char *path)
{
	struct model *m = d->g->m;

	if (c->error == -ENODATA)
		model_note(
			m,
			"a process was killed before its record was ready: nothing is known of it");
	else if (gather_is_saved(d->g))
		model_note(m, "%s: %s; it was not read", path, c->cause);
	else if (is_of_target(d->g, c))
		model_note(m, "%s: a record was not read: %s", d->path, c->cause);
}

/* Takes c->s into the model, or says why there is none. */
static void add_candidate(struct directory *d, struct candidate *c)
{
	struct gather *g = d->g;
	char path[4096];

	/* A live process may end, or not be ready, at any time: that is no loss. */
	if (c->error && (c->error == -ENOENT || (c->error == -ENODATA && !g->options->dir)))
		return;
	snprintf(path, sizeof(path), "%s%s%s", d->path, c->name[0] ? "/" : "", c->name);
	if (c->error)
		note_unread(d, c, path);
	if (!c->s)
		return;
	struct segment_origin origin = {.path = path, .state = c->state};

	if (is_in_core(g, c->s) || segment_model_add(g, c->s, &origin) == MODEL_NONE)
		segment_close(c->s);
}

void segment_source_add(struct gather *g, struct segment *s, const char *path)
{
	struct directory d = {.g = g, .path = path};
	struct candidate c = {.name = "", .s = s, .state = find_state(g, s, false)};

	load_or_close(&d, &c);
	add_candidate(&d, &c);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names that end in SEG_SUFFIX, sorted (so that models come out in a stable order); the count. */
static ssize_t list_names(DIR *dir, char ***result)
{
	char **names = NULL;
	size_t count = 0, room = 0;

	for (struct dirent *e; (e = readdir(dir));) {
		size_t length = strlen(e->d_name);

		if (length < sizeof(SEG_SUFFIX) ||
		    strcmp(e->d_name + length - strlen(SEG_SUFFIX), SEG_SUFFIX))
			continue;
		if (count == room) {
			char **grown =
				reallocarray(names, room = room ? room * 2 : 64, sizeof(*names));
			if (!grown)
				break;
			names = grown;
		}
		if ((names[count] = strdup(e->d_name)))
			count++;
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	*result = names;
	return count;
}

static const char *advice(int error)
{
	if (error == -ENOTSUP)
		return "use the lockjam that recorded it";
	if (error == -EACCES || error == -EPERM)
		return "run as root or as its user";
	if (error == -ENOENT || error == -EINVAL)
		return "give the directory that `lockjam run -o` made";
	return "";
}

/* When not one record of a saved session can be read: the first one's reason. Else 0. */
static int explain(const struct directory *d, uint32_t count, struct collect_error *error)
{
	const struct candidate *first = NULL;
	char path[4096];

	for (uint32_t i = 0; i < count; i++) {
		const struct candidate *c = &d->candidates[i];

		if (c->s || !c->error || c->error == -ENODATA || c->error == -ENOENT)
			return 0;
		first = first ? first : c;
	}
	if (!first || !d->g->options->dir)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", d->path, first->name);
	return collect_fail(error, first->error, path, first->cause, advice(first->error));
}

/* All segments of one directory; their number, or negative errno. */
static ssize_t read_directory(struct gather *g, const char *path, struct collect_error *error)
{
	/* Only a directory that the user named may be a link. */
	int fd =
		open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (g->options->dir ? 0 : O_NOFOLLOW));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct directory d = {.g = g, .path = path, .fd = fd};
	char **names;

	if (!dir) {
		int failed = -errno;
		if (fd >= 0)
			close(fd);
		return failed;
	}
	ssize_t count = list_names(dir, &names);

	d.bytes = g->bytes_read;
	d.candidates = calloc(count + 1, sizeof(*d.candidates));
	for (ssize_t i = 0; d.candidates && i < count; i++)
		d.candidates[i].name = names[i];
	if (d.candidates)
		crew_run(read_candidate, &d, count);
	int refused = d.candidates ? explain(&d, count, error) : 0;

	for (ssize_t i = 0; i < count; i++) {
		if (d.candidates)
			add_candidate(&d, &d.candidates[i]);
		free(names[i]);
	}
	g->m->out_of_memory |= !d.candidates;
	g->bytes_read = d.bytes;
	free(d.candidates);
	free(names);
	closedir(dir);
	return refused ? refused : count;
}

static int collect_file(struct gather *g, const char *path, struct collect_error *error)
{
	char cause[256];
	struct segment *s;
	int r = segment_probe_at(AT_FDCWD, path, &s, cause, sizeof(cause));

	if (r)
		return collect_fail(error, r, path, cause, advice(r));
	segment_source_add(g, s, path);
	return 0;
}

static int collect_saved(struct gather *g, const char *path, struct collect_error *error)
{
	struct stat st;

	if (stat(path, &st))
		return collect_fail(error, -errno, path, strerror(errno), advice(-errno));
	if (!S_ISDIR(st.st_mode))
		return collect_file(g, path, error);
	*error = (struct collect_error){0};
	ssize_t count = read_directory(g, path, error);

	if (count < 0 && error->cause[0])
		return count;
	if (count < 0)
		return collect_fail(error, count, path, strerror(-count), advice(count));
	if (!count && !session_is_marked(path))
		return collect_fail(error, -EINVAL, path, "no session of lockjam", advice(-EINVAL));
	return 0;
}

static int collect(struct gather *g, struct collect_error *error)
{
	if (g->options->dir) {
		int r = collect_saved(g, g->options->dir, error);

		segment_sampling_notes_add(g);
		segment_lost_judge(g);
		for (uint32_t i = 0; !r && i < g->options->other_dir_count; i++) {
			g->session = i + 1;
			r = collect_saved(g, g->options->other_dirs[i], error);
		}
		if (g->session)
			model_note(g->m, "of the other sessions only the orders of locks are looked at: "
					 "report on each for the rest");
		return r;
	}
	if (g->options->core || g->options->is_kernel_only)
		return 0;
	/* A recorded /proc is of another machine, or another time, than the sessions here. */
	if (proc_is_recorded(g->proc))
		return 0;
	char **paths;
	ssize_t count = session_list(&paths);

	for (ssize_t i = 0; i < count; i++) {
		ssize_t r = read_directory(g, paths[i], error);

		if (r == -EACCES || r == -EPERM)
			model_note(g->m, "sessions of other users may not be read (run as root)");
		else if (r < 0 && r != -ENOENT)
			model_note(g->m, "%s: %s; what is recorded there is not shown", paths[i],
				   strerror(-r));
		free(paths[i]);
	}
	if (count >= 0)
		free(paths);
	segment_lost_judge(g);
	return 0;
}

const struct source source_segments = {"segments", collect};
