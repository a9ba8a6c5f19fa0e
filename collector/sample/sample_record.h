/*
 * From the model of one look to the records of its processes: what is new, what went on, what is
 * over.
 */
#ifndef LOCKJAM_SAMPLE_RECORD_H
#define LOCKJAM_SAMPLE_RECORD_H

#include "collector/model/index.h"
#include "collector/model/model.h"
#include "collector/sample/sample_process.h"

/* A look on its way into the records. */
struct sample_look {
	struct sample_processes *ps;
	const struct model *m;
	uint64_t now_ns;
	struct sample_process **processes; /* by the model's index, NULL: not recorded */
	uint32_t *locks;                   /* by the model's index: of SEG_LOCKS, 0 none */
	bool *is_waiting;                  /* by the process's index */
	struct index descriptions;         /* the model's ofd -> the records' number */
	struct index names;                /* numbers that are taken */
};

/* Writes it; `look` has ps, m and now_ns. 0 or -ENOMEM; to be freed with sample_look_done(). */
int sample_look_record(struct sample_look *look);
void sample_look_done(struct sample_look *look);

/* --- sample_thread.c -------------------------------------------------------------------------- */

/* All threads of those who were looked into: how many there are decides what is a deadlock. 0 or
 * -ENOMEM. */
int sample_threads_record(struct sample_look *look);
/* Who waits, where the kernel names the process only: the one thread that is in such a call. 0: not
 * known. */
pid_t sample_waiter(const struct sample_look *look, const struct model_lock *l);
/* The index of a thread's record; 0: none. */
uint32_t sample_thread(struct sample_process *p, pid_t tid);

#endif
