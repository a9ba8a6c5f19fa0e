/* Findings: see finding.h. Lock-free; a handler that interrupts any of this may come here again. */
#include <stdatomic.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <ucontext.h>

#include "preload/finding.h"
#include "preload/sys.h"
#include "preload/thunk.h"

#define SITES 1024 /* of the private index; a power of two, above the table's capacity */
#define PROBES 64
#define HINT_WORDS 64
#define SLICE_BYTES (32 * 1024)
#define SLICE_BYTES_MIN (4 * 1024)
#define SLICE_BYTES_MAX (128 * 1024) /* where the handler's own frames are large */
#define SLICE_SHARE 64 /* of the room that is left, one slice takes at most one part in this */
#define PAGE 4096
#define NAME_MAX_BYTES 64
#define NO_ROOM UINT32_MAX
/*
 * The last part of the table is for what is left of many sites: calls of one function at one place that
 * interrupted ever more functions. They share a record, which says nothing of what was interrupted.
 */
#define SHARED_PART 4

/*
 * Which finding a site has: a private index, since the table of the segment is not to be searched
 * in a handler. Keys hold the epoch, so a forked child does not find its parent's.
 */
struct site {
	_Atomic uint64_t key;     /* 0 = free */
	_Atomic uint32_t finding; /* 0 while its record is being written */
	_Atomic uint32_t pending; /* calls counted meanwhile */
};

static struct {
	struct site sites[SITES];
	_Atomic uint64_t epoch;
	_Atomic uint64_t allocator_low, allocator_high;
} index_;

/* What tells one site from another. */
struct key {
	const char *function;
	uint64_t caller;
	uint64_t interrupted_function;
	int signo;
	uint16_t flags;
	bool is_shared; /* whatever was interrupted */
};

/* --- reading stacks that may end anywhere ---------------------------------------------------- */

/* How many bytes from `from` on can be read, at most `wanted`. */
static uint32_t readable(uintptr_t from, uint32_t wanted)
{
	uintptr_t at = from;

	while (at - from < wanted && sys_is_readable(at))
		at = (at | (PAGE - 1)) + 1;
	return at - from < wanted ? (uint32_t)(at - from) : wanted;
}

static void find_allocator(void)
{
	uint64_t low, high;

	if (atomic_load(&index_.allocator_high))
		return;
	thunk_allocator_range(&low, &high);
	atomic_store(&index_.allocator_low, low);
	atomic_store(&index_.allocator_high, high);
}

bool finding_is_allocator(uint64_t pc)
{
	find_allocator();
	return pc >= atomic_load_explicit(&index_.allocator_low, memory_order_relaxed) &&
	       pc < atomic_load_explicit(&index_.allocator_high, memory_order_relaxed);
}

/* A guess: does the interrupted code look as if it were inside the allocator? */
static bool is_maybe_allocator(const struct shim_frame *frame)
{
	const uint64_t *words = (const uint64_t *)(frame->interrupted_sp & ~(uintptr_t)7);
	uint32_t count;

	if (finding_is_allocator(frame->interrupted_pc))
		return true;
	count = readable((uintptr_t)words, HINT_WORDS * 8) / 8;
	for (uint32_t i = 0; i < count; i++)
		if (finding_is_allocator(words[i]))
			return true;
	return false;
}

/* --- slices ---------------------------------------------------------------------------------- */

static bool copy_slice(struct seg_slice *slice, uintptr_t from, uint32_t wanted)
{
	uint32_t length = readable(from, wanted) & ~7u, offset;
	void *to = length ? segment_slice_reserve(length, &offset) : NULL;

	if (!to)
		return false;
	memcpy(to, (const void *)from, length);
	*slice = (struct seg_slice){.address = from, .offset = offset, .length = length};
	return true;
}

/* Names the modules of everything in a slice that looks like an address of code. */
static void note_modules(const struct seg_slice *slice)
{
	const uint64_t *words = (const uint64_t *)slice->address;

	for (uint32_t i = 0; i < slice->length / 8; i++)
		if (words[i] >= PAGE && words[i] >> 47 == 0 &&
		    words[i] - slice->address >= slice->length)
			module_note(words[i]);
}

/* Shorter ones when room gets scarce, so that late sites have a stack as well. */
static uint32_t slice_bytes(void)
{
	const struct seg_table *table = &segment_get()->tables[SEG_SLICES];
	uint32_t left = table->capacity > table->used ? table->capacity - table->used : 0;

	if (left / SLICE_SHARE < SLICE_BYTES_MIN)
		return SLICE_BYTES_MIN;
	return left / SLICE_SHARE < SLICE_BYTES ? left / SLICE_SHARE : SLICE_BYTES;
}

