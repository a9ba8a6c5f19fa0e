/* What a futex is a part of, by the words around it; and that garbage is nothing. */
#include "config.h"

#include <linux/futex.h>
#include <string.h>

#include "collector/proc/thread_futex.h"
#include "tests/unit/unit.h"

#define ADDRESS 0x7f0000001000u
#define OWNER 4711

static bool is_owner(void *context, pid_t tid, bool is_shared)
{
	(void)context;
	(void)is_shared;
	return tid == OWNER;
}

static struct futex_object recognise(int operation, bool is_private, uint32_t value,
				     const struct futex_memory *memory)
{
	struct futex_call call = {ADDRESS, operation, is_private, value};
	struct futex_object object;

	futex_recognise(&call, memory, is_owner, NULL, &object);
	return object;
}

/* Words from `before` bytes before the futex on. */
static struct futex_memory memory(unsigned before, const uint32_t *words, unsigned count)
{
	struct futex_memory m = {.before = FUTEX_AROUND, .after = FUTEX_AROUND};

	memcpy(m.bytes + FUTEX_AROUND - before, words, count * sizeof(*words));
	return m;
}

#define MEMORY(before, ...)                                                                        \
	memory(before, (const uint32_t[]){__VA_ARGS__},                                            \
	       sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void mutexes(void)
{
	static const struct {
		uint32_t count, kind;
	} types[] = {{0, 0}, {3, 1}, {0, 2}, {0, 3}, {0, 0x200}, {0, 0x100}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct futex_memory m = MEMORY(0, 2, types[i].count, OWNER, 1, types[i].kind);
		struct futex_object o = recognise(FUTEX_WAIT, true, 2, &m);

		CU_ASSERT_EQUAL(o.use, FUTEX_USE_MUTEX);
		CU_ASSERT_EQUAL(o.owner, OWNER);
		CU_ASSERT_EQUAL(o.address, ADDRESS);
		CU_ASSERT_FALSE(o.has_dead_owner);
	}
	struct futex_memory robust =
		MEMORY(0, OWNER | FUTEX_WAITERS, 1, OWNER, 1, 0x290, 0, 8, 9, 8, 9);
	struct futex_memory pi = MEMORY(0, OWNER | FUTEX_WAITERS, 1, 0, 1, 0x220);
	struct futex_memory dead =
		MEMORY(0, 17 | FUTEX_WAITERS | FUTEX_OWNER_DIED, 1, 17, 1, 0x290);

	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, false, OWNER | FUTEX_WAITERS, &robust).owner, OWNER);
	CU_ASSERT_EQUAL(recognise(FUTEX_LOCK_PI, true, 0, &pi).owner, OWNER);
	struct futex_object o =
		recognise(FUTEX_WAIT, false, 17 | FUTEX_WAITERS | FUTEX_OWNER_DIED, &dead);
	CU_ASSERT(o.use == FUTEX_USE_MUTEX && o.has_dead_owner && !o.is_doubtful);
}

static void an_owner_that_is_no_thread(void)
{
	struct futex_memory m = MEMORY(0, 2, 0, OWNER + 1, 1, 0);
	struct futex_object o = recognise(FUTEX_WAIT, true, 2, &m);

	CU_ASSERT(o.use == FUTEX_USE_MUTEX && o.has_dead_owner && o.is_doubtful);
	m = MEMORY(0, 2, 0, 0x7fffffff, 1, 0);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_UNKNOWN);
	m = MEMORY(0, 2, 0, 0, 1, 0);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_UNKNOWN);
}

/* One word each that does not fit. */
static void almost_mutexes(void)
{
	static const uint32_t good[10] = {2, 0, OWNER, 1, 0};
	static const struct {
		unsigned at;
		uint32_t value;
	} wrong[] = {{0, 1},  {0, 3},      {1, 1},    {3, 1u << 30}, {4, 1},
		     {4, 16}, {4, 0x1000}, {4, 0x80}, {6, 1},        {9, 0x7f00}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct futex_memory m = memory(0, good, 10);

		CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_MUTEX);
		memcpy(m.bytes + FUTEX_AROUND + 4 * wrong[i].at, &wrong[i].value, 4);
		CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_UNKNOWN);
	}
	struct futex_memory m = memory(0, good, 10);

	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, false, 2, &m).use, FUTEX_USE_UNKNOWN);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 1, &m).use, FUTEX_USE_UNKNOWN);
	m.after = 36;
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_UNKNOWN);
	m.after = 0;
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 2, &m).use, FUTEX_USE_UNKNOWN);
}

