/*
 * Parsing /proc/locks, and finding out where it contradicts itself. Knows nothing of processes or
 * records.
 */
#include "config.h"

#include "collector/proc/kernel_locks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#define READS_MAX 5
#define READS_MAX_NS UINT64_C(100000000) /* under contention one reading may take half a second */
#define COMPARISONS_MAX 4000000 /* of holds on one file: bounds what a hostile system costs */

/* The next word of a line, ended with a NUL; "" at its end. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t");
	char *end = word + strcspn(word, " \t\n");

	*at = *end ? end + 1 : end;
	*end = 0;
	return word;
}

static bool parse_number(const char *word, int base, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(word, &end, base);
	return end != word && !*end && !errno;
}

/* "fe:00:1234": device numbers in hexadecimal, the inode in decimal. */
static bool parse_file(char *word, struct kernel_lock *lock)
{
	if (!strcmp(word, "<none>:0"))
		return lock->kind == LOCK_LEASE;
	char *minor = strchr(word, ':'), *ino = minor ? strchr(minor + 1, ':') : NULL;
	uint64_t major_number, minor_number;

	if (!ino)
		return false;
	*minor++ = *ino++ = 0;
	if (!parse_number(word, 16, &major_number) || !parse_number(minor, 16, &minor_number) ||
	    !parse_number(ino, 10, &lock->ino))
		return false;
	lock->dev = makedev(major_number, minor_number);
	return true;
}

static bool parse_kind(const char *word, enum lock_kind *kind)
{
	static const struct {
		const char *word;
		enum lock_kind kind;
	} kinds[] = {{"POSIX", LOCK_POSIX}, {"FLOCK", LOCK_FLOCK}, {"OFDLCK", LOCK_OFD},
		     {"LEASE", LOCK_LEASE}, {"DELEG", LOCK_LEASE}, {"ACCESS", LOCK_POSIX}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(word, kinds[i].word)) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

/*
 * A lease that may be kept for reading was one for writing. One that must go altogether is taken
 * for READ: the kernel does not tell any more.
 */
static void parse_breaking(const char *mode, struct kernel_lock *lock)
{
	lock->is_breaking = true;
	lock->mode = !strcmp(mode, "READ") ? MODE_WRITE : MODE_READ;
}

bool kernel_lock_parse(char *text, struct kernel_lock *lock)
{
	struct kernel_lock r = {.blocker = MODEL_NONE,
				.lock = MODEL_NONE,
				.process = MODEL_NONE,
				.fd = -1,
				.copy_of = MODEL_NONE};
	char *at = text;

	const char *kind = next_word(&at);

	if (!parse_kind(kind, &r.kind))
		return false;
	r.is_delegation = !strcmp(kind, "DELEG");
	const char *flavour = next_word(&at), *mode = next_word(&at);

	r.mode = !strcmp(mode, "WRITE") ? MODE_WRITE : MODE_READ;
	if (!strcmp(flavour, "BREAKING"))
		parse_breaking(mode, &r);
	r.pid = atoi(next_word(&at));
	if (!parse_file(next_word(&at), &r) || !parse_number(next_word(&at), 10, &r.start))
		return false;
	const char *end = next_word(&at);

	if (!strcmp(end, "EOF"))
		r.end = MODEL_TO_EOF;
	else if (!parse_number(end, 10, &r.end))
		return false;
	if (r.start > r.end)
		return false;
	*lock = r;
	return true;
}

/* The line behind its number; counts the depth of the arrow and steps over it. */
static bool parse_line(char *line, struct kernel_lock *lock)
{
	char *at = strchr(line, ':');
	uint32_t depth = 0;

	if (!at)
		return false;
	size_t blanks = strspn(++at, " ");

	at += blanks;
	if (at[0] == '-' && at[1] == '>') {
		depth = blanks;
		at += 2;
	}
	if (!kernel_lock_parse(at, lock))
		return false;
	lock->depth = depth;
	return true;
}

/* The last line above `i` that is less deep; a waiter without one lost it between two pages. */
static uint32_t find_blocker(const struct kernel_locks *k, uint32_t i)
{
	const struct kernel_lock *l = &k->items[i];

	for (uint32_t n = i; l->depth && n--;) {
		const struct kernel_lock *above = &k->items[n];

		if (above->dev != l->dev || above->ino != l->ino)
			return MODEL_NONE;
		if (above->depth < l->depth)
			return n;
		/* As deep as we: its blocker is ours, no need to walk again. */
		if (above->depth == l->depth)
			return above->blocker;
	}
	return MODEL_NONE;
}

/* A breaker's line names no file: it is that of the tree it stands in. */
static bool find_file(const struct kernel_locks *k, struct kernel_lock *l)
{
	if (l->dev || l->ino)
		return true;
	if (!l->depth || !k->count || k->items[k->count - 1].kind != LOCK_LEASE)
		return false;
	l->dev = k->items[k->count - 1].dev;
	l->ino = k->items[k->count - 1].ino;
	return true;
}

static int family(const struct kernel_lock *l)
{
	return l->kind == LOCK_OFD ? LOCK_POSIX : l->kind;
}

static int compare_holds(const void *x, const void *y)
{
	const struct kernel_lock *a = *(const struct kernel_lock *const *)x;
	const struct kernel_lock *b = *(const struct kernel_lock *const *)y;

	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (family(a) != family(b))
		return family(a) < family(b) ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a < b ? -1 : 1;
}

/* Whether two holds of one file cannot stand at one time: a page of the file was older. */
static bool contradict(const struct kernel_lock *a, const struct kernel_lock *b)
{
	if (a->start > b->end || b->start > a->end)
		return false;
	/* One owner's ranges never overlap. Two READ flocks of one process can be, but a line that
	 * was printed twice because others moved is far more common. */
	if ((a->kind == LOCK_POSIX || a->kind == LOCK_FLOCK) && b->kind == a->kind &&
	    a->pid == b->pid)
		return true;
	return a->kind != LOCK_LEASE && (a->mode == MODE_WRITE || b->mode == MODE_WRITE);
}

static bool is_repetition(const struct kernel_lock *a, const struct kernel_lock *b)
{
	return a->kind == LOCK_FLOCK && b->kind == LOCK_FLOCK && a->mode == MODE_READ &&
	       b->mode == MODE_READ;
}

/* Of two holds that contradict each other the one further up was read earlier: it is gone. */
static void mark_outdated(struct kernel_locks *k, struct kernel_lock **holds, uint32_t count)
{
	uint64_t comparisons = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count && comparisons < COMPARISONS_MAX;
		     j++, comparisons++) {
			struct kernel_lock *a = holds[i], *b = holds[j];

			if (a->ino != b->ino || a->dev != b->dev || family(a) != family(b) ||
			    b->start > a->end)
				break;
			if (!contradict(a, b))
				continue;
			struct kernel_lock *older = a < b ? a : b;

			k->contradictions += !older->is_outdated;
			k->repetitions += !older->is_outdated && is_repetition(a, b);
			older->is_repeated = !older->is_outdated && is_repetition(a, b);
			older->is_outdated = true;
		}
	}
}

