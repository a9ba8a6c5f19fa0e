/* See suppress.h. */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/suppress.h"
#include "cli/text.h"
#include "collector/model/findings.h"

#define BLANKS " \t\r\n"

enum {
	FUNCTION,
	HANDLER,
	PROGRAM,
	SIGNAL,
	KEYS
};
static const char *const keys[KEYS] = {"function", "handler", "program", "signal"};

struct suppression {
	unsigned line;
	bool is_any_kind;
	enum finding_kind kind;
	char *patterns[KEYS]; /* NULL: anything */
	unsigned used;
};

struct suppressions {
	char *path;
	struct suppression *items;
	unsigned count;
};

const char *suppress_path(const struct options *o)
{
	const char *path = o->suppress ? o->suppress : getenv(SUPPRESS_ENV);

	return path && *path ? path : NULL;
}

void suppress_free(struct suppressions *list)
{
	for (unsigned i = 0; list && i < list->count; i++)
		for (int k = 0; k < KEYS; k++)
			free(list->items[i].patterns[k]);
	if (list) {
		free(list->items);
		free(list->path);
	}
	free(list);
}

/* --- reading --------------------------------------------------------------------------------- */

/* What is wrong with the word, or NULL. */
static const char *read_kind(struct suppression *s, const char *word)
{
	s->is_any_kind = !strcmp(word, "*");
	for (int kind = 0; !s->is_any_kind && kind < FINDING_KINDS; kind++) {
		if (strcmp(finding_info(kind)->id, word))
			continue;
		s->kind = kind;
		return NULL;
	}
	return s->is_any_kind ? NULL : "no kind of finding has this name";
}

static const char *read_pattern(struct suppression *s, const char *word)
{
	const char *value = strchr(word, '=');

	for (int k = 0; value && k < KEYS; k++) {
		if (strncmp(word, keys[k], (size_t)(value - word)) || keys[k][value - word])
			continue;
		if (s->patterns[k])
			return "stands here twice";
		s->patterns[k] = strdup(value + 1);
		return s->patterns[k] ? NULL : strerror(ENOMEM);
	}
	return "is not function=, handler=, program= or signal=";
}

static struct suppression *add(struct suppressions *list, unsigned line)
{
	struct suppression *items =
		reallocarray(list->items, list->count + 1, sizeof(*list->items));

	if (!items)
		return NULL;
	list->items = items;
	items[list->count] = (struct suppression){.line = line};
	return &items[list->count++];
}

static int refuse(const struct suppressions *list, unsigned line, const char *word,
		  const char *wrong)
{
	char *object, *cause;

	if (asprintf(&object, "%s:%u", list->path, line) < 0)
		object = NULL;
	if (asprintf(&cause, "%s: %s", word, wrong) < 0)
		cause = NULL;
	message(object, cause ? cause : wrong, "see lockjam-suppressions(5)");
	free(object);
	free(cause);
	return EXIT_TROUBLE;
}

static int read_line(struct suppressions *list, unsigned line, char *text)
{
	struct suppression *s = NULL;
	const char *wrong;
	char *rest;

	text[strcspn(text, "#")] = '\0';
	for (char *word = strtok_r(text, BLANKS, &rest); word;
	     word = strtok_r(NULL, BLANKS, &rest)) {
		if (!s) {
			s = add(list, line);
			wrong = s ? read_kind(s, word) : strerror(ENOMEM);
		} else {
			wrong = read_pattern(s, word);
		}
		if (wrong)
			return refuse(list, line, word, wrong);
	}
	return 0;
}

static int read_lines(struct suppressions *list, FILE *file)
{
	char *text = NULL;
	size_t room = 0;
	int status = 0;

	for (unsigned line = 1; !status && getline(&text, &room, file) >= 0; line++)
		status = read_line(list, line, text);
	free(text);
	if (!status && ferror(file)) {
		message(list->path, strerror(errno), NULL);
		status = EXIT_TROUBLE;
	}
	return status;
}

int suppress_read(const char *path, struct suppressions **list)
{
	FILE *file = fopen(path, "re");
	int status = EXIT_TROUBLE;

	*list = calloc(1, sizeof(**list));
	if (!file || !*list || !((*list)->path = strdup(path)))
		message(path, strerror(errno),
			"it should have the findings that are not to be told");
	else
		status = read_lines(*list, file);
	if (file)
		fclose(file);
	if (status) {
		suppress_free(*list);
		*list = NULL;
	}
	return status;
}

/* --- applying -------------------------------------------------------------------------------- */

static bool fits(const char *pattern, const char *text)
{
	return !pattern || (text && fnmatch(pattern, text, 0) == 0);
}

static bool fits_signal(const char *pattern, int signo)
{
	char name[TEXT_SIZE];

	return !pattern || (signo && fnmatch(pattern, text_signal(name, signo), 0) == 0);
}

/* By its path, or by its name alone. */
static bool fits_program(const char *pattern, const struct model *m, uint32_t process)
{
	const struct model_process *p;
	const char *base;

	if (!pattern || process == MODEL_NONE)
		return !pattern;
	p = &m->processes.items[process];
	base = strrchr(p->exe, '/');
	return fits(pattern, p->exe) || fits(pattern, base ? base + 1 : p->exe) ||
	       fits(pattern, p->name);
}

static bool is_meant(const struct suppression *s, const struct model *m,
		     const struct model_finding *f)
{
	return (s->is_any_kind || s->kind == f->kind) && fits(s->patterns[FUNCTION], f->function) &&
	       fits(s->patterns[HANDLER], f->handler) &&
	       fits_signal(s->patterns[SIGNAL], f->signo) &&
	       fits_program(s->patterns[PROGRAM], m,
			    f->process_count ? f->processes[0] : MODEL_NONE);
}

/* All lines that match count as used. */
static bool is_suppressed(struct suppressions *list, const struct model *m,
			  const struct model_finding *f)
{
	bool is_found = false;

	for (unsigned i = 0; i < list->count; i++) {
		if (!is_meant(&list->items[i], m, f))
			continue;
		list->items[i].used++;
		is_found = true;
	}
	return is_found;
}

uint32_t suppress_apply(struct suppressions *list, struct model *m, bool tell_unused)
{
	char count[TEXT_SIZE];
	uint32_t kept = 0, all = m->findings.count;

	for (uint32_t i = 0; i < all; i++) {
		struct model_finding f = m->findings.items[i];

		if (!is_suppressed(list, m, &f))
			m->findings.items[kept++] = f;
	}
	m->findings.count = kept;
	if (kept < all)
		model_note(m, "%s suppressed by %s", text_count(count, all - kept, "finding"),
			   list->path);
	for (unsigned i = 0; tell_unused && i < list->count; i++)
		if (!list->items[i].used)
			model_note(m, "%s:%u suppresses nothing", list->path, list->items[i].line);
	return all - kept;
}
