/* A program without a dynamic loader: nothing can be preloaded into it. */
#include "table.h"

static void locks(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	SHOW(fcntl(table_file("static"), F_SETLK, &lock));
}

static const struct table_case cases[] = { { "locks", locks }, { NULL, NULL } };

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
