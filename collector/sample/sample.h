/*
 * The sampler: records processes from outside, by looking at their locks again and again, into the
 * segments of a session. Nobody is stopped, nothing in a target is changed.
 *
 * A look begins with /proc/locks alone; only when what it says of our processes has changed are
 * they looked into. All functions are for one thread.
 */
#ifndef LOCKJAM_SAMPLE_H
#define LOCKJAM_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/collect.h"

struct sample_options {
	const char *dir; /* of a session, absolute */
	uint64_t interval_ns;
	const struct collect_target *targets; /* must outlive the sampler */
	uint32_t target_count;
};

struct sampler;

/* 0 or a negative errno with *error filled: no such target (-ENOENT), may not be looked at, the
 * directory cannot be written. Makes the first look. */
int sampler_new(const struct sample_options *options, struct sampler **s,
		struct collect_error *error);
/* Writes when the last look was; nothing is recorded any more. */
void sampler_end(struct sampler *s);
void sampler_free(struct sampler *s);

/* CLOCK_MONOTONIC, as all times here. */
uint64_t sampler_clock_ns(void);
/* When the next look is due. */
uint64_t sampler_next_ns(const struct sampler *s);
/* Readable when one of the processes has ended: to be looked at once. */
int sampler_fd(const struct sampler *s);

/* A look, due or not. 0, or a negative errno with *error filled when recording cannot go on. */
int sampler_look(struct sampler *s, struct collect_error *error);
/* All targets are gone; never, while one of them is a path. */
bool sampler_is_over(const struct sampler *s);
/* The next thing to be told at once: a deadlock, as "DEADLOCK: ...", or that somebody cannot be
 * recorded. False: there is none. */
bool sampler_news(struct sampler *s, char *text, size_t size);

#endif
