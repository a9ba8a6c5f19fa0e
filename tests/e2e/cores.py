"""`lockjam report CORE`: cores of the kernel and of gcore, plain and compressed, with and without a
record, of programs that are missing or others, and cores that are cut, foreign or forged. Frames
are compared with gdb's."""
import collections
import glob
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import LOCKJAM, Skip, clean_environment, victim_path, wait_until  # noqa: E402

EM_AARCH64 = 183
NT_FILE = 0x46494c45
FORGED_SECONDS = 20
# Bits of coredump_filter: what the kernel takes by default, and shared mappings of files too.
DEFAULT, WITH_SHARED_FILES = 0x33, 0x3b


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


def need_kernel_cores():
    pattern = proc.read("sys/kernel/core_pattern").strip()
    if not re.fullmatch(r"core(\.%p)?", pattern):
        raise Skip(f"cores of the kernel go to {pattern}")


def dumping(filter_bits=DEFAULT):
    """For preexec_fn: this child will leave a core."""
    def prepare():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
            file.write(hex(filter_bits))
    return prepare


def asleep(victim):
    """All of its threads are blocked: what is dumped is where they will stay."""
    tids = os.listdir(f"/proc/{victim.pid}/task")
    wait_until(lambda: all(proc.state(victim.pid, t) == "S" for t in tids), "all threads sleep")


def kernel_core(case, victim, signo=signal.SIGQUIT):
    """Ends the victim so that the kernel writes its core; the path."""
    os.kill(victim.pid, signo)
    victim.process.wait()
    found = glob.glob(glob.escape(case.dir) + "/core*")
    assert len(found) == 1, found
    return found[0]


def gcore(case, victim):
    need("gcore")
    subprocess.run(["gcore", "-o", case.path("core"), str(victim.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    victim.kill_all()
    return case.path(f"core.{victim.pid}")


MAKERS = {"the kernel": kernel_core, "gcore": gcore}


def make(case, name, maker="the kernel", shim=None, filter_bits=DEFAULT):
    """(victim, path of its core)."""
    if maker == "the kernel":
        need_kernel_cores()
    victim = case.victim(name, shim=shim, preexec_fn=dumping(filter_bits))
    asleep(victim)
    return victim, MAKERS[maker](case, victim)


def report(case, core, *arguments, **options):
    result = case.lockjam("report", "--format", "json", *arguments, core, **options)
    return json.loads(result.stdout)


def stack(view, tid):
    return next(b["frames"] for b in view["backtraces"] if b["tid"] == tid and b["of"] == "now")


# --- gdb --------------------------------------------------------------------------------------

GDB_THREAD = re.compile(r"^Thread \d+ \(.*LWP (\d+)\)")
GDB_FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(<signal handler called>|.*?) ?\(.*\)"
                       r"(?: at (?P<file>\S+):(?P<line>\d+)| from \S+)?$|"
                       r"^#\d+ +(?P<signal><signal handler called>)$")


def gdb_stacks(exe, core):
    """{tid: [(function, base name of the file, line)]} as gdb has them."""
    need("gdb")
    text = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex",
         "set print frame-arguments none", "-ex", "thread apply all bt", exe, core],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
        env=clean_environment()).stdout
    stacks, frames = {}, None
    for line in text.splitlines():
        thread = GDB_THREAD.match(line)
        frame = GDB_FRAME.match(line)
        if thread:
            frames = stacks.setdefault(int(thread[1]), [])
        elif frame and frames is not None:
            frames.append(("<signal>", None, None) if frame["signal"] else
                          (plain(frame[1]), base(frame["file"]), int(frame["line"] or 0)))
    return stacks


def base(path):
    return os.path.basename(path) if path else None


def plain(name):
    """A function without its parameters, its copies' marks, and libc's inner names."""
    name = re.sub(r"\(.*\)$", "", name or "??")
    name = re.sub(r"\.(part|constprop|isra|cold)\.?\d*", "", name)
    for prefix in ("__GI_", "__", "libc_", "_"):
        name = name[len(prefix):] if name.startswith(prefix) else name
    return name


