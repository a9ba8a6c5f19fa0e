/*
 * Call frame information, as far as one must know it to go from a frame to its caller: FDEs by
 * .eh_frame_hdr's search table, and the rules for the canonical frame address (CFA), the return
 * address and the frame pointer. Sources: DWARF 5 section 6.4; LSB 5.0, "Exception Frames".
 *
 * No lock, no allocation, no memory but the caller's: async-signal-safe. The tables are trusted as
 * the code beside them is; every walk in them is bounded all the same.
 */
#ifndef LOCKJAM_CFI_H
#define LOCKJAM_CFI_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

/* An FDE and the CIE that it refers to. */
struct cfi_function {
	uint64_t start, end;                  /* code that it covers */
	const uint8_t *program, *program_end; /* the FDE's instructions */
	const uint8_t *initial, *initial_end; /* the CIE's */
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t encoding; /* of addresses, DW_EH_PE_* */
	bool has_length;  /* augmentation data follow */
	bool is_signal;   /* a frame that the kernel made: its pc is exact */
};

/* The FDE that covers pc; false if there is none or its form is unusual. */
bool cfi_find(const struct dl_find_object *object, uint64_t pc, struct cfi_function *function);

enum cfi_how {
	CFI_SAME = 0,   /* the caller's value is still in the register */
	CFI_UNDEFINED,  /* as a return address: there is no caller */
	CFI_OFFSET,     /* saved at CFA + offset */
	CFI_REGISTER,   /* register + offset; for the CFA only */
	CFI_EXPRESSION, /* saved at the address that the expression gives; for the CFA: it gives it */
	CFI_VALUE,      /* is what the expression gives */
};

struct cfi_rule {
	enum cfi_how how;
	uint32_t reg;
	int64_t offset;
	const uint8_t *expression;
	uint64_t length;
};

struct cfi_rules {
	struct cfi_rule cfa, return_address, frame_pointer;
};

/* The rules at pc; false if an instruction is not known. */
bool cfi_rules_at(const struct cfi_function *function, uint64_t pc, struct cfi_rules *rules);

/*
 * A DWARF expression over the two registers that are known. `read` gets 8 bytes of memory or
 * fails. False if it needs what is not there.
 */
struct cfi_machine {
	uint64_t sp, fp;
	bool (*read)(uint64_t address, uint64_t *value);
};
bool cfi_evaluate(const struct cfi_rule *rule, const struct cfi_machine *machine, uint64_t initial,
		  uint64_t *result);

#endif
