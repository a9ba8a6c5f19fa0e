#include "config.h"

#include "collector/symbol/debug_server.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LIBRARY "libdebuginfod.so.1"

/* Its interface, debuginfod_find_debuginfo(3). */
struct debuginfod_client;
typedef int progress_function(struct debuginfod_client *client, long done, long total);
typedef void *get_function(struct debuginfod_client *client);

struct library {
	void *handle;
	struct debuginfod_client *(*begin)(void);
	int (*find)(struct debuginfod_client *client, const unsigned char *id, int size,
		    char **path);
	void (*set_progress)(struct debuginfod_client *client, progress_function *function);
	void (*set_user_data)(struct debuginfod_client *client, void *data);
	void (*end)(struct debuginfod_client *client);
};

struct debug_server {
	struct library library;
	struct debuginfod_client *client;
	bool is_tried;
	const char *problem;
	uint64_t silent_ns, left_ns;    /* limits: of one silence, of all that is to come */
	uint64_t began_ns, answered_ns; /* of the request that is out */
	long done;                      /* bytes of it */
};

static const char is_silent[] =
	"does not answer: it is not asked any more (DEBUGINFOD_TIMEOUT says "
	"how many seconds it may take)";

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* The library calls this about once a second; not 0 ends the request. */
static int on_progress(struct debuginfod_client *client, long done, long total)
{
	get_function *get;
	struct debug_server *s;

	(void)total;
	*(void **)&get = dlsym(RTLD_DEFAULT, "debuginfod_get_user_data");
	s = get ? get(client) : NULL;
	if (!s)
		return 1;
	uint64_t now = now_ns();

	if (done != s->done)
		s->answered_ns = now;
	s->done = done;
	if (now - s->answered_ns >= s->silent_ns)
		s->problem = is_silent;
	else if (now - s->began_ns >= s->left_ns)
		s->problem = "has taken a minute: it is not asked any more";
	return s->problem != NULL;
}

static bool load(struct library *l)
{
	l->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_GLOBAL);
	if (!l->handle)
		return false;
	*(void **)&l->begin = dlsym(l->handle, "debuginfod_begin");
	*(void **)&l->find = dlsym(l->handle, "debuginfod_find_debuginfo");
	*(void **)&l->set_progress = dlsym(l->handle, "debuginfod_set_progressfn");
	*(void **)&l->set_user_data = dlsym(l->handle, "debuginfod_set_user_data");
	*(void **)&l->end = dlsym(l->handle, "debuginfod_end");
	return l->begin && l->find && l->set_progress && l->set_user_data && l->end;
}

static void open_client(struct debug_server *s)
{
	s->is_tried = true;
	if (!load(&s->library)) {
		s->problem = "cannot be asked: " LIBRARY " is missing (Debian: libdebuginfod1)";
		return;
	}
	s->client = s->library.begin();
	if (!s->client)
		return;
	s->library.set_user_data(s->client, s);
	s->library.set_progress(s->client, on_progress);
}

struct debug_server *debug_server_new(void)
{
	const char *urls = getenv("DEBUGINFOD_URLS"), *silent = getenv("DEBUGINFOD_TIMEOUT");
	struct debug_server *s = urls && *urls ? calloc(1, sizeof(*s)) : NULL;
	long seconds = silent ? strtol(silent, NULL, 10) : 0;

	if (!s)
		return NULL;
	if (seconds <= 0 || seconds > DEBUG_SERVER_ALL_S)
		seconds = DEBUG_SERVER_SILENT_S;
	s->silent_ns = (uint64_t)seconds * UINT64_C(1000000000);
	s->left_ns = DEBUG_SERVER_ALL_S * UINT64_C(1000000000);
	return s;
}

void debug_server_free(struct debug_server *s)
{
	if (!s)
		return;
	if (s->client)
		s->library.end(s->client);
	if (s->library.handle)
		dlclose(s->library.handle);
	free(s);
}

char *debug_server_find(struct debug_server *s, const unsigned char *id, size_t size)
{
	char *path = NULL;
	int fd;

	if (s && !s->is_tried)
		open_client(s);
	if (!s || s->problem || !s->client)
		return NULL;
	s->began_ns = s->answered_ns = now_ns();
	s->done = 0;
	fd = s->library.find(s->client, id, (int)size, &path);
	uint64_t taken = now_ns() - s->began_ns;

	s->left_ns -= taken < s->left_ns ? taken : s->left_ns;
	if (fd < 0 && fd != -ENOENT && !s->problem)
		s->problem =
			fd == -ETIME ? is_silent : "cannot be reached: it is not asked any more";
	if (fd < 0)
		return NULL;
	close(fd);
	return path;
}

const char *debug_server_problem(const struct debug_server *s)
{
	return s ? s->problem : NULL;
}
