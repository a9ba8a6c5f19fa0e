/*
 * Runs one command and waits for it, as if lockjam were not there: its signals, its terminal, its
 * exit status.
 */
#ifndef LOCKJAM_CHILD_H
#define LOCKJAM_CHILD_H

#include <sys/types.h>

/* As env(1) and nohup(1) have it. */
enum {
	STATUS_FAILED = 125, /* lockjam itself failed */
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

/* Says why COMMAND cannot be run; returns the status. */
int child_refused(const char *command, int code);

/*
 * Forks, executes argv with the dispositions and the mask that lockjam was given, and waits.
 * Meanwhile signals that a process sends to lockjam are handed on; those of the terminal reach the
 * child by themselves. 0 with waitpid's *status, or negative errno.
 */
int child_run(char **argv, pid_t *pid, int *status);

/* Exits like the child: with its status, or of its signal, without a second core file. */
int child_exit_status(int status);
void child_die_alike(int status);

#endif
