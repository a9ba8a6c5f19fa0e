/*
 * Loads the shim into a process that runs, and puts the process's functions back. One thread of it
 * is stopped for some milliseconds at a place where it can call dlopen() (inject_point.h), makes
 * the calls (inject_remote.h), and goes on; no other thread stops. The other half is in the shim:
 * lockjam_attach() and lockjam_detach().
 */
#ifndef LOCKJAM_INJECT_H
#define LOCKJAM_INJECT_H

#include "collector/collect.h"

struct inject_request {
	pid_t pid;
	const char *shim;    /* liblockjam.so, an absolute path */
	const char *dir;     /* of the session, an absolute path */
	uint64_t timeout_ns; /* to wait for a safe point, and again for the calls */
};

struct inject_outcome {
	char object[128];  /* "imapd (pid 3301)" */
	uint64_t calls;    /* that were redirected, or put back */
	uint32_t locks;    /* that were held already and are recorded now */
	pid_t tid;         /* who was stopped */
	uint64_t stood_ns; /* for how long */
};

/*
 * 0, or a negative errno with *error; then nothing is recorded. The library may have been loaded
 * nevertheless: by itself it does nothing.
 */
int inject_attach(const struct inject_request *request, struct inject_outcome *outcome,
		  struct collect_error *error);
/* Of request only pid and timeout_ns are used. */
int inject_detach(const struct inject_request *request, struct inject_outcome *outcome,
		  struct collect_error *error);

#endif
