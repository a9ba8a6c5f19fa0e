/*
 * Which processes serve connections: they have one whose own end is an address on which they
 * listen. Asked only of those that leave SIGPIPE at its default. /proc/PID/net tells of the
 * process's own network; sockets are known by their inodes.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/source/signals.h"

#define SOCKETS_MAX 4096 /* of one process */
#define TCP_ESTABLISHED 0x01
#define TCP_LISTEN 0x0a
#define UNIX_LISTENS 0x10000 /* __SO_ACCEPTCON */
#define UNIX_CONNECTED 3

/* The sockets of a process; ports and names on which it listens. */
struct sockets {
	uint64_t inodes[SOCKETS_MAX];
	uint32_t count;
	uint64_t listeners[SOCKETS_MAX]; /* inodes */
	uint32_t listener_count;
	bool ports[65536];
	char *names; /* of listening unix sockets, each between newlines */
	size_t names_size;
	uint32_t accepted;
};

static bool has_inode(const uint64_t *inodes, uint32_t count, uint64_t inode)
{
	for (uint32_t i = 0; i < count; i++)
		if (inodes[i] == inode)
			return true;
	return false;
}

/* How many were found; those beyond `room` are left out. */
static uint32_t list_sockets(const struct gather *g, pid_t pid, uint64_t *inodes, uint32_t room)
{
	int *fds;
	ssize_t fd_count = proc_list(g->proc, &fds, "%d/fd", (int)pid);
	unsigned long long inode;
	uint32_t count = 0;
	char link[64];

	for (ssize_t i = 0; i < fd_count && count < room; i++)
		if (!proc_readlink(g->proc, link, sizeof(link), "%d/fd/%d", (int)pid, fds[i]) &&
		    sscanf(link, "socket:[%llu]", &inode) == 1)
			inodes[count++] = inode;
	if (fd_count >= 0)
		free(fds);
	return count;
}

static void add_listener(struct sockets *s, uint64_t inode)
{
	if (s->listener_count < SOCKETS_MAX)
		s->listeners[s->listener_count++] = inode;
}

/* "  0: 0100007F:1F90 00000000:0000 0A ... inode ..." */
static void look_at_tcp(struct sockets *s, const char *line, bool wants_listeners)
{
	unsigned long long inode;
	unsigned port, state;

	if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %llu",
		   &port, &state, &inode) != 3 ||
	    port > 65535 || state != (wants_listeners ? TCP_LISTEN : TCP_ESTABLISHED) ||
	    (!wants_listeners && !s->ports[port]) || !has_inode(s->inodes, s->count, inode))
		return;
	s->ports[port] = true;
	if (wants_listeners)
		add_listener(s, inode);
	else
		s->accepted++;
}

static bool has_name(const struct sockets *s, const char *name, size_t length)
{
	for (const char *at = s->names; at && *at; at = strchr(at, '\n') + 1)
		if (strcspn(at, "\n") == length && !strncmp(at, name, length))
			return true;
	return false;
}

/* "ffff...: 00000002 00000000 00010000 0001 01 12345 /run/x" */
static void look_at_unix(struct sockets *s, const char *line, bool wants_listeners)
{
	unsigned long long inode;
	unsigned flags, state;
	int at = 0;

	if (sscanf(line, "%*[^:]: %*x %*x %x %*x %x %llu%n", &flags, &state, &inode, &at) != 3 ||
	    line[at++] != ' ' || !has_inode(s->inodes, s->count, inode))
		return;
	size_t length = strcspn(line + at, "\n");

	if (wants_listeners && flags & UNIX_LISTENS) {
		char *grown = realloc(s->names, s->names_size + length + 2);

		if (!grown)
			return;
		s->names = grown;
		memcpy(s->names + s->names_size, line + at, length);
		s->names_size += length + 1;
		strcpy(s->names + s->names_size - 1, "\n");
		add_listener(s, inode);
	}
	if (!wants_listeners && !(flags & UNIX_LISTENS) && state == UNIX_CONNECTED && length &&
	    has_name(s, line + at, length))
		s->accepted++;
}

static void look_at_table(const struct gather *g, struct sockets *s, pid_t pid, const char *table)
{
	bool is_unix = !strcmp(table, "unix");
	char *text;
	size_t length;

	if (proc_read(g->proc, &text, &length, "%d/net/%s", (int)pid, table))
		return;
	/* The first line has the names of the columns. */
	for (int pass = 0; pass < 2; pass++)
		for (const char *end = strchr(text, '\n'); end && end[1];
		     end = strchr(end + 1, '\n'))
			(is_unix ? look_at_unix : look_at_tcp)(s, end + 1, pass == 0);
	free(text);
}

static bool shares_listener(const struct gather *g, const struct sockets *s, pid_t pid)
{
	uint64_t *inodes = calloc(SOCKETS_MAX, sizeof(*inodes));
	struct proc_stat st;
	bool is_shared = false;
	uint32_t count = inodes && !proc_read_stat(g->proc, pid, &st)
				 ? list_sockets(g, st.ppid, inodes, SOCKETS_MAX)
				 : 0;

	for (uint32_t i = 0; i < s->listener_count; i++)
		is_shared |= has_inode(inodes, count, s->listeners[i]);
	free(inodes);
	return is_shared;
}

static void read_server(struct gather *g, struct model_signals *of)
{
	pid_t pid = g->m->processes.items[of->process].pid;
	struct sockets *s = calloc(1, sizeof(*s));

	if (!s) {
		g->m->out_of_memory = true;
		return;
	}
	s->count = list_sockets(g, pid, s->inodes, SOCKETS_MAX);
	if (s->count > 1) { /* the listener and a connection */
		look_at_table(g, s, pid, "tcp");
		look_at_table(g, s, pid, "tcp6");
		look_at_table(g, s, pid, "unix");
	}
	of->accepted = s->accepted;
	of->shares_listener = s->accepted && shares_listener(g, s, pid);
	free(s->names);
	free(s);
}

static bool is_ended_by_sigpipe(const struct model *m, const struct model_signals *s)
{
	const uint64_t bit = UINT64_C(1) << (SIGPIPE - 1);

	if ((s->caught | s->ignored) & bit)
		return false;
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process == s->process && m->threads.items[i].has_signals &&
		    !(m->threads.items[i].blocked & bit))
			return true;
	return false;
}

void servers_read(struct gather *g)
{
	for (uint32_t i = 0; i < g->m->signals.count; i++)
		if (is_ended_by_sigpipe(g->m, &g->m->signals.items[i]))
			read_server(g, &g->m->signals.items[i]);
}
