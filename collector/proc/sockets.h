/*
 * What a socket is and who is at its other end: the lists in /proc/PID/net for TCP and UDP, the
 * kernel's diagnosis (sock_diag(7)) for the unix domain, which tells of our network namespace only.
 */
#ifndef LOCKJAM_SOCKETS_H
#define LOCKJAM_SOCKETS_H

#include "collector/proc/proc.h"

enum socket_kind {
	SOCKET_UNKNOWN, /* of another family, or not to be seen */
	SOCKET_UNIX,
	SOCKET_TCP,
	SOCKET_UDP,
};

struct socket_peer {
	enum socket_kind kind;
	bool is_listening;
	bool is_connecting; /* the other end has not answered */
	bool is_foreign;    /* it may be of a network namespace that is not ours */
	uint64_t peer;      /* inode of the other end; 0: nobody has it here */
	uint64_t listener;  /* peer 0: inode of who has not accepted the connection yet; 0 none */
	char local[64], remote[64]; /* "127.0.0.1:80"; "" none */
	uint64_t idle_ns;           /* nothing came for so long; 0 unknown */
};

/* The socket of that inode, of a process's network namespace. 0 or negative errno. */
int socket_look(const struct proc *p, pid_t pid, uint64_t ino, struct socket_peer *peer);

/*
 * The limit of time that the socket itself has for receiving (or sending), 0: none. Asked of a
 * duplicate (pidfd_getfd(2)), which has no effect on the original. 0 or negative errno.
 */
int socket_limit(const struct proc *p, pid_t pid, int fd, bool is_sending, uint64_t *ns);

#endif
