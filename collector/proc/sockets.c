/* See sockets.h. */
#include "config.h"

#include "collector/proc/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel's states (include/net/tcp_states.h), also of the unix domain. */
#define STATE_SYN_SENT 2
#define STATE_LISTEN 10
#define REPLY_MAX 65536
#define REPLIES_MAX 10000

/* --- the unix domain: sock_diag -----------------------------------------------------------------
 */

static bool is_our_namespace(const struct proc *p, pid_t pid)
{
	char theirs[64], ours[64];

	return proc_is_here(p) && !proc_readlink(p, theirs, sizeof(theirs), "%d/ns/net", pid) &&
	       !proc_readlink(p, ours, sizeof(ours), "self/ns/net") && !strcmp(theirs, ours);
}

static int send_request(int fd, int flags, const void *request, size_t size)
{
	struct {
		struct nlmsghdr head;
		char data[128];
	} message = {.head = {.nlmsg_len = NLMSG_LENGTH(size),
			      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			      .nlmsg_flags = NLM_F_REQUEST | flags}};

	memcpy(message.data, request, size);
	return send(fd, &message, message.head.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* An attribute of a reply; its length in *size. NULL: it has none. */
static const void *attribute(const struct nlmsghdr *head, size_t fixed, int type, size_t *size)
{
	size_t left = head->nlmsg_len - NLMSG_LENGTH(0), at = NLMSG_ALIGN(fixed);
	const char *data = NLMSG_DATA(head);

	while (at + sizeof(struct nlattr) <= left) {
		const struct nlattr *a = (const void *)(data + at);

		if (a->nla_len < sizeof(*a) || a->nla_len > left - at)
			return NULL;
		if (a->nla_type == type) {
			*size = a->nla_len - sizeof(*a);
			return a + 1;
		}
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

/* One reply; true ends the reading. */
typedef bool reply_fn(const struct nlmsghdr *head, void *data);

/* 0 when a reply was taken, or all are read; or negative errno. */
static int read_replies(int fd, reply_fn *use, void *data)
{
	static const struct timeval limit = {.tv_sec = 1};
	char *buffer = malloc(REPLY_MAX);
	int result = buffer ? -EAGAIN : -ENOMEM;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; result == -EAGAIN && i < REPLIES_MAX; i++) {
		ssize_t got = recv(fd, buffer, REPLY_MAX, 0);

		if (got <= 0)
			break;
		for (struct nlmsghdr *h = (void *)buffer; result == -EAGAIN && NLMSG_OK(h, got);
		     h = NLMSG_NEXT(h, got)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type == NLMSG_DONE)
				result = 0;
			else if (h->nlmsg_type == NLMSG_ERROR)
				result = e->error ? e->error : -EIO;
			else if (use(h, data))
				result = 0;
		}
	}
	free(buffer);
	return result;
}

static int ask(int flags, const void *request, size_t size, reply_fn *use, void *data)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	int r = send_request(fd, flags, request, size);

	if (!r)
		r = read_replies(fd, use, data);
	close(fd);
	return r;
}

static bool take_unix(const struct nlmsghdr *head, void *data)
{
	struct socket_peer *s = data;
	const struct unix_diag_msg *m = NLMSG_DATA(head);
	const void *peer;
	size_t size;
	uint32_t ino;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return false;
	s->kind = SOCKET_UNIX;
	s->is_listening = m->udiag_state == STATE_LISTEN;
	peer = attribute(head, sizeof(*m), UNIX_DIAG_PEER, &size);
	if (peer && size >= sizeof(ino)) {
		memcpy(&ino, peer, sizeof(ino));
		s->peer = ino;
		s->is_connecting = !ino; /* the other end has no inode before it is accepted */
	}
	return true;
}

struct pending {
	uint32_t ino;
	uint64_t listener;
};

/* Whether our socket is among those that wait to be accepted. */
static bool take_listener(const struct nlmsghdr *head, void *data)
{
	struct pending *p = data;
	const struct unix_diag_msg *m = NLMSG_DATA(head);
	const char *icons;
	size_t size;
	uint32_t ino;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return false;
	icons = attribute(head, sizeof(*m), UNIX_DIAG_ICONS, &size);
	for (size_t at = 0; icons && at + sizeof(ino) <= size; at += sizeof(ino)) {
		memcpy(&ino, icons + at, sizeof(ino));
		if (ino == p->ino)
			p->listener = m->udiag_ino;
	}
	return p->listener;
}

static int look_unix(uint64_t ino, struct socket_peer *s)
{
	struct unix_diag_req q = {.sdiag_family = AF_UNIX,
				  .udiag_states = UINT32_MAX,
				  .udiag_ino = (uint32_t)ino,
				  .udiag_show = UDIAG_SHOW_PEER,
				  .udiag_cookie = {UINT32_MAX, UINT32_MAX}};
	struct pending pending = {.ino = (uint32_t)ino};
	int r = ino > UINT32_MAX ? -ENOENT : ask(0, &q, sizeof(q), take_unix, s);

	if (r || !s->is_connecting)
		return r;
	q.udiag_states = 1u << STATE_LISTEN;
	q.udiag_show = UDIAG_SHOW_ICONS;
	q.udiag_ino = 0;
	if (!ask(NLM_F_DUMP, &q, sizeof(q), take_listener, &pending))
		s->listener = pending.listener;
	return 0;
}

/* --- TCP and UDP: lists -------------------------------------------------------------------------
 */

/* IPv4 as IPv6 has it, so that both lists compare. */
struct place {
	uint8_t address[16];
	uint16_t port;
};

struct row {
	struct place local, remote;
	unsigned state;
	uint64_t ino;
};

/* "0100007F:0016": words as they lie in memory. */
static bool parse_place(const char *text, struct place *place)
{
	size_t digits = strspn(text, "0123456789ABCDEFabcdef");
	uint32_t words[4] = {0, 0, htonl(0xffff), 0};
	unsigned port;

	if ((digits != 8 && digits != 32) || sscanf(text + digits, ":%x", &port) != 1)
		return false;
	for (size_t i = 0; i < digits / 8; i++)
		if (sscanf(text + 8 * i, "%8" SCNx32, &words[digits == 8 ? 3 : i]) != 1)
			return false;
	memcpy(place->address, words, sizeof(words));
	place->port = (uint16_t)port;
	return true;
}

/* "  0: LOCAL REMOTE STATE TX:RX TR:WHEN RETRNSMT UID TIMEOUT INODE ..." */
static bool parse_row(const char *line, struct row *row)
{
	char local[64], remote[64];

	return sscanf(line, " %*d: %63s %63s %x %*s %*s %*s %*u %*d %" SCNu64, local, remote,
		      &row->state, &row->ino) == 4 &&
	       parse_place(local, &row->local) && parse_place(remote, &row->remote);
}

static bool is_same(const struct place *a, const struct place *b)
{
	return a->port == b->port && !memcmp(a->address, b->address, sizeof(a->address));
}

static bool is_anywhere(const struct place *a)
{
	static const uint8_t none[16], mapped[16] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(a->address, none, 16) || !memcmp(a->address, mapped, 16);
}

static void put_place(char *text, size_t size, const struct place *place)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char address[INET6_ADDRSTRLEN] = "?";
	bool is_four = !memcmp(place->address, mapped, sizeof(mapped));

	inet_ntop(is_four ? AF_INET : AF_INET6, place->address + (is_four ? 12 : 0), address,
		  sizeof(address));
	snprintf(text, size, is_four ? "%s:%u" : "[%s]:%u", address, place->port);
}

