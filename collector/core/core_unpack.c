/*
 * Compressed cores, as systemd-coredump stores them (.zst, .lz4, .xz): unpacked into a temporary
 * file that has no name, so that nothing is left behind however we end. Zeros become holes. Each of
 * the three libraries may be missing in a build; then it is said.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZ4
#include <lz4frame.h>
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#endif

#include "collector/core/core.h"
#include "collector/collect.h"

#define UNPACKED_MAX ((uint64_t)64 << 30) /* zeros take no room, but time */
#define CHUNK ((size_t)256 << 10)
#define HOLE ((size_t)4096)
#define MEMORY_MAX ((uint64_t)256 << 20) /* that a decoder may take */

#define MAYBE_UNUSED __attribute__((unused)) /* a build may have none of the libraries */

/* One unpacking: a decoder calls pull() for input and push() for output. */
struct unpacking {
	int in, out;
	uint64_t total;          /* bytes of output */
	int error;               /* negative errno of the first failure */
	bool is_damaged;         /* the decoder did not understand its input */
	bool is_cut;             /* the input ended early */
	uint8_t *input, *output; /* CHUNK bytes each */
};

/* The next bytes of the input; 0 at its end or after an error. */
MAYBE_UNUSED static size_t pull(struct unpacking *u)
{
	ssize_t got;

	do
		got = read(u->in, u->input, CHUNK);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		u->error = -errno;
	return got > 0 ? got : 0;
}

static bool is_zero(const uint8_t *data, size_t size)
{
	return !data[0] && !memcmp(data, data + 1, size - 1);
}

static bool write_all(struct unpacking *u, const uint8_t *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t put = pwrite(u->out, data + done, size - done, (off_t)(u->total + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			u->error = put ? -errno : -ENOSPC;
			return false;
		}
		done += put;
	}
	return true;
}

/* Appends output[0..size). */
MAYBE_UNUSED static bool push(struct unpacking *u, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t part = HOLE - u->total % HOLE;

		if (part > size - at)
			part = size - at;
		if (!is_zero(u->output + at, part) && !write_all(u, u->output + at, part))
			return false;
		u->total += part;
		at += part;
	}
	if (u->total > UNPACKED_MAX)
		u->error = -EFBIG;
	return !u->error;
}

/* --- decoders --------------------------------------------------------------------------------- */

#ifdef HAVE_ZSTD
static void unpack_zstd(struct unpacking *u)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t size, left = 1;

	if (!stream) {
		u->error = -ENOMEM;
		return;
	}
	while (!u->error && !u->is_damaged && (size = pull(u))) {
		ZSTD_inBuffer in = {u->input, size, 0};
		bool is_full = false;

		while (!u->is_damaged && (in.pos < in.size || is_full)) {
			ZSTD_outBuffer out = {u->output, CHUNK, 0};

			left = ZSTD_decompressStream(stream, &out, &in);
			u->is_damaged = ZSTD_isError(left);
			is_full = out.pos == out.size;
			if (!push(u, out.pos))
				break;
		}
		if (u->error)
			break;
	}
	u->is_cut = !u->is_damaged && left != 0;
	ZSTD_freeDStream(stream);
}
#endif

#ifdef HAVE_LZ4
static void unpack_lz4(struct unpacking *u)
{
	LZ4F_dctx *context;
	size_t size, left = 1;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
		u->error = -ENOMEM;
		return;
	}
	while (!u->error && !u->is_damaged && (size = pull(u))) {
		size_t at = 0, made = CHUNK;

		while (!u->is_damaged && (at < size || made == CHUNK)) {
			size_t taken = size - at;

			made = CHUNK;
			left = LZ4F_decompress(context, u->output, &made, u->input + at, &taken,
					       NULL);
			u->is_damaged = LZ4F_isError(left);
			at += taken;
			if (u->is_damaged || !push(u, made))
				break;
		}
		if (u->error)
			break;
	}
	u->is_cut = !u->is_damaged && left != 0;
	LZ4F_freeDecompressionContext(context);
}
#endif

#ifdef HAVE_LZMA
static void unpack_xz(struct unpacking *u)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result = lzma_stream_decoder(&stream, MEMORY_MAX, LZMA_CONCATENATED);
	lzma_action action = LZMA_RUN;

	while (result == LZMA_OK) {
		if (!stream.avail_in && action == LZMA_RUN) {
			stream.next_in = u->input;
			stream.avail_in = pull(u);
			if (!stream.avail_in)
				action = LZMA_FINISH;
		}
		stream.next_out = u->output;
		stream.avail_out = CHUNK;
		result = lzma_code(&stream, action);
		if (!push(u, CHUNK - stream.avail_out))
			break;
	}
	if (result == LZMA_MEM_ERROR)
		u->error = -ENOMEM;
	u->is_cut = result == LZMA_BUF_ERROR;
	u->is_damaged = result != LZMA_STREAM_END && result != LZMA_OK && !u->is_cut && !u->error;
	lzma_end(&stream);
}
#endif

