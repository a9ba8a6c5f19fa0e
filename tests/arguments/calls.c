/*
 * Scenario: compiled at every level of optimisation, a chain of calls (the first argument names it)
 * ends in pause(). Values live in registers, are saved by functions further in, are computed from
 * what the caller passed, are constants, or are lost.
 * Expect: every value that can be known is, and none is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

enum idle_flags { IDLE_MAILBOX = 1, IDLE_ALERT = 2, IDLE_NOTICE = 4 };

struct state {
	int exists;
	long uid;
	const char *name;
};

struct pair {
	int x, y;
};

volatile int sink;
static struct state the_state = { 7, 99, "user/projects" };

NOINLINE static void wait_here(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

NOINLINE static void leaf(int last)
{
	sink = last;
	wait_here();
	sink = last + 1;
}

/* Arguments that are needed again after the call stay in saved registers. */
NOINLINE int kept(int a, long b, const char *c, unsigned char d, double e, enum idle_flags f)
{
	leaf(a + 1);
	sink = a + (int)b + c[0] + d + (int)e + (int)f;
	return sink;
}

/* Not needed any more: known only from what the caller passed. */
NOINLINE static int passed(int a, long b, const char *c, unsigned char d, double e, float g,
			   enum idle_flags f)
{
	leaf(a + (int)b + c[0] + d + (int)e + (int)f + (int)g);
	sink++;
	return 3;
}

NOINLINE static int lost(int a, struct state *state)
{
	sink += a + state->exists;
	leaf(0);
	sink++;
	return sink;
}

INLINE int tell_expunge(struct state *state, int force)
{
	int result = kept(state->exists + force, state->uid, state->name, 'x', 2.5,
			  IDLE_MAILBOX | IDLE_ALERT);

	sink = state->exists;
	return result;
}

INLINE int tell_changes(struct state *state, int can_expunge, int print_uid)
{
	if (can_expunge)
		return tell_expunge(state, print_uid);
	return 0;
}

NOINLINE static int idle_update(enum idle_flags flags, int canexpunge)
{
	int result = tell_changes(&the_state, canexpunge, 1);

	sink = (int)flags;
	return result;
}

/* Small structs travel in pieces; a pointer to one may be to nothing that has an address. */
INLINE int area(const struct pair *p, int scale)
{
	leaf(p->x * scale);
	return p->x * p->y;
}

NOINLINE static int by_value(struct pair p, struct state s, int after)
{
	int result = area(&p, after);

	sink = result + after + s.exists;
	return result;
}

NOINLINE static int local_pair(int x, int y)
{
	struct pair p = { x, y };

	return area(&p, 3) + y;
}

NOINLINE static int recursive(int n, int accumulated)
{
	if (n == 0) {
		leaf(accumulated);
		return accumulated;
	}
	return recursive(n - 1, accumulated + n) * 3 + 1;
}

/* The last call becomes a jump: its frame replaces the caller's. */
NOINLINE static int tail_end(int a, int b)
{
	leaf(a - b);
	return sink++;
}

NOINLINE static int tail_middle(int a)
{
	sink++;
	return tail_end(a + 1, 2);
}

NOINLINE static int loops(int n, const int *values)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		sum += values[i];
		if (sum > 5)
			leaf(sum);
	}
	return sum;
}

NOINLINE static int indirect(int (*callee)(int, struct state *), int a)
{
	return callee(a, &the_state) + 1;
}

NOINLINE static int on_stack(int a, int b, int c, int d, int e, int f, int g, long h, char i,
			     const char *j)
{
	leaf(g + (int)h);
	sink = i + j[0];
	return a + b + c + d + e + f;
}

NOINLINE static int changes(int a, int b)
{
	a += 10;
	b = sink;
	leaf(a);
	return a + b;
}

static int compare(const void *a, const void *b)
{
	sink = *(const int *)a;
	leaf(*(const int *)b);
	return *(const int *)a - *(const int *)b;
}

static int run(const char *scene, int argc)
{
	int values[] = { 3, 4, 5 };
	struct pair p = { argc, 4 };

	if (!strcmp(scene, "kept"))
		return kept(argc, -2, "text", 200, 1.5, IDLE_ALERT);
	if (!strcmp(scene, "passed"))
		return passed(argc + 1, -2, "text", 200, 1.5, 2.5f, IDLE_NOTICE | IDLE_ALERT);
	if (!strcmp(scene, "lost"))
		return lost(argc, &the_state);
	if (!strcmp(scene, "idle"))
		return idle_update(IDLE_MAILBOX | IDLE_ALERT, argc);
	if (!strcmp(scene, "by_value"))
		return by_value(p, the_state, argc + 5);
	if (!strcmp(scene, "local_pair"))
		return local_pair(argc, 6);
	if (!strcmp(scene, "recursive"))
		return recursive(5, argc);
	if (!strcmp(scene, "tail"))
		return tail_middle(argc) + 1;
	if (!strcmp(scene, "loops"))
		return loops(3, values);
	if (!strcmp(scene, "indirect"))
		return indirect(lost, argc + 2) + indirect(lost, 1);
	if (!strcmp(scene, "on_stack"))
		return on_stack(1, argc, 3, 4, 5, 6, argc + 7, 8, 'i', "j");
	if (!strcmp(scene, "changes"))
		return changes(argc, 2);
	if (!strcmp(scene, "callback"))
		qsort(values, 3, sizeof(values[0]), compare);
	return 0;
}

int main(int argc, char **argv)
{
	alarm(120);
	sink = run(argc > 1 ? argv[1] : "", argc);
	return sink;
}
