/*
 * Scenario: POSIX ranges that split, merge, change mode and grow to the end of the file, by all
 * three ways to say where. The kernel's own list (F_GETLK of a child) is the oracle of the test.
 * Expect: the holds of /proc/locks, range for range: [0,39] W, [50,59] W, [60,69] R, [70,99] W,
 * [200,299] W (merged of three), [1000,1009] W by SEEK_CUR, [4086,4095] W by SEEK_END,
 * [5000,EOF] R.
 */
#include "victim.h"

static void change(int fd, short type, short whence, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = whence, .l_start = start,
			      .l_len = length };

	victim_must(fcntl(fd, F_SETLK, &lock), "F_SETLK");
}

int main(int argc, char **argv)
{
	victim_watchdog();
	int fd = victim_open(argc > 1 ? argv[1] : "lock");
	victim_must(ftruncate(fd, 4096), "ftruncate");

	change(fd, F_WRLCK, SEEK_SET, 0, 100);
	change(fd, F_UNLCK, SEEK_SET, 40, 10); /* split */
	change(fd, F_RDLCK, SEEK_SET, 60, 10); /* downgrade in the middle */

	change(fd, F_WRLCK, SEEK_SET, 200, 30); /* merge: two sides, then what joins them */
	change(fd, F_WRLCK, SEEK_SET, 260, 40);
	change(fd, F_RDLCK, SEEK_SET, 220, 50);
	change(fd, F_WRLCK, SEEK_SET, 220, 50); /* upgrade */

	victim_must((int)lseek(fd, 1000, SEEK_SET), "lseek");
	change(fd, F_WRLCK, SEEK_CUR, 0, 10);
	change(fd, F_WRLCK, SEEK_END, 0, -10); /* the ten bytes before the end */
	change(fd, F_RDLCK, SEEK_SET, 5000, 0); /* to EOF */
	change(fd, F_WRLCK, SEEK_SET, 6000, 100);
	change(fd, F_UNLCK, SEEK_SET, 7000, 100);
	change(fd, F_RDLCK, SEEK_SET, 5500, 0); /* joined again */
	victim_ready();
	return 0;
}
