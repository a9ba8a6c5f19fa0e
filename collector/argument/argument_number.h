/*
 * The numbers that DWARF expressions compute with. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_NUMBER_H
#define LOCKJAM_ARGUMENT_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum number_kind {
	KIND_GENERIC, /* an integer of the size of an address, of no type */
	KIND_SIGNED,
	KIND_UNSIGNED,
	KIND_FLOAT, /* 4 or 8 bytes */
};

/* Invariant: bits hold the value sign- or zero-extended from `size`. */
struct number {
	uint64_t bits;
	enum number_kind kind;
	unsigned size; /* bytes: 1, 2, 4 or 8 */
};

/* Not an operation of this kind. */
enum {
	NUMBER_NO_OPERATION = 1
};

struct number number_generic(uint64_t bits);
/* The number whose representation in memory is `bytes` (little endian), of type's kind and size. */
struct number number_load(struct number type, uint64_t bytes);
struct number number_convert(struct number v, struct number type);
bool number_is_true(struct number v);

/* `atom` is the DW_OP_*. 0, NUMBER_NO_OPERATION, or -EINVAL (types that do not go together,
 * division by zero); *out is only set on success. */
int number_binary(unsigned atom, struct number a, struct number b, struct number *out);
int number_unary(unsigned atom, struct number v, struct number *out);

#endif
