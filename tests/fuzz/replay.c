/*
 * The fuzz target without a fuzzer, for every `make check`: all files of the corpus as they are,
 * cut short, and with bytes changed by a fixed sequence of random numbers. Prints TAP.
 *
 *	replay [FILE...]	(none: the corpus of the source tree)
 */
#include "config.h"

#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_READ (1 << 20)
#define MUTATIONS 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 88172645463325252;

/* xorshift64: the same sequence everywhere. */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* Half of the changes go to the header, where the offsets and counts are. */
static void mutate(uint8_t *data, size_t size)
{
	static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	int changes = 1 + next_random() % 8;

	while (changes-- && size) {
		size_t end = next_random() % 2 && size > 520 ? 520 : size;
		uint64_t r = next_random();

		data[r % end] = r >> 60 & 1 ? values[r >> 32 & 3] : (uint8_t)(r >> 40);
	}
}

/* A copy of its own size, so that reading behind it is found by AddressSanitizer. */
static void run(const uint8_t *data, size_t size, int is_mutated)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (is_mutated)
		mutate(copy, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay(const uint8_t *data, size_t size)
{
	run(data, size, 0);
	for (size_t n = 0; n < 64; n++)
		run(data, size * n / 64, 0);
	for (int n = 0; n < MUTATIONS; n++)
		run(data, size, 1);
}

static void replay_file(int number, const char *path)
{
	static uint8_t data[SIZE_MAX_READ];
	FILE *file = fopen(path, "re");
	const char *name = strrchr(path, '/');

	if (!file) {
		printf("not ok %d - %s cannot be read\n", number, path);
		return;
	}
	size_t size = fread(data, 1, sizeof(data), file);

	fclose(file);
	replay(data, size);
	printf("ok %d - %s, cut and changed, is read without harm\n", number,
	       name ? name + 1 : path);
}

int main(int argc, char **argv)
{
	const char *source = getenv("LOCKJAM_TEST_SRCDIR");
	char pattern[4096];
	glob_t files = {.gl_pathc = argc - 1, .gl_pathv = argv + 1};

	snprintf(pattern, sizeof(pattern), "%s/tests/fuzz/corpus/*.seg", source ? source : ".");
	if (argc < 2 && glob(pattern, 0, NULL, &files)) {
		printf("Bail out! no files: %s\n", pattern);
		return 1;
	}
	printf("1..%zu\n", files.gl_pathc);
	for (size_t i = 0; i < files.gl_pathc; i++)
		replay_file(i + 1, files.gl_pathv[i]);
	if (argc < 2)
		globfree(&files);
	return 0;
}
