/*
 * Programs that the target executes are followed through the environment that they get: the wrapped exec
 * functions of a late shim add LD_PRELOAD and LOCKJAM_DIR to what they pass on. The program's own
 * environment is not touched. One that is empty stays so: whoever clears it wants nothing of ours in it.
 */
#ifndef LOCKJAM_LATCH_ENVIRONMENT_H
#define LOCKJAM_LATCH_ENVIRONMENT_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * From now on. False where nobody will be followed: the path of the shim or of the session is not known
 * or too long.
 */
bool latch_environment_begin(const char *directory);
void latch_environment_end(void);
bool latch_environment_is_on(void);

/*
 * Words that latch_environment() needs for `envp`, 0 where it is passed on as it is. Async-signal-safe,
 * as the next.
 */
size_t latch_environment_room(char *const envp[]);

/* The environment to pass on, in `room` (so many words, on the caller's stack); `envp` itself for 0. */
char *const *latch_environment(char *const envp[], char **room, size_t words);

/* The default version of libc's, with the environment as above. */
int latch_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
	__attribute__((visibility("hidden")));
int latch_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
	__attribute__((visibility("hidden")));

#endif
