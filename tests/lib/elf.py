"""What the tests ask of ELF files, through binutils."""
import os
import subprocess

from lib.case import SHIM, Skip


def nm(*arguments):
    """The words of each line of nm's output."""
    result = subprocess.run(["nm", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split() for line in result.stdout.splitlines()]


def imported(*paths):
    """The names that programs and libraries want of others; what is no ELF file wants none."""
    result = subprocess.run(["nm", "-D", "--undefined-only", *paths], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    return {line.split()[-1].split("@")[0] for line in result.stdout.splitlines()
            if line and line[0] == " "}


def exported():
    """The names that liblockjam.so defines for others."""
    if not os.path.exists(SHIM):
        raise Skip("liblockjam.so was not built")
    return {words[-1].split("@")[0] for words in nm("-D", "--defined-only", SHIM)
            if words[-2] in "TWiBDR"}
