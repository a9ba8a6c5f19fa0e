/*
 * Locations of arguments: the answers that the expression machine asks for, from one frame, and the
 * bytes of a value from where the machine says it is.
 */
#include "collector/argument/argument_view.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- answers to the machine --------------------------------------------------------------------
 */

static int env_register(void *context, uint64_t number, uint64_t *value)
{
	const struct argument_view *v = context;

	if (number >= 64)
		return -ENXIO;
	if (!(v->frame->known >> number & 1))
		return v->frame->lost >> number & 1 ? -ENODATA : -ENXIO;
	*value = v->frame->registers[number];
	return 0;
}

static int env_memory(void *context, uint64_t address, void *data, size_t size)
{
	const struct argument_view *v = context;

	return v->source->read_memory(v->source->context, address, data, size) ? 0 : -EFAULT;
}

/* Evaluates other operations of the same frame; the attribute of those around it is put back. */
static int compute_inner(struct argument_view *v, const Dwarf_Op *ops, size_t count,
			 uint64_t *value)
{
	struct expression_env env = argument_env(v);
	struct number result;
	int error = v->depth < ARGUMENT_DEPTH ? 0 : -ELOOP;

	v->depth++;
	if (!error)
		error = expression_compute(&env, ops, count, v->steps, &result);
	v->depth--;
	if (error)
		return error == -ENXIO ? error : -ENODATA;
	*value = result.bits;
	return 0;
}

static int env_frame_base(void *context, uint64_t *value)
{
	struct argument_view *v = context;
	Dwarf_Attribute outer = v->attr, attr;
	Dwarf_Op *ops;
	size_t count;
	int error;

	if (!dwarf_attr_integrate(&v->function, DW_AT_frame_base, &attr))
		return -ENODATA;
	error = argument_decode(v, &attr, &ops, &count);
	if (!error)
		error = compute_inner(v, ops, count, value);
	v->attr = outer;
	return error;
}

static int compute_cfa(struct argument_view *v, Dwarf_CFI *cfi, Dwarf_Addr bias, uint64_t *value)
{
	uint64_t pc = v->frame->pc - (v->frame->is_exact ? 0 : 1) - v->shift;
	Dwarf_Frame *frame;
	Dwarf_Op *ops;
	size_t count;
	int error = -ENODATA;

	if (!cfi || dwarf_cfi_addrframe(cfi, pc - bias, &frame))
		return -ENODATA;
	if (!dwarf_frame_cfa(frame, &ops, &count) && count)
		error = compute_inner(v, ops, count, value);
	free(frame);
	return error;
}

static int env_frame_cfa(void *context, uint64_t *value)
{
	struct argument_view *v = context;
	Dwarf_Addr bias = 0;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(v->module, &bias);

	if (!compute_cfa(v, cfi, bias, value))
		return 0;
	cfi = dwfl_module_dwarf_cfi(v->module, &bias);
	return compute_cfa(v, cfi, bias, value);
}

static int env_relocate(void *context, uint64_t address, uint64_t *value)
{
	const struct argument_view *v = context;

	*value = address + v->bias;
	return 0;
}

static int env_indexed(void *context, const Dwarf_Op *op, uint64_t *value)
{
	struct argument_view *v = context;
	Dwarf_Attribute attr;
	Dwarf_Addr address;
	Dwarf_Word word;

	if (dwarf_getlocation_attr(&v->attr, op, &attr))
		return -ENODATA;
	if (op->atom == DW_OP_addrx || op->atom == DW_OP_GNU_addr_index) {
		if (dwarf_formaddr(&attr, &address))
			return -ENODATA;
		*value = address + v->bias;
		return 0;
	}
	if (dwarf_formudata(&attr, &word))
		return -ENODATA;
	*value = word;
	return 0;
}

static int env_entry_value(void *context, const Dwarf_Op *op, struct number *value)
{
	struct argument_view *v = context;

	return v->entry_value ? v->entry_value(v, op, value) : -ENODATA;
}

static int env_base_type(void *context, const Dwarf_Op *op, struct number *type)
{
	struct argument_view *v = context;
	Dwarf_Attribute attr;
	Dwarf_Word size, encoding;
	Dwarf_Die die;

	if (dwarf_getlocation_die(&v->attr, op, &die) || dwarf_tag(&die) != DW_TAG_base_type)
		return -EINVAL;
	if (dwarf_formudata(dwarf_attr(&die, DW_AT_byte_size, &attr), &size) ||
	    dwarf_formudata(dwarf_attr(&die, DW_AT_encoding, &attr), &encoding))
		return -EINVAL;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return -ENOTSUP;
	type->size = (unsigned)size;
	type->kind = KIND_UNSIGNED;
	if (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char)
		type->kind = KIND_SIGNED;
	else if (encoding == DW_ATE_float)
		type->kind = KIND_FLOAT;
	return type->kind == KIND_FLOAT && size < 4 ? -ENOTSUP : 0;
}

static int env_block(void *context, const Dwarf_Op *op, const unsigned char **bytes,
		     uint64_t *length)
{
	struct argument_view *v = context;
	Dwarf_Attribute attr;
	Dwarf_Block block;

	if (dwarf_getlocation_attr(&v->attr, op, &attr) || dwarf_formblock(&attr, &block))
		return -EINVAL;
	*bytes = block.data;
	*length = block.length;
	return 0;
}

