/*
 * Which locked file a path means that the user gave: by its name as holders show it; else the path
 * is followed, in a thread of its own that is not waited for when a dead mount keeps it.
 */
#include "config.h"

#include "collector/source/select.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 2

/* What following the path told; written by the thread, read when it has ended. */
struct answer {
	char *path;
	char *real; /* malloc'ed, NULL: there is no such file, or it may not be seen */
	uint64_t dev, ino;
};

static void *follow(void *data)
{
	struct answer *a = data;
	struct statx st;

	a->real = realpath(a->path, NULL);
	if (a->real &&
	    !statx(AT_FDCWD, a->real, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st)) {
		a->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
		a->ino = st.stx_ino;
	}
	return NULL;
}

static void answer_free(struct answer *a)
{
	if (!a)
		return;
	free(a->path);
	free(a->real);
	free(a);
}

/* NULL: it took too long (what the thread has is left to it), or memory is out. */
static struct answer *ask(struct gather *g, const char *path)
{
	struct answer *a = calloc(1, sizeof(*a));
	struct timespec end;
	sigset_t all, before;
	pthread_t thread;

	if (a)
		a->path = strdup(path);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = a && a->path ? pthread_create(&thread, NULL, follow, a) : -1;

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		answer_free(a);
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_S;
	if (!pthread_timedjoin_np(thread, NULL, &end))
		return a;
	pthread_detach(thread);
	model_note(g->m,
		   "%s could not be followed within %d seconds (its file system does not "
		   "answer): only its name was compared",
		   path, PATIENCE_S);
	return NULL;
}

static bool keep_named(const struct model *m, const char *path, bool *is_kept)
{
	bool has_file = false;

	for (uint32_t i = 0; i < m->resources.count; i++)
		if (!strcmp(m->resources.items[i].path, path))
			has_file = is_kept[i] = true;
	return has_file;
}

/* Links, mounts and other names lead to the same inode; its device is stat's, or the kernel's. */
static bool keep_same(const struct model *m, const struct answer *a, bool *is_kept)
{
	bool has_file = a->real && keep_named(m, a->real, is_kept);

	for (uint32_t i = 0; a->ino && i < m->resources.count; i++) {
		const struct model_resource *r = &m->resources.items[i];

		if (r->ino == a->ino && (r->dev == a->dev || r->kernel_dev == a->dev))
			has_file = is_kept[i] = true;
	}
	return has_file;
}

bool select_path(struct gather *g, const char *name, bool *is_kept)
{
	bool has_file = name[0] == '/' && keep_named(g->m, name, is_kept);

	if (has_file || gather_is_saved(g) || proc_is_recorded(g->proc))
		return has_file;
	struct answer *a = ask(g, name);

	has_file = a && keep_same(g->m, a, is_kept);
	answer_free(a);
	return has_file;
}
