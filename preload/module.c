/* The modules of the process, so that its addresses can be named when it is dead: see shim.h. */
#include "preload/shim.h"

void module_note(uint64_t pc)
{
	(void)pc;
}

uint64_t module_function_start(uint64_t pc)
{
	(void)pc;
	return 0;
}
