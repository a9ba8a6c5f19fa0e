/* Dispositions: what is asked for, what is given back, and how handlers run. */
#include "table.h"

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset and siginterrupt */

extern sighandler_t bsd_signal(int signo, sighandler_t handler);
extern sighandler_t __sysv_signal(int signo, sighandler_t handler);

static volatile sig_atomic_t depth, deepest, arrived;

static void count(int signo)
{
	(void)signo;
	arrived = arrived + 1;
}

static void other(int signo)
{
	(void)signo;
	arrived = arrived + 100;
}

static const char *name_of(sighandler_t handler)
{
	return handler == SIG_DFL   ? "default"
	       : handler == SIG_IGN ? "ignored"
	       : handler == SIG_ERR ? "error"
	       : handler == count   ? "count"
	       : handler == other   ? "other"
				    : "something else";
}

static uint64_t bits(const sigset_t *set)
{
	uint64_t mask = 0;

	for (int signo = 1; signo <= 64; signo++)
		if (sigismember(set, signo) == 1)
			mask |= UINT64_C(1) << (signo - 1);
	return mask;
}

static void show_disposition(int signo)
{
	struct sigaction now;

	memset(&now, 0, sizeof(now));
	errno = ENOTNAM;
	int result = sigaction(signo, NULL, &now);
	show("%d: %d %s flags %x mask %llx\n", signo, result, name_of(now.sa_handler),
	     (unsigned)now.sa_flags, (unsigned long long)bits(&now.sa_mask));
}

static void install(int signo, sighandler_t handler, int flags, int masked)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags }, old;

	memset(&old, 0x55, sizeof(old));
	sigemptyset(&action.sa_mask);
	if (masked)
		sigaddset(&action.sa_mask, masked);
	errno = ENOTNAM;
	int result = sigaction(signo, &action, &old);
	show("install %d %s %x = %d; was %s flags %x mask %llx\n", signo, name_of(handler),
	     (unsigned)flags, result, name_of(old.sa_handler), (unsigned)old.sa_flags,
	     (unsigned long long)bits(&old.sa_mask));
}

static void old_actions(void)
{
	install(SIGUSR1, count, SA_RESTART, SIGUSR2);
	install(SIGUSR1, other, SA_RESETHAND | SA_NODEFER, 0);
	install(SIGUSR1, count, SA_SIGINFO | SA_ONSTACK | SA_NOCLDSTOP | SA_NOCLDWAIT, SIGALRM);
	install(SIGUSR1, SIG_IGN, 0, SIGALRM);
	install(SIGUSR1, SIG_DFL, 0, 0);
	install(SIGUSR1, count, 0x00400000 | SA_RESTART, 0); /* a flag that nobody knows */
	show_disposition(SIGUSR1);
	install(SIGRTMIN, count, 0, SIGRTMAX);
	install(SIGRTMAX, count, 0, SIGRTMIN);
	show_disposition(SIGRTMIN);
	show_disposition(SIGRTMAX);
	show_disposition(SIGCHLD);
	install(SIGUSR2, count, INT_MIN, 0);
	raise(SIGUSR2);
	show_disposition(SIGUSR2);
	show("arrived %d\n", (int)arrived);
}

static void other_names(void)
{
	show("signal: %s\n", name_of(signal(SIGUSR1, count)));
	show_disposition(SIGUSR1);
	show("signal: %s\n", name_of(signal(SIGUSR1, other)));
	raise(SIGUSR1);
	show("bsd_signal: %s\n", name_of(bsd_signal(SIGUSR1, SIG_IGN)));
	show_disposition(SIGUSR1);
	show("sysv_signal: %s\n", name_of(__sysv_signal(SIGUSR2, count)));
	show_disposition(SIGUSR2);
	raise(SIGUSR2);
	show_disposition(SIGUSR2);
	show("sigset: %s\n", name_of(sigset(SIGUSR2, other)));
	show_disposition(SIGUSR2);
	show("sighold: %d\n", sighold(SIGUSR2));
	raise(SIGUSR2);
	show("arrived %d\n", (int)arrived);
	show("sigset: held %d\n", sigset(SIGUSR2, count) == SIG_HOLD);
	show("arrived %d\n", (int)arrived);
	show("sigset: %s\n", name_of(sigset(SIGUSR2, SIG_HOLD)));
	show("sigignore: %d\n", sigignore(SIGUSR2));
	show_disposition(SIGUSR2);
	show("siginterrupt: %d\n", siginterrupt(SIGUSR1, 1));
	signal(SIGUSR1, count);
	show_disposition(SIGUSR1);
	show("siginterrupt: %d\n", siginterrupt(SIGUSR1, 0));
	show_disposition(SIGUSR1);
}

