"""Paths and pids that are others for us than for the process: chroots, mount and pid namespaces,
overlayfs, files that were replaced or unmounted, and lockjam itself inside; who may not look.
Nothing runs under the shim."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import LOCKJAM, Skip, wait_until  # noqa: E402

ENTER = ("unshare", "--mount", "--propagation", "private")


def need_root(what):
    if os.geteuid() != 0:
        raise Skip(f"only root can {what}")


def actor_inside(case, *wrapper):
    """An actor in namespaces of its own, which must be had; its pid out here in `pid`."""
    try:
        actor = case.actor(*wrapper)
    except AssertionError as error:
        raise Skip(f"{' '.join(wrapper)} does not work here") from error
    below = proc.children(actor.process.pid)
    actor.pid = below[0] if below else actor.process.pid
    return actor


def waiter(case, request):
    actor = case.actor()
    actor.send(request)
    wait_until(lambda: proc.is_waiting_for_lock(actor.pid), "the request to wait")
    return actor


def lock_of(view, pid):
    """The only lock that this process holds."""
    lock, = [lock for lock in view["locks"] if pid in [h["pid"] for h in lock["holders"]]]
    return lock


def process_of(view, pid):
    process, = [p for p in view["processes"] if p["pid"] == pid]
    return process


@tap.test("a chroot: our path, the root, and the path there")
def _(case):
    need_root("call chroot()")
    os.mkdir(case.path("jail"))
    actor = case.actor()
    actor.do("os.chroot('jail'); os.chdir('/')")
    actor.do("fd = flock('/data')")
    blocked = waiter(case, "flock('jail/data', wait=True)")
    view = case.json_now("graph", str(actor.pid))
    lock = lock_of(view, actor.pid)
    assert lock["file"] == case.path("jail/data") and lock["path_seen_by"] is None, lock
    assert process_of(view, actor.pid)["root"] == case.path("jail"), view["processes"]
    assert process_of(view, blocked.pid)["root"] is None, view["processes"]
    text = case.lockjam("graph", case.path("jail/data")).stdout
    assert text.count(f"its root is {case.path('jail')}, where the path is /data\n") == 1, text


@tap.test("a mount namespace: the path is the one inside, and that is said")
def _(case):
    need_root("mount")
    actor = actor_inside(case, *ENTER)
    assert actor.do("os.system('mount -t tmpfs none /mnt')") == 0
    actor.do("fd = posix('/mnt/only there')")
    case.actor().do("fd = posix('here')")
    for target in (str(actor.pid), "/mnt/only there"):
        view = case.json_now("graph", target)
        lock = lock_of(view, actor.pid)
        assert (lock["file"], lock["path_seen_by"]) == ("/mnt/only there", actor.pid), lock
        text = case.lockjam("graph", target).stdout
        assert "path as it sees it, in a mount namespace of its own\n" in text, text
    innocent = case.lockjam("graph", case.path("here")).stdout
    assert "namespace" not in innocent.partition("Note:")[0], innocent


@tap.test("a file system that was unmounted under its holder")
def _(case):
    need_root("mount")
    actor = actor_inside(case, *ENTER)
    assert actor.do("os.system('mount -t tmpfs none /mnt')") == 0
    actor.do("fd = posix('/mnt/file')")
    assert actor.do("os.system('umount --lazy /mnt')") == 0
    lock = lock_of(case.json_now("graph", str(actor.pid)), actor.pid)
    assert lock["detached"] and lock["path_seen_by"] is None, lock
    assert "has been unmounted" in case.lockjam("graph", str(actor.pid)).stdout


@tap.test("overlayfs: holders, waiters and the path, also of a file that is only below")
def _(case):
    need_root("mount")
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(case.path(name))
    with open(case.path("lower/old"), "w", encoding="ascii") as file:
        file.write("x")
    actor = actor_inside(case, *ENTER)
    if actor.do("os.system('mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none "
                "merged')") != 0:
        raise Skip("overlayfs cannot be mounted here")
    actor.do("a, b = flock('merged/old', READ), ofd('merged/new')")
    actor.do("blocked = child('block: ofd(\"merged/new\", wait=True)')")
    child, = proc.children(actor.pid)
    wait_until(lambda: proc.is_waiting_for_lock(child), "the child to wait")
    view = case.json_now("graph", str(actor.pid))
    found = {os.path.basename(lock["file"]): lock for lock in view["locks"]}
    assert set(found) == {"old", "new"}, view["locks"]
    assert [w["pid"] for w in found["new"]["waiters"]] == [child], found["new"]


@tap.test("btrfs: stat's device is not the kernel's", 120)
def _(case):
    need_root("mount")
    if not shutil.which("mkfs.btrfs"):
        raise Skip("mkfs.btrfs is not installed")
    with open(case.path("image"), "wb") as file:
        file.truncate(200 << 20)
    os.mkdir(case.path("mnt"))
    actor = actor_inside(case, *ENTER)
    if actor.do("os.system('mkfs.btrfs -q image >/dev/null 2>&1 && mount -o loop image mnt && "
                "btrfs -q subvolume create mnt/sub >/dev/null')") != 0:
        raise Skip("btrfs cannot be mounted here")
    actor.do("a, b = posix('mnt/sub/file'), ofd('mnt/sub/other')")
    actor.do("blocked = child('block: ofd(\"mnt/sub/other\", wait=True)')")
    child, = proc.children(actor.pid)
    wait_until(lambda: proc.is_waiting_for_lock(child), "the child to wait")
    actor.do("import subprocess")
    told = actor.do("(os.stat('mnt/sub/file').st_dev, os.stat('mnt/sub/file').st_ino)")
    listed = [lock.dev for lock in proc.locks() if lock.pid == actor.pid and lock.ino == told[1]]
    assert listed and told[0] not in listed, (told, listed)
    output = actor.do(f"subprocess.run([{LOCKJAM!r}, 'graph', '--format=json', 'mnt/sub/file', "
                      f"{case.path('mnt/sub/other')!r}], text=True, stdout=subprocess.PIPE, "
                      "stdin=subprocess.DEVNULL).stdout")
    found = {os.path.basename(lock["file"]): lock for lock in json.loads(output)["locks"]}
    assert set(found) == {"file", "other"}, output
    assert [w["pid"] for w in found["other"]["waiters"]] == [child], found["other"]
    actor.do("[os.kill(blocked, 9), os.waitpid(blocked, 0), os.close(a), os.close(b), "
             "os.system('umount mnt')]")


@tap.test("a file that another one has replaced")
def _(case):
    old, new, innocent = case.actor(), case.actor(), case.actor()
    old.do("fd = posix('index')")
    new.do("fd = posix('index.new')")
    innocent.do("fd = posix('gone')")
    os.rename(case.path("index.new"), case.path("index"))
    os.unlink(case.path("gone"))
    view = case.json_now("graph")
    lock = lock_of(view, old.pid)
    assert lock["deleted"] and lock["replaced"] and lock["file"] == case.path("index"), lock
    lock = lock_of(view, new.pid)
    assert not lock["deleted"] and not lock["replaced"], lock
    lock = lock_of(view, innocent.pid)
    assert lock["deleted"] and not lock["replaced"], lock
    text = case.lockjam("graph", case.path("index")).stdout
    assert text.count("the path leads to another file by now") == 1, text
    assert f"holding WRITE lock for {case.path('index')} (deleted)\n" in text, text


@tap.test("both pids of a process in a pid namespace")
def _(case):
    need_root("make a pid namespace")
    actor = actor_inside(case, "unshare", "--pid", "--fork", "--kill-child")
    inner = actor.do("os.getpid()")
    actor.do("fd = flock('file')")
    view = case.json_now("graph", str(actor.pid))
    assert process_of(view, actor.pid)["ns_pid"] == inner, (view["processes"], inner)
    text = case.lockjam("graph", str(actor.pid)).stdout
    assert f"(pid {actor.pid}) holding WRITE lock for" in text, text
    assert f"    pid {inner} in its namespace\n" in text, text
    outside = case.actor()
    outside.do("fd = flock('other')")
    assert process_of(case.json_now("graph", str(outside.pid)), outside.pid)["ns_pid"] is None


@tap.test("inside of a pid namespace: who waits for an outsider is still seen, and what is hidden said")
def _(case):
    need_root("make a pid namespace")
    actor = actor_inside(case, *ENTER, "--pid", "--fork", "--kill-child", "--mount-proc")
    outsider = case.actor()
    for kind in ("posix", "flock", "ofd"):
        outsider.do(f"{kind}_fd = {kind}({kind!r})")
        blocking = f"block: {kind}({kind!r}, wait=True)"
        actor.do(f"{kind}_pid = child({blocking!r})")
    inner = {kind: actor.do(f"{kind}_pid") for kind in ("posix", "flock")}
    for child in proc.children(actor.pid):
        wait_until(lambda c=child: proc.is_waiting_for_lock(c), "the children to wait")
    actor.do("import subprocess")
    output = actor.do(f"subprocess.run([{LOCKJAM!r}, 'graph', '--format=json'], text=True, "
                      "stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout")
    view = json.loads(output)
    for kind, pid in inner.items():
        lock, = [lock for lock in view["locks"] if lock["file"] == case.path(kind)]
        party, = lock["waiters"]
        assert (party["pid"], lock["kind"]) == (pid, kind), (lock, inner)
        assert not lock["holders"] and party["evidence"] == "inferred", lock
    assert any("outside of this pid namespace" in note["text"] for note in view["notes"]), view


@tap.test("targets: relative paths, links, other names of a file")
def _(case):
    actor, other = case.actor(), case.actor()
    os.mkdir(case.path("folder"))
    actor.do("fd = posix('folder/file')")
    other.do("fd = posix('other')")
    os.symlink("folder/file", case.path("link"))
    os.symlink("folder", case.path("short"))
    os.link(case.path("folder/file"), case.path("second name"))
    for target in ("folder/file", "./folder/../folder/file", "link", "short/file", "second name",
                   case.path("link"), case.path("second name")):
        view = case.json_now("graph", target, cwd=case.dir)
        assert [h["pid"] for lock in view["locks"] for h in lock["holders"]] == [actor.pid], \
            (target, view["locks"])
    view = case.json_now("graph", "folder/no such file", cwd=case.dir)
    assert not view["locks"] and "nobody is seen" in view["notes"][0]["text"], view
    result = case.lockjam("graph", "no-such-command", cwd=case.dir, status=(2,))
    assert "no-such-command: no such process" in result.stderr, result


@tap.test("another user sees what may be seen, and is told the rest")
def _(case):
    need_root("become another user")
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    os.chmod(case.dir, 0o755)
    root, theirs = case.actor(), case.actor("setpriv", "--reuid=65534", "--regid=65534",
                                            "--clear-groups")
    for name in ("root's", "shared", "ofd"):
        with open(case.path(name), "w", encoding="ascii"):
            os.chmod(case.path(name), 0o666)
    root.do("""a, b = posix("root's"), ofd('ofd')""")
    theirs.do("fd = flock('shared')")
    result = case.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", LOCKJAM,
                       "graph", "--format=json"])
    view = json.loads(result.stdout)
    lock = lock_of(view, theirs.pid)
    assert lock["file"] == case.path("shared"), lock
    ino = os.stat(case.path("root's")).st_ino
    lock, = [lock for lock in view["locks"] if lock["ino"] == ino]
    assert lock["file"] is None and lock["holders"][0]["pid"] == root.pid, lock
    ino = os.stat(case.path("ofd")).st_ino
    lock, = [lock for lock in view["locks"] if lock["ino"] == ino]
    assert lock["holders"][0]["pid"] is None, lock
    assert any("may not be read (run as root)" in note["text"] for note in view["notes"]), view
    result = case.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", LOCKJAM,
                       "graph"])
    assert result.returncode in (0, 1) and not result.stderr, result


@tap.test("a /proc that hides processes of others")
def _(case):
    need_root("mount")
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    os.chmod(case.dir, 0o755)
    holder = case.actor()
    holder.do("fd = posix('file')")
    ino = os.stat(case.path("file")).st_ino
    result = case.run([*ENTER, "sh", "-c", "mount -t proc -o hidepid=invisible none /proc && exec "
                       'setpriv --reuid=65534 --regid=65534 --clear-groups "$0" graph '
                       "--format=json", LOCKJAM])
    if result.returncode not in (0, 1):
        raise Skip(f"no /proc with hidepid can be had: {result.stderr}")
    view = json.loads(result.stdout)
    lock, = [lock for lock in view["locks"] if lock["ino"] == ino]
    party, = lock["holders"]
    assert party["pid"] == holder.pid and process_of(view, holder.pid)["name"] == "[hidden]", lock
    assert any("hides processes" in note["text"] for note in view["notes"]), view["notes"]


if __name__ == "__main__":
    tap.main()