static bool is_same_request(const struct kernel_lock *a, const struct kernel_lock *b)
{
	return a->depth && b->depth && a->kind == b->kind && a->mode == b->mode &&
	       a->pid == b->pid && a->dev == b->dev && a->ino == b->ino && a->start == b->start &&
	       a->end == b->end;
}

/* A tree that came twice: a waiter behind an outdated line that stands again further down. */
static void mark_repeated_waiters(struct kernel_locks *k)
{
	uint64_t comparisons = 0;

	for (uint32_t i = 0; k->contradictions && i < k->count; i++) {
		struct kernel_lock *l = &k->items[i];

		if (l->blocker == MODEL_NONE || !k->items[l->blocker].is_outdated)
			continue;
		for (uint32_t j = i + 1; j < k->count && !l->is_outdated; j++)
			if (comparisons++ < COMPARISONS_MAX)
				l->is_outdated = is_same_request(l, &k->items[j]);
	}
}

static int find_contradictions(struct kernel_locks *k)
{
	struct kernel_lock **holds = calloc(k->count + (size_t)1, sizeof(*holds));
	uint32_t count = 0;

	if (!holds)
		return -ENOMEM;
	for (uint32_t i = 0; i < k->count; i++)
		if (!k->items[i].depth)
			holds[count++] = &k->items[i];
	qsort(holds, count, sizeof(*holds), compare_holds);
	mark_outdated(k, holds, count);
	free(holds);
	mark_repeated_waiters(k);
	return 0;
}

int kernel_locks_parse(char *text, struct kernel_locks *k)
{
	struct kernel_locks result = {0};
	uint32_t room = 0;

	for (char *line = text, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (result.count == room) {
			room = room ? room * 2 : 256;
			void *grown = reallocarray(result.items, room, sizeof(*result.items));

			if (!grown) {
				free(result.items);
				return -ENOMEM;
			}
			result.items = grown;
		}
		if (!parse_line(line, &result.items[result.count]) ||
		    !find_file(&result, &result.items[result.count])) {
			result.bad_lines++;
			continue;
		}
		result.items[result.count].blocker = find_blocker(&result, result.count);
		result.count++;
	}
	int r = find_contradictions(&result);

	if (r)
		free(result.items);
	else
		*k = result;
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* What another reading shows again was not printed twice by chance. */
static void accept_repetitions(struct kernel_locks *k)
{
	for (uint32_t i = 0; i < k->count; i++) {
		if (!k->items[i].is_repeated)
			continue;
		k->items[i].is_outdated = k->items[i].is_repeated = false;
		k->contradictions--;
	}
	k->repetitions = 0;
}

int kernel_locks_read(const struct proc *proc, struct kernel_locks *k)
{
	uint64_t began_ns = now_ns();
	uint32_t repetitions = 0;

	for (int i = 1;; i++) {
		char *text;
		size_t length;
		int r = proc_read(proc, &text, &length, "locks");

		if (r)
			return r;
		r = kernel_locks_parse(text, k);
		free(text);
		if (r)
			return r;
		k->read_ns = now_ns();
		if (k->repetitions && k->repetitions == repetitions)
			accept_repetitions(k);
		repetitions = k->repetitions;
		if (!k->contradictions || i == READS_MAX || proc_is_recorded(proc) ||
		    k->read_ns - began_ns > READS_MAX_NS)
			return 0;
		kernel_locks_done(k);
	}
}

void kernel_locks_done(struct kernel_locks *k)
{
	free(k->items);
	*k = (struct kernel_locks){0};
}