def our_stack(frames):
    return [("<signal>", None, None) if f["kind"] == "signal" else
            (plain(f["function"]), base(f["file"]), f["line"] or 0) for f in frames]


def compare(view, stacks):
    """(frames of gdb, how many of their functions we have in gdb's order, how many of those with the
    same file and line)."""
    total = same = exact = 0
    differences = collections.Counter()
    for tid, theirs in stacks.items():
        ours = our_stack(stack(view, tid))
        at = 0
        for frame in theirs:
            total += 1
            # gdb also names callers that left by a tail call; and lines of headers differ.
            place = next((i for i in range(at, len(ours)) if ours[i][0] == frame[0]), None)
            if place is None:
                differences[f"only gdb: {frame}"] += 1
                continue
            same += 1
            at = place + 1
            if ours[place][1:] == frame[1:] or not frame[1]:
                exact += 1
            else:
                differences[f"gdb: {frame}, lockjam: {ours[place]}"] += 1
    for line, count in differences.items():
        print(f"# {count} x {line}")
    return total, same, exact


def must_agree(name, view, stacks):
    total, same, exact = compare(view, stacks)
    print(f"# {name}: of {total} frames of gdb {same} agree in function, {exact} in line too")
    # gdb adds callers that left by a tail call, and gives some lines of what was inlined there.
    assert total and same / total >= 0.85 and exact / total >= 0.7, (total, same, exact)


def add_comparison(name, maker):
    @tap.test(f"{name}, core of {maker}: all threads, the frames are gdb's")
    def _(case):
        need("gdb")
        victim, core = make(case, name, maker)
        view = report(case, core)
        assert view["core"]["pid"] == victim.pid, view["core"]
        stacks = gdb_stacks(victim_path(name), core)
        assert sorted(stacks) == sorted(b["tid"] for b in view["backtraces"]), stacks.keys()
        must_agree(f"{name}, {maker}", view, stacks)


for _name in ("heap-threaded", "altstack-held", "cxx", "inlined", "wait-posix"):
    for _maker in MAKERS:
        add_comparison(_name, _maker)


def check_agreement(case, name, exe, victim):
    """Dumps a process that is asleep; lockjam's view of its core, after the comparison."""
    asleep(victim)
    core = kernel_core(case, victim)
    view = report(case, core, "--all")
    must_agree(name, view, gdb_stacks(exe, core))
    return view


@tap.test("Debian's python3: frames of a program without debug information are gdb's")
def _(case):
    need("gdb")
    need_kernel_cores()
    code = "import time; print('ready', flush=True); time.sleep(100)"
    victim = case.start(["/usr/bin/python3", "-c", code], preexec_fn=dumping()).await_ready()
    view = check_agreement(case, "python3", "/usr/bin/python3", victim)
    assert "Py_RunMain" in views.functions(stack(view, victim.pid)), view["backtraces"]


@tap.test("Debian's sqlite3 in a transaction")
def _(case):
    need("gdb")
    need("sqlite3")
    need_kernel_cores()
    victim = case.start(["sqlite3", case.path("base")], preexec_fn=dumping())
    victim.process.stdin.write("begin exclusive; create table t(a); select 'ready';\n")
    victim.process.stdin.flush()
    check_agreement(case, "sqlite3", shutil.which("sqlite3"), victim.await_ready())


