"""What programs can call of libc: every function that one can be linked to is in unsafe.def, on POSIX's list
of safe ones, wrapped, or named here with the reason why it is in none of them. The same of what the installed
programs do call, which may have been linked to older versions of functions."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.case import SRCDIR, Skip  # noqa: E402
from lib.elf import exported, imported, nm  # noqa: E402

PLACES = ("/usr/sbin/*", "/usr/bin/*", "/usr/lib/dovecot/*", "/usr/lib/dovecot/*/*",
          "/usr/lib/cyrus/bin/*", "/usr/lib/postfix/sbin/*", "/usr/lib/postgresql/*/bin/*",
          "/usr/lib/openssh/*", "/usr/lib/git-core/*", "/usr/lib/systemd/*")
AT_ONCE = 300  # files for one nm

# Patterns of whole names, without the 64 of large files and what surrounds fortified names.
REST = {
    "only computes from its arguments, the locale's constant tables, or constants":
        r"_*(is|to|wcs?)w?(al|alnum|alpha|blank|cntrl|ctype|digit|graph|lower|print|punct|space|"
        r"trans|type|upper|width|xdigit)(_l)?|(mem|raw|str|wcs|w?mem)[a-z]*(case|chr|casestr|sep|"
        r"verscmp|casecmp|chrnul|cpy|cmp|swab)|strn?casecmp|wcsn?casecmp|bcmp|index|rindex|"
        r"(bsearch|lfind|basename|dirname|i?max?div|l?div|difftime|copysign|frexp|ldexp|modf|scalbn)"
        r"[fl]?|xpg_basename|str(to[a-z]+|fto[a-z]+)(_l|_nan|_internal)?|explicit_bzero|"
        r"mbsinit|hasmntopt|parse_printf_format|sigdescr_np|sig(isempty|or|and)set|cf[a-z]+|inet_aton|"
        r"ether_aton|ether_ntoa_r|inet_nsap_ntoa|gnu_dev_\w+|gnu_get_libc_version|getauxval|"
        r"sched_cpu(alloc|count|free)|dn_(expand|skipname)|ns_name_uncompress|res_[dh]nok|"
        r"versionsort|getpagesize|libc_current_sigrt(min|max)|pthread_equal|imaxdiv|(imax|l|ll)?abs|l?ldiv|"
        r"|a64l|bcopy|bzero|is(ascii|infl?|inff|nanl?|nanf)|finite[fl]?|(is|to)ascii(_l)?|signbit[fl]?|"
        r"isnanf128|c(8|16|32)rtomb|mbrtoc(8|16|32)|mbrtowc|towc?trans(_l)?|argz_\w+|envz_(entry|get|strip)|"
        r"q?[ef]cvt_r|q?gcvt|dysize|ether_line|inet_(lnaof|makeaddr|netof|network|nsap_addr)|"
        r"inet6_scopeid_pton|inet_aton_exact|inet_pton_length|inet6_opt(ion)?_\w+|inet6_rth_\w+|dn_comp|"
        r"ns_name_\w+|res_(mail|own)ok|glob_pattern_p|gnu_get_libc_release|memfrob|strfry|swab|"
        r"printf_(size_info|fp)|sigabbrev_np|strerror(desc|name)_np|strfrom\w+|(str|wcs)to(\w+)|wcswcs|"
        r"(str|wcs)n?casecmp_l|tmpnam_r|gai_error|memcmpeq|cmsg_nxthdr|strsep_g|getutmpx?|"
        r"mcheck_(check_all|pedantic)|cyg_profile_func_(enter|exit)|fentry__|mcount",
    "works on an object of the caller's, which nobody else knows":
        r"pthread_(mutex|cond|rwlock|spin|barrier|attr|mutexattr|condattr|rwlockattr)_(init|destroy|consistent)|"
        r"pthread_(attr|mutexattr|condattr|rwlockattr|barrierattr)_[gs]et\w+|"
        r"posix_spawn(attr|_file_actions)_\w+|(random|initstate|hsearch)_r|tfind|twalk|fts_set|"
        r"obstack_free|clearerr_unlocked|fileno_unlocked|f(read|writ)ing|semaphore|f(eof|error)_unlocked|"
        r"f(read|writ)able|flbf|insque|remque|twalk_r|fts64_set|re_set_registers|(mtx|cnd)_(init|destroy)|"
        r"pthread_barrierattr_(init|destroy)|pthread_mutex_[gs]etprioceiling|setstate_r|s?random_r|"
        r"(drand|erand|jrand|lcong|lrand|mrand|nrand|seed|srand)48_r|"
        r"sget[sg][pg]ent_r|ether_aton_r|obstack_(allocated_p|memory_used)",
    "system calls and no state in the process; POSIX has it not, or not as one that keeps a state":
        r"(f|l)?[gs]etxattr|(f|l)?(list|remove)xattr|epoll_\w+|eventfd|eventfd_read|timerfd_\w+|"
        r"signalfd|inotify_\w+|fanotify_\w+|pidfd_\w+|pkey_\w+|(sem|msg|shm)(ctl|get|op|at|dt|rcv|snd|"
        r"timedop)|mq_\w+|sched_(get|set)affinity|sched_getcpu|getcpu|f?statv?fs|statx|[lf]?xstat(at)?|"
        r"(process_vm_|p|pw)(readv|writev|preadv|writev2|readv2|writev)(2|64v2)?|preadv64v2|pwritev64v2|"
        r"sendfile|splice|tee|vmsplice|copy_file_range|sync|syncfs|sync_file_range|fallocate|readahead|"
        r"posix_f?m?advise|madvise|mincore|mremap|remap_file_pages|memfd_create|sbrk|"
        r"u?mount2?|umount|mount_setattr|move_mount|open_tree|fsopen|fsconfig|chroot|setns|unshare|"
        r"swapo(n|ff)|reboot|acct|quotactl|klogctl|(init|delete)_module|capget|capset|personality|"
        r"ptrace|iopl|ioperm|arch_prctl|vhangup|clone|setfs[ug]id|prlimit|sysinfo|gettid|getrandom|"
        r"getdents|name_to_handle_at|open_by_handle_at|renameat2|lch(own|mod)|l?utimes|futimes(at)?|"
        r"(clock_)?adjtimex?|ntp_gettimex|clock_(adjtime|getres|nanosleep|getcpuclockid)|timespec_get|"
        r"settimeofday|[gs]etdomainname|sethostname|getdtablesize|(send|recv)mmsg|sigaltstack|"
        r"sig(timed)?wait(info)?|sigwaitinfo|usleep|nice|e(uid)?access|group_member|ftok|"
        r"pthread_([gs]etschedparam|[gs]etaffinity_np|[gs]etname_np|getcpuclockid|getconcurrency)|"
        r"sem_clockwait|getloadavg|get_nprocs|mkostemp|mkostemps|mkstemps|mktemp|getpt|posix_openpt|"
        r"ptsname_r|unlockpt|telldir|sigsetmask|mmap|munmap|open|brk|f?chflags|fsmount|fspick|ftime|stime|"
        r"get_(av)?phys_pages|get_nprocs_conf|getdirentries|[gs]tty|revoke|setlogin|vlimit|ulimit|ualarm|"
        r"isfdtype|mlock2|modify_ldt|ntp_(adjtime|gettime)|pivot_root|process_(madvise|mrelease)|mprotect|"
        r"rresvport(_af)?|sig(block|getmask|hold|relse|return|stack)|gsignal|pthread_setschedprio|"
        r"timespec_getres|thrd_(sleep|yield)|xmknod(at)?|[gs]etrlimit|gettimeofday|gethostname|nanosleep|"
        r"sched_\w+|vfork|xpg_sigpause|bsd_getpgrp|getpgid",
    "keeps a state of the calling thread":
        r"uselocale|pthread_testcancel|thrd_(current|equal)|tss_get|pthread_setcancel(state|type)|h?_?errno_location|h_errno_location|res_state",
    "returns twice": r"_*(sig)?setjmp",
    "resolves for others, and must not be delayed": r"dlsym|dl_find_object",
    "ends the process": r"stack_chk_fail|chk_fail|fdelt",
    "the compiler, the loader or libc's own libraries call it, not programs":
        r"cxa_finalize|libc_\w+|ctype_\w+|gconv_\w+|nss_\w+|internal_\w+|res_(context|get|iclose|query)"
        r"\w*|resolv_\w+|lll_\w+|\w+_nocancel|pthread_(un)?register_cancel(_defer|_restore)?|x86_get_\w+|pthread_unwind_next|"
        r"dl_mcount_wrapper_check|_?mcleanup|monstartup|profile_frequency|open_catalog|"
        r"IO_\w+|(w?under|wo?ver|wu?|u)flow|woverflow|wuflow|dl_\w+|pthread_cleanup_\w+|"
        r"nl_langinfo_l|rpc_thread\w+|malloc_usable_size|re_set_syntax",
    "a second name of a function of the list, which no header leads to":
        r"argz_\w+|backtrace(_symbols(_fd)?)?|confstr|dgettext|(end|set)mntent|getmntent_r|fdelt_warn|"
        r"fgetws_unlocked|fork|fortify_fail|[fs](seek|tell)o|gets|posix_getopt|v?snprintf|vf?scanf|vsscanf|"
        r"strerror_r|strfmon_l|tdelete|tsearch|cxa_at_quick_exit|ivaliduser|res_(nopt|randomid)",
    "Sun RPC: only for programs that were linked long ago":
        r"(xdr|svc|clnt|auth|key|xprt|svcerr|svctcp|svcudp|clnttcp|clntudp)_?\w+|get_myaddress|"
        r"host2netname",
}


def plain(name):
    """pread of __pread64_chk."""
    name = re.sub(r"^_+(?:GI_)?(?:isoc99_)?", "", name)
    return re.sub(r"(64)?(_2|_chk)?(64)?$", "", name)


def names_of(path, macro):
    with open(os.path.join(SRCDIR, path), encoding="utf-8") as file:
        return set(re.findall(rf"^{macro}\((\w+)", file.read(), re.M))


def libc_functions(linkable=False):
    """Those of the version that programs are linked to today, or all."""
    path = subprocess.run(["gcc", "-print-file-name=libc.so.6"], stdout=subprocess.PIPE, text=True,
                          check=False).stdout.strip()
    if not os.path.exists(path):
        raise Skip("libc.so.6 was not found")
    return {words[2].split("@")[0] for words in nm("-D", "--defined-only", path)
            if len(words) == 3 and words[1] in "TtiW" and
            (not linkable or "@@GLIBC_2" in words[2])}


def programs():
    return [path for place in PLACES for path in glob.glob(place) if os.path.isfile(path)]


def reason(name, known, safe):
    if name in known or name in safe or plain(name) in safe:
        return "known"
    for text, pattern in REST.items():
        if re.fullmatch(pattern, name) or re.fullmatch(pattern, plain(name)):
            return text
    return None


@tap.test("every function of libc that a program calls or can be linked to has its place", 120)
def _(case):
    files = programs()
    functions = libc_functions()
    wanted = libc_functions(linkable=True)
    for i in range(0, len(files), AT_ONCE):
        wanted |= imported(*files[i:i + AT_ONCE]) & functions
    known = exported() | names_of("preload/unsafe.def", "UNSAFE")
    safe = names_of("collector/analysis/safe.def", "SAFE")
    places = {name: reason(name, known, safe) for name in wanted}
    for text in ("known", *REST):
        count = sum(place == text for place in places.values())
        print(f"# {count:4} {text}")
    lost = sorted(name for name, place in places.items() if not place)
    assert not lost, f"{len(lost)} functions of libc or of {len(files)} files are in no list: {lost}"
    assert len(wanted) > 2000, len(wanted)


@tap.test("no function is both safe and unsafe")
def _(case):
    with open(os.path.join(SRCDIR, "preload", "unsafe.def"), encoding="utf-8") as file:
        unsafe = set(re.findall(r"^UNSAFE\((\w+), \w+, (?!0\))", file.read(), re.M))
    safe = names_of("collector/analysis/safe.def", "SAFE")
    assert not unsafe & safe, unsafe & safe
    assert len(unsafe) > 700 and len(safe) > 200, (len(unsafe), len(safe))


if __name__ == "__main__":
    tap.main()
