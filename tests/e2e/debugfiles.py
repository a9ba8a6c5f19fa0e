#!/usr/bin/env python3
"""Where names, lines and arguments come from: the same program with its debug information in every
place that there is, and with what is hostile or dead there."""
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
from lib import proc, tap
from lib.case import BUILDDIR, SRCDIR, Skip, clean_environment, victim_path, wait_until

FRAMES = os.path.join(BUILDDIR, "tests", "arguments", "frames")
NOBODY = 65534


def run(*command, **options):
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout.decode()


def build(case, *flags, name="program"):
    compiler = os.environ.get("CC") or "cc"
    program = case.path(name)
    run(*compiler.split(), "-w", "-g", "-O1", *flags,
        os.path.join(SRCDIR, "tests", "arguments", "calls.c"), "-o", program, cwd=case.dir)
    return program


def separate(program, debug):
    """Takes the debug information out of the program into `debug`."""
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    run("objcopy", "--only-keep-debug", program, debug)
    run("strip", "--strip-all", program)
    return debug


def link(program, debug):
    run("objcopy", f"--add-gnu-debuglink={debug}", program)


def build_id(program):
    return re.search(r"Build ID: (\w+)", run("readelf", "-n", program))[1]


def paused(case, argv, **options):
    child = case.start(argv, **options).await_ready()
    wait_until(lambda: proc.state(child.pid) == "S", "the program to pause")
    return child


def frames(pid, **environment):
    """What lockjam's collector says of the process, without addresses."""
    env = {**clean_environment(), "DEBUGINFOD_URLS": "", **environment}
    out = subprocess.run([FRAMES, str(pid)], stdout=subprocess.PIPE, check=True, env=env,
                         timeout=60).stdout.decode()
    return re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", out)


def look(case, program, **environment):
    child = paused(case, [program, "idle"])
    try:
        return frames(child.pid, **environment)
    finally:
        child.kill()


def must_be_whole(text):
    """All of it: inlined functions, places, arguments."""
    for line in ("tell_expunge (", "tell_changes (", "idle_update (", "run (", "main ("):
        assert re.search(rf"^{re.escape(line)}.*\) at \S+calls\.c:\d+$", text, re.M), text
    assert "flags=(IDLE_MAILBOX | IDLE_ALERT)" in text, text


def must_be_bare(text):
    """Nothing of the program but that there are frames."""
    assert "calls.c" not in text and "idle_update" not in text, text
    assert text.count("\n?? () from ") >= 3, text


# --- places -----------------------------------------------------------------------------------

@tap.test("in the program itself, compressed or not")
def _(case):
    program = build(case)
    whole = look(case, program)
    must_be_whole(whole)
    for kind in ("zlib", "zlib-gnu"):
        run("objcopy", f"--compress-debug-sections={kind}", program)
        assert look(case, program) == whole, kind


@tap.test("stripped, and no debug information anywhere: frames without names, none of a neighbour")
def _(case):
    program = build(case)
    separate(program, case.path("elsewhere/program"))
    must_be_bare(look(case, program))


@tap.test("only symbols: names within their sizes, the file instead of the place")
def _(case):
    program = build(case)
    run("strip", "--strip-debug", program)
    text = look(case, program)
    assert re.search(r"^kept \(\) from \S.*/program$", text, re.M), text
    assert "calls.c" not in text, text


def add_link(where, folder):
    @tap.test(f"by .gnu_debuglink, {where}; not if it is another program's")
    def _(case):
        program = build(case)
        debug = separate(program, case.path(f"{folder}program.debug"))
        link(program, debug)
        must_be_whole(look(case, program))
        other = build(case, "-DOTHER", "-O0", name="other")
        shutil.move(separate(other, case.path("other.debug")), debug)
        must_be_bare(look(case, program))


add_link("beside the program", "")
add_link("in .debug below it", ".debug/")


@tap.test("without a build-id the checksum decides")
def _(case):
    program = build(case, "-Wl,--build-id=none")
    debug = separate(program, case.path("program.debug"))
    link(program, debug)
    text = look(case, program)
    if "calls.c" not in text and "#define HAVE_ZLIB" not in open(
            os.path.join(BUILDDIR, "config.h"), encoding="ascii").read():
        raise Skip("this build cannot verify checksums")
    must_be_whole(text)
    with open(debug, "ab") as file:
        file.write(b"x")
    must_be_bare(look(case, program))


@tap.test("MiniDebugInfo: the names of static functions")
def _(case):
    program = build(case)
    full = case.path("full")
    shutil.copy(program, full)
    run("strip", "--strip-all", program)
    run("strip", "--strip-debug", full)
    run("xz", full)
    run("objcopy", f"--add-section=.gnu_debugdata={full}.xz", program)
    text = look(case, program)
    assert re.search(r"^leaf \(\) from ", text, re.M), text
    assert re.search(r"^idle_update\S* \(\) from ", text, re.M), text


@tap.test("shared by two files, as dwz makes it: the separate file names a third one")
def _(case):
    one, two = build(case, "-gdwarf-4"), build(case, "-gdwarf-4", "-DTWO", name="two")
    debug = [separate(p, p + ".debug") for p in (one, two)]
    run("dwz", "-m", case.path("shared.debug"), "-M", case.path("shared.debug"), *debug)
    assert ".gnu_debugaltlink" in run("readelf", "-S", debug[0]), "dwz found nothing to share"
    link(one, debug[0])
    must_be_whole(look(case, one))
    os.rename(case.path("shared.debug"), case.path("hidden"))
    assert "main (" in look(case, one), "a missing shared part must not hide the rest"


