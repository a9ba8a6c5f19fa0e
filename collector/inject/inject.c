#include "config.h"

#include "collector/inject/inject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "collector/inject/inject_arch.h"
#include "collector/inject/inject_remote.h"
#include "collector/inject/inject_verify.h"
#include "preload/segment.h"

#define AGAIN_NS 10000000
#define BY_SAMPLING "lockjam attach without --inject records from outside"

struct injection {
	const struct inject_request *request;
	struct inject_outcome *outcome;
	struct collect_error *error;
	struct proc *proc;
	struct inject_target target;
	struct inject_point point;
	struct inject_remote remote;
	uint64_t deadline_ns; /* of the calls */
	int (*verb)(struct injection *in);
	int code; /* what the verb returned */
};

static int fail(struct injection *in, int code, const char *cause, const char *advice)
{
	return collect_fail(in->error, code, in->target.object, cause, advice);
}

static int begin(struct injection *in)
{
	size_t code_size = 0;

	in->proc = proc_new("/");
	if (!in->proc)
		return fail(in, -ENOMEM, strerror(ENOMEM), "");
	if (!inject_arch_is_supported())
		return fail(in, -ENOTSUP, "--inject is not supported on " ARCH_NAME, BY_SAMPLING);
	inject_arch_code(&code_size);
	return inject_target_open(&in->target, in->proc, in->request->pid, code_size, in->error);
}

static void end(struct injection *in)
{
	inject_target_close(&in->target);
	proc_free(in->proc);
}

/* --- at the safe point
 * ------------------------------------------------------------------------------ */

static int call(struct injection *in, uint64_t function, const uint64_t arguments[3],
		uint64_t *result)
{
	return inject_remote_call(&in->remote, function, arguments, in->deadline_ns, result);
}

static int explain_call(struct injection *in, int code)
{
	if (code == -EFAULT)
		return fail(in, code, "the call crashed and was undone", BY_SAMPLING);
	if (code == -ESRCH)
		return fail(in, code, "has ended, or became another program", "");
	return fail(in, code, strerror(-code), BY_SAMPLING);
}

/* What dlerror() says. */
static int explain_dlopen(struct injection *in)
{
	uint64_t text = 0;
	char cause[sizeof(in->error->cause)] = "dlopen() failed";
	size_t prefix = strlen(cause);

	if (in->target.dlerror && !call(in, in->target.dlerror, (uint64_t[3]){0}, &text) && text) {
		snprintf(cause + prefix, sizeof(cause) - prefix, ": ");
		trace_read(&in->point.trace, text, cause + prefix + 2, sizeof(cause) - prefix - 3);
	}
	return fail(in, -ELIBACC, cause, "the process itself must be able to read the file");
}

static const char *refusal(int64_t code)
{
	switch (code) {
#define REFUSAL(error, text)                                                                       \
	case -error:                                                                               \
		return text;
		SEG_REFUSALS(REFUSAL)
#undef REFUSAL
	case 0:
		return "has no calls that could be redirected";
	default:
		return code > -4096 ? strerror((int)-code) : "the shim refused";
	}
}

static int explain_refusal(struct injection *in, int64_t code)
{
	const char *advice =
		code == -EALREADY || code == -ENOENT ? "lockjam graph shows who is" : BY_SAMPLING;

	return fail(in, code && code > -4096 ? (int)code : -EIO, refusal(code), advice);
}

static int attach_calls(struct injection *in)
{
	struct inject_target *t = &in->target;
	uint64_t handle, function, result;
	uint64_t path = inject_remote_string(&in->remote, 0, in->request->shim);
	uint64_t name = inject_remote_string(&in->remote, 1, SEG_ATTACH);

	if (!path || !name)
		return fail(in, -ENAMETOOLONG, "the path of liblockjam.so is too long", "");
	int code = call(in, t->dlopen, (uint64_t[3]){path, (uint64_t)t->dlopen_flags}, &handle);

	if (code)
		return explain_call(in, code);
	if (!handle)
		return explain_dlopen(in);
	code = call(in, t->dlsym, (uint64_t[3]){handle, name}, &function);
	if (code)
		return explain_call(in, code);
	uint64_t dir = inject_remote_string(&in->remote, 0, in->request->dir);

	if (!function || !dir)
		return fail(in, -ENOEXEC, "the loaded liblockjam.so is of another version",
			    "start the process anew");
	code = call(in, function, (uint64_t[3]){dir}, &result);
	if (code)
		return explain_call(in, code);
	in->outcome->calls = result;
	return (int64_t)result > 0 ? 0 : explain_refusal(in, (int64_t)result);
}

static int detach_calls(struct injection *in)
{
	struct module *shim = inject_target_shim(&in->target);
	uint64_t function, result;

	if (!inject_target_symbol(&in->target, shim, SEG_DETACH, &function))
		return fail(in, -ENOEXEC, "its liblockjam.so is of another version", "");
	int code = call(in, function, (uint64_t[3]){0}, &result);

	if (code)
		return explain_call(in, code);
	in->outcome->calls = result;
	return (int64_t)result >= 0 ? 0 : explain_refusal(in, (int64_t)result);
}