typedef bool row_fn(const struct row *row, void *data);

/* The rows of the lists of one protocol; whether `use` ended it. */
static bool for_rows(const struct proc *p, pid_t pid, const char *protocol, row_fn *use, void *data)
{
	bool is_done = false;

	for (int six = 0; six < 2 && !is_done; six++) {
		char *text, *line;
		size_t length;
		struct row row;

		if (proc_read(p, &text, &length, "%d/net/%s%s", pid, protocol, six ? "6" : ""))
			continue;
		for (line = strchr(text, '\n'); line && !is_done; line = strchr(line + 1, '\n'))
			is_done = parse_row(line + 1, &row) && use(&row, data);
		free(text);
	}
	return is_done;
}

static bool is_ours(const struct row *row, void *data)
{
	struct row *wanted = data;

	if (row->ino != wanted->ino)
		return false;
	*wanted = *row;
	return true;
}

struct other_end {
	struct row ours;
	bool is_there;
	uint64_t ino, listener;
};

static bool find_other(const struct row *row, void *data)
{
	struct other_end *o = data;

	if (is_same(&row->local, &o->ours.remote) && is_same(&row->remote, &o->ours.local)) {
		o->is_there = true;
		o->ino = row->ino;
	}
	if (row->state == STATE_LISTEN && row->local.port == o->ours.remote.port &&
	    (is_anywhere(&row->local) ||
	     !memcmp(row->local.address, o->ours.remote.address, sizeof(row->local.address))))
		o->listener = row->ino;
	return o->ino;
}

