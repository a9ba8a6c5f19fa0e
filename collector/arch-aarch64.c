#include "config.h"

#include "collector/arch.h"

#include <string.h>

/* Its functions keep the frame pointer at the bottom of the frame: unwinding rarely needs this. */
bool arch_frame_pointer_offset(const uint8_t *code, size_t size, uint64_t *offset)
{
	(void)code, (void)size, (void)offset;
	return false;
}

bool arch_is_after_call(const uint8_t *code, size_t size)
{
	uint32_t instruction;

	if (size < sizeof(instruction))
		return false;
	memcpy(&instruction, code + size - sizeof(instruction), sizeof(instruction));
	return (instruction & 0xfc000000) == 0x94000000 ||  /* bl */
	       (instruction & 0xfffffc1f) == 0xd63f0000;    /* blr */
}
