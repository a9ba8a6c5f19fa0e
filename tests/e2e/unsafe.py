"""Why a call in a handler is unsafe, told with each finding; and that safe calls give none: all that
POSIX lets a handler call."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import LOCKJAM, SRCDIR, victim_path  # noqa: E402
from lib.elf import imported  # noqa: E402

# One function for each bit of enum seg_why, and a word of the clause that tells it.
REASONS = {
    "pthread_mutex_lock": "waits for a lock that the interrupted code may hold",
    "puts": "takes a stream's lock",
    "localtime": "takes the time zone's lock",
    "setenv": "changes the environment",
    "rand": "takes a lock inside libc",
    "strdup": "may allocate or free memory",
    "strtok": "changes data that all its callers share",
    "inet_ntoa": "gives its result in a static buffer",
    "strerror": "may load translations",
    "getpwuid": "asks the name service's modules",
    "iconv_open": "may load a library",
    "dl_iterate_phdr": "runs functions of the program",
    "backtrace": "prepares itself at its first call",
}
# What the headers make something else of, or what this libc may not have.
NOT_IMPORTED = {"htonl": "a macro", "htons": "a macro", "ntohl": "a macro", "ntohs": "a macro",
                "sigpause": "__xpg_sigpause", "sig2str": "newer", "str2sig": "newer",
                "strlcat": "newer", "strlcpy": "newer", "wcslcat": "newer", "wcslcpy": "newer",
                "tcgetwinsize": "newer", "tcsetwinsize": "newer"}


def safe_functions():
    with open(os.path.join(SRCDIR, "collector", "analysis", "safe.def"), encoding="utf-8") as file:
        return re.findall(r"^SAFE\((\w+)\)$", file.read(), re.M)


@tap.test("each finding tells why the function is unsafe; the same calls outside count nothing")
def _(case):
    victim = case.victim("handler-why")
    alive = case.json("report")
    victim.kill_all()
    for view in (alive, case.json("report")):
        found = {f["stacks"][0]["frames"][0]["function"]: f for f in views.findings(view)
                 if f["kind"] == "unsafe-call-in-handler"}
        assert set(found) == set(REASONS), set(found) ^ set(REASONS)
        for function, reason in REASONS.items():
            finding = found[function]
            assert f"{function}() " in finding["evidence"], finding
            assert reason in finding["evidence"], finding
            assert (finding["count"], finding["severity"]) == (1, "warning"), finding


@tap.test("unsafe by POSIX, safe by glibc's manual: a note, which says so")
def _(case):
    case.victim("handler-why")
    view = case.json("report")
    (finding,) = [f for f in view["findings"] if f["kind"] == "unportable-call-in-handler"]
    assert finding["severity"] == "note" and finding["count"] == 1, finding
    assert finding["headline"].startswith("getenv() was called"), finding
    assert "not on POSIX's list" in finding["evidence"], finding


@tap.test("all that POSIX lets a handler call gives no finding")
def _(case):
    victim = case.victim("handler-posix")
    view = case.json("report", status=(0,))
    assert not view["findings"], [f["headline"] for f in view["findings"]]
    # Its children that leave the handler by a jump have a record of that, too.
    (handler,) = [h for h in case.json("signals")["signals"]
                  if h["signal"] == "SIGUSR1" and h["pid"] == victim.pid]
    assert handler["deliveries"] == 1 and not handler["calls"], handler
    assert victim.finish() == 0


@tap.test("that handler calls every function of the list")
def _(case):
    called = imported(victim_path("handler-posix"))
    missing = [name for name in safe_functions() if name not in called]
    assert set(missing) == set(NOT_IMPORTED), set(missing) ^ set(NOT_IMPORTED)


def add_named(name):
    @tap.test(f"{name}: functions that the user names, and none without")
    def _(case):
        argv = [victim_path(name)]
        for names in ("", "cbrt", "hypot", "hypot,cbrt,nonsense", "malloc,nonsense", "pointer"):
            option = [f"--unsafe={names}"] if names else []
            path = case.path("session-" + names)
            result = case.run([LOCKJAM, "run", "-o", path, *option, *argv], input="", stdin=None)
            assert result.returncode == 0 and "ready" in result.stdout, result
            view = json.loads(case.run([LOCKJAM, "report", "--format=json", path]).stdout)
            wanted = {f: 1 for f in set(names.split(",")) & {"cbrt", "hypot"}}
            found = view["findings"]
            assert {f["function"]: f["count"] for f in found} == wanted, (names, found)
            assert all("on the user's list" in f["evidence"] for f in found), found
            assert not any("redirected" in n["text"] for n in view["notes"]), view["notes"]


for _name in ("own-unsafe", "own-unsafe-now"):
    add_named(_name)


@tap.test("names that are none, and too many, are refused; env tells them")
def _(case):
    for value in ("", "a,,b", "a b", "a,", ",".join(f"f{i}" for i in range(65)), "x" * 5000):
        result = case.run([LOCKJAM, "env", f"--unsafe={value}"])
        assert result.returncode == 2 and not result.stdout, (value, result)
    result = case.run([LOCKJAM, "env", "-o", case.session, "--unsafe=one,two"])
    assert "export LOCKJAM_UNSAFE='one,two'\n" in result.stdout, result


if __name__ == "__main__":
    tap.main()
