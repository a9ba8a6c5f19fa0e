/*
 * Scenario: a 32-bit program asks for bytes 10 to 14 of the file "lock", by fcntl64(F_SETLKW64),
 * and waits. It is made of system calls alone: there need be no 32-bit libc.
 * Expect: it is shown as a waiter, by the numbers and the struct flock64 of i386.
 */
	.globl	_start
_start:
	movl	$172, %eax		/* prctl(PR_SET_PDEATHSIG, SIGKILL) */
	movl	$1, %ebx
	movl	$9, %ecx
	int	$0x80
	movl	$27, %eax		/* alarm(300): a watchdog */
	movl	$300, %ebx
	int	$0x80
	movl	$5, %eax		/* open("lock", O_RDWR | O_CREAT, 0666) */
	movl	$name, %ebx
	movl	$0102, %ecx
	movl	$0666, %edx
	int	$0x80
	movl	%eax, %ebx
	movl	$221, %eax		/* fcntl64 */
	movl	command, %ecx
	movl	$request, %edx
	int	$0x80
	movl	$1, %eax		/* exit(0) */
	xorl	%ebx, %ebx
	int	$0x80

	.data
	.align	4
command:
	.long	COMMAND
request:				/* F_WRLCK, SEEK_SET, start, length, pid */
	.short	1, 0
	.quad	10
	.quad	5
	.long	0
name:
	.asciz	"lock"
	.section .note.GNU-stack,"",@progbits
