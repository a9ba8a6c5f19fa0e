/*
 * The small pieces that text output is made of: escaped strings, durations, points in time, byte
 * ranges, names of signals. They know nothing of the model.
 */
#ifndef LOCKJAM_TEXT_H
#define LOCKJAM_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_SIZE 64

/*
 * Writes a string so that it cannot break a line or command a terminal: a backslash becomes \\,
 * newline, tab and return \n, \t, \r, other control characters and bytes that are no UTF-8
 * \ooo (octal).
 */
void text_put(FILE *f, const char *s);
/* The same for values of C, which have their own escapes: a backslash stays one. */
void text_put_value(FILE *f, const char *s);

/* Length of the UTF-8 sequence at s, 0 if there is no valid one (or at the end). */
int text_utf8_length(const char *s);

/* These fill the buffer and return it. */
const char *text_duration(char buffer[TEXT_SIZE], uint64_t ns);   /* 850ns 12us 250ms 4.2s 5m03s */
const char *text_clock(char buffer[TEXT_SIZE], uint64_t real_ns); /* local time, to the second */
const char *text_range(char buffer[TEXT_SIZE], uint64_t start, uint64_t end);
const char *text_signal(char buffer[TEXT_SIZE], int signo); /* SIGALRM, SIGRTMIN+3 */

/* "1 error", "2 errors", "no errors". */
const char *text_count(char buffer[TEXT_SIZE], uint64_t n, const char *noun);

#endif
