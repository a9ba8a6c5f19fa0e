/* A library whose constructor does not return: meanwhile nobody else can load any. */
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void stay(void)
{
	puts("in constructor");
	fflush(stdout);
	for (;;)
		pause();
}
