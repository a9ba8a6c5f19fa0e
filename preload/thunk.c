/*
 * What thunks do when the short path is not enough: the function is not known yet, or a handler is
 * active. See thunk.h.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "preload/finding.h"
#include "preload/lookup.h"
#include "preload/module.h"
#include "preload/protect.h"
#include "preload/sys.h"
#include "preload/thunk.h"
#include "preload/track.h"
#include "preload/wrap.h"

#define ALLOCATOR_SLACK 0x4000 /* its static functions lie around the exported ones */

/* In thunk-*.S. An entry leads to the thunk's own slow path until the function is known. */
extern _Atomic(void *) thunk_real[THUNK_COUNT] __attribute__((visibility("hidden")));

/* As unsafe.def calls them. */
enum {
	WAIT = SEG_WHY_WAIT,
	STREAM = SEG_WHY_STREAM,
	ZONE = SEG_WHY_ZONE,
	ENVIRON = SEG_WHY_ENVIRON,
	LOCK = SEG_WHY_LOCK,
	HEAP = SEG_WHY_HEAP,
	DATA = SEG_WHY_DATA,
	BUFFER = SEG_WHY_BUFFER,
	LOCALE = SEG_WHY_LOCALE,
	NAMES = SEG_WHY_NAMES,
	LOADER = SEG_WHY_LOADER,
	CODE = SEG_WHY_CODE,
	FIRST = SEG_WHY_FIRST,
	NAMED = SEG_WHY_NAMED,
	SAFE = SEG_WHY_SAFE,
};

const struct thunk_info thunk_info[THUNK_COUNT] = {
#define UNSAFE(name, way, why) [THUNK_##name] = {#name, THUNK_##way, why},
#include "preload/unsafe.list"
#include "preload/spare.def"
#undef UNSAFE
};

#define UNSAFE(name, way, why) void name(void) __attribute__((visibility("hidden")));
#include "preload/spare.def"
#undef UNSAFE
static void (*const spare_thunks[THUNK_SPARES])(void) = {
#define UNSAFE(name, way, why) name,
#include "preload/spare.def"
#undef UNSAFE
};

static struct {
	const char *names[THUNK_SPARES];
	uint32_t used;
} spare;

/* Set once the entry is: a bit per thunk. */
static _Atomic uint64_t known[(THUNK_COUNT + 63) / 64];

static bool is_known(uint32_t id)
{
	return atomic_load_explicit(&known[id / 64], memory_order_acquire) >> id % 64 & 1;
}

/* A name that this libc lacks: only a program that looked for it by name can come here. */
static long absent(void)
{
	return 0;
}

/* What the shim also wraps in C stands between the thunk and libc. */
static void *own_wrapper(uint32_t id)
{
	switch (id) {
	case THUNK_fclose:
		return (void *)wrap_fclose;
	case THUNK_fork:
		return (void *)wrap_fork;
	default:
		return track_wrapper(thunk_info[id].name);
	}
}

void thunk_lead(enum thunk_id id, void *function)
{
	atomic_store_explicit(&thunk_real[id], function, memory_order_relaxed);
	atomic_fetch_or_explicit(&known[id / 64], UINT64_C(1) << id % 64, memory_order_release);
}

void *thunk_spare(const char *name, void *function)
{
	uint32_t i = spare.used;

	if (i == THUNK_SPARES)
		return NULL;
	spare.names[i] = name;
	spare.used++;
	thunk_lead(THUNK_SPARE + i, function);
	return (void *)spare_thunks[i];
}

static const char *name_of(uint32_t id)
{
	return id < THUNK_SPARE ? thunk_info[id].name : spare.names[id - THUNK_SPARE];
}

static void *find(uint32_t id)
{
	void *function;

	if (is_known(id))
		return atomic_load_explicit(&thunk_real[id], memory_order_relaxed);
	function = own_wrapper(id);
	if (!function)
		function = lookup_next(thunk_info[id].name);
	if (!function)
		function = (void *)absent;
	thunk_lead(id, function);
	return function;
}

/* Of an allocator that is not libc's, all of its library belongs to it. */
static void widen_to_module(uint64_t *low, uint64_t *high)
{
	uint64_t libc_low, libc_high, own_low, own_high;
	uint64_t middle = *low + (*high - *low) / 2;

	if (!module_bounds((uint64_t)(uintptr_t)lookup_next("gnu_get_libc_version"), &libc_low,
			   &libc_high) ||
	    !module_bounds(middle, &own_low, &own_high) || own_low == libc_low)
		return;
	*low = own_low;
	*high = own_high;
}

void thunk_allocator_range(uint64_t *low, uint64_t *high)
{
	static const uint16_t members[] = {THUNK_malloc, THUNK_free, THUNK_calloc, THUNK_realloc};

	*low = UINT64_MAX;
	*high = 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		uint64_t at = (uint64_t)(uintptr_t)lookup_next(thunk_info[members[i]].name);

		*low = at < *low ? at : *low;
		*high = at > *high ? at : *high;
	}
	*low -= ALLOCATOR_SLACK;
	*high += ALLOCATOR_SLACK;
	widen_to_module(low, high);
}

