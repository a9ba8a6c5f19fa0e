/*
 * Renderers: one file each, exporting one of these, and one line in the table of render.c. They
 * print a view to view.out and decide nothing: what is shown and in which order comes with the
 * view. Write errors are found by main.c when it closes stdout.
 */
#ifndef LOCKJAM_RENDER_H
#define LOCKJAM_RENDER_H

#include "cli/view.h"

struct chain;

struct renderer {
	/* The word behind --format. */
	const char *name;
	/* Holders and waiters, then the backtraces of the view. */
	void (*graph)(struct view *v);
	/* Findings, graph, backtraces, processes, last events. */
	void (*report)(struct view *v);
	/* The backtraces of the view, with what their threads are doing. */
	void (*stacks)(struct view *v);
	/* What a process is waiting for, link by link. */
	void (*why)(struct view *v, const struct chain *c);
	/* The handlers of signals and what they called. */
	void (*signals)(struct view *v);
};

extern const struct renderer render_text;
extern const struct renderer render_json;

/* By its name, NULL if there is none. */
const struct renderer *renderer_find(const char *name);

#endif
