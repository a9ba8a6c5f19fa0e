/* Numbers for the assembler; process.c asserts that the offsets into struct shim_self are right. */
#ifndef LOCKJAM_ARCH_OFFSETS_H
#define LOCKJAM_ARCH_OFFSETS_H

#define SHIM_SELF_FRAME 0
#define SHIM_SELF_IN_VFORK 28

/* Which function execl's thunks ask process_exec_variadic() for. */
#define PROCESS_EXECL 0
#define PROCESS_EXECLP 1
#define PROCESS_EXECLE 2

#endif
