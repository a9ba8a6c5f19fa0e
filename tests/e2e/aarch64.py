"""The shim for aarch64, cross-built and run under qemu-user: its thunks lead where they should, keep
the arguments, and see what handlers call. Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user."""
import atexit
import concurrent.futures
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.case import BUILDDIR, SRCDIR, Skip, die_with_parent  # noqa: E402
from lib.elf import nm  # noqa: E402

PREFIX = "aarch64-linux-gnu-"
CC = PREFIX + "gcc"
# As preload/local.mk has them.
SHIM_FLAGS = ("-O2 -g -fPIC -fvisibility=hidden -fno-plt -fomit-frame-pointer "
              "-ftls-model=initial-exec -D_GNU_SOURCE -Wall -Werror").split()
SHIM_LINK = "-shared -Wl,-z,now -Wl,-z,nodelete -Wl,--version-script=liblockjam.map".split()
WHY = {"pthread_mutex_lock", "puts", "localtime", "setenv", "rand", "strdup", "strtok", "inet_ntoa",
       "strerror", "getpwuid", "iconv_open", "dl_iterate_phdr", "backtrace", "getenv"}


def emulator():
    found = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not found or not shutil.which(CC):
        raise Skip("gcc-aarch64-linux-gnu and qemu-user are not installed")
    libc = subprocess.run([CC, "-print-file-name=libc.so.6"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()
    if not os.path.isabs(libc):
        raise Skip("libc6-dev-arm64-cross is not installed")
    root = "/usr/aarch64-linux-gnu"
    return found, root, libc


def tell(result):
    assert result.returncode == 0, f"{' '.join(map(str, result.args))}\n{result.stderr}"
    return result.stdout


def run(argv, where, **options):
    return subprocess.run(argv, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, preexec_fn=die_with_parent, **options)


def make_lists(where, libc):
    """unsafe.list and the version script, for that libc, by the recipes of the build."""
    os.mkdir(os.path.join(where, "preload"))
    symbols = tell(run([PREFIX + "nm", "-D", "--defined-only", libc], where))
    lines = tell(run(["awk", "-f", os.path.join(SRCDIR, "preload", "unsafe-filter.awk"), "-",
                      os.path.join(SRCDIR, "preload", "unsafe.def")], where, input=symbols))
    with open(os.path.join(where, "preload", "unsafe.list"), "w", encoding="utf-8") as file:
        file.write(lines)
    names = "".join(f"\t{name};\n" for name in re.findall(r"^UNSAFE\((\w+)", lines, re.M))
    with open(os.path.join(SRCDIR, "preload", "exports.map"), encoding="utf-8") as file:
        exports = re.sub(r"(.*functions that are unsafe in handlers.*\n)",
                         lambda m: m[1] + names, file.read())
    with open(os.path.join(where, "liblockjam.map"), "w", encoding="utf-8") as file:
        file.write(exports)
    return set(names.replace(";", "").split())


def shim_sources():
    with open(os.path.join(SRCDIR, "preload", "local.mk"), encoding="utf-8") as file:
        own = set(re.findall(r"preload/\w+\.c\b", file.read()))
    return sorted(own) + ["preload/arch-aarch64.S", "preload/thunk-aarch64.S"]


@functools.lru_cache(maxsize=None)
def build():
    """(directory with liblockjam.so, the names that it puts in front of libc's)."""
    _, _, libc = emulator()
    where = tempfile.mkdtemp(prefix="lockjam-aarch64-")
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    names = make_lists(where, libc)

    def compile_one(source):
        output = os.path.basename(source).rsplit(".", 1)[0] + ".o"
        tell(run([CC, *SHIM_FLAGS, "-I.", f"-I{SRCDIR}", f"-I{BUILDDIR}", "-c",
                  os.path.join(SRCDIR, source), "-o", output], where))
        return output

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, shim_sources()))
    tell(run([CC, *SHIM_LINK, "-o", "liblockjam.so", *objects], where))
    return where, names


def victim(case, name, folder="victims"):
    emulator()
    path = case.path(name)
    source = os.path.join(SRCDIR, "tests", folder, name + ".c")
    tell(run([CC, "-g", "-D_GNU_SOURCE", "-fno-builtin", f"-I{SRCDIR}", source, "-o", path],
             case.dir))
    return path


def emulate(case, argv, with_shim):
    qemu, root, _ = emulator()
    shim = os.path.join(build()[0], "liblockjam.so")
    settings = ["-E", f"LD_PRELOAD={shim}", "-E", f"LOCKJAM_DIR={case.session}"]
    os.makedirs(case.session, exist_ok=True)
    return run([qemu, "-L", root, *(settings if with_shim else []), *argv], case.dir, input="",
               timeout=60)


def calls(case):
    """{function: count} of what the handlers of the session called."""
    view = case.json("signals", "--offline")
    return {call["function"]: call["count"] for h in view["signals"] for call in h["calls"]}


@tap.test("every thunk of the list is exported", 300)
def _(_case):
    where, names = build()
    found = {words[-1] for words in nm("-D", "--defined-only", os.path.join(where, "liblockjam.so"))}
    assert len(names) > 700 and names <= found, names - found


@tap.test("a handler's unsafe calls are seen, by their thunks")
def _(case):
    result = emulate(case, [victim(case, "handler-why")], True)
    assert result.returncode == 0, result.stderr
    seen = calls(case)
    assert WHY <= set(seen), (WHY - set(seen), result.stderr)
    assert {seen[name] for name in WHY - {"setenv", "strdup", "puts", "pthread_mutex_lock"}} == {1}


@tap.test("arguments and results pass unchanged, in handlers and outside")
def _(case):
    path = victim(case, "functions", "transparency")
    plain, shimmed = emulate(case, [path], False), emulate(case, [path], True)
    assert plain.returncode == shimmed.returncode == 0, shimmed.stderr
    assert len(plain.stdout.splitlines()) > 50
    assert plain.stdout == shimmed.stdout


@tap.test("safe calls in a handler, and unsafe ones outside, are none")
def _(case):
    for name in ("handler-posix", "outside-handlers"):
        result = emulate(case, [victim(case, name)], True)
        assert result.returncode == 0 and "ready" in result.stdout, result.stderr
    assert len(os.listdir(case.session)) == 2, os.listdir(case.session)
    assert not calls(case), calls(case)


@tap.test("every delivery is counted once, also in threads and at awkward moments", 120)
def _(case):
    for name, arguments, wanted in (("deliveries", ("300", "2"), {"rand": 300, "strtok": 300}),
                                    ("nested-deep", ("5",), {"strtok": 1}),
                                    ("together", ("8",), {"strtok": 16})):
        case.session = case.path("session-" + name)
        result = emulate(case, [victim(case, name), *arguments], True)
        assert result.returncode == 0 and "ready" in result.stdout, (name, result)
        view = case.json("signals", "--offline")
        counts = {}
        for handler in view["signals"]:
            for call in handler["calls"]:
                counts[call["function"]] = counts.get(call["function"], 0) + call["count"]
        assert counts == wanted, (name, counts)


if __name__ == "__main__":
    tap.main()
