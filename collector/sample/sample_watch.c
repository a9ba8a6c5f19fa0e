#include "config.h"

#include "collector/sample/sample_watch.h"

#include <stdlib.h>
#include <string.h>

#include "collector/proc/kernel_locks.h"

#define STRANGERS_MAX 100000 /* pids are used again: at times all are asked for once more */

/* The lines of one hold and of all who are queued behind it. */
struct group {
	uint64_t hash;
	bool matters;
};

static uint64_t mix(uint64_t hash, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static bool is_known(const struct index *x, uint64_t key)
{
	return index_first(x, key) != UINT32_MAX;
}

/* Nobody knows yet what it is called: that is found out by looking. */
static bool is_new(struct sample_watch *w, pid_t pid)
{
	if (!w->wants_strangers || is_known(&w->strangers, pid))
		return false;
	if (w->strangers.count >= STRANGERS_MAX)
		index_done(&w->strangers);
	index_add(&w->strangers, pid, 0);
	return true;
}

/* One line behind its number; `text` is changed. */
static bool line_matters(struct sample_watch *w, char *text)
{
	struct kernel_lock l;

	if (!kernel_lock_parse(text, &l))
		return false;
	/* Whose an open file description is the line does not say. */
	return l.pid <= 0 || is_known(&w->pids, l.pid) || is_known(&w->inodes, l.ino) ||
	       is_new(w, l.pid);
}

static void add_group(uint64_t *digest, struct group *g)
{
	/* A sum: the order of the kernel's lists has no meaning. */
	if (g->matters)
		*digest += g->hash;
	*g = (struct group){0};
}

static uint64_t find_digest(struct sample_watch *w, const char *text)
{
	uint64_t digest = 0;
	struct group g = {0};
	char line[256];

	for (const char *next; *text; text = next) {
		size_t length = strcspn(text, "\n");
		const char *at = memchr(text, ':', length);

		next = text + length + (text[length] == '\n');
		if (!at || length >= sizeof(line))
			continue;
		length -= at + 1 - text;
		memcpy(line, at + 1, length);
		line[length] = 0;
		char *arrow = strstr(line, "->");

		if (!arrow)
			add_group(&digest, &g);
		g.hash = mix(g.hash + 1, line, length);
		g.matters |= line_matters(w, arrow ? arrow + 2 : line);
	}
	add_group(&digest, &g);
	return digest;
}

int sample_watch_look(struct sample_watch *w)
{
	char *text;
	size_t length;
	int r = proc_read(w->proc, &text, &length, "locks");

	if (r)
		return r;
	if (w->text && length == w->length && !memcmp(text, w->text, length)) {
		free(text);
		return 0;
	}
	free(w->text);
	w->text = text;
	w->length = length;
	uint64_t digest = find_digest(w, text);
	bool is_other = digest != w->digest;

	w->digest = digest;
	return is_other;
}

static bool learn(struct sample_watch *w, const struct model *m)
{
	bool is_ok = true;

	index_done(&w->pids);
	index_done(&w->inodes);
	for (uint32_t i = 0; is_ok && i < m->processes.count; i++)
		is_ok = index_add(&w->pids, m->processes.items[i].pid, 0);
	for (uint32_t i = 0; is_ok && i < m->resources.count; i++)
		is_ok = index_add(&w->inodes, m->resources.items[i].ino, 0);
	return is_ok;
}

bool sample_watch_learn(struct sample_watch *w, const struct model *m)
{
	if (!learn(w, m))
		return false;
	/* What the model was made of is judged again by what is known now. */
	w->digest = w->text ? find_digest(w, w->text) : 0;
	return true;
}

void sample_watch_done(struct sample_watch *w)
{
	index_done(&w->pids);
	index_done(&w->inodes);
	index_done(&w->strangers);
	free(w->text);
}
