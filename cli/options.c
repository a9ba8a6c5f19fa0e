#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/render.h"
#include "preload/segment.h"

/* What the shim has room for (preload/spare.def, preload/named.c). */
#define UNSAFE_MAX 64
#define UNSAFE_BYTES 4096
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$."

/* One line per option; `apply` returns NULL, or what is wrong with its value. */
struct option_spec {
	enum option_id id;
	const char *name;
	const char *arg; /* of its value, NULL: takes none */
	const char *help;
	const char *(*apply)(struct options *o, const char *value);
};

static const char *apply_all(struct options *o, const char *value)
{
	(void)value;
	o->show_all = true;
	return NULL;
}

static const char *apply_dir(struct options *o, const char *value)
{
	o->dir = value;
	return *value ? NULL : "the name is empty";
}

static const char *apply_format(struct options *o, const char *value)
{
	o->renderer = renderer_find(value);
	return o->renderer ? NULL : "unknown format: text and json are known";
}

static const char *apply_env_format(struct options *o, const char *value)
{
	o->is_systemd = !strcmp(value, "systemd");
	return o->is_systemd || !strcmp(value, "shell")
		       ? NULL
		       : "unknown format: shell and systemd are known";
}

static const char *apply_error_exitcode(struct options *o, const char *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 10);
	if (errno || *end || end == value || n < 0 || n > 255)
		return "not a number from 0 to 255";
	o->error_exitcode = n;
	return NULL;
}

static const char *apply_offline(struct options *o, const char *value)
{
	(void)value;
	o->is_offline = true;
	return NULL;
}

static const char *apply_protect(struct options *o, const char *value)
{
	(void)value;
	o->is_protected = true;
	return NULL;
}

static const char *apply_sysroot(struct options *o, const char *value)
{
	o->sysroot = value;
	return NULL;
}

/* "250ms", "30s", "5m"; never zero. NULL or what is wrong. */
static const char *parse_duration(const char *value, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"ms", 1000000},
		     {"s", 1000000000},
		     {"m", UINT64_C(60000000000)},
		     {"h", UINT64_C(3600000000000)}};
	char *end;

	errno = 0;
	unsigned long n = strtoul(value, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		if (*value < '0' || *value > '9' || errno || !n || n > INT64_MAX / units[i].ns)
			break;
		*ns = n * units[i].ns;
		return NULL;
	}
	return "not a duration: a number and ms, s, m or h";
}

static const char *apply_duration(struct options *o, const char *value)
{
	return parse_duration(value, &o->duration_ns);
}

static const char *apply_interval(struct options *o, const char *value)
{
	const char *wrong = parse_duration(value, &o->interval_ns);

	return wrong ? wrong : o->interval_ns < 10000000 ? "less than 10ms" : NULL;
}

static const char *apply_long_hold(struct options *o, const char *value)
{
	return parse_duration(value, &o->long_hold_ns);
}

static const char *apply_long_wait(struct options *o, const char *value)
{
	return parse_duration(value, &o->long_wait_ns);
}

static const char *apply_suppress(struct options *o, const char *value)
{
	o->suppress = value;
	return *value ? NULL : "the name is empty";
}

static const char *apply_threshold(struct options *o, const char *value)
{
	return parse_duration(value, &o->threshold_ns);
}

static const char *apply_timeout(struct options *o, const char *value)
{
	return parse_duration(value, &o->timeout_ns);
}

static const char *apply_inject(struct options *o, const char *value)
{
	(void)value;
	o->is_injecting = true;
	return NULL;
}

static const char *apply_detach(struct options *o, const char *value)
{
	(void)value;
	o->is_detaching = true;
	return NULL;
}

/* Names of C, or of C++ as the linker has them. */
static const char *apply_unsafe(struct options *o, const char *value)
{
	size_t length, names = 0;

	o->unsafe = value;
	for (const char *name = value; name; name = name[length] ? name + length + 1 : NULL) {
		length = strcspn(name, ",");
		if (!length || strspn(name, NAME_CHARACTERS) != length)
			return "not names of functions with commas between them";
		if (++names > UNSAFE_MAX)
			return "too many functions: 64 can be named";
	}
	return strlen(value) < UNSAFE_BYTES ? NULL : "too long";
}