/*
 * On the handler's own stack: up to the saved context, which must be in the slice, and on if the
 * interrupted code is there too.
 */
static uint32_t first_length(const struct shim_frame *frame, uintptr_t sp, bool is_switched)
{
	uintptr_t end = (uintptr_t)frame->context + sizeof(ucontext_t);
	uint64_t length = (end > sp ? end - sp : 0) + PAGE;

	if (is_switched && length > frame->alt_high - sp)
		length = frame->alt_high - sp;
	else if (!is_switched && length < slice_bytes())
		length = slice_bytes();
	return length < SLICE_BYTES_MAX ? (uint32_t)length : SLICE_BYTES_MAX;
}

/*
 * The handler that came from another stack to the alternate one, on which it runs, or on which the ones
 * that nest in it run. NULL: none did.
 */
static const struct shim_frame *switched_frame(const struct shim_frame *frame)
{
	while (frame && frame->on_alt && frame->interrupted_sp >= frame->alt_low &&
	       frame->interrupted_sp < frame->alt_high)
		frame = frame->prev;
	return frame && frame->on_alt ? frame : NULL;
}

static void copy_stacks(struct seg_finding *record, const struct finding_call *call)
{
	const struct shim_frame *switched = switched_frame(call->frame);
	const struct shim_frame *last = switched ? switched : call->frame;
	uintptr_t sp = call->regs[ARCH_REG_SP];

	if (switched)
		record->flags |= SEG_FIND_ALTSTACK;
	record->context = (uint64_t)(uintptr_t)call->frame->context;
	if (!copy_slice(&record->slices[0], sp, first_length(last, sp, switched))) {
		record->flags |= SEG_FIND_NO_SLICE;
		return;
	}
	note_modules(&record->slices[0]);
	if (switched &&
	    copy_slice(&record->slices[1],
		       (switched->interrupted_sp & ~(uintptr_t)7) - ARCH_RED_ZONE, slice_bytes()))
		note_modules(&record->slices[1]);
}

/* --- the record ------------------------------------------------------------------------------ */

/* As the program's source has it: __printf_chk is what printf becomes under _FORTIFY_SOURCE. */
static uint32_t name_string(const char *name)
{
	char plain[NAME_MAX_BYTES];
	size_t length = strlen(name), skip = strncmp(name, "__isoc99_", 9) == 0 ? 9 : 2;

	if (length >= sizeof(plain) || length < 7 || strncmp(name, "__", 2) != 0)
		return segment_string(name);
	if (strcmp(name + length - 4, "_chk") == 0)
		length -= 4;
	else if (skip == 2)
		return segment_string(name);
	memcpy(plain, name + skip, length - skip);
	plain[length - skip] = '\0';
	return segment_string(plain);
}

static uint32_t write_record(const struct finding_call *call, const struct key *key, uint64_t now)
{
	const struct shim_frame *frame = call->frame;
	struct seg_finding *record;
	uint32_t index = segment_append(SEG_FINDINGS, (void **)&record);

	if (!index)
		return NO_ROOM;
	record->kind = call->kind;
	record->flags = key->flags;
	record->function = name_string(call->function);
	record->why = call->why;
	record->signo = key->signo;
	record->handler =
		signal_record(frame->disposition); /* of this segment: it may have forked */
	record->thread = segment_thread();
	record->caller = key->caller;
	record->interrupted_pc = key->is_shared ? 0 : frame->interrupted_pc;
	record->interrupted_function = key->interrupted_function;
	record->first_ns = record->last_ns = now;
	memcpy(record->regs, call->regs, ARCH_REGS * sizeof(uint64_t));
	if (key->flags & SEG_FIND_HELD)
		memcpy(record->held, frame->held, sizeof(record->held));
	module_note(key->caller);
	if (key->is_shared) {
		record->flags |= SEG_FIND_NO_SLICE;
	} else {
		module_note(frame->interrupted_pc);
		copy_stacks(record, call);
	}
	segment_publish(&record->seq);
	segment_event(SEG_EV_FINDING, 0, 0, index, 0);
	return index;
}

static void count(uint32_t finding, uint32_t calls, uint64_t now)
{
	struct seg_finding *record = segment_record(SEG_FINDINGS, finding);

	if (!record) {
		atomic_fetch_add((_Atomic uint32_t *)&segment_get()->lost_findings, calls);
		return;
	}
	atomic_fetch_add_explicit((_Atomic uint64_t *)&record->count, calls, memory_order_relaxed);
	atomic_store_explicit((_Atomic uint64_t *)&record->last_ns, now, memory_order_relaxed);
}