struct expression_env argument_env(struct argument_view *v)
{
	return (struct expression_env){
		.context = v,
		.read_register = env_register,
		.read_memory = env_memory,
		.frame_base = env_frame_base,
		.frame_cfa = env_frame_cfa,
		.relocate = env_relocate,
		.indexed = env_indexed,
		.entry_value = env_entry_value,
		.base_type = env_base_type,
		.block = env_block,
	};
}

/* --- the frame ---------------------------------------------------------------------------------
 */

int argument_view_init(struct argument_view *v, const struct argument_source *source,
		       const struct argument_frame *frame, Dwarf_Die *function, unsigned *steps)
{
	uint64_t pc = frame->pc - (frame->is_exact ? 0 : 1);
	struct argument_place place = {.module = NULL};
	Dwarf_Addr bias;

	memset(v, 0, sizeof(*v));
	if (!source->find_place(source->context, pc, &place) ||
	    !dwfl_module_getdwarf(place.module, &bias) || (!function && !place.has_function))
		return -ENODATA;
	v->source = source;
	v->frame = frame;
	v->steps = steps;
	v->module = place.module;
	v->shift = place.shift;
	v->bias = place.shift + bias;
	v->lookup = pc - v->bias;
	v->function = function ? *function : place.function;
	return 0;
}

int argument_view_beside(struct argument_view *v, const struct argument_view *from,
			 const struct argument_frame *frame)
{
	int error = argument_view_init(v, from->source, frame, NULL, from->steps);

	v->entry_value = from->entry_value;
	return error;
}

int argument_decode(struct argument_view *v, Dwarf_Attribute *attr, Dwarf_Op **ops, size_t *count)
{
	v->attr = *attr;
	if (dwarf_getlocation_addr(&v->attr, v->lookup, ops, count, 1) != 1)
		return -ENODATA;
	return 0;
}

/* --- the bytes ---------------------------------------------------------------------------------
 */

static int fetch_place(struct argument_view *v, const struct expression_place *place,
		       unsigned char *bytes, unsigned size, uint64_t *fault)
{
	uint64_t raw = place->value.bits;
	int error = 0;

	switch (place->kind) {
	case PLACE_MEMORY:
		*fault = raw;
		return env_memory(v, raw, bytes, size);
	case PLACE_REGISTER:
		error = env_register(v, place->value.bits, &raw);
		break;
	case PLACE_VALUE:
		break;
	case PLACE_BYTES:
		if (place->length < size)
			return -EINVAL;
		memcpy(bytes, place->bytes, size);
		return 0;
	default:
		return -ENODATA;
	}
	if (error || size > sizeof(raw))
		return error ? error : -ENODATA;
	memcpy(bytes, &raw, size);
	return 0;
}

static int fetch_pieces(struct argument_view *v, const struct expression_result *result,
			struct argument_value *value)
{
	unsigned done = 0;

	for (unsigned i = 0; i < result->count && done < value->size; i++) {
		const struct expression_place *place = &result->places[i];
		unsigned size = value->size - done;
		int error;

		if (place->size && place->size < size)
			size = (unsigned)place->size;
		error = fetch_place(v, place, value->bytes + done, size, &value->fault);
		if (error)
			return error;
		done += size;
	}
	return done == value->size ? 0 : -ENODATA;
}

static enum fetch fetch_location(struct argument_view *v, Dwarf_Attribute *attr,
				 struct argument_value *value)
{
	struct expression_env env = argument_env(v);
	struct expression_result result;
	Dwarf_Op *ops;
	size_t count;
	int error = argument_decode(v, attr, &ops, &count);

	if (!error)
		error = expression_locate(&env, ops, count, v->steps, &result);
	if (error == -EFAULT)
		value->fault = result.fault;
	if (!error && result.places[0].kind == PLACE_POINTER)
		return FETCH_SYNTHETIC;
	if (!error)
		error = fetch_pieces(v, &result, value);
	if (error == -EFAULT || error == -ENXIO)
		return error == -EFAULT ? FETCH_FAULT : FETCH_UNAVAILABLE;
	return error ? FETCH_OPTIMIZED_OUT : FETCH_OK;
}

static enum fetch fetch_constant(Dwarf_Attribute *attr, struct argument_value *value)
{
	Dwarf_Block block;
	Dwarf_Word word;

	if (!dwarf_formblock(attr, &block)) {
		if (block.length < value->size)
			return FETCH_OPTIMIZED_OUT;
		memcpy(value->bytes, block.data, value->size);
		return FETCH_OK;
	}
	if (dwarf_formudata(attr, &word))
		return FETCH_OPTIMIZED_OUT;
	if (value->size > sizeof(word) && (Dwarf_Sword)word < 0)
		memset(value->bytes, 0xff, value->size);
	memcpy(value->bytes, &word, value->size < sizeof(word) ? value->size : sizeof(word));
	return FETCH_OK;
}

enum fetch argument_fetch(struct argument_view *v, Dwarf_Die *die, unsigned size,
			  struct argument_value *value)
{
	Dwarf_Attribute attr;

	memset(value, 0, sizeof(*value));
	value->size = size;
	if (size == 0 || size > ARGUMENT_VALUE_MAX)
		return FETCH_OPTIMIZED_OUT;
	if (dwarf_attr(die, DW_AT_location, &attr))
		return fetch_location(v, &attr, value);
	if (dwarf_attr_integrate(die, DW_AT_const_value, &attr))
		return fetch_constant(&attr, value);
	return FETCH_OPTIMIZED_OUT;
}
