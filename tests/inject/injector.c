/*
 * Loads a library into a process as `lockjam attach --inject` loads the shim:
 *
 *	injector attach PID LIBRARY DIR [TIMEOUT-MS]
 *	injector detach PID [TIMEOUT-MS]
 *
 * Prints "ok CALLS LOCKS TID MICROSECONDS" or "failed CODE: OBJECT: CAUSE (ADVICE)".
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/inject/inject.h"

int main(int argc, char **argv)
{
	bool is_attach = argc >= 5 && !strcmp(argv[1], "attach");
	int timeout = is_attach ? 5 : 3;
	struct inject_request request = {.timeout_ns = UINT64_C(5000000000)};
	struct inject_outcome outcome;
	struct collect_error error = {0};

	if (argc < 3) {
		fprintf(stderr, "injector: see the top of its source\n");
		return 2;
	}
	request.pid = atoi(argv[2]);
	if (is_attach) {
		request.shim = argv[3];
		request.dir = argv[4];
	}
	if (argc > timeout)
		request.timeout_ns = strtoull(argv[timeout], NULL, 10) * 1000000;
	int code = is_attach ? inject_attach(&request, &outcome, &error)
			     : inject_detach(&request, &outcome, &error);

	if (code)
		printf("failed %d: %s: %s (%s)\n", code, error.object, error.cause, error.advice);
	else
		printf("ok %llu %u %d %llu\n", (unsigned long long)outcome.calls, outcome.locks,
		       (int)outcome.tid, (unsigned long long)outcome.stood_ns / 1000);
	return code ? 1 : 0;
}