static bool take_info(const struct nlmsghdr *head, void *data)
{
	struct socket_peer *s = data;
	size_t size;
	const char *info;
	uint32_t ms;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return false;
	info = attribute(head, sizeof(struct inet_diag_msg), INET_DIAG_INFO, &size);
	if (info && size >= offsetof(struct tcp_info, tcpi_last_data_recv) + sizeof(ms)) {
		memcpy(&ms, info + offsetof(struct tcp_info, tcpi_last_data_recv), sizeof(ms));
		s->idle_ns = (uint64_t)ms * 1000000;
	}
	return true;
}

static void ask_idle(const struct row *row, struct socket_peer *s)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_four = !memcmp(row->local.address, mapped, sizeof(mapped));
	struct inet_diag_req_v2 q = {.sdiag_family = is_four ? AF_INET : AF_INET6,
				     .sdiag_protocol = IPPROTO_TCP,
				     .idiag_ext = 1 << (INET_DIAG_INFO - 1),
				     .idiag_states = UINT32_MAX};
	size_t skip = is_four ? 12 : 0;

	q.id.idiag_sport = htons(row->local.port);
	q.id.idiag_dport = htons(row->remote.port);
	memcpy(q.id.idiag_src, row->local.address + skip, 16 - skip);
	memcpy(q.id.idiag_dst, row->remote.address + skip, 16 - skip);
	q.id.idiag_cookie[0] = q.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	ask(0, &q, sizeof(q), take_info, s);
}

static bool look_tcp(const struct proc *p, pid_t pid, uint64_t ino, struct socket_peer *s)
{
	struct other_end o = {.ours.ino = ino};

	if (!for_rows(p, pid, "tcp", is_ours, &o.ours))
		return false;
	s->kind = SOCKET_TCP;
	s->is_listening = o.ours.state == STATE_LISTEN;
	s->is_connecting = o.ours.state == STATE_SYN_SENT;
	put_place(s->local, sizeof(s->local), &o.ours.local);
	if (s->is_listening)
		return true;
	put_place(s->remote, sizeof(s->remote), &o.ours.remote);
	for_rows(p, pid, "tcp", find_other, &o);
	s->peer = o.ino;
	s->listener = o.is_there && !o.ino ? o.listener : 0;
	if (is_our_namespace(p, pid))
		ask_idle(&o.ours, s);
	return true;
}

static bool look_udp(const struct proc *p, pid_t pid, uint64_t ino, struct socket_peer *s)
{
	struct row row = {.ino = ino};

	if (!for_rows(p, pid, "udp", is_ours, &row))
		return false;
	s->kind = SOCKET_UDP;
	put_place(s->local, sizeof(s->local), &row.local);
	if (!is_anywhere(&row.remote))
		put_place(s->remote, sizeof(s->remote), &row.remote);
	return true;
}

int socket_look(const struct proc *p, pid_t pid, uint64_t ino, struct socket_peer *peer)
{
	struct socket_peer s = {.kind = SOCKET_UNKNOWN};
	bool is_here = is_our_namespace(p, pid);

	if (!is_here || look_unix(ino, &s)) {
		s = (struct socket_peer){.is_foreign = !is_here};
		if (!look_tcp(p, pid, ino, &s) && !look_udp(p, pid, ino, &s))
			s.kind = SOCKET_UNKNOWN;
	}
	*peer = s;
	return 0;
}

int socket_limit(const struct proc *p, pid_t pid, int fd, bool is_sending, uint64_t *ns)
{
	struct timeval limit = {0};
	socklen_t size = sizeof(limit);
	int pidfd = proc_is_here(p) ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	int error = copy < 0 ? -EACCES : 0;

	if (!error &&
	    getsockopt(copy, SOL_SOCKET, is_sending ? SO_SNDTIMEO : SO_RCVTIMEO, &limit, &size))
		error = -errno;
	if (!error)
		*ns = limit.tv_sec * UINT64_C(1000000000) + limit.tv_usec * UINT64_C(1000);
	if (copy >= 0)
		close(copy);
	if (pidfd >= 0)
		close(pidfd);
	return error;
}
