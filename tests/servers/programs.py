"""Programs that lock, from Debian: flock(1), python3's fcntl, dpkg on a private root, stress-ng, a
shell with hundreds of children, and programs with another allocator."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import LOCKJAM, Skip, victim_path, wait_until  # noqa: E402


def need(program):
    path = shutil.which(program)
    if not path:
        raise Skip(f"{program} is not installed")
    return path


@tap.test("flock(1): a holder, its command that inherits the lock, and a waiter")
def _(case):
    need("flock")
    holder = case.start(["flock", case.path("lock"), "sh", "-c", "echo ready; read line"],
                        "preload").await_ready()
    waiter = case.start(["flock", case.path("lock"), "echo", "ready"], "preload")
    wait_until(lambda: proc.is_waiting_for_lock(waiter.pid), "the second flock to wait")
    view = case.json("graph")
    assert [w["pid"] for w in views.parties(view, "waiters")] == [waiter.pid], view["locks"]
    # An open file description that two processes share is one hold, shown for who took it ...
    holders = {h["pid"]: h["inherited"] for h in views.parties(view, "holders")}
    assert holders == {holder.pid: False}, holders
    # ... and for who keeps it when that one is dead.
    shell = proc.children(holder.pid)[0]
    holder.kill()
    view = case.json("graph")
    holders = {h["pid"]: h["inherited"] for h in views.parties(view, "holders")}
    assert holders == {shell: True}, holders
    assert [w["pid"] for w in views.parties(view, "waiters")] == [waiter.pid], view["locks"]
    os.kill(shell, 9)
    waiter.await_ready()
    assert waiter.finish() == 0


PYTHON = """
import fcntl, os, sys
files = [open(f"file-{i}", "w+") for i in range(4)]
fcntl.lockf(files[0], fcntl.LOCK_EX)
fcntl.lockf(files[1], fcntl.LOCK_SH, 10, 20)
fcntl.flock(files[2], fcntl.LOCK_EX)
fcntl.flock(files[3], fcntl.LOCK_SH)
if os.fork() == 0:
    try:
        fcntl.lockf(open("file-0", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
print(fcntl.fcntl(files[0], fcntl.F_GETFD), fcntl.fcntl(files[0], fcntl.F_GETFL) & 3, flush=True)
print("ready", flush=True)
sys.stdin.read()
"""


@tap.test("python3's fcntl module: every hold with its range")
def _(case):
    victim = case.start([sys.executable, "-c", PYTHON], "run").await_ready()
    assert victim.said == ["[Errno 11] Resource temporarily unavailable", "1 2"], victim.said
    found = {(os.path.basename(lock["file"]), lock["kind"], lock["mode"], lock["start"],
              lock["end"]) for lock in case.json("graph")["locks"]}
    assert found == {("file-0", "posix", "write", 0, None), ("file-1", "posix", "read", 20, 29),
                     ("file-2", "flock", "write", 0, None),
                     ("file-3", "flock", "read", 0, None)}, found
    names = views.functions(views.parties(case.json("graph"), "holders")[0]["stack"])
    assert len(names) > 3, names
    assert victim.finish() == 0


def private_root(case):
    """An empty root for dpkg, and a package whose configuration waits until it is told to end."""
    root = case.path("root")
    for name in ("updates", "info", "triggers"):
        os.makedirs(os.path.join(root, "var/lib/dpkg", name))
    for name in ("status", "available"):
        open(os.path.join(root, "var/lib/dpkg", name), "w", encoding="ascii").close()
    os.makedirs(case.path("package/DEBIAN"))
    with open(case.path("package/DEBIAN/control"), "w", encoding="ascii") as file:
        file.write("Package: waits\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@n>\n"
                   "Description: waits while it is configured\n")
    with open(case.path("package/DEBIAN/postinst"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho ready\nread line\nexit 0\n")
    os.chmod(case.path("package/DEBIAN/postinst"), 0o755)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", case.path("package"),
                    case.path("waits.deb")], check=True, stdout=subprocess.DEVNULL)
    return root


@tap.test("dpkg: its lock on a private root, and a second dpkg that is refused")
def _(case):
    need("dpkg-deb")
    if os.getuid():
        raise Skip("dpkg installs for root only")
    root = private_root(case)
    base = ["dpkg", f"--root={root}", "--force-script-chrootless", "--log=/dev/null"]
    first = case.start([*base, "-i", case.path("waits.deb")], "preload")
    first.await_ready()
    view = case.json("graph")
    held = {os.path.relpath(lock["file"], os.path.realpath(root)): lock["holders"][0]["pid"]
            for lock in view["locks"] if lock["holders"]}
    assert held.get("var/lib/dpkg/lock") == first.pid, held
    assert held.get("var/lib/dpkg/lock-frontend") == first.pid, held
    second = case.run([*base, "--configure", "-a"], "preload")
    assert second.returncode == 2, second
    assert f"locked by another process with pid {first.pid}" in second.stderr, second.stderr
    plain = case.run([*base, "--configure", "-a"])
    assert (plain.returncode, plain.stderr) == (second.returncode, second.stderr), (plain, second)
    first.process.stdin.write("\n")
    assert first.finish() == 0
    view = case.json("graph")
    assert not view["locks"], view["locks"]


@tap.test("stress-ng: flock, lockofd, fcntl, locka, lockf end as ever", 120)
def _(case):
    need("stress-ng")
    argv = ["stress-ng", "--flock", "4", "--lockofd", "2", "--fcntl", "4", "--locka", "2",
            "--lockf", "2", "--fcntl-ops", "2000", "--flock-ops", "4000", "--lockofd-ops", "2000",
            "--locka-ops", "2000", "--lockf-ops", "2000", "--timeout", "20",
            "--temp-path", case.dir, "--verify"]
    result = case.run(argv, "run")
    assert result.returncode == 0, result.stdout + result.stderr
    view = case.json("report")
    wrong = [f["headline"] for f in view["findings"] if f["severity"] == "error"]
    assert not wrong, wrong
    assert len(view["processes"]) > 10, len(view["processes"])


PIPELINE = """
i=0
while [ $i -lt 150 ]; do
    (echo $i | sed s/1/one/ | tr a-z A-Z)
    i=$((i+1))
done | sort | uniq -c | md5sum
trap 'echo term' TERM
kill -TERM $$
trap - TERM
(exit 3) || echo status $?
seq 100 | xargs -n 1 /bin/echo | wc -l
"""


@tap.test("a shell with hundreds of forks and execs: the same output, nothing left behind")
def _(case):
    plain = case.run(["sh", "-c", PIPELINE])
    shimmed = case.run(["sh", "-c", PIPELINE], "run")
    assert (plain.returncode, plain.stdout) == (shimmed.returncode, shimmed.stdout), (plain, shimmed)
    assert len(plain.stdout.splitlines()) == 4, plain.stdout
    # A shell has handlers, so its subshells have something to tell; cat, sed and sort have not.
    view = case.json("report")
    names = {os.path.basename(p["exe"]) for p in view["processes"]}
    assert len(names) == 1, names
    assert not view["findings"], view["findings"]


@tap.test("lockjam run without -o keeps nothing")
def _(case):
    before = set(os.listdir("/run/lockjam")) if os.path.isdir("/run/lockjam") else set()
    result = case.run([LOCKJAM, "run", "--", "flock", case.path("lock"), "true"])
    assert result.returncode == 0, result
    after = set(os.listdir("/run/lockjam")) if os.path.isdir("/run/lockjam") else set()
    assert after <= before, after - before


def add_allocator(name):
    @tap.test(f"a program with {name}: the same output, its lock and its handler seen")
    def _(case):
        program = victim_path(f"allocator-{name}", "servers")
        outputs = []
        for shim in (None, "preload"):
            victim = case.start([program], shim).await_ready()
            outputs.append(victim.said)
            if shim:
                view = case.json("report")
                assert [h["pid"] for h in views.parties(view, "holders")] == [victim.pid], view
                found = {f["kind"] for f in view["findings"]}
                assert found == {"unsafe-call-in-handler"}, view["findings"]
                headlines = " ".join(f["headline"] for f in view["findings"])
                assert "calloc()" in headlines and "free()" in headlines, headlines
            assert victim.finish() == 0
        assert outputs[0] == outputs[1], outputs


for _name in ("glibc", "jemalloc", "tcmalloc"):
    add_allocator(_name)

if __name__ == "__main__":
    tap.main()
