/* What is passed on to programs that the target executes: see latch_environment.h. */
#include <alloca.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/latch_environment.h"
#include "preload/lookup.h"
#include "preload/real.h"
#include "preload/segment.h"
#include "preload/shim.h"
#include "preload/text.h"

#define ENTRIES_MAX 1024 /* with more, the program is not followed: this is the caller's stack */
#define PRELOAD_MAX 2048
#define PRELOAD "LD_PRELOAD="
#define DIRECTORY SEG_ENV_DIR "="

static struct {
	char preload[PRELOAD_MAX]; /* LD_PRELOAD=PATH */
	char directory[PRELOAD_MAX];
	_Atomic bool is_on;
} environment;

static bool make(char *buffer, const char *name, const char *value)
{
	struct text text;

	text_init(&text, buffer, PRELOAD_MAX);
	text_string(&text, name);
	text_string(&text, value);
	return value[0] == '/' && !text.cut;
}

bool latch_environment_begin(const char *directory)
{
	const struct link_map *own = lookup_own_module();

	/* The loader takes a blank or a colon for the end of a path. */
	if (strpbrk(own->l_name, " :") || !make(environment.preload, PRELOAD, own->l_name) ||
	    !make(environment.directory, DIRECTORY, directory))
		return false;
	atomic_store(&environment.is_on, true);
	return true;
}

void latch_environment_end(void)
{
	atomic_store(&environment.is_on, false);
}

bool latch_environment_is_on(void)
{
	return shim_unlikely(atomic_load_explicit(&environment.is_on, memory_order_relaxed));
}

static bool is_named(const char *entry, const char *name)
{
	return strncmp(entry, name, strlen(name)) == 0;
}

static const char *find(char *const envp[], const char *name)
{
	for (; *envp; envp++)
		if (is_named(*envp, name))
			return *envp + strlen(name);
	return NULL;
}

size_t latch_environment_room(char *const envp[])
{
	const char *preload;
	size_t count = 0, bytes;

	if (!latch_environment_is_on() || !envp || !envp[0])
		return 0;
	while (envp[count] && count <= ENTRIES_MAX)
		count++;
	preload = find(envp, PRELOAD);
	bytes = strlen(environment.preload) + (preload ? strlen(preload) : 0) + 2;
	if (count > ENTRIES_MAX || bytes > 2 * PRELOAD_MAX)
		return 0;
	return count + 3 + bytes / sizeof(char *) + 1;
}

/* "LD_PRELOAD=ours:theirs", as `lockjam run` has it. False: it does not fit. */
static bool join(char *buffer, size_t size, const char *theirs)
{
	struct text text;

	text_init(&text, buffer, size);
	text_string(&text, environment.preload);
	if (theirs[0])
		text_char(&text, ':');
	text_string(&text, theirs);
	return !text.cut;
}

/*
 * Other threads may change what envp names, as without us; all is bounded by the room that was asked for.
 */
char *const *latch_environment(char *const envp[], char **room, size_t words)
{
	char *preload = environment.preload, **to = room;
	const char *theirs;
	size_t count = 0;

	if (!words)
		return envp;
	theirs = find(envp, PRELOAD);
	for (char *const *from = envp; *from && count + 3 < words; from++, count++)
		if (!is_named(*from, DIRECTORY) && !is_named(*from, PRELOAD))
			*to++ = *from;
	if (theirs && strstr(theirs, environment.preload + strlen(PRELOAD)))
		preload = (char *)theirs - strlen(PRELOAD);
	else if (theirs && join((char *)(room + count + 3), (words - count - 3) * sizeof(char *), theirs))
		preload = (char *)(room + count + 3);
	*to++ = preload;
	*to++ = environment.directory;
	*to = NULL;
	return room;
}

int latch_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	size_t words = latch_environment_room(envp);
	char **room = alloca((words + 1) * sizeof(*room));

	return real()->posix_spawn(pid, path, actions, attributes, argv,
				   latch_environment(envp, room, words));
}

int latch_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	size_t words = latch_environment_room(envp);
	char **room = alloca((words + 1) * sizeof(*room));

	return real()->posix_spawnp(pid, file, actions, attributes, argv,
				    latch_environment(envp, room, words));
}