static void other_objects(void)
{
	struct futex_memory m = MEMORY(8, 0xb, 0, 3, 3, 0, 0, OWNER, 0);
	struct futex_object o = recognise(FUTEX_WAIT_BITSET, true, 3, &m);

	CU_ASSERT(o.use == FUTEX_USE_RWLOCK && o.mode == MODE_READ && o.owner == OWNER);
	CU_ASSERT_EQUAL(o.address, ADDRESS - 8);
	m = MEMORY(8, 0x12, 0, 2, 1, 0, 0, 0, 0);
	o = recognise(FUTEX_WAIT_BITSET, true, 2, &m);
	CU_ASSERT(o.use == FUTEX_USE_RWLOCK && o.mode == MODE_WRITE && o.readers == 2);
	m = MEMORY(40, 2, 0, 0, 0, 2, 0, 0, 0, 0, 8, 0, 0);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT_BITSET, true, 0, &m).use, FUTEX_USE_CONDITION);
	m = MEMORY(0, 0, 1, 0, 0);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT_BITSET, true, 0, &m).use, FUTEX_USE_SEMAPHORE);
	m = MEMORY(4, 1, 0, 3, 0, 0);
	CU_ASSERT_EQUAL(recognise(FUTEX_WAIT, true, 0, &m).use, FUTEX_USE_BARRIER);
	m = MEMORY(0, OWNER);
	o = recognise(FUTEX_WAIT_BITSET, false, OWNER, &m);
	CU_ASSERT(o.use == FUTEX_USE_JOIN && o.owner == OWNER);
	m = MEMORY(0, 2, 1, 0x55550010, 0x5555);
	o = recognise(FUTEX_WAIT, true, 2, &m);
	CU_ASSERT(o.use == FUTEX_USE_STREAM && o.owner_self == 0x555555550010);
}

/* Words of all sorts, small ones and the owner's number often: what is recognised names nobody
 * else, and nothing is read beyond. */
static void garbage(void)
{
	uint64_t state = 88172645463325252u;
	uint32_t words[32];

	for (int round = 0; round < 200000; round++) {
		for (int i = 0; i < 32; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			words[i] = state % 8 < 4   ? 0
				   : state % 8 < 6 ? (uint32_t)(state >> 32) % 4
				   : state % 8 < 7 ? OWNER
						   : (uint32_t)(state >> 32);
		}
		struct futex_memory m = memory(64, words, 32);
		struct futex_object o = recognise(round % 2 ? FUTEX_WAIT : FUTEX_WAIT_BITSET,
						  round % 3, words[16], &m);

		CU_ASSERT_FATAL(!o.owner || o.owner == OWNER || o.has_dead_owner);
		CU_ASSERT_FATAL(o.address >= ADDRESS - 44 && o.address <= ADDRESS);
		/* Without one number that is a thread's nobody is called an owner. */
		for (int i = 0; i < 32; i++)
			if ((words[i] & FUTEX_TID_MASK) == OWNER)
				words[i] = 0;
		m = memory(64, words, 32);
		o = recognise(round % 2 ? FUTEX_WAIT : FUTEX_WAIT_BITSET, round % 3, words[16], &m);
		CU_ASSERT_FATAL(!o.owner || o.has_dead_owner);
	}
}

static const struct unit_test tests[] = {
	{"mutexes of all types", mutexes},
	{"an owner that is no thread is a doubt, or no owner", an_owner_that_is_no_thread},
	{"one word that does not fit makes it no mutex", almost_mutexes},
	{"rwlock, condition, semaphore, barrier, join, stream", other_objects},
	{"garbage names no owner", garbage},
	{NULL, NULL},
};

const struct unit_suite unit_thread_futex = {tests};
