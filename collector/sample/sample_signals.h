/* Signals that recorded processes hold back: seg_header.held_back. */
#ifndef LOCKJAM_SAMPLE_SIGNALS_H
#define LOCKJAM_SAMPLE_SIGNALS_H

#include "collector/sample/sample_process.h"

/* One look at the targets, or as many of them as are looked at; the records are to be told of it. */
void sample_signals_look(struct sample_processes *ps, uint64_t now_ns);

#endif
