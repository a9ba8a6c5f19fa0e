/*
 * The collector's face: from the system, or a saved session, to a model with findings.
 *
 * The library never prints and never exits. Failures come back as negative errno with a sentence
 * in `struct collect_error`; what could only partly be seen becomes a note of the model.
 */
#ifndef LOCKJAM_COLLECTOR_H
#define LOCKJAM_COLLECTOR_H

#include "collector/collect.h"
#include "collector/model/model.h"

struct collector; /* a model, and what is needed to resolve its stacks (open segments, modules) */

/*
 * Everything: sources, merge, analysis. 0 or a negative errno with *error filled:
 * -ENOENT no such session or target; -EACCES; -EINVAL not a session; -ENOTSUP future version.
 */
int collector_open(const struct collect_options *options, struct collector **collector,
		   struct collect_error *error);
void collector_close(struct collector *c);

/* The model; its indices stay valid until collector_close(). */
struct model *collector_model(struct collector *c);

/*
 * Names the frames of one stack (unwinds a STACK_SLICE or STACK_THREAD first). May be called
 * again at no cost. 0, or a negative errno when not even one frame could be had; then
 * model_stack.stopped says why.
 */
int collector_resolve(struct collector *c, uint32_t stack);

/* A new STACK_THREAD of the thread as it is now, resolved; MODEL_NONE if it cannot. Never stops it.
 */
uint32_t collector_thread_stack(struct collector *c, uint32_t thread);

/*
 * The same, only copied: collector_resolve() names it later, so that the copies of many threads are
 * made within a short time. Stops a running thread for that if collect_options.may_stop is set.
 */
uint32_t collector_copy_thread(struct collector *c, uint32_t thread);

#endif