static void reset_hand(void)
{
	install(SIGUSR1, count, SA_RESETHAND, 0);
	raise(SIGUSR1);
	show("arrived %d\n", (int)arrived);
	show_disposition(SIGUSR1);
	raise(SIGUSR1);
	show("not reached\n");
}

static void reset_hand_again(int signo)
{
	struct sigaction now;

	arrived = arrived + 1;
	sigaction(signo, NULL, &now);
	show("in the handler: %s flags %x\n", name_of(now.sa_handler), (unsigned)now.sa_flags);
	__sysv_signal(signo, reset_hand_again);
}

static void reset_hand_renewed(void)
{
	__sysv_signal(SIGUSR1, reset_hand_again);
	raise(SIGUSR1);
	raise(SIGUSR1);
	show("arrived %d\n", (int)arrived);
}

static void nest(int signo)
{
	depth = depth + 1;
	if (depth > deepest)
		deepest = depth;
	if (arrived < 5) {
		arrived = arrived + 1;
		raise(signo);
	}
	depth = depth - 1;
}

static void no_defer(void)
{
	install(SIGUSR1, nest, SA_NODEFER, 0);
	raise(SIGUSR1);
	show("deepest %d\n", (int)deepest);
	deepest = arrived = 0;
	install(SIGUSR1, nest, 0, 0);
	raise(SIGUSR1);
	show("deepest %d arrived %d\n", (int)deepest, (int)arrived);
}

static char alternate[64 * 1024];

static void where(int signo)
{
	char here;
	stack_t now;

	(void)signo;
	sigaltstack(NULL, &now);
	show("on alternate stack: %d flags %d\n",
	     &here >= alternate && &here < alternate + sizeof(alternate), now.ss_flags);
}

static void on_stack(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	install(SIGUSR1, where, SA_ONSTACK, 0);
	raise(SIGUSR1);
	show("sigaltstack %d\n", sigaltstack(&stack, NULL));
	raise(SIGUSR1);
	install(SIGUSR1, where, 0, 0);
	raise(SIGUSR1);
}

static sigjmp_buf back;

static void leave(int signo)
{
	if (signo == SIGUSR1)
		raise(SIGUSR2);
	siglongjmp(back, signo);
}

static void jump_out(void)
{
	sigset_t now;
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	sigaltstack(&stack, NULL);
	install(SIGUSR1, leave, 0, SIGALRM);
	install(SIGUSR2, leave, SA_ONSTACK, 0);
	for (volatile int i = 0; i < 200; i++) {
		int from = sigsetjmp(back, 1);
		if (from == 0)
			raise(i % 2 ? SIGUSR1 : SIGUSR2);
		else if (i % 50 == 0)
			show("came back from %d\n", from);
	}
	sigprocmask(SIG_BLOCK, NULL, &now);
	show("blocked %llx\n", (unsigned long long)bits(&now));
	install(SIGUSR1, count, 0, 0);
	raise(SIGUSR1);
	show("arrived %d\n", (int)arrived);
}

static void masks(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	show("in handler of %d: blocked %llx, before %llx, code %d, by self %d, value %d\n", signo,
	     (unsigned long long)bits(&now), (unsigned long long)bits(&uc->uc_sigmask),
	     info->si_code, info->si_pid == getpid(), info->si_value.sival_int);
	sigaddset(&uc->uc_sigmask, SIGWINCH); /* takes effect when the handler returns */
}

