/*
 * The words of `lockjam why`, for all renderers: what a link of the chain is doing, the chain in
 * one sentence, and what to do. All malloc'ed, as raw as the names in them, without a newline; NULL:
 * memory is out, or (advice) there is nothing to say.
 */
#ifndef LOCKJAM_WHY_H
#define LOCKJAM_WHY_H

#include "cli/view.h"
#include "collector/model/wait_chain.h"

/* "waits for a WRITE lock on /mail/index", "is stopped by a signal", "is running" */
char *why_doing(const struct view *v, const struct chain_link *l);

/* From the process that was asked about to the cause. */
char *why_sentence(const struct view *v, const struct chain *c);

/*
 * What those wait for in the end who wait for a hold: "2 wait for imapd (pid 3301), which is
 * stopped by a signal". NULL also where nothing is known, or a deadlock's own line says it.
 */
char *why_cause_of_hold(const struct view *v, uint32_t lock, uint32_t waiters);

/* Which process to end, or what else lets it go on. */
char *why_advice(const struct view *v, const struct chain *c);

/* The deadlock that the link is in, or waits behind; NULL none. */
const struct model_finding *why_deadlock(const struct model *m, const struct chain_link *l);

/* A word for scripts: what the chain ends in ("deadlock", "remote", "stopped", "running", ...). */
const char *why_cause(const struct model *m, const struct chain *c);

/* The link that the chain's first branch ends in. */
const struct chain_link *why_root(const struct chain *c);

#endif
