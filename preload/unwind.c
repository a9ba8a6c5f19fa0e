/*
 * The calling thread's stack: see unwind.h.
 *
 * What the rules say at an address is packed into 64 bits and remembered in a table without locks: a
 * slot holds the address mixed with the rule, so a slot that two threads write at once does not
 * answer at all. Frames with expressions (signal frames) are worked out each time.
 *
 * Memory: the stack is read only between the current stack pointer and the highest page that is known
 * to be there; a new page is asked for with a system call, and remembered for the thread.
 */
#include <dlfcn.h>
#include <stdatomic.h>

#include "preload/cfi.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define CACHE_SLOTS 1024 /* a power of two */
#define PAGE UINT64_C(4096)
#define MAX_FRAME (UINT64_C(64) << 20) /* a larger one is an error in the tables */

static struct {
	struct {
		_Atomic uint64_t key;  /* address ^ rule */
		_Atomic uint64_t rule;
	} slots[CACHE_SLOTS];
} cache;

/* This module, so that its own frames can be left out. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* --- packed rules ---------------------------------------------------------------------------------- */

enum {
	PACKED_VALID = 1 << 0,
	PACKED_LAST = 1 << 1,     /* no caller */
	PACKED_CFA_FP = 1 << 2,   /* CFA = frame pointer + offset, else stack pointer + offset */
	PACKED_CFA_DEREF = 1 << 3, /* the CFA stands there: a frame that was aligned */
	PACKED_FP_CFA = 1 << 4,   /* the caller's frame pointer is saved at CFA + offset */
	PACKED_FP_FP = 1 << 5,    /* it is saved where the frame pointer leads + offset */
};

struct rule {
	uint32_t bits;
	int32_t cfa_offset; /* 24 bits */
	int32_t ra_offset;  /* 16 bits */
	int32_t fp_offset;  /* 16 bits */
};

static uint64_t pack(const struct rule *rule)
{
	return rule->bits | (uint64_t)(rule->cfa_offset & 0xffffff) << 8 |
	       (uint64_t)(rule->ra_offset & 0xffff) << 32 | (uint64_t)(rule->fp_offset & 0xffff) << 48;
}

static struct rule unpack(uint64_t packed)
{
	return (struct rule){
		.bits = packed & 0xff,
		.cfa_offset = (int32_t)(packed >> 8 << 8) >> 8,
		.ra_offset = (int16_t)(packed >> 32),
		.fp_offset = (int16_t)(packed >> 48),
	};
}

static bool fits(const struct rule *rule)
{
	const struct rule back = unpack(pack(rule));

	return back.cfa_offset == rule->cfa_offset && back.ra_offset == rule->ra_offset &&
	       back.fp_offset == rule->fp_offset;
}

/* breg `reg` offset, and nothing else or a deref behind it. */
static bool is_register_offset(const struct cfi_rule *rule, uint32_t reg, bool deref, int32_t *offset)
{
	const uint8_t *e = rule->expression;
	uint64_t length = 2 + deref;

	if (rule->how != CFI_EXPRESSION || rule->length != length || e[0] != 0x70 + reg ||
	    e[1] & 0x80 || (deref && e[2] != 0x06))
		return false;
	*offset = e[1] & 0x40 ? e[1] - 0x80 : e[1];
	return true;
}

static bool simplify_cfa(const struct cfi_rule *cfa, struct rule *rule)
{
	if (is_register_offset(cfa, ARCH_REG_FP, true, &rule->cfa_offset)) {
		rule->bits |= PACKED_CFA_FP | PACKED_CFA_DEREF;
		return true;
	}
	if (cfa->how != CFI_REGISTER || (cfa->reg != ARCH_REG_FP && cfa->reg != ARCH_REG_SP))
		return false;
	if (cfa->reg == ARCH_REG_FP)
		rule->bits |= PACKED_CFA_FP;
	rule->cfa_offset = (int32_t)cfa->offset;
	return cfa->offset == rule->cfa_offset;
}

/* The usual forms; false for those that need an expression to be worked out. */
static bool simplify(const struct cfi_rules *rules, struct rule *rule)
{
	const struct cfi_rule *fp = &rules->frame_pointer;

	*rule = (struct rule){ .bits = PACKED_VALID };
	if (rules->return_address.how == CFI_UNDEFINED) {
		rule->bits |= PACKED_LAST;
		return true;
	}
	if (rules->return_address.how != CFI_OFFSET || !simplify_cfa(&rules->cfa, rule))
		return false;
	rule->ra_offset = (int32_t)rules->return_address.offset;
	if (fp->how == CFI_OFFSET) {
		rule->bits |= PACKED_FP_CFA;
		rule->fp_offset = (int32_t)fp->offset;
	} else if (is_register_offset(fp, ARCH_REG_FP, false, &rule->fp_offset)) {
		rule->bits |= PACKED_FP_FP;
	} else if (fp->how != CFI_SAME && fp->how != CFI_UNDEFINED) {
		return false;
	}
	return fits(rule);
}

