/*
 * Waits for System V semaphores and message queues, and POSIX ones. Anybody may operate on them;
 * the kernel tells who did last. See waits.h.
 */
#include "config.h"

#include "collector/source/waits.h"

#include <limits.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>

#define OPERATIONS_MAX 512

/* Numbers mean the same there and here. */
static bool is_our_namespace(const struct waiting *w)
{
	const struct proc *proc = w->all->g->proc;
	char theirs[64], ours[64];

	return proc_is_here(proc) &&
	       !proc_readlink(proc, theirs, sizeof(theirs), "%d/ns/ipc", w->pid) &&
	       !proc_readlink(proc, ours, sizeof(ours), "self/ns/ipc") && !strcmp(theirs, ours);
}

/* Whether the operation could not be done now: it takes more than there is, or waits for zero. */
static bool is_blocked(int value, int operation)
{
	return operation < 0 ? value >= 0 && value < -operation : !operation && value > 0;
}

/* The last who operated on each that stands in the way. */
static void add_last_operators(struct waiting *w, int id)
{
	uint32_t count = (uint32_t)w->call.args[2];
	struct sembuf one;

	for (uint32_t i = 0; i < count && i < OPERATIONS_MAX; i++) {
		if (!waiting_read(w, w->call.args[1] + i * sizeof(one), &one, sizeof(one)))
			return;
		if (!is_blocked(semctl(id, one.sem_num, GETVAL), one.sem_op))
			continue;
		int pid = semctl(id, one.sem_num, GETPID);

		if (pid > 0)
			waiting_way(w, pid, 0, "operated on it last");
	}
}

void waiting_semop(struct waiting *w)
{
	int id = (int)w->call.args[0];

	waiting_is(w, WAIT_SEMAPHORE, "the System V semaphores %d", id);
	waiting_need(w);
	if (is_our_namespace(w))
		add_last_operators(w, id);
	waiting_unseen(w, "anybody who may can post it");
#ifdef SYS_semtimedop
	if (w->call.number == SYS_semtimedop)
		waiting_timespec(w, w->call.args[3]);
#endif
}

void waiting_sysv_message(struct waiting *w)
{
	bool is_receiver = w->call.number == SYS_msgrcv;
	int id = (int)w->call.args[0];
	struct msqid_ds queue;

	waiting_is(w, WAIT_MESSAGE, "%s the System V message queue %d",
		   is_receiver ? "a message in" : "room in", id);
	waiting_need(w);
	if (is_our_namespace(w) && !msgctl(id, IPC_STAT, &queue)) {
		pid_t pid = is_receiver ? queue.msg_lspid : queue.msg_lrpid;

		if (pid > 0)
			waiting_way(w, pid, 0,
				    is_receiver ? "sent to it last" : "received from it last");
	}
	waiting_unseen(w, "anybody who may can %s", is_receiver ? "send to it" : "receive from it");
}

void waiting_posix_message(struct waiting *w)
{
	bool is_receiver = w->call.number == SYS_mq_timedreceive;
	char link[PATH_MAX];

	if (proc_readlink(w->all->g->proc, link, sizeof(link), "%d/fd/%d", w->pid,
			  (int)w->call.args[0]))
		strcpy(link, "?");
	waiting_is(w, WAIT_MESSAGE, "%s the message queue %s",
		   is_receiver ? "a message in" : "room in", link);
	waiting_need(w);
	waiting_unseen(w, "anybody who may can %s", is_receiver ? "send to it" : "receive from it");
	if (w->call.args[4])
		waiting_until(w, UINT64_MAX);
}