static bool returns_to_us(uint32_t id)
{
	return thunk_info[id].way == THUNK_ALLOC || thunk_info[id].way == THUNK_LOCK;
}

static void record(uint32_t id, struct shim_frame *frame, const uint64_t *regs, uint16_t flags)
{
	struct finding_call call = {
		.function = name_of(id),
		.frame = frame,
		.regs = regs,
		.why = thunk_info[id].why,
		.flags = flags,
		.kind = SEG_FIND_UNSAFE_CALL,
	};
	uint64_t now;
	uint32_t finding;
	int saved_errno;

	if (!shim_begin(&saved_errno))
		return;
	now = shim_now_ns();
	if (thunk_info[id].way == THUNK_ALLOC)
		call.flags |= SEG_FIND_ALLOC_CALL;
	if (thunk_info[id].way == THUNK_LOCK)
		call.flags |= SEG_FIND_LOCK_CALL;
	finding = finding_record(&call, now);
	if (returns_to_us(id))
		trampoline_note_call(frame, finding, now);
	shim_end(saved_errno);
}

/* What the handler had interrupted will never go on: whether that does harm is the collector's. */
static void record_jump(uint32_t id, struct shim_frame *frame, const uint64_t *regs, uint32_t left)
{
	struct finding_call call = {
		.function = name_of(id),
		.frame = frame,
		.regs = regs,
		.why = left,
		.kind = SEG_FIND_JUMP,
	};
	int saved_errno;

	if (!shim_begin(&saved_errno))
		return;
	finding_record(&call, shim_now_ns());
	shim_end(saved_errno);
}

/* A handler is left for a stack frame further out: the list forgets it before the jump. */
static void jump(uint32_t id, struct shim_frame *frame, const uint64_t *regs)
{
	uintptr_t target = arch_jump_sp((const void *)regs[ARCH_REG_ARG0]);
	uint32_t left = target ? trampoline_left(target) : 0;
	int saved_errno;

	if (left)
		record_jump(id, frame, regs, left);
	frame = target ? trampoline_active(target) : NULL;
	/* It jumps within its handler, out of a nested one: the call that this interrupted is over.
	 */
	if (frame && frame->finding && shim_begin(&saved_errno)) {
		trampoline_note_call(frame, 0, 0);
		shim_end(saved_errno);
	}
}

/* Its bit of seg_handler.safe_calls. A libc may lack some of these functions, or their thunks. */
static uint8_t safe_bit(uint32_t id)
{
	static const char *const names[] = {
#define NAME(name) #name,
		SEG_SAFE_CALLS(NAME)
#undef NAME
	};
	static _Atomic uint8_t bits[THUNK_COUNT]; /* plus 1 */
	uint8_t bit = atomic_load_explicit(&bits[id], memory_order_relaxed);

	if (bit)
		return bit - 1;
	static_assert(sizeof(names) / sizeof(names[0]) <= 64, "bits of seg_handler.safe_calls");
	while (bit < sizeof(names) / sizeof(names[0]) && strcmp(names[bit], thunk_info[id].name) != 0)
		bit++;
	if (bit == sizeof(names) / sizeof(names[0]))
		bit = 64; /* none of them */
	atomic_store_explicit(&bits[id], bit + 1, memory_order_relaxed);
	return bit;
}

/* Which, not how often: most handlers make one such call each time. */
static void note_safe_call(uint32_t id, struct shim_frame *frame)
{
	uint8_t number = safe_bit(id);
	uint64_t bit = number < 64 ? UINT64_C(1) << number : 0;
	struct seg_handler *record;
	int saved_errno;

	if (!(bit & ~frame->safe_calls) || !shim_begin(&saved_errno))
		return;
	frame->safe_calls |= bit;
	record = segment_record(SEG_HANDLERS, signal_record(frame->disposition));
	if (record)
		atomic_fetch_or((_Atomic uint64_t *)&record->safe_calls, bit);
	shim_end(saved_errno);
}

/* Returns the function that takes the called one's place, NULL: the real one. */
static void *look_at(uint32_t id, const uint64_t *regs)
{
	const struct thunk_info *info = &thunk_info[id];
	struct shim_frame *frame = trampoline_active((uintptr_t)regs);
	void *instead = NULL;

	if (!frame)
		return NULL;
	if (info->way == THUNK_ACT || info->why != SEG_WHY_SAFE)
		frame->has_acted = true;
	if (info->way == THUNK_ALLOC)
		instead = protect_inside(id, frame);
	if (info->way == THUNK_ACT)
		note_safe_call(id, frame);
	if (info->way == THUNK_JUMP)
		jump(id, frame, regs);
	else if (info->why)
		record(id, frame, regs, instead ? SEG_FIND_RESCUED : 0);
	return instead;
}

void *thunk_enter(uint32_t id, const uint64_t *regs)
{
	void *instead = shim_self.frame && !shim_is_off() ? look_at(id, regs) : NULL;

	return instead ? instead : find(id);
}

void thunk_leave(void)
{
	struct shim_frame *frame = shim_self.frame;
	int saved_errno;

	if (!frame || !frame->finding || !shim_begin(&saved_errno))
		return;
	trampoline_note_call(frame, 0, 0);
	shim_end(saved_errno);
}