static uint32_t slot_of(uint64_t pc)
{
	return (uint32_t)(pc * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (CACHE_SLOTS - 1);
}

static uint64_t recall(uint64_t pc)
{
	uint32_t slot = slot_of(pc);
	uint64_t packed = atomic_load_explicit(&cache.slots[slot].rule, memory_order_relaxed);

	return (atomic_load_explicit(&cache.slots[slot].key, memory_order_relaxed) ^ packed) == pc
		       ? packed
		       : 0;
}

static void remember(uint64_t pc, uint64_t packed)
{
	uint32_t slot = slot_of(pc);

	atomic_store_explicit(&cache.slots[slot].rule, packed, memory_order_relaxed);
	atomic_store_explicit(&cache.slots[slot].key, pc ^ packed, memory_order_relaxed);
}

/* --- memory ----------------------------------------------------------------------------------------- */

/* Grows the range of stack that is known to be there upwards to `address`. */
static bool extend(uint64_t address)
{
	while (shim_self.stack_high <= address) {
		if (!sys_is_readable(shim_self.stack_high))
			return false;
		shim_self.stack_high += PAGE;
	}
	return true;
}

static bool read_word(uint64_t address, uint64_t *value)
{
	if (address & 7 || address < shim_self.stack_low)
		return false;
	if (shim_unlikely(address >= shim_self.stack_high) && !extend(address))
		return false;
	*value = *(const uint64_t *)(uintptr_t)address;
	return true;
}

/* The stack that we run on: the range of the last time if it is the same one. */
static void note_stack(uint64_t sp)
{
	if (sp >= shim_self.stack_low && sp < shim_self.stack_high)
		return;
	if (sp < shim_self.stack_low && shim_self.stack_low - sp < 16 * PAGE) {
		shim_self.stack_low = sp & ~(PAGE - 1);
		return;
	}
	shim_self.stack_low = sp & ~(PAGE - 1);
	shim_self.stack_high = shim_self.stack_low + PAGE;
}

/* --- frames ----------------------------------------------------------------------------------------- */

struct cursor {
	struct unwind_trace *trace;
	uint64_t pc, sp, fp;
	uint64_t fp_at; /* where fp was saved, until it has been used */
	bool exact;     /* pc is an instruction that was interrupted, not the one behind a call */
};

static bool go_to(struct cursor *cursor, uint64_t cfa, uint64_t pc, uint64_t fp)
{
	if (cfa <= cursor->sp || cfa - cursor->sp > MAX_FRAME || !pc)
		return false;
	cursor->pc = arch_strip_pc(pc);
	cursor->sp = cfa;
	cursor->fp = fp;
	cursor->exact = false;
	return true;
}

static void trace_word(struct unwind_trace *trace, uint64_t address, uint64_t value)
{
	if (!trace)
		return;
	if (trace->count >= UNWIND_WORDS) {
		trace->count = UNWIND_WORDS + 1;
		return;
	}
	trace->words[trace->count].address = address;
	trace->words[trace->count++].value = value;
}

static bool read_traced(struct cursor *cursor, uint64_t address, uint64_t *value)
{
	if (!read_word(address, value))
		return false;
	trace_word(cursor->trace, address, *value);
	return true;
}

/*
 * A saved frame pointer matters only once an address is made of it: most code keeps any value in
 * that register.
 */
static uint64_t use_fp(struct cursor *cursor)
{
	if (cursor->fp_at)
		trace_word(cursor->trace, cursor->fp_at, cursor->fp);
	cursor->fp_at = 0;
	return cursor->fp;
}

static bool load_fp(uint64_t address, uint64_t *fp, uint64_t *fp_at)
{
	*fp_at = address;
	return read_word(address, fp);
}

static bool step_by_rule(struct cursor *cursor, const struct rule *rule)
{
	uint64_t cfa, pc, fp = cursor->fp, fp_at = cursor->fp_at;

	if (rule->bits & PACKED_LAST)
		return false;
	cfa = (rule->bits & PACKED_CFA_FP ? use_fp(cursor) : cursor->sp) +
	      (uint64_t)rule->cfa_offset;
	if (rule->bits & PACKED_CFA_DEREF && !read_traced(cursor, cfa, &cfa))
		return false;
	if (cfa <= cursor->sp || cfa - cursor->sp > MAX_FRAME ||
	    !read_traced(cursor, cfa + (uint64_t)rule->ra_offset, &pc))
		return false;
	if (rule->bits & PACKED_FP_CFA && !load_fp(cfa + (uint64_t)rule->fp_offset, &fp, &fp_at))
		return false;
	if (rule->bits & PACKED_FP_FP &&
	    !load_fp(use_fp(cursor) + (uint64_t)rule->fp_offset, &fp, &fp_at))
		return false;
	if (!go_to(cursor, cfa, pc, fp))
		return false;
	cursor->fp_at = fp_at;
	return true;
}

static bool value_of(const struct cfi_rule *rule, const struct cfi_machine *machine, uint64_t cfa,
		     uint64_t *value)
{
	uint64_t address;

	switch (rule->how) {
	case CFI_SAME:
		return true;
	case CFI_OFFSET:
		return machine->read(cfa + (uint64_t)rule->offset, value);
	case CFI_EXPRESSION:
		return cfi_evaluate(rule, machine, cfa, &address) && machine->read(address, value);
	case CFI_VALUE:
		return cfi_evaluate(rule, machine, cfa, value);
	default:
		return false;
	}
}

/*
 * A signal frame, or another with expressions. The interrupted code may have run on another
 * stack: then what is known about ours ends here.
 */
static bool step_by_expressions(struct cursor *cursor, const struct cfi_rules *rules, bool is_signal)
{
	const struct cfi_machine machine = { cursor->sp, cursor->fp, read_word };
	uint64_t cfa, pc = 0, fp = cursor->fp;

	if (cursor->trace)
		cursor->trace->count = UNWIND_WORDS + 1;
	if (rules->cfa.how == CFI_EXPRESSION) {
		if (!cfi_evaluate(&rules->cfa, &machine, 0, &cfa))
			return false;
	} else if (rules->cfa.how == CFI_REGISTER && rules->cfa.reg == ARCH_REG_SP) {
		cfa = cursor->sp + (uint64_t)rules->cfa.offset;
	} else {
		return false;
	}
	if (!value_of(&rules->return_address, &machine, cfa, &pc) ||
	    !value_of(&rules->frame_pointer, &machine, cfa, &fp))
		return false;
	if (!is_signal)
		return go_to(cursor, cfa, pc, fp);
	cursor->pc = pc;
	cursor->sp = cfa;
	cursor->fp = fp;
	cursor->exact = true;
	if (!sys_is_readable(cfa))
		return false;
	note_stack(cfa);
	return pc != 0;
}

static bool step(struct cursor *cursor)
{
	uint64_t pc = cursor->pc - !cursor->exact, packed = recall(pc);
	struct dl_find_object object;
	struct cfi_function function;
	struct cfi_rules rules;
	struct rule rule;

	if (shim_unlikely(!packed)) {
		if (real_functions._dl_find_object((void *)(uintptr_t)pc, &object) != 0)
			return false;
		/* The kernel's frame is entered at its start, not behind a call. */
		if (!cfi_find(&object, pc, &function) && !cfi_find(&object, pc + 1, &function))
			return false;
		if (!cfi_rules_at(&function, pc + function.is_signal, &rules))
			return false;
		if (function.is_signal || !simplify(&rules, &rule))
			return step_by_expressions(cursor, &rules, function.is_signal);
		packed = pack(&rule);
		remember(pc, packed);
	}
	rule = unpack(packed);
	return step_by_rule(cursor, &rule);
}

static bool is_ours(uint64_t pc)
{
	return pc >= (uintptr_t)__ehdr_start && pc < (uintptr_t)_end;
}

uint32_t unwind_from(const struct unwind_start *start, uint64_t *pcs, uint32_t max,
		     struct unwind_trace *trace)
{
	struct cursor cursor = { trace, start->pc, start->sp, start->fp, 0, true };
	uint32_t count = 0;

	if (trace) {
		trace->sp = start->sp;
		trace->fp = start->fp;
		trace->count = 0;
	}
	if (!real_functions._dl_find_object)
		return 0;
	note_stack(start->sp);
	for (uint32_t guard = 0; count < max && guard < 2 * max && step(&cursor); guard++)
		if (count || !is_ours(cursor.pc))
			pcs[count++] = cursor.pc;
	return count;
}

bool unwind_is_same(const struct unwind_start *start, const struct unwind_trace *trace)
{
	if (start->sp != trace->sp || start->fp != trace->fp || trace->count > UNWIND_WORDS)
		return false;
	for (uint32_t i = 0; i < trace->count; i++) {
		uint64_t address = trace->words[i].address;

		if (address < shim_self.stack_low || address >= shim_self.stack_high ||
		    *(const uint64_t *)(uintptr_t)address != trace->words[i].value)
			return false;
	}
	return true;
}
