"""Programs of Debian under the shim while their signals come: what is found in each is known, and told in
docs/field-notes.md; anything else fails. They listen on the loopback interface or on sockets of their own."""
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import container, cyrus, dovecot, hang, proc, tap  # noqa: E402
from lib.case import SHIM, Skip, wait_until  # noqa: E402
from lib.dovecot import free_port  # noqa: E402

ROUNDS = 20


def program(name, package=None):
    """A program of the machine, or of a package that ./quickstart has unpacked."""
    root = container.server_root(package or name)
    path = next((p for p in (f"{root}/usr/sbin/{name}", f"/usr/sbin/{name}") if os.path.exists(p)),
                shutil.which(name))
    if not path:
        raise Skip(f"{name} is neither installed nor unpacked (./quickstart check does that)")
    return path


def has_signal(pid, key, signo):
    """Whether a line of its status names the signal."""
    found_set = re.search(rf"^{key}:\s*(\w+)", proc.read(pid, "status") or "", re.M)
    return bool(found_set and int(found_set[1], 16) >> signo - 1 & 1)


def pending(pid, signo):
    return has_signal(pid, "SigPnd", signo) or has_signal(pid, "ShdPnd", signo)


def await_handler(pid, signo):
    wait_until(lambda: has_signal(pid, "SigCgt", signo), f"process {pid} to handle signal {signo}", 60)


def found(case):
    """{(kind, function, signal): severity} of all findings; what could not be seen fails."""
    view = case.json("report", "--offline")
    assert view["processes"] or not view["findings"], view
    return {(f["kind"], f["function"], f["signal"]): f["severity"] for f in view["findings"]}


def only(case, known, also=()):
    """Fails unless just these findings are there; those of `also` may be."""
    now = found(case)
    assert set(known) <= set(now), (known, now)
    assert set(now) <= set(known) | set(also), now
    for kind, _function, _signal in now:
        severity = now[kind, _function, _signal]
        assert severity == ("warning" if kind == "unsafe-call-in-handler" else "note"), now


def deliveries(case):
    """{signal: deliveries}, of all processes together."""
    counts = {}
    for handler in case.json("signals", "--offline")["signals"]:
        counts[handler["signal"]] = counts.get(handler["signal"], 0) + handler["deliveries"]
    return counts


def named(victim, name):
    """The processes below that are called so, nearest first."""
    return [pid for pid in proc.descendants(victim.process.pid)
            if (proc.read(pid, "comm") or "").strip() == name[:15]]


def start(case, argv, **options):
    """The program itself below `lockjam run`; its pid is known when it has been executed."""
    victim = case.start(argv, "run", **options)
    name = "postgres" if argv[0] == "setpriv" else os.path.basename(argv[0])
    victim.pid = wait_until(lambda: named(victim, name), f"{name} to start", 60)[0]
    return victim


# --- commands -------------------------------------------------------------------------------------------


@tap.test("sleep: has no handler, and ends by its signal")
def _(case):
    victim = start(case, [program("sleep"), "100"])
    hang.asleep(victim.pid)
    os.kill(victim.pid, signal.SIGTERM)
    assert victim.process.wait() in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert not found(case)


@tap.test("dd: tells how far it is, on SIGUSR1")
def _(case):
    victim = start(case, [program("dd"), "if=/dev/zero", "of=/dev/null", "bs=64k"],
                   stderr=subprocess.PIPE)
    await_handler(victim.pid, signal.SIGUSR1)
    for _round in range(ROUNDS):
        os.kill(victim.pid, signal.SIGUSR1)
        while "copied" not in victim.process.stderr.readline():
            pass
    os.kill(victim.pid, signal.SIGINT)
    assert victim.process.wait() in (-signal.SIGINT, 128 + signal.SIGINT)
    assert not found(case)
    assert deliveries(case) == {"SIGUSR1": ROUNDS, "SIGINT": 1}, deliveries(case)


TRAPS = """
trap 'echo usr1' USR1
trap 'echo chld' CHLD
trap 'echo term; exit 3' TERM
echo ready
while :; do read -t 1000 line || :; done
"""


@tap.test("bash: traps, while it reads")
def _(case):
    victim = start(case, [program("bash"), "-c", TRAPS]).await_ready()
    victim.pid = proc.children(victim.process.pid)[0]
    for _round in range(ROUNDS):
        os.kill(victim.pid, signal.SIGUSR1)
        # bash has a race of its own: a signal just before its read() is looked at when that ends.
        victim.process.stdin.write("\n")
        victim.process.stdin.flush()
        assert victim.line() == "usr1"
    os.kill(victim.pid, signal.SIGTERM)
    victim.process.stdin.write("\n")
    victim.process.stdin.flush()
    assert victim.line() == "term" and victim.process.wait() == 3
    assert not found(case), found(case)