/* --- which one -------------------------------------------------------------------------------- */

static const struct format {
	const char *name, *program; /* that unpacks it by hand */
	size_t size;
	uint8_t magic[6];
	void (*unpack)(struct unpacking *u); /* NULL: not in this build */
} formats[] = {
#ifdef HAVE_ZSTD
	{"zstd", "zstd -d", 4, {0x28, 0xb5, 0x2f, 0xfd}, unpack_zstd},
#else
	{"zstd", "zstd -d", 4, {0x28, 0xb5, 0x2f, 0xfd}, NULL},
#endif
#ifdef HAVE_LZ4
	{"lz4", "lz4 -d", 4, {0x04, 0x22, 0x4d, 0x18}, unpack_lz4},
#else
	{"lz4", "lz4 -d", 4, {0x04, 0x22, 0x4d, 0x18}, NULL},
#endif
#ifdef HAVE_LZMA
	{"xz", "xz -d", 6, {0xfd, '7', 'z', 'X', 'Z', 0}, unpack_xz},
#else
	{"xz", "xz -d", 6, {0xfd, '7', 'z', 'X', 'Z', 0}, NULL},
#endif
	{"gzip", "gunzip", 2, {0x1f, 0x8b}, NULL},
	{"bzip2", "bunzip2", 3, {'B', 'Z', 'h'}, NULL},
};

static const struct format *find_format(int fd)
{
	uint8_t magic[6] = {0};
	ssize_t got = pread(fd, magic, sizeof(magic), 0);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (got >= (ssize_t)formats[i].size &&
		    !memcmp(magic, formats[i].magic, formats[i].size))
			return &formats[i];
	return NULL;
}

static const char *temporary_directory(void)
{
	const char *dir = secure_getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* A file without a name; negative errno. */
static int open_temporary(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* Some file systems cannot do that. */
	if (snprintf(path, sizeof(path), "%s/lockjam-XXXXXX", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int fail_unpacked(const struct unpacking *u, const char *path, const char *dir,
			 struct collect_error *error)
{
	char cause[128];

	if (u->error == -ENOSPC || u->error == -EDQUOT || u->error == -EFBIG) {
		snprintf(cause, sizeof(cause), "no room to unpack the core (%llu MiB so far): %s",
			 (unsigned long long)u->total >> 20, strerror(-u->error));
		return collect_fail(error, -ENOSPC, dir, cause,
				    "set TMPDIR to a directory with more room");
	}
	if (u->error)
		return collect_fail(error, u->error, path, strerror(-u->error), "");
	return collect_fail(error, -EINVAL, path, "is damaged: it cannot be unpacked", "");
}

static int unpack(const struct format *format, const char *path, int *fd, bool *is_cut,
		  struct collect_error *error)
{
	const char *dir = temporary_directory();
	struct unpacking u = {.in = *fd, .out = open_temporary(dir)};
	int r = 0;

	if (u.out < 0)
		return collect_fail(error, u.out, dir, strerror(-u.out),
				    "set TMPDIR to a directory where the core can be unpacked");
	u.input = malloc(2 * CHUNK);
	if (u.input) {
		u.output = u.input + CHUNK;
		format->unpack(&u);
	} else {
		u.error = -ENOMEM;
	}
	free(u.input);
	if (!u.error && ftruncate(u.out, (off_t)u.total))
		u.error = -errno;
	/* Of a damaged file what stands before the damage is as good as that of a cut one. */
	if (u.error || !u.total)
		r = fail_unpacked(&u, path, dir, error);
	if (r) {
		close(u.out);
		return r;
	}
	close(*fd);
	*fd = u.out;
	*is_cut = u.is_cut || u.is_damaged;
	return 0;
}

int core_unpack(const char *path, int *fd, bool *is_cut, struct collect_error *error)
{
	const struct format *format = find_format(*fd);
	char cause[128], advice[128];

	if (!format)
		return 0;
	if (format->unpack)
		return unpack(format, path, fd, is_cut, error);
	snprintf(cause, sizeof(cause), "is compressed with %s, which this lockjam cannot read",
		 format->name);
	snprintf(advice, sizeof(advice), "unpack it first: %s", format->program);
	return collect_fail(error, -ENOTSUP, path, cause, advice);
}