static const char *apply_track(struct options *o, const char *value)
{
	o->track = value;
	if (strcmp(value, SEG_TRACK_OFF) && strcmp(value, SEG_TRACK_COUNT) &&
	    strcmp(value, SEG_TRACK_FULL))
		return "not off, count or full";
	return NULL;
}

static const char *apply_exe(struct options *o, const char *value)
{
	o->exe = value;
	return NULL;
}

static const char *apply_no_stop(struct options *o, const char *value)
{
	(void)value;
	o->no_stop = true;
	return NULL;
}

static const char *apply_max_frames(struct options *o, const char *value)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || n == 0 || n > UINT32_MAX)
		return "not a number above 0";
	o->max_frames = n;
	return NULL;
}

static const struct option_spec specs[] = {
	{OPTION_DIR, "dir", "DIR",
	 "the session directory (read the saved one; run, env: make and keep it)", apply_dir},
	{OPTION_FORMAT, "format", "FORMAT", "text (default) or json", apply_format},
	{OPTION_ENV_FORMAT, "format", "FORMAT", "shell (default) or systemd", apply_env_format},
	{OPTION_ALL, "all", NULL, "leave nothing out, however long it gets", apply_all},
	{OPTION_ERROR_EXITCODE, "error-exitcode", "N",
	 "exit with N if there are findings (errors or warnings)", apply_error_exitcode},
	{OPTION_INJECT, "inject", NULL, "load the shim into the processes", apply_inject},
	{OPTION_DETACH, "detach", NULL, "end what --inject began", apply_detach},
	{OPTION_TIMEOUT, "timeout", "TIME", "wait so long for a safe moment (default 5s)",
	 apply_timeout},
	{OPTION_DURATION, "duration", "TIME", "end after so long (30s, 5m)", apply_duration},
	{OPTION_INTERVAL, "interval", "TIME", "look so often (default 100ms)", apply_interval},
	{OPTION_LONG_HOLD, "long-hold", "TIME",
	 "note locks that others wait for when held for so long (default 1m)", apply_long_hold},
	{OPTION_LONG_WAIT, "long-wait", "TIME", "note who waits for a lock for so long (default 30s)",
	 apply_long_wait},
	{OPTION_EXE, "exe", "FILE", "the program that the core is of", apply_exe},
	{OPTION_MAX_FRAMES, "max-frames", "N", "cut each backtrace after N frames",
	 apply_max_frames},
	{OPTION_NO_STOP, "no-stop", NULL,
	 "do not stop running threads, not even to copy their stacks", apply_no_stop},
	{OPTION_OFFLINE, "offline", NULL, "DIR is a copy: take all its processes for dead",
	 apply_offline},
	{OPTION_PROTECT, "protect", NULL,
	 "serve handlers that interrupted the allocator from an arena of their own", apply_protect},
	{OPTION_SUPPRESS, "suppress", "FILE", "leave out the findings that FILE names",
	 apply_suppress},
	{OPTION_SYSROOT, "sysroot", "PATH", "where the programs' files are looked up",
	 apply_sysroot},
	{OPTION_THRESHOLD, "threshold", "TIME", "what lasts longer is too long (default 1s)",
	 apply_threshold},
	{OPTION_TRACK, "track", "LEVEL",
	 "locks of threads: full (default), count, or off", apply_track},
	{OPTION_UNSAFE, "unsafe", "FUNCTION,...",
	 "these functions of libraries are unsafe in handlers, too", apply_unsafe},
	{OPTION_HELP, "help", NULL, "print this help", NULL},
	{OPTION_VERSION, "version", NULL, "print the version", NULL},
};
#define SPECS (sizeof(specs) / sizeof(specs[0]))