PYTHON = """
import os, select, signal, subprocess, threading
seen = {}
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
def handler(signo, frame):
    seen[signo] = seen.get(signo, 0) + 1
    if signo == signal.SIGUSR1:
        print("usr1", flush=True)
for signo in (signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
    signal.signal(signo, handler)
work = threading.Thread(target=lambda: [str(i) * 10 for i in range(200000)])
work.start()
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
print("ready", flush=True)
while seen.get(signal.SIGUSR1, 0) < 20:
    select.select([woken], [], [])
    os.read(woken, 4096)
signal.setitimer(signal.ITIMER_REAL, 0)
subprocess.run(["true"])
work.join()
"""


@tap.test("python3: its signal module, with a timer and a thread")
def _(case):
    victim = case.start([hang.PYTHON, "-c", PYTHON], "run").await_ready()
    for _round in range(ROUNDS):
        os.kill(victim.pid, signal.SIGUSR1)
        assert victim.line() == "usr1"
    assert victim.process.wait() == 0
    assert not found(case), found(case)
    counts = deliveries(case)
    assert counts["SIGUSR1"] == ROUNDS and counts["SIGALRM"] and counts["SIGCHLD"] == 1, counts


# --- servers --------------------------------------------------------------------------------------------


def redis_command(path, *words):
    """What redis answers: one line."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(" ".join(words).encode() + b"\r\n")
        return client.makefile("rb").readline().decode().strip()


@tap.test("redis-server: background saves, its watchdog, and its end", 120)
def _(case):
    path = case.path("redis")
    victim = start(case, [program("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                          "--enable-debug-command", "local", "--logfile", case.path("redis.log")])
    wait_until(lambda: os.path.exists(path), "redis to listen", 60)
    assert redis_command(path, "SET", "a", "b") == "+OK"
    assert redis_command(path, "BGSAVE").startswith("+Background")
    wait_until(lambda: redis_command(path, "LASTSAVE") != ":0", "the save")
    assert redis_command(path, "CONFIG", "SET", "watchdog-period", "200") == "+OK"
    assert redis_command(path, "DEBUG", "SLEEP", "0.5") == "+OK"
    os.kill(victim.pid, signal.SIGTERM)
    assert victim.process.wait() == 0
    only(case, [("unsafe-call-in-handler", "backtrace", "SIGALRM"),
                ("unportable-call-in-handler", "backtrace_symbols_fd", "SIGALRM")])
    counts = deliveries(case)
    assert counts["SIGALRM"] and counts["SIGTERM"] == 1, counts


SSHD = """
HostKey {key}
ListenAddress 127.0.0.1:{port}
PidFile none
LoginGraceTime 1
UsePAM no
"""


def await_line(stream, text):
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"the program ended without: {text}")


@tap.test("sshd: a client that does not log in is sent away; it reads its configuration again", 120)
def _(case):
    hang.need_root("sshd")
    sshd, port = program("sshd"), free_port()
    key = case.path("key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(case.path("config"), "w", encoding="ascii") as file:
        file.write(SSHD.format(key='"' + key + '"', port=port))
    os.makedirs("/run/sshd", exist_ok=True)
    victim = start(case, [sshd, "-D", "-e", "-f", case.path("config")], stderr=subprocess.PIPE)
    await_line(victim.process.stderr, "Server listening")
    with socket.create_connection(("127.0.0.1", port)) as client:
        while client.recv(4096):
            pass
    os.kill(victim.pid, signal.SIGHUP)
    await_line(victim.process.stderr, "Server listening")
    await_handler(victim.pid, signal.SIGTERM)
    os.kill(victim.pid, signal.SIGTERM)
    assert victim.process.wait() == 0
    only(case, [("unportable-call-in-handler", "getpgid", "SIGALRM")])
    counts = deliveries(case)
    assert (counts["SIGALRM"], counts["SIGHUP"], counts["SIGTERM"]) == (1, 1, 1), counts


NGINX = """
daemon off;
worker_processes 2;
pid "{dir}/nginx.pid";
error_log "{dir}/error.log" info;
events {{ worker_connections 64; }}
http {{
  access_log "{dir}/access.log";
  client_body_temp_path "{dir}/t1"; proxy_temp_path "{dir}/t2"; fastcgi_temp_path "{dir}/t3";
  uwsgi_temp_path "{dir}/t4"; scgi_temp_path "{dir}/t5";
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
}}
"""


def http_get(port):
    def try_it():
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return b"hello" in client.makefile("rb").read()
        except ConnectionRefusedError:
            return None
    return wait_until(try_it, "nginx to answer", 60)


@tap.test("nginx: reloads, opens its logs again, loses a worker, and ends", 120)
def _(case):
    port, where = free_port(), case.path("nginx")
    os.mkdir(where)
    os.chmod(case.dir, 0o755)
    with open(case.path("nginx.conf"), "w", encoding="ascii") as file:
        file.write(NGINX.format(dir=where, port=port))
    victim = start(case, [program("nginx"), "-p", where, "-c", case.path("nginx.conf")])
    http_get(port)
    workers = set(proc.children(victim.pid))
    os.kill(victim.pid, signal.SIGHUP)
    wait_until(lambda: len(proc.children(victim.pid)) == 2 and
               not workers & set(proc.children(victim.pid)), "other workers", 60)
    os.rename(where + "/access.log", where + "/old.log")
    os.kill(victim.pid, signal.SIGUSR1)
    wait_until(lambda: os.path.exists(where + "/access.log"), "the new log", 60)
    lost = proc.children(victim.pid)[0]
    os.kill(lost, signal.SIGKILL)
    wait_until(lambda: len(proc.children(victim.pid)) == 2 and
               lost not in proc.children(victim.pid), "another worker", 60)
    http_get(port)
    os.kill(victim.pid, signal.SIGQUIT)
    assert victim.process.wait() == 0
    time_of = [("unportable-call-in-handler", "gettimeofday", f"SIG{name}")
               for name in ("HUP", "QUIT", "USR1", "CHLD", "POLL")]
    only(case, time_of[:3], time_of)
    counts = deliveries(case)
    assert (counts["SIGHUP"], counts["SIGQUIT"], counts["SIGUSR1"]) == (1, 1, 1), counts


POSTGRES = glob.glob("/usr/lib/postgresql/*/bin/postgres")


def as_user(name, *argv):
    return ["setpriv", f"--reuid={name}", "--regid=" + str(pwd.getpwnam(name).pw_gid), "--clear-groups", *argv]


def start_postgres(case):
    """(the postmaster, what psql needs to reach it)."""
    hang.need_root("it becomes another user")
    if not POSTGRES:
        raise Skip("postgresql is not installed")
    binaries, where = os.path.dirname(POSTGRES[0]), case.path("pg")
    os.chmod(case.dir, 0o755)
    os.mkdir(where)
    shutil.chown(where, "postgres")
    made = case.run(as_user("postgres", f"{binaries}/initdb", "-N", "-A", "trust", "-D", where + "/data"))
    assert made.returncode == 0, made.stderr
    victim = start(case, as_user("postgres", POSTGRES[0], "-D", where + "/data", "-k", where, "-h", "",
                                 "-c", "fsync=off"), stderr=subprocess.DEVNULL)
    return victim, where


def psql(case, where, command, **options):
    return case.run(as_user("postgres", "psql", "-h", where, "-U", "postgres", "-tAc", command), **options)


@tap.test("postgres: reloads, cancels and ends queries, ends at once", 200)
def _(case):
    victim, where = start_postgres(case)
    wait_until(lambda: psql(case, where, "select 1").returncode == 0, "postgres to listen", 60)
    os.kill(victim.pid, signal.SIGHUP)
    slow = case.start(as_user("postgres", "psql", "-h", where, "-U", "postgres", "-c", "select pg_sleep(1000)"),
                      stderr=subprocess.PIPE)
    active = "from pg_stat_activity where query like 'select pg_sleep%'"
    wait_until(lambda: psql(case, where, "select count(*) " + active).stdout.strip() == "1", "the query", 60)
    psql(case, where, "select pg_cancel_backend(pid) " + active)
    assert "canceling statement" in slow.process.stderr.read()
    slow = case.start(as_user("postgres", "psql", "-h", where, "-U", "postgres", "-c", "select pg_sleep(1001)"),
                      stderr=subprocess.PIPE)
    wait_until(lambda: psql(case, where, "select count(*) " + active).stdout.strip() == "1", "the query", 60)
    psql(case, where, "select pg_terminate_backend(pid) " + active)
    assert "terminating connection" in slow.process.stderr.read()
    os.kill(victim.pid, signal.SIGQUIT)
    assert victim.process.wait() == 0
    # It does all its work in handlers, which are let in where it waits alone: functions of every kind.
    now = found(case)
    kinds = {kind for kind, _function, _signal in now}
    assert kinds <= {"unsafe-call-in-handler", "unportable-call-in-handler"}, now
    if "/15/" in POSTGRES[0]:
        assert ("unsafe-call-in-handler", "fork", "SIGCHLD") in now, now


CRON_PREPARE = """
mount -t tmpfs none /run
for path in /etc/cron.d /etc/cron.hourly /var/spool/cron; do
    mkdir -p "$path" && mount -t tmpfs none "$path"
