/* Finding and reading FDEs: see cfi.h. */
#include <string.h>

#include "preload/cfi.h"
#include "preload/cfi_reader.h"

#define ENC_FORMAT 0x0f
#define ENC_PCREL 0x10
#define ENC_INDIRECT 0x80
#define ENC_OMIT 0xff
#define TABLE_ENCODING 0x3b /* datarel, sdata4: what every linker writes */

static int32_t read_s32(const uint8_t *at)
{
	int32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)read_s32(at);
}

uint64_t cfi_read_uleb(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

int64_t cfi_read_sleb(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte = 0;

	do {
		if (*at >= end || shift >= 64)
			break;
		byte = *(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && byte & 0x40)
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

/* A fixed-width number of a DW_EH_PE_ format; false for the others. */
static bool read_number(const uint8_t **at, const uint8_t *end, uint8_t format, uint64_t *value)
{
	static const uint8_t sizes[16] = { 8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8, 0, 0, 0 };
	size_t size = sizes[format & ENC_FORMAT];
	uint64_t raw = 0;

	if (!size || (size_t)(end - *at) < size)
		return false;
	memcpy(&raw, *at, size); /* little endian */
	if (format & 0x08 && size < 8 && raw >> (size * 8 - 1))
		raw |= ~UINT64_C(0) << size * 8;
	*at += size;
	*value = raw;
	return true;
}

bool cfi_read_address(const uint8_t **at, const uint8_t *end, uint8_t encoding, uint64_t *value)
{
	uint64_t here = (uintptr_t)*at;

	if (encoding & ENC_INDIRECT || !read_number(at, end, encoding, value))
		return false;
	if ((encoding & 0x70) == ENC_PCREL)
		*value += here;
	return true;
}

/* --- CIE and FDE ------------------------------------------------------------------------------- */

static bool skip_personality(const uint8_t **at, const uint8_t *end)
{
	uint8_t encoding = *(*at)++;
	uint64_t ignored;

	return encoding == ENC_OMIT || read_number(at, end, encoding, &ignored);
}

static bool read_augmentation(const char *text, const uint8_t *at, const uint8_t *end,
			      struct cfi_function *function)
{
	for (; *text && at < end; text++) {
		switch (*text) {
		case 'R':
			function->encoding = *at++;
			break;
		case 'L':
			at++;
			break;
		case 'P':
			if (!skip_personality(&at, end))
				return false;
			break;
		case 'S':
			function->is_signal = true;
			break;
		case 'B': /* aarch64: return addresses are signed with the B key */
			break;
		default:
			return false;
		}
	}
	function->is_signal |= strchr(text, 'S') != NULL;
	return true;
}

static bool read_cie(const uint8_t *cie, struct cfi_function *function)
{
	const uint8_t *at = cie + 8, *end = cie + 4 + read_u32(cie);
	uint8_t version = *at++;
	const char *text = (const char *)at;

	if (read_u32(cie) == UINT32_MAX || read_u32(cie + 4) != 0 ||
	    (version != 1 && version != 3) || (text[0] && text[0] != 'z'))
		return false;
	at += strlen(text) + 1;
	function->code_align = cfi_read_uleb(&at, end);
	function->data_align = cfi_read_sleb(&at, end);
	function->return_register = version == 1 ? *at++ : cfi_read_uleb(&at, end);
	function->has_length = text[0] == 'z';
	if (function->has_length) {
		uint64_t length = cfi_read_uleb(&at, end);

		if (length > (uint64_t)(end - at) ||
		    !read_augmentation(text + 1, at, at + length, function))
			return false;
		at += length;
	}
	function->initial = at;
	function->initial_end = end;
	return true;
}

static bool read_fde(const uint8_t *fde, struct cfi_function *function)
{
	const uint8_t *at = fde + 8, *end = fde + 4 + read_u32(fde);
	uint64_t length;

	*function = (struct cfi_function){ 0 };
	if (read_u32(fde) == UINT32_MAX || read_u32(fde + 4) == 0 ||
	    !read_cie(fde + 4 - read_u32(fde + 4), function) ||
	    !cfi_read_address(&at, end, function->encoding, &function->start) ||
	    !read_number(&at, end, function->encoding & ENC_FORMAT & ~0x08, &function->end))
		return false;
	function->end += function->start;
	if (function->has_length) {
		length = cfi_read_uleb(&at, end);
		if (length > (uint64_t)(end - at))
			return false;
		at += length;
	}
	function->program = at;
	function->program_end = end;
	return true;
}

/* The table has pairs (start of code, FDE), both relative to the header, sorted by the first. */
static const uint8_t *search(const uint8_t *header, uint64_t pc)
{
	const uint8_t *table = header + 12;
	int64_t wanted = (int64_t)(pc - (uintptr_t)header);
	uint32_t low = 0, high = read_u32(header + 8);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (read_s32(table + 8 * (uint64_t)middle) <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? header + read_s32(table + 8 * (uint64_t)(low - 1) + 4) : NULL;
}

bool cfi_find(const struct dl_find_object *object, uint64_t pc, struct cfi_function *function)
{
	const uint8_t *header = object->dlfo_eh_frame, *fde;

	if (!header || header[0] != 1 || header[2] != 0x03 || header[3] != TABLE_ENCODING ||
	    (header[1] & ENC_FORMAT) != 0x0b)
		return false;
	fde = search(header, pc);
	return fde && read_fde(fde, function) && pc >= function->start && pc < function->end;
}
