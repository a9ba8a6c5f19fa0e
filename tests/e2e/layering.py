"""The order of the parts, checked on the sources and on what was built: who includes whom, who
prints, who opens /proc, and what liblockjam.so exports."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.elf import exported, nm  # noqa: E402
from lib.case import SHIM, SRCDIR, LOCKJAM  # noqa: E402

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
# fprintf and its kin may fill a memory stream: without the names of the streams they print nowhere.
PRINTS = re.compile(r"\b(?:printf|vprintf|puts|putchar|perror|err|errx|warn|warnx|exit|_exit|abort|"
                    r"stdout|stderr)\b\s*(?=[(;,)])")
ALLOWED = {"preload": ("preload/", "config.h"),
           "collector": ("collector/", "preload/segment.h", "config.h"),
           "cli": ("cli/", "collector/", "preload/segment.h", "config.h")}
# The floors of the collector: a folder includes itself and what stands before it here.
FLOORS = ("model", "arch", "proc", "ptrace", "segment", "core", "symbol", "unwind", "argument", "stack",
          "inject", "source", "analysis", "sample")
# Links of the shim: DESIGN allows libc alone; the loader and libm come with it.
SHIM_LIBRARIES = re.compile(r"^(libc\.so\.|ld-linux)")


def sources(part, suffixes=(".c", ".h", ".def", ".S")):
    """{path: text} of a part, relative to the top."""
    found = {}
    for folder, _folders, names in sorted(os.walk(os.path.join(SRCDIR, part))):
        for name in sorted(names):
            if name.endswith(suffixes):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    found[os.path.relpath(path, SRCDIR)] = file.read()
    return found


def code(text, keep_strings=False):
    """The text without comments (and without what stands in strings)."""
    text = COMMENT.sub(" ", text)
    return text if keep_strings else STRING.sub('""', text)


def add_part(part):
    @tap.test(f"{part} includes only what it may")
    def _(_case):
        wrong = [f"{path}: {name}" for path, text in sources(part).items()
                 for name in INCLUDE.findall(text) if not name.startswith(ALLOWED[part])]
        assert not wrong, "\n".join(wrong)


for _part in ALLOWED:
    add_part(_part)


@tap.test("the collector's folders stand on each other in one order")
def _(_case):
    wrong, seen = [], set()
    for path, text in sources("collector").items():
        folder = path.split("/")[1]
        if folder not in FLOORS:
            continue
        seen.add(folder)
        for name in INCLUDE.findall(text):
            words = name.split("/")
            if words[0] == "collector" and words[1] not in FLOORS[:FLOORS.index(folder) + 1] \
                    and name != "collector/collect.h" \
                    and (folder, name) != ("sample", "collector/collector.h"):
                wrong.append(f"{path}: {name}")
    assert not wrong, "\n".join(wrong)
    assert seen == set(FLOORS), set(FLOORS) - seen


@tap.test("there is no cycle of includes")
def _(_case):
    graph = {path: [n for n in INCLUDE.findall(text)]
             for part in ALLOWED for path, text in sources(part).items()}
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join(path + [name])
        if name in done or name not in graph:
            return
        path.append(name)
        for other in graph[name]:
            if other.endswith(".h"):
                visit(other)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


@tap.test("preload/segment.h includes no header of ours and has no pointers")
def _(_case):
    text = code(sources("preload")["preload/segment.h"])
    assert not INCLUDE.findall(text)
    fields = [line for line in text.splitlines() if re.search(r"\w\s*\*\s*\w+\s*;", line)]
    assert not fields, fields


def add_silent(part):
    @tap.test(f"{part} never prints and never exits")
    def _(_case):
        wrong = []
        for path, text in sources(part, (".c",)).items():
            text = code(text).replace("format(printf", "format(")
            for number, line in enumerate(text.splitlines(), 1):
                if PRINTS.search(line):
                    wrong.append(f"{path}:{number}: {line.strip()}")
        assert not wrong, "\n".join(wrong)


add_silent("collector")


@tap.test("the command never opens /proc or a segment by itself")
def _(_case):
    wrong = [f"{path}: {line.strip()}" for path, text in sources("cli", (".c",)).items()
             for line in code(text, True).splitlines()
             if re.search(r'"/proc|\bsegment_open|\bproc_(new|read)', line)]
    assert not wrong, "\n".join(wrong)


def listed(pattern, path):
    with open(os.path.join(SRCDIR, path), encoding="utf-8") as file:
        return re.findall(pattern, code(file.read(), True), re.M)


def libc_versions():
    """{name: versions} of the dynamic symbols of libc.so.6; a default version begins with "@"."""
    found = {}
    path = next(line.split()[2] for line in subprocess.run(
        ["ldd", LOCKJAM], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        if "libc.so.6" in line)
    for words in nm("-D", "--defined-only", path):
        name, _, version = words[-1].partition("@")
        found.setdefault(name, []).append(version)
    return found


@tap.test("every function of unsafe.def that this libc has in one version is exported")
def _(_case):
    versions = libc_versions()
    names = {name for name, _way in listed(r"^UNSAFE\((\w+),\s*(\w+)", "preload/unsafe.def")}
    assert len(names) > 100, "unsafe.def was not understood"
    missing = {n for n in names - exported()
               if len(versions.get(n, [])) == 1 and versions[n][0].startswith("@")}
    assert not missing, sorted(missing)


@tap.test("what is exported stands in unsafe.def, real.def or exports.map, and libc has it")
def _(_case):
    names = {name for name, _way in listed(r"^UNSAFE\((\w+),\s*(\w+)", "preload/unsafe.def")}
    names |= set(listed(r"^REAL\([^,]*,\s*(\w+)", "preload/real.def"))
    names |= set(listed(r"\b(\w+);", "preload/exports.map"))
    assert not exported() - names, sorted(exported() - names)
    # What `lockjam attach --inject` calls is ours alone.
    unknown = exported() - set(libc_versions()) - {"lockjam_attach", "lockjam_detach"}
    assert not unknown, sorted(unknown)


@tap.test("what DESIGN wraps is exported")
def _(_case):
    wanted = set("fcntl fcntl64 flock lockf lockf64 close close_range closefrom dup2 dup3 fclose "
                 "malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign "
                 "valloc pvalloc sigaction signal sigset bsd_signal __sysv_signal fork vfork _Fork "
                 "execve pthread_mutex_lock printf fprintf puts fputs fwrite fflush syslog exit "
                 "localtime".split())
    missing = wanted - exported()
    assert not missing, sorted(missing)


@tap.test("the shim links libc alone")
def _(_case):
    output = subprocess.run(["readelf", "-d", SHIM], stdout=subprocess.PIPE, text=True,
                            check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output)
    wrong = [n for n in needed if not SHIM_LIBRARIES.match(n)]
    assert needed and not wrong, needed


if __name__ == "__main__":
    tap.main()
