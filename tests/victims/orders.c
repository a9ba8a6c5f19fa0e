/*
 * Scenario: each argument is what one actor does with locks, one actor after the other, so that nobody
 * ever waits: a child of its own for each; with & in front a thread of this process, with = the
 * main thread. Words: a kind (p POSIX, o OFD, f flock), a file's name, what to do (+ take WRITE, < take
 * READ, ? try WRITE, - give back; a name may have a directory, D/F), and for parts of a file @FIRST,LENGTH: "pa+@0,10 fb+ fb- pa-@0,10".
 * *N in front of the words repeats them.
 * Expect: with both orders of two files by different actors ("fa+ fb+" "fb+ fa+") one lock-order, though all
 * went well. The innocent twins are other arguments: one order, a gate, ranges that do not touch.
 */
#include "victim.h"

#include <pthread.h>
#include <sys/stat.h>

#define FILES 4096

struct actor {
	const char *script;
	struct {
		char name[32];
		int fd;
	} files[FILES];
	int count;
};

/* One descriptor for each kind and name, open until the end. */
static int find_file(struct actor *a, const char *name)
{
	char directory[32];

	for (int i = 0; i < a->count; i++)
		if (!strcmp(a->files[i].name, name))
			return a->files[i].fd;
	if (a->count == FILES)
		errx(99, "too many files");
	snprintf(a->files[a->count].name, sizeof(a->files[0].name), "%s", name);
	snprintf(directory, sizeof(directory), "%s", name + 1);
	if (strchr(directory, '/') && (*strchr(directory, '/') = 0, mkdir(directory, 0700)) &&
	    errno != EEXIST)
		err(99, "%s", directory);
	a->files[a->count].fd = victim_open(name + 1);
	return a->files[a->count++].fd;
}

static int lock_flock(int fd, char verb)
{
	return flock(fd, verb == '-'   ? LOCK_UN
			 : verb == '<' ? LOCK_SH
			 : verb == '?' ? LOCK_EX | LOCK_NB
				       : LOCK_EX);
}

static int lock_range(int fd, bool is_ofd, char verb, const long *range)
{
	bool is_blocking = verb == '+' || verb == '<';
	int command = is_ofd ? is_blocking ? F_OFD_SETLKW : F_OFD_SETLK
			     : is_blocking ? F_SETLKW : F_SETLK;

	return victim_fcntl(fd, command, verb == '-' ? F_UNLCK : verb == '<' ? F_RDLCK : F_WRLCK,
			    range[0], range[1]);
}

/* One word. What is tried and refused is no failure. */
static void do_word(struct actor *a, const char *word)
{
	size_t length = strcspn(word, "+<?-");
	char name[32], verb = word[length];
	long range[2] = { 0, 0 };

	if (length >= sizeof(name) || !verb)
		errx(99, "%s: no word of ours", word);
	memcpy(name, word, length);
	name[length] = '\0';
	if (word[length + 1] == '@' && sscanf(word + length + 2, "%ld,%ld", &range[0], &range[1]) != 2)
		errx(99, "%s: no range", word);
	int fd = find_file(a, name);
	int result = name[0] == 'f' ? lock_flock(fd, verb)
				    : lock_range(fd, name[0] == 'o', verb, range);

	if (result < 0 && verb != '?')
		err(99, "%s", word);
}

static void *act(void *data)
{
	struct actor *a = data;
	const char *script = a->script;
	char words[65536], *rest = NULL;
	long times = 1;

	if (*script == '*')
		times = strtol(script + 1, (char **)&script, 10);
	while (times-- > 0) {
		snprintf(words, sizeof(words), "%s", script);
		for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
			do_word(a, word);
	}
	return NULL;
}

static void act_as_child(struct actor *a)
{
	pid_t parent = getpid(), pid = fork();
	int status;

	victim_must(pid, "fork");
	if (!pid) {
		victim_die_with(parent);
		act(a);
		exit(0);
	}
	victim_must(waitpid(pid, &status, 0), "waitpid");
	if (status)
		errx(99, "a child failed: status %d", status);
}

static void act_as_thread(struct actor *a)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, act, a) || pthread_join(thread, NULL))
		errx(99, "pthread");
}

int main(int argc, char **argv)
{
	victim_watchdog();
	for (int i = 1; i < argc; i++) {
		struct actor *a = calloc(1, sizeof(*a));
		char how = argv[i][0];

		if (!a)
			err(99, "calloc");
		a->script = argv[i] + (how == '&' || how == '=');
		if (how == '&')
			act_as_thread(a);
		else if (how == '=')
			act(a);
		else
			act_as_child(a);
	}
	victim_ready();
	return 0;
}
