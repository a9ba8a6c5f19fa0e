/* Waits at a socket: for whoever has its other end. See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <inttypes.h>

#include "collector/proc/sockets.h"

static const char other_end[] = "the other end of the socket";

/* Nobody of this machine is at the other end, or nobody in particular. */
static struct waited wait_for_anybody(struct waiting *w, const struct socket_peer *s)
{
	if (s->is_listening) {
		waiting_unseen(w, "anybody may connect");
		return (struct waited){
			WAIT_ACCEPT,
			*s->local ? model_stringf(w->m, "a connection to %s (TCP)", s->local)
				  : "a connection to its unix socket"};
	}
	if (s->kind == SOCKET_TCP) {
		if (s->is_connecting)
			waiting_until(w, UINT64_MAX); /* the kernel gives up */
		waiting_unseen(w, "it is another machine, or in another network namespace");
		return (struct waited){WAIT_REMOTE, model_stringf(w->m, "%s (TCP)", s->remote)};
	}
	waiting_unseen(w, "anybody may send to it");
	if (s->kind == SOCKET_UDP)
		return (struct waited){WAIT_REMOTE,
				       model_stringf(w->m, "a packet %s %s (UDP)",
						     *s->remote ? "from" : "to",
						     *s->remote ? s->remote : s->local)};
	return (struct waited){WAIT_SOCKET, "a message to its unix socket"};
}

/* The socket itself may have a limit of time, for calls that have none of their own. */
static void read_limit(struct waiting *w, int fd, enum direction direction)
{
	const struct model_wait *wait = &w->m->waits.items[w->wait];
	uint64_t ns;

	if (w->is_set || wait->unseen)
		return;
	if (socket_limit(w->all->g->proc, w->pid, fd, direction == DIRECTION_OUT, &ns))
		waiting_unseen(w, "whether the socket has a limit of time may not be seen (%s)",
			       proc_access_advice());
	else if (ns)
		waiting_for(w, ns);
}

struct waited waiting_socket(struct waiting *w, int fd, uint64_t ino, enum direction direction)
{
	struct socket_peer s;
	struct waited waited;
	uint32_t found = 0;

	socket_look(w->all->g->proc, w->pid, ino, &s);
	if (s.kind == SOCKET_UNKNOWN) {
		waiting_unseen(w, s.is_foreign ? "its socket is of another network namespace: its "
						 "other end is not to be seen"
					       : "sockets of its family tell no other end");
		return (struct waited){WAIT_SOCKET,
				       model_stringf(w->m, "socket:[%" PRIu64 "]", ino)};
	}
	if (s.kind == SOCKET_TCP)
		w->m->waits.items[w->wait].idle_ns = s.idle_ns;
	if (!s.peer && !s.listener && !(s.kind == SOCKET_UNIX && s.is_connecting))
		return wait_for_anybody(w, &s);
	if (s.peer)
		found = waiting_ends(w, END_SOCKET, s.peer, "has its other end");
	else if (s.listener)
		found = waiting_ends(w, END_SOCKET, s.listener, "has not accepted the connection");
	waiting_hidden(w, found, other_end);
	read_limit(w, fd, direction);
	waited.kind = WAIT_SOCKET;
	waited.object =
		s.kind == SOCKET_UNIX
			? model_stringf(w->m, "%s its unix socket (descriptor %d)",
					direction == DIRECTION_IN ? "input of" : "room in", fd)
			: model_stringf(w->m, "%s (TCP, of this machine)", s.remote);
	return waited;
}
