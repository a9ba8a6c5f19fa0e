#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cli/shim.h"

#define SHIM_NAME "liblockjam.so"

/* Where libtool puts it in a build tree, seen from the executable. */
static bool beside_executable(char *path)
{
	const char *self = (const char *)getauxval(AT_EXECFN);
	char executable[PATH_MAX], candidate[PATH_MAX + 64];
	char *slash;

	if (!self || !realpath(self, executable))
		return false;
	slash = strrchr(executable, '/');
	*slash = '\0';
	snprintf(candidate, sizeof(candidate), "%s/../preload/.libs/" SHIM_NAME, executable);
	return realpath(candidate, path) != NULL;
}

static int fail(struct collect_error *error, const char *object, int code, const char *advice)
{
	size_t length = strnlen(object, sizeof(error->object) - 1); /* a long path is cut */

	memcpy(error->object, object, length);
	error->object[length] = '\0';
	snprintf(error->cause, sizeof(error->cause), "%s", strerror(-code));
	snprintf(error->advice, sizeof(error->advice), "%s", advice);
	return code;
}

int shim_find(char *path, size_t size, struct collect_error *error)
{
	const char *given = getenv(SHIM_ENV_PATH);
	char found[PATH_MAX];

	if (given && *given) {
		if (!realpath(given, found))
			return fail(error, given, -errno, "correct or unset " SHIM_ENV_PATH);
	} else if (!beside_executable(found) && !realpath(PKGLIBDIR "/" SHIM_NAME, found)) {
		return fail(error, PKGLIBDIR "/" SHIM_NAME, -errno,
			    "install lockjam, or set " SHIM_ENV_PATH);
	}
	if (access(found, R_OK) < 0)
		return fail(error, found, -errno, "it must be readable");
	if (strpbrk(found, " :"))
		return fail(error, found, -EINVAL,
			    "LD_PRELOAD takes no path with a blank or colon");
	if (strlen(found) >= size)
		return fail(error, found, -ENAMETOOLONG, "");
	strcpy(path, found);
	return 0;
}

/* Is path one of the elements of list? */
static bool has_element(const char *list, const char *path)
{
	size_t length;

	for (; *list; list += length) {
		list += strspn(list, " :");
		length = strcspn(list, " :");
		if (length == strlen(path) && !strncmp(list, path, length))
			return true;
	}
	return false;
}

char *shim_preload(const char *path, const char *old)
{
	char *value;

	if (!old || !*old)
		return strdup(path);
	if (has_element(old, path))
		return strdup(old);
	return asprintf(&value, "%s:%s", path, old) < 0 ? NULL : value;
}