static int explain_point(struct injection *in, int code, const char *reason)
{
	char cause[sizeof(in->error->cause)];

	if (code == -ESRCH)
		return fail(in, code, "has ended", "");
	if (code == -EPERM)
		return fail(in, code, "may not be traced",
			    "run as its user or as root; has a debugger taken it meanwhile?");
	snprintf(cause, sizeof(cause), "no thread came to a safe point: the last one looked at %s",
		 reason);
	return fail(in, code, cause, "try again, or with a longer --timeout");
}

/* Stops a thread, has it make the calls, and lets it go; then all is as before but for their
 * effect. */
static int once(struct injection *in, int (*calls)(struct injection *), uint64_t deadline_ns)
{
	const char *reason = "";
	int code = inject_point_find(&in->target, deadline_ns, &in->point, &reason);

	if (code)
		return explain_point(in, code, reason);
	uint64_t began_ns = trace_clock_ns();

	in->deadline_ns = began_ns + in->request->timeout_ns;
	in->outcome->tid = in->point.trace.tid;
	code = inject_remote_begin(&in->remote, &in->target, &in->point);
	code = code ? fail(in, code, "its stack cannot be written to", BY_SAMPLING) : calls(in);
	bool is_back = inject_remote_end(&in->remote);

	if (code == -ETIMEDOUT && is_back)
		fail(in, code,
		     "the loader is busy: a library is being loaded, and that does not end",
		     "see lockjam stacks");
	else if (code == -ETIMEDOUT)
		fail(in, code,
		     "the call did not return in time; it will, and the thread goes on then",
		     "see lockjam stacks");
	in->outcome->stood_ns = trace_clock_ns() - began_ns;
	return code;
}

/* Again while a library is being loaded, or somebody is in the shim. */
static int with_thread(struct injection *in, int (*calls)(struct injection *))
{
	uint64_t deadline_ns = trace_clock_ns() + in->request->timeout_ns;
	int code;

	do {
		code = once(in, calls, deadline_ns);
		if (code == -EBUSY)
			nanosleep(&(struct timespec){.tv_nsec = AGAIN_NS}, NULL);
	} while (code == -EBUSY && trace_clock_ns() < deadline_ns &&
		 !inject_target_refresh(&in->target));
	return code;
}

/* --- verbs
 * -------------------------------------------------------------------------------------------- */

static int attach(struct injection *in)
{
	uint32_t locks;
	int code = inject_obstacle_path(&in->target, in->request->shim, in->error);

	if (!code && inject_target_shim(&in->target) && !inject_verify(&in->target, &locks))
		code = explain_refusal(in, -EALREADY);
	if (!code)
		code = with_thread(in, attach_calls);
	if (code)
		return code;
	const char *wrong = inject_verify(&in->target, &in->outcome->locks);

	if (!wrong)
		return 0;
	/* Any doubt: undone. */
	inject_target_refresh(&in->target);
	if (!inject_target_shim(&in->target) || with_thread(in, detach_calls))
		return fail(in, -EIO, wrong, "undo it with lockjam attach --detach");
	return fail(in, -EIO, wrong, "it was undone");
}

static int detach(struct injection *in)
{
	if (!inject_target_shim(&in->target))
		return fail(in, -ENOENT, "has no liblockjam.so in it", "");
	return with_thread(in, detach_calls);
}

static void *run(void *argument)
{
	struct injection *in = argument;

	/* The target's thread is not to wait until the scheduler has time for us. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	in->code = begin(in);
	if (!in->code)
		in->code = in->verb(in);
	return NULL;
}

/* The tracer is a thread of its own: with its end the kernel lets go of whom it could not let go.
 */
static int run_tracer(struct injection *in)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, run, in);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return collect_fail(in->error, -error, "", strerror(error), "");
	pthread_join(thread, NULL);
	return in->code;
}

static int inject(const struct inject_request *request, struct inject_outcome *outcome,
		  struct collect_error *error, int (*verb)(struct injection *))
{
	struct injection *in = calloc(1, sizeof(*in));

	memset(outcome, 0, sizeof(*outcome));
	if (!in)
		return collect_fail(error, -ENOMEM, "", strerror(ENOMEM), "");
	in->request = request;
	in->outcome = outcome;
	in->error = error;
	in->verb = verb;
	int code = run_tracer(in);

	memcpy(outcome->object, in->target.object, sizeof(outcome->object));
	end(in);
	free(in);
	return code;
}

int inject_attach(const struct inject_request *request, struct inject_outcome *outcome,
		  struct collect_error *error)
{
	return inject(request, outcome, error, attach);
}

int inject_detach(const struct inject_request *request, struct inject_outcome *outcome,
		  struct collect_error *error)
{
	return inject(request, outcome, error, detach);
}