static bool command_takes(const struct command *command, enum option_id id)
{
	if (id == OPTION_HELP || id == OPTION_VERSION)
		return true;
	for (const enum option_id *own = command->options; *own != OPTION_END; own++)
		if (*own == id)
			return true;
	return false;
}

static const struct option_spec *spec_of(int id)
{
	for (size_t i = 0; i < SPECS; i++)
		if ((int)specs[i].id == id)
			return &specs[i];
	return NULL;
}

static void print_help(const struct command *command)
{
	printf("Usage: lockjam %s %s\n%s.\n\n", command->name, command->args, command->summary);
	for (size_t i = 0; i < SPECS; i++) {
		const struct option_spec *s = &specs[i];
		char left[64];

		if (!command_takes(command, s->id))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", s->name, s->arg ? "=" : "",
			 s->arg ? s->arg : "");
		if (s->id < 256)
			printf("  -%c, %-22s %s\n", s->id, left, s->help);
		else
			printf("      %-22s %s\n", left, s->help);
	}
	printf("\nSee lockjam-%s(1).\n", command->name);
}

/* getopt's tables, made from the options that the command takes. */
static void make_tables(const struct command *command, struct option *longs, char *shorts)
{
	*shorts++ = command->ends_options ? '+' : '-';
	*shorts++ = ':';
	for (size_t i = 0; i < SPECS; i++) {
		const struct option_spec *s = &specs[i];

		if (!command_takes(command, s->id))
			continue;
		*longs++ = (struct option){s->name, s->arg ? required_argument : no_argument, NULL,
					   s->id};
		if (s->id < 256)
			*shorts++ = s->id;
		if (s->id < 256 && s->arg)
			*shorts++ = ':';
	}
	*longs = (struct option){0};
	*shorts = '\0';
}

int options_wrong(const struct command *command, const char *object, const char *cause)
{
	char advice[64];

	snprintf(advice, sizeof(advice), "see lockjam %s --help", command->name);
	message(object, cause, advice);
	return command->usage_status ? command->usage_status : EXIT_TROUBLE;
}

static int apply(struct options *o, const struct command *command, int id)
{
	const struct option_spec *s = spec_of(id);
	const char *wrong;
	char object[64];

	if (id == OPTION_HELP) {
		print_help(command);
		return EXIT_CLEAN;
	}
	if (id == OPTION_VERSION) {
		puts("lockjam " PACKAGE_VERSION);
		return EXIT_CLEAN;
	}
	wrong = s->apply(o, optarg);
	if (!wrong)
		return -1;
	snprintf(object, sizeof(object), "--%s=%s", s->name, optarg ? optarg : "");
	return options_wrong(command, object, wrong);
}

int options_parse(struct options *o, const struct command *command, int argc, char **argv)
{
	struct option longs[SPECS + 1];
	char shorts[2 * SPECS + 3];
	int id, status = -1;

	*o = (struct options){.command = command, .error_exitcode = -1};
	o->renderer = renderer_find("text");
	o->operands = calloc(argc + 1, sizeof(*o->operands));
	if (!o->operands)
		return options_wrong(command, NULL, strerror(ENOMEM));
	make_tables(command, longs, shorts);
	opterr = 0;
	optind = 0;
	while (status < 0 && (id = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (id == 1) /* an operand between options */
			o->operands[o->operand_count++] = optarg;
		else if (id == ':')
			status = options_wrong(command, argv[optind - 1], "needs a value");
		else if (id == '?')
			status = options_wrong(command, argv[optind - 1],
					       "unknown, ambiguous or unexpected option");
		else
			status = apply(o, command, id);
	}
	while (optind < argc)
		o->operands[o->operand_count++] = argv[optind++];
	return status;
}

/* Edits (insert, delete, replace) from a to b; both are short. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32], length = strlen(b);

	if (length >= 32)
		return UINT32_MAX;
	for (unsigned j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= length; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[length];
}

const char *options_nearest(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	unsigned best = 3; /* further away is another word, not a slip */

	for (; *words; words++) {
		unsigned d = distance(word, *words);

		if (d < best && d < strlen(*words)) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}