done
mkdir /var/spool/cron/crontabs
echo '@reboot true' >/var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
if [ -e /etc/crontab ]; then touch '{dir}/empty' && mount --bind '{dir}/empty' /etc/crontab; fi
"""


@tap.test("cron: reads its tables again, runs nothing, ends")
def _(case):
    hang.need_root("it makes namespaces")
    cron = program("cron")
    # By the shell's environment, as a unit file gives it.
    env = case.shim_environment()
    settings = [f"{name}={env[name]}" for name in ("LD_PRELOAD", "LOCKJAM_DIR")]
    # Not as the first process of its namespace: that one ignores what it does not handle.
    server = container.start(case, CRON_PREPARE.replace("{dir}", case.dir),
                             ["sh", "-c", '"$@"; exit 0', "sh", "env", *settings, cron, "-f"])
    pid = wait_until(lambda: named(server, "cron"), "cron to start", 60)[0]
    for _round in range(5):
        hang.asleep(pid)
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: not pending(pid, signal.SIGHUP), "SIGHUP to be delivered")
    hang.asleep(pid)
    os.kill(pid, signal.SIGTERM)
    assert server.process.wait() == 0
    only(case, [("unsafe-call-in-handler", "closelog", "SIGHUP")])
    assert deliveries(case)["SIGHUP"] == 5, deliveries(case)


def preloaded(case):
    """What a server's configuration passes on to its processes."""
    os.makedirs(case.session, exist_ok=True)
    os.chmod(case.session, 0o1733)
    shutil.copy(SHIM, case.path("liblockjam.so"))
    return {"LD_PRELOAD": container.CASE + "/liblockjam.so",
            "LOCKJAM_DIR": container.CASE + "/" + os.path.basename(case.session)}


