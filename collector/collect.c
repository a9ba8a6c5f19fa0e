/* See collect.h. */
#include "config.h"

#include "collector/collect.h"

#include <stdio.h>

int collect_fail(struct collect_error *error, int code, const char *object, const char *cause,
		 const char *advice)
{
	snprintf(error->object, sizeof(error->object), "%s", object);
	snprintf(error->cause, sizeof(error->cause), "%s", cause);
	snprintf(error->advice, sizeof(error->advice), "%s", advice);
	return code;
}
