"""What only root can try: servers that drop to another user or chroot before they fork, and a
session on a tmpfs that is full. Skipped for ordinary users, but for what needs no privilege."""
import json
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, segment, tap, views  # noqa: E402
from lib.case import Skip, victim_path  # noqa: E402


def need_root():
    if os.getuid():
        raise Skip("not root")


def start(case, name, shim):
    """The program in one of its cases, in a fresh directory; what it said before it was ready."""
    where = case.path(shim or "plain")
    os.makedirs(os.path.join(where, "empty"))
    for directory in (case.dir, where, os.path.join(where, "empty")):
        os.chmod(directory, 0o777)
    if shim:
        case.shim_environment()
        os.chmod(case.session, 0o1733)
    file = os.path.join(where, "file")
    open(file, "w", encoding="ascii").close()
    os.chmod(file, 0o666)
    victim = case.start([victim_path("privileged", "transparency"), name, file,
                         os.path.join(where, "empty")], shim)
    return victim.await_ready()


def compare(case, name):
    """The shimmed program, ready, having said the same as without the shim."""
    plain = start(case, name, None)
    said = plain.said
    assert plain.finish() == 0
    victim = start(case, name, "preload")
    assert victim.said == said, (said, victim.said)
    return victim


@tap.test("a server that drops to another user: each process has its own file")
def _(case):
    need_root()
    victim = compare(case, "drop")
    child = proc.children(victim.pid)[0]
    holders = views.holders(case.json("graph"))
    assert holders == sorted([(victim.pid, "posix", "write", 0, 9),
                              (child, "posix", "write", 100, 109)]), holders
    owners = {}
    for name in os.listdir(case.session):
        info = os.stat(os.path.join(case.session, name))
        assert stat.S_IMODE(info.st_mode) == 0o600, (name, oct(info.st_mode))
        owners[int(name.split("-")[0])] = info.st_uid
    assert owners == {victim.pid: 0, child: 65534}, owners
    assert victim.finish() == 0


def add_chroot(name):
    @tap.test(f"{name}: a child that can reach no session directory keeps its record in memory")
    def _(case):
        need_root()
        victim = compare(case, name)
        child = proc.children(victim.pid)[0]
        # Such a record belongs to no directory: the view of the running system finds it.
        view = json.loads(case.lockjam("graph", "--format", "json", str(child)).stdout)
        own = [h for h in views.parties(view, "holders") if h["pid"] == child]
        assert own and own[0]["since_ns"], "the record in memory was not found: " + str(view["locks"])
        notes = " ".join(n["text"] for n in view["notes"])
        assert "session directory" in notes or "memory" in notes, view["notes"]
        assert victim.finish() == 0


add_chroot("chroot")
add_chroot("chroot-drop")


def mount_tiny(case, size):
    """A tmpfs of `size` bytes as the session's directory; unmounted when its mount is gone."""
    os.makedirs(case.session, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "lockjam-test",
                              case.session], check=False, stderr=subprocess.PIPE, text=True)
    if mounted.returncode:
        raise Skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")


@tap.test("a full tmpfs: the program is undisturbed, the report says what was lost", 120)
def _(case):
    need_root()
    notes = []
    for size in (4096, 16384, 40960, 131072):
        mount_tiny(case, size)
        try:
            notes += check_full(case, size)
        finally:
            subprocess.run(["umount", case.session], check=True)
    assert [n for n in notes if "full" in n], notes


def check_full(case, size):
    """The notes of the report on a session in which so little had room."""
    for table in ("fcntl", "signals", "processes"):
        outputs = []
        for shim in (None, "preload"):
            where = case.path(f"{size}-{table}-{shim}")
            os.mkdir(where)
            result = case.run([victim_path(table, "transparency")], shim, cwd=where)
            outputs.append((result.returncode, result.stdout))
        assert outputs[0] == outputs[1], f"{size} bytes, {table}: {outputs}"
    storm = case.start([victim_path("storm"), "100", "4", "1"], "preload").await_ready()
    assert storm.finish() == 0
    for name in os.listdir(case.session):
        problem, _torn = segment.check(os.path.join(case.session, name))
        assert problem in (None, "not ready"), f"{size} bytes, {name}: {problem}"
    if not any(name.endswith(".seg") for name in os.listdir(case.session)):
        return []
    return [n["text"] for n in case.json("report")["notes"]]


@tap.test("a session directory that cannot be written")
def _(case):
    need_root()
    case.shim_environment()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "lockjam-test", case.session], check=True)
    try:
        argv = [victim_path("fcntl", "transparency"), "refused requests", "owner"]
        plain, shimmed = case.run(argv), case.run(argv, "preload")
        assert (plain.returncode, plain.stdout, plain.stderr) == (
            shimmed.returncode, shimmed.stdout, shimmed.stderr)
    finally:
        subprocess.run(["umount", case.session], check=True)


if __name__ == "__main__":
    tap.main()