@tap.test("the demo's mail server, hung in its handler")
def _(case):
    need("gdb")
    need_kernel_cores()
    program = victim_path("maild", "demo")
    os.mkdir(case.path("box"))
    demo = case.start([program, case.path("box")], preexec_fn=dumping())
    hung = None
    while not hung:
        hung = re.match(r"maild: service (\d+) makes no progress", demo.line())
    demo.pid = int(hung[1])
    os.kill(demo.pid, signal.SIGQUIT)
    found = wait_until(lambda: glob.glob(glob.escape(case.dir) + "/core*"), "the core")
    wait_until(lambda: proc.state(demo.pid) in (None, "Z", "X"), "the end of the service")
    view = report(case, found[0])
    finding, = views.findings(view)
    assert finding["kind"] == "deadlock-heap", finding
    # Its handler is of the old kind: only the masks tell which signal it was.
    assert "idle_handler() of SIGALRM" in finding["headline"], finding["headline"]
    frames = stack(view, demo.pid)
    update = next(f for f in frames if f["function"] == "idle_update")
    assert update["arguments"] == "flags=(IDLE_MAILBOX | IDLE_ALERT)", update
    must_agree("maild", view, gdb_stacks(program, found[0]))


@tap.test("a thread in the vdso")
def _(case):
    need_kernel_cores()
    victim = case.victim("in-vdso", shim=None, preexec_fn=dumping())
    names = views.functions(stack(report(case, kernel_core(case, victim, 0)), victim.pid))
    assert views.is_subsequence(["<signal>", "spin", "main"], names), names
    at = names.index("<signal>")
    assert "clock_gettime" in names[at + 1], names


@tap.test("200 threads: each has its frames, and they are gdb's", 120)
def _(case):
    need("gdb")
    need_kernel_cores()
    code = ("import threading, time\n"
            "gate = threading.Barrier(201)\n"
            "def wait():\n    gate.wait()\n    threading.Event().wait()\n"
            "for _ in range(200): threading.Thread(target=wait, daemon=True).start()\n"
            "gate.wait(); print('ready', flush=True); time.sleep(100)\n")
    victim = case.start(["/usr/bin/python3", "-c", code], preexec_fn=dumping()).await_ready()
    view = check_agreement(case, "python3 with 200 threads", "/usr/bin/python3", victim)
    stacks = [b for b in view["backtraces"] if b["of"] == "now"]
    assert len(stacks) == 201 and len({b["tid"] for b in stacks}) == 201, len(stacks)
    assert all(len(b["frames"]) >= 5 and not b["incomplete"] for b in stacks), stacks[0]


@tap.test("a core without stacks: said, what is in registers is shown, nothing is made up")
def _(case):
    victim, core = make(case, "heap-threaded", filter_bits=0)
    view = report(case, core)
    assert any("2 stacks of 2 threads are not in it" in n["text"] and "coredump_filter" in n["text"]
               for n in view["notes"]), view["notes"]
    frames = stack(view, victim.pid)
    assert frames and "lock_wait" in str(views.functions(frames)), frames
    assert "main" not in views.functions(frames), frames
    texts = [f["arguments"] for b in view["backtraces"] for f in b["frames"] if f["arguments"]]
    assert not [t for t in texts if "error" in t], texts


# --- what notes say -----------------------------------------------------------------------------

@tap.test("pid, signal, sender, threads, command line and program are the core's")
def _(case):
    victim, core = make(case, "heap-threaded")
    view = report(case, core)
    told = view["core"]
    assert told["signo"] == signal.SIGQUIT and told["tid"] == victim.pid, told
    assert told["signal"] == f"SIGQUIT sent by process {os.getpid()}", told
    assert told["threads"] == 2 and len(view["backtraces"]) == 2, told
    process = view["processes"][0]
    assert process["exe"] == os.path.realpath(victim_path("heap-threaded")), process
    assert process["cmdline"].startswith(victim_path("heap-threaded")[:60]), process
    assert process["state"] == "dumped" and not process["recorded"], process
    text = case.lockjam("report", core).stdout
    assert f"(pid {victim.pid}), 2 threads, ended by SIGQUIT" in text, text
    assert f"\nBacktrace of process {victim.pid}:\n #0 " in text, text


# --- the verdict ----------------------------------------------------------------------------------

