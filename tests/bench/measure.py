"""How a figure is made: the median of several rounds, in each of which all variants run one after the
other, and its ratio to one of them."""
import os
import shutil
import statistics
import subprocess
import sys
import time

ROUNDS = int(os.environ.get("ROUNDS", "7"))


def medians(variants):
    """{name: median} of {name: function that returns a figure}, interleaved."""
    figures = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, measure in variants.items():
            figures[name].append(measure())
    return {name: statistics.median(found) for name, found in figures.items()}


def table(title, unit, found, base, budget=""):
    """Prints the figures and their ratios to one of them."""
    print(f"\n{title}" + (f" (budget: {budget})" if budget else ""))
    for name, value in found.items():
        print(f"  {name:42} {value:12.1f} {unit}  {value / found[base]:8.2f} x")
    sys.stdout.flush()


def number_of(case, argv, shim=None):
    result = case.run(argv, shim, cwd=case.dir)
    assert result.returncode == 0, result
    return float(result.stdout.split()[-1])


def under(tool, *options):
    """The command line of a tool, or None where it is not installed."""
    return [tool, *options] if shutil.which(tool) else None


def milliseconds(argv):
    start = time.monotonic()
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.monotonic() - start) * 1000