static void siginfo(void)
{
	struct sigaction action = { .sa_sigaction = masks, .sa_flags = SA_SIGINFO };
	sigset_t set, now;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaddset(&action.sa_mask, SIGTERM);
	SHOW(sigaction(SIGUSR1, &action, NULL));
	SHOW(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 4711 }));
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(raise(SIGUSR1));
	sigprocmask(SIG_BLOCK, NULL, &now);
	show("blocked after %llx\n", (unsigned long long)bits(&now));
	action.sa_flags |= SA_NODEFER;
	SHOW(sigaction(SIGUSR1, &action, NULL));
	SHOW(raise(SIGUSR1));
}

static void children(void)
{
	int status;

	install(SIGCHLD, count, SA_NOCLDWAIT, 0);
	pid_t child = table_fork();
	if (child == 0)
		_exit(3);
	SHOW(waitpid(child, &status, 0));
	install(SIGCHLD, SIG_IGN, 0, 0);
	child = table_fork();
	if (child == 0)
		_exit(3);
	SHOW(waitpid(child, &status, 0));
}

static void fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	show("signal %d code %d at null page: %d\n", signo, info->si_code,
	     (uintptr_t)info->si_addr < 4096);
	siglongjmp(back, 1);
}

static void faults(void)
{
	struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	volatile int *volatile nothing = NULL;

	SHOW(sigaction(SIGSEGV, &action, NULL));
	for (int i = 0; i < 3; i++)
		if (sigsetjmp(back, 0) == 0)
			*nothing = 1;
	signal(SIGSEGV, SIG_DFL);
	*nothing = 1;
}

static void keep_errno(int signo)
{
	errno = signo == SIGUSR1 ? EXFULL : errno;
}

static void errno_is_the_programs(void)
{
	install(SIGUSR1, keep_errno, 0, 0);
	install(SIGUSR2, keep_errno, 0, 0);
	errno = EBADE;
	kill(getpid(), SIGUSR2);
	show("%s\n", strerrorname_np(errno));
	kill(getpid(), SIGUSR1);
	show("%s\n", strerrorname_np(errno));
}

static void thread_exit(int signo)
{
	(void)signo;
	pthread_exit((void *)17);
}

static void tidy(void *text)
{
	show("cleaned up: %s\n", (const char *)text);
}

static void *run_thread(void *unused)
{
	pthread_cleanup_push(tidy, "by the handler");
	raise(SIGUSR1);
	show("not reached\n");
	pthread_cleanup_pop(0);
	return unused;
}

/* The unwinder must find its way from the handler, through whatever called it, to the thread. */
static void exit_in_handler(void)
{
	pthread_t thread;
	void *result = NULL;

	install(SIGUSR1, thread_exit, 0, 0);
	int created = pthread_create(&thread, NULL, run_thread, NULL);
	int joined = pthread_join(thread, &result);
	show("create %d join %d\n", created, joined);
	show("result %ld\n", (long)result);
}

static void while_starting(int signo)
{
	(void)signo;
	show("handler runs, SIGUSR2 blocked: ");
	sigset_t now;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	show("%d\n", sigismember(&now, SIGUSR2));
}

static void waiting_functions(void)
{
	sigset_t set, none;
	siginfo_t info;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	install(SIGUSR1, while_starting, 0, SIGUSR2);
	SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
	raise(SIGUSR1);
	SHOW(sigwaitinfo(&set, &info));
	raise(SIGUSR1);
	SHOW(sigsuspend(&none));
	raise(SIGUSR1);
	SHOW(sigpending(&none));
	show("pending %llx\n", (unsigned long long)bits(&none));
}

static const struct table_case cases[] = {
	{ "oldact", old_actions },
	{ "other names", other_names },
	{ "SA_RESETHAND", reset_hand },
	{ "SA_RESETHAND renewed in the handler", reset_hand_renewed },
	{ "SA_NODEFER", no_defer },
	{ "SA_ONSTACK", on_stack },
	{ "siglongjmp out of nested handlers", jump_out },
	{ "siginfo and masks", siginfo },
	{ "SA_NOCLDWAIT", children },
	{ "faults", faults },
	{ "errno in handlers", errno_is_the_programs },
	{ "pthread_exit in a handler", exit_in_handler },
	{ "sigwaitinfo and sigsuspend", waiting_functions },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