def add_verdict(maker):
    @tap.test(f"the re-entered heap is seen in the frames alone, core of {maker}")
    def _(case):
        victim, core = make(case, "heap-threaded", maker)
        result = case.lockjam("report", "--format", "json", core, status=(1,))
        view = report(case, core)
        found = views.findings(view)
        assert [f["kind"] for f in found] == ["deadlock-heap"], result.stdout
        assert found[0]["pids"] == [victim.pid] and "on_alarm() of SIGALRM" in found[0]["headline"]
        assert "called malloc()" in found[0]["headline"], found[0]["headline"]
        names = views.functions(found[0]["stacks"][0]["frames"])
        assert views.is_subsequence(["xzmalloc", "on_alarm", "<signal>", "churn", "main"], names)


for _maker in MAKERS:
    add_verdict(_maker)


@tap.test("a thread that crashes inside both is heap-reentered: nobody waits")
def _(case):
    need_kernel_cores()
    victim = case.victim("heap-crash", shim=None, preexec_fn=dumping())
    core = kernel_core(case, victim, 0)
    found = views.findings(report(case, core))
    assert [f["kind"] for f in found] == ["heap-reentered"], found


@tap.test("an innocent program's core has no finding")
def _(case):
    _, core = make(case, "handler-safe")
    case.lockjam("report", core, status=(0,))


# --- the record -------------------------------------------------------------------------------------

def check_record(view, victim):
    found = views.findings(view)
    # The first calls in the handler may have found the heap unlocked.
    assert [f["kind"] for f in found].count("deadlock-heap") == 1, [f["kind"] for f in found]
    holders = views.holders(view)
    assert [h[:3] for h in holders] == [(victim.pid, "posix", "write")], holders
    assert view["events"] and view["signals"], view.keys()
    assert [b["of"] for b in view["backtraces"]].count("now") == 2, view["backtraces"]


@tap.test("the record in the core itself, when the core has shared mappings")
def _(case):
    victim, core = make(case, "heap-threaded", shim="run", filter_bits=WITH_SHARED_FILES)
    shutil.rmtree(case.session)
    check_record(report(case, core), victim)


@tap.test("the record in the core of gcore")
def _(case):
    victim, core = make(case, "heap-threaded", "gcore", "run", WITH_SHARED_FILES)
    shutil.rmtree(case.session)
    check_record(report(case, core), victim)


@tap.test("the record in memory (memfd) is in every core")
def _(case):
    need_kernel_cores()
    env = case.shim_environment()
    env["LOCKJAM_DIR"] = "/nonexistent/lockjam"
    victim = case.victim("heap-threaded", shim=None, env=env, preexec_fn=dumping())
    asleep(victim)
    check_record(report(case, kernel_core(case, victim)), victim)


@tap.test("the record in its file is found by the core, and with -o where it was moved to")
def _(case):
    victim, core = make(case, "heap-threaded", shim="run")
    view = report(case, core)
    check_record(view, victim)
    assert any("which the core does not hold" in n["text"] for n in view["notes"]), view["notes"]
    moved = case.path("moved")
    os.rename(case.session, moved)
    view = report(case, core)
    assert any("-o DIR" in n["text"] for n in view["notes"]), view["notes"]
    view = report(case, core, "-o", moved)
    assert [w[0] for w in views.waiters(view)] == [int(victim.word("waiter"))], view["locks"]
    check_record(view, victim)


# --- compressed ---------------------------------------------------------------------------------------

COMPRESSORS = {"zst": ["zstd", "-q"], "lz4": ["lz4", "-q"], "xz": ["xz", "-0", "-k"]}


def compressed(core, suffix):
    program = COMPRESSORS[suffix]
    need(program[0])
    path = f"{core}.{suffix}"
    with open(path, "wb") as out:
        subprocess.run([*program, "-c", core], stdout=out, check=True)
    return path