/* --- the index ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
	return hash ^ hash >> 29;
}

static uint64_t hash_key(const struct key *key)
{
	uint64_t hash = mix(segment_epoch(), (uintptr_t)key->function);

	hash = mix(hash, key->caller);
	hash = mix(hash, key->is_shared ? 1 : key->interrupted_function);
	hash = mix(hash, (uint64_t)key->signo << 16 | key->flags);
	return hash ? hash : 1;
}

/* Our ancestors' sites only take room. The first event of a child has no other thread beside it. */
static void start_epoch(void)
{
	uint64_t epoch = segment_epoch(), old = atomic_load(&index_.epoch);

	if (old == epoch || !atomic_compare_exchange_strong(&index_.epoch, &old, epoch))
		return;
	if (old)
		memset(index_.sites, 0, sizeof(index_.sites));
}

/* The site's place, new (only where `may_add`) or not; NULL when there is none, or the index is full. */
static struct site *find_site(uint64_t key, bool may_add, bool *is_new)
{
	*is_new = false;
	for (uint32_t i = 0; i < PROBES; i++) {
		struct site *site = &index_.sites[(key + i) % SITES];
		uint64_t found = atomic_load_explicit(&site->key, memory_order_relaxed);

		if (found == key)
			return site;
		if (!found && !may_add)
			return NULL;
		if (!found && atomic_compare_exchange_strong(&site->key, &found, key)) {
			*is_new = true;
			return site;
		}
		if (found == key)
			return site;
	}
	return NULL;
}

/* Who finds the record unfinished (its writer may be the code that we interrupt) leaves its call
 * here. */
static void count_pending(struct site *site, uint64_t now)
{
	uint32_t finding = atomic_load(&site->finding), calls;

	if (finding && (calls = atomic_exchange(&site->pending, 0)) != 0)
		count(finding, calls, now);
}

/* What was interrupted is the same for all calls of a handler's run. */
static void describe(struct shim_frame *frame)
{
	if (shim_likely(frame->is_described))
		return;
	frame->interrupted_function = module_function_start(frame->interrupted_pc);
	frame->is_maybe_allocator = is_maybe_allocator(frame);
	frame->is_described = true;
}

static struct key key_of(const struct finding_call *call)
{
	struct key key = {
		.function = call->function,
		.caller = call->regs[ARCH_REG_PC],
		.interrupted_function = call->frame->interrupted_function,
		.signo = call->frame->disposition->signo,
		.flags = call->flags,
	};

	if (call->frame->is_maybe_allocator)
		key.flags |= SEG_FIND_MAYBE_ALLOC;
	if (!__libc_single_threaded)
		key.flags |= SEG_FIND_THREADED;
	if (call->frame->epoch && call->frame->epoch != segment_epoch())
		key.flags |= SEG_FIND_INHERITED;
	if (call->frame->held_count && call->frame->held_epoch == segment_epoch())
		key.flags |= SEG_FIND_HELD;
	if (key.flags & SEG_FIND_HELD && call->frame->held_count > SEG_HELD)
		key.flags |= SEG_FIND_HELD_MORE;
	return key;
}

static bool is_scarce(void)
{
	const struct seg_table *table = &segment_get()->tables[SEG_FINDINGS];

	return table->used >= table->capacity - table->capacity / SHARED_PART;
}

static struct site *find_any_site(struct key *key, bool *is_new)
{
	struct site *site = find_site(hash_key(key), !is_scarce(), is_new);

	if (site)
		return site;
	key->is_shared = true;
	key->interrupted_function = 0;
	return find_site(hash_key(key), true, is_new);
}

/* The site is new, or is being written at this moment. */
static uint32_t record_new(struct site *site, const struct finding_call *call,
			   const struct key *key, bool is_new, uint64_t now)
{
	atomic_fetch_add(&site->pending, 1);
	if (is_new)
		atomic_store(&site->finding, write_record(call, key, now));
	count_pending(site, now);
	return atomic_load(&site->finding);
}

uint32_t finding_record(const struct finding_call *call, uint64_t now_ns)
{
	struct site *site;
	struct key key;
	uint32_t finding;
	bool is_new;

	start_epoch();
	describe(call->frame);
	key = key_of(call);
	site = find_any_site(&key, &is_new);
	if (!site) {
		count(0, 1, now_ns);
		return 0;
	}
	finding = atomic_load_explicit(&site->finding, memory_order_acquire);
	if (shim_likely(finding))
		count(finding, 1, now_ns);
	else
		finding = record_new(site, call, &key, is_new, now_ns);
	return finding == NO_ROOM ? 0 : finding;
}