@tap.test("split (.dwo) beside the program")
def _(case):
    for flags in (["-gdwarf-5"], ["-gdwarf-4"]):
        program = build(case, "-gsplit-dwarf", *flags)
        must_be_whole(look(case, program))
        dwo, = [f for f in os.listdir(case.dir) if f.endswith(".dwo")]
        os.unlink(case.path(dwo))
        text = look(case, program)
        assert re.search(r"^kept \(\) at \S+calls\.c:\d+$", text, re.M), text


@tap.test("a program that was replaced while it runs: its own file is still read")
def _(case):
    program = build(case)
    debug = separate(program, case.path("program.debug"))
    link(program, debug)
    child = paused(case, [program, "idle"])
    os.unlink(program)
    shutil.copy("/bin/true", program)
    try:
        text = frames(child.pid)
    finally:
        child.kill()
    if os.geteuid() and "calls.c" not in text:
        raise Skip("reading a mapping's file needs root")
    must_be_whole(text)


@tap.test("under another root: by build-id in the /usr/lib/debug of that root")
def _(case):
    if os.geteuid():
        raise Skip("chroot needs root")
    os.makedirs(case.path("root/bin"))
    program = build(case, "-static", name="root/bin/program")
    name = build_id(program)
    separate(program, case.path(f"root/usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"))
    child = paused(case, ["/bin/program", "idle"],
                   preexec_fn=lambda: (os.chroot(case.path("root")), os.chdir("/")))
    try:
        must_be_whole(frames(child.pid))
    finally:
        child.kill()


# --- hostile ----------------------------------------------------------------------------------

@tap.test("somebody else's debug file is copied, not mapped; what is no file is left alone")
def _(case):
    program = build(case)
    debug = separate(program, case.path("program.debug"))
    link(program, debug)
    if os.geteuid() == 0:
        os.chown(debug, NOBODY, NOBODY)
        must_be_whole(look(case, program))
    os.unlink(debug)
    os.mkfifo(debug)
    must_be_bare(look(case, program))


@tap.test("a .dwo that is no file, or somebody else's: lines and names only, and nobody waits")
def _(case):
    program = build(case, "-gsplit-dwarf")
    dwo, = [f for f in os.listdir(case.dir) if f.endswith(".dwo")]
    if os.geteuid() == 0:
        os.chown(case.path(dwo), NOBODY, NOBODY)
        assert "flags=" not in look(case, program)
    os.unlink(case.path(dwo))
    os.mkfifo(case.path(dwo))
    text = look(case, program)
    assert re.search(r"^kept \(\) at \S+calls\.c:\d+$", text, re.M), text


# --- debuginfod -------------------------------------------------------------------------------

class Server(http.server.ThreadingHTTPServer):
    """Answers as debuginfod(8) does, with one file; `asked` are the paths."""
    daemon_threads = True

    def __init__(self, path, file):
        self.path, self.file, self.asked = path, file, []
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.server.asked.append(self.path)
        is_there = self.path == self.server.path
        body = open(self.server.file, "rb").read() if is_there else b"not found"
        self.send_response(200 if is_there else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def need_client():
    libraries = subprocess.run(["ldconfig", "-p"], stdout=subprocess.PIPE, check=False).stdout
    if b"libdebuginfod.so.1" not in libraries:
        raise Skip("libdebuginfod1 is not installed")


@tap.test("debuginfod: asked by build-id if DEBUGINFOD_URLS is set, and only then")
def _(case):
    need_client()
    program = build(case)
    name = build_id(program)
    debug = separate(program, case.path("elsewhere/program.debug"))
    server = Server(f"/buildid/{name}/debuginfo", debug)
    cache = {"DEBUGINFOD_CACHE_PATH": case.path("cache")}
    must_be_bare(look(case, program, **cache))
    assert not server.asked, server.asked
    must_be_whole(look(case, program, DEBUGINFOD_URLS=server.url(), **cache))
    assert server.path in server.asked, server.asked
    server.file = "/bin/true"  # what a server says is verified
    must_be_bare(look(case, program, DEBUGINFOD_URLS=server.url(),
                      DEBUGINFOD_CACHE_PATH=case.path("another")))
    server.shutdown()


@tap.test("debuginfod: a server that never answers costs a few seconds, once, and is told", 120)
def _(case):
    need_client()
    program = case.path("program")
    shutil.copy(victim_path("wait-posix"), program)
    run("strip", "--strip-all", program)
    case.start([program], shim="run").await_ready()
    silent = socket.create_server(("127.0.0.1", 0))
    env = {**clean_environment(), "DEBUGINFOD_TIMEOUT": "2",
           "DEBUGINFOD_URLS": f"http://127.0.0.1:{silent.getsockname()[1]}",
           "DEBUGINFOD_CACHE_PATH": case.path("cache")}
    start = time.monotonic()
    view = case.json("graph", env=env, timeout=100)
    took = time.monotonic() - start
    silent.close()
    print(f"# {took:.1f} s")
    assert [n for n in view["notes"] if "does not answer" in n["text"]], view["notes"]
    assert len(view["backtraces"]) > 1, view["backtraces"]
    assert took < 10, took


if __name__ == "__main__":
    tap.main()