def add_compressed(suffix):
    @tap.test(f"a core as systemd-coredump stores it: .{suffix}; cut ones too")
    def _(case):
        _, core = make(case, "heap-threaded")
        path = compressed(core, suffix)
        result = case.lockjam("report", path, status=(1, 2))
        if "this lockjam cannot read" in result.stderr:
            raise Skip("not in this build")
        plain_text = case.lockjam("report", core).stdout
        drop = len(os.path.basename(path)) - len(os.path.basename(core))
        assert result.stdout.split("\n")[1:] == plain_text.split("\n")[1:], (drop, result.stdout)
        size = os.path.getsize(path)
        os.truncate(path, size * 3 // 4)
        cut = case.lockjam("report", path, status=(0, 1, 2))
        assert cut.returncode == 2 or "cut or damaged" in cut.stdout, cut
        assert not glob.glob(glob.escape(case.dir) + "/lockjam-*"), "a file was left behind"


for _suffix in COMPRESSORS:
    add_compressed(_suffix)


@tap.test("no room to unpack is said, and nothing is left behind")
def _(case):
    _, core = make(case, "heap-threaded")
    path = compressed(core, "zst")
    env = {**clean_environment(), "TMPDIR": case.path("none")}
    result = case.lockjam("report", path, status=(2,), env=env)
    assert "TMPDIR" in result.stderr and result.stderr.count("\n") == 1, result.stderr
    if os.geteuid():
        raise Skip("a full disk needs root")
    os.mkdir(case.path("small"))
    script = ('mount -t tmpfs -o size=64k none "$TMPDIR" && "$@"; status=$?; '
              'ls -A "$TMPDIR"; exit $status')
    full = case.run(["unshare", "-m", "/bin/sh", "-c", script, "sh", LOCKJAM, "report", path],
                    env={**clean_environment(), "TMPDIR": case.path("small")})
    if "unshare" in full.stderr or "mount:" in full.stderr:
        raise Skip("no private mounts here")
    assert full.returncode == 2 and full.stdout == "", full
    assert "no room to unpack the core" in full.stderr and "TMPDIR" in full.stderr, full.stderr


# --- missing and other files ----------------------------------------------------------------------------

@tap.test("a program that is gone, or another one by now: said; --exe and --sysroot help")
def _(case):
    need_kernel_cores()
    program = case.path("program")
    shutil.copy(victim_path("wait-posix"), program)
    victim = case.start([program], preexec_fn=dumping()).await_ready()
    core = kernel_core(case, victim)
    whole = views.functions(stack(report(case, core), victim.pid))
    assert "main" in whole, whole
    kept = case.path("kept")
    os.rename(program, kept)
    view = report(case, core)
    assert any("program is not there" in n["text"] for n in view["notes"]), view["notes"]
    assert "main" not in views.functions(stack(view, victim.pid))
    shutil.copy(victim_path("alone-posix"), program)
    view = report(case, core)
    assert any("was replaced" in n["text"] for n in view["notes"]), view["notes"]
    assert "main" not in views.functions(stack(view, victim.pid))
    assert views.functions(stack(report(case, core, "--exe", kept), victim.pid)) == whole
    view = report(case, core, f"--exe={victim_path('alone-posix')}")
    assert any("build-ids differ" in n["text"] for n in view["notes"]), view["notes"]
    root = case.path("root")
    for path in [program] + [m for m in whole_modules(case, core, kept) if m.startswith("/")]:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(kept if path == program else path, root + path)
    view = report(case, core, f"--sysroot={root}")
    assert "main" in views.functions(stack(view, victim.pid)), view["backtraces"]


def whole_modules(case, core, exe):
    view = report(case, core, "--exe", exe)
    return {f["module"] for b in view["backtraces"] for f in b["frames"] if f["module"]}


@tap.test("--exe without a core is wrong usage")
def _(case):
    result = case.lockjam("report", "--exe=/bin/true", status=(2,))
    assert "only of use with a core" in result.stderr, result.stderr


@tap.test("a core that does not name its files: the loader's list does")
def _(case):
    victim, core = make(case, "altstack-held")
    whole = our_stack(stack(report(case, core), victim.pid))
    with open(core, "r+b") as file:
        data = file.read(65536)
        at = data.index(struct.pack("<I", NT_FILE) + b"CORE\0")
        file.seek(at)
        file.write(struct.pack("<I", 0x1234))
    assert our_stack(stack(report(case, core), victim.pid)) == whole


# --- bad input ------------------------------------------------------------------------------------------

def expect_error(case, path, *words):
    result = case.lockjam("report", path, status=(2,))
    assert result.stdout == "" and result.stderr.count("\n") == 1, result
    assert result.stderr.startswith(f"lockjam: {path}: "), result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
    return result.stderr


def written(case, name, data):
    path = case.path(name)
    with open(path, "wb") as file:
        file.write(data)
    return path


@tap.test("no core: empty, text, a program, a directory that is no session, gzip")
def _(case):
    expect_error(case, written(case, "empty", b""), "is empty", "ulimit -c")
    expect_error(case, written(case, "text", b"hello, world\n" * 100), "is no core file")
    expect_error(case, "/bin/true", "is a program or library, no core")
    expect_error(case, written(case, "core.gz", b"\x1f\x8b\x08" + bytes(100)), "gzip", "gunzip")
    expect_error(case, written(case, "bad.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 100), "damaged")
    os.mkfifo(case.path("fifo"))
    case.lockjam("report", case.path("fifo"), status=(2,))


@tap.test("a core of another processor says so, and whose it was")
def _(case):
    victim, core = make(case, "alone-posix")
    with open(core, "rb") as file:
        data = bytearray(file.read())
    struct.pack_into("<H", data, 18, EM_AARCH64)
    expect_error(case, written(case, "foreign", data), "another processor (AArch64)",
                 f"(pid {victim.pid})", "SIGQUIT")
    data[4] = 1  # ELFCLASS32
    struct.pack_into("<H", data, 18, 3)  # EM_386
    expect_error(case, written(case, "narrow", data[:4096]), "another processor (i386)")


@tap.test("cut cores: what can be said, or a clear error; never a crash")
def _(case):
    victim, core = make(case, "heap-threaded")
    size = os.path.getsize(core)
    with open(core, "rb") as file:
        data = file.read()
    for length in (10, 63, 64, 100, 900, 2000, 3000, 4096, 6000, 8192, size // 4, size // 2,
                   size - 4096, size - 1):
        path = written(case, "cut", data[:length])
        result = case.lockjam("report", path, status=(0, 1, 2))
        if result.returncode == 2:
            assert result.stderr.startswith(f"lockjam: {path}: "), result.stderr
            assert result.stderr.count("\n") == 1, result.stderr
        else:
            assert "truncated" in result.stdout, (length, result.stdout)
            assert f"(pid {victim.pid})" in result.stdout, (length, result.stdout)


@tap.test("forged cores: bounded, never a crash", seconds=120)
def _(case):
    _, core = make(case, "heap-threaded", shim="run", filter_bits=WITH_SHARED_FILES)
    size = os.path.getsize(core)
    values = (b"\0", b"\1", b"\x7f", b"\xff", b"\x80")
    number = 20261121
    deadline = time.monotonic() + FORGED_SECONDS
    rounds = 0
    with open(core, "r+b", buffering=0) as file:
        while rounds < 150 and time.monotonic() < deadline:
            undo = []
            for _ in range(8):
                number = (number * 6364136223846793005 + 1442695040888963407) % (1 << 64)
                # Headers and notes stand in the first pages; one in four hits memory.
                span = size if number & 3 == 0 else min(size, 12288)
                at = 16 + (number >> 8) % (span - 16)
                undo.append((at, os.pread(file.fileno(), 1, at)))
                os.pwrite(file.fileno(), values[(number >> 4) % len(values)], at)
            result = case.run([LOCKJAM, "report", core])
            assert result.returncode in (0, 1, 2), (rounds, result.returncode, result.stderr[-500:])
            for at, byte in reversed(undo):
                os.pwrite(file.fileno(), byte, at)
            rounds += 1
    print(f"# {rounds} rounds")


if __name__ == "__main__":
    tap.main()