@tap.test("dovecot: logs in, reloads, opens its log again, ends", 200)
def _(case):
    case.session = case.path("session")
    env = preloaded(case)
    server, port = dovecot.start(case, env)
    client = dovecot.logged_in(port, "joe")
    assert client.append("INBOX", None, None, dovecot.MESSAGE)[0] == "OK"
    master = named(server.victim, "dovecot")[0]
    for signo in (signal.SIGHUP, signal.SIGUSR1):
        os.kill(master, signo)
        assert dovecot.logged_in(port, "joe").logout()[0] == "BYE"
    os.kill(master, signal.SIGTERM)
    wait_until(lambda: proc.state(master) in (None, "Z"), "dovecot to end", 60)
    only(case, [], [("flag-race", None, "SIGQUIT")])
    counts = deliveries(case)
    assert counts["SIGHUP"] and counts["SIGUSR1"] and counts["SIGTERM"], counts


@tap.test("cyrus: its services end on SIGHUP, its master on SIGTERM", 200)
def _(case):
    case.session = case.path("session")
    server, port = cyrus.start(case, preloaded(case))
    client = dovecot.logged_in(port, "anonymous")
    assert client.create("projects")[0] == "OK"
    services = wait_until(lambda: len(named(server.victim, "imapd")) >= 2 and named(server.victim, "imapd"),
                          "two services", 60)
    for pid in services:
        os.kill(pid, signal.SIGHUP)
    assert client.noop()[0] in ("OK", "BYE")
    master = named(server.victim, "master")[0] # its children have yet to be executed
    os.kill(master, signal.SIGHUP)
    dovecot.logged_in(port, "anonymous").logout()
    os.kill(master, signal.SIGTERM)
    wait_until(lambda: proc.state(master) in (None, "Z"), "cyrus to end", 60)
    only(case, [], [("flag-race", None, "SIGHUP"), ("reset-handler", None, "SIGTERM")])
    counts = deliveries(case)
    assert counts["SIGHUP"] >= 3 and counts["SIGTERM"] and counts["SIGCHLD"], counts


if __name__ == "__main__":
    tap.main()
