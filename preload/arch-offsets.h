/* Offsets into struct shim_self for the assembler; init.c asserts that they are right. */
#ifndef LOCKJAM_ARCH_OFFSETS_H
#define LOCKJAM_ARCH_OFFSETS_H

#define SHIM_SELF_FRAME 0
#define SHIM_SELF_IN_VFORK 28

#endif
