#!/usr/bin/env python3
"""Wrong usage and bad programs: one sentence that names what is wrong, and the shell's status for it.

usage: bad_input_test.py DOPPEL CROSS_COMPILER
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

NOT_FOUND, NOT_RUN, USAGE = 127, 126, 2


def header(machine=243, kind=2, phnum=1, phoff=64, bits=2, flags=0):
    ident = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0x10000, phoff, 0, flags, 64, 56, phnum, 64, 0, 0)


def segment(va=0x10000, offset=0, filesz=120, memsz=4096, kind=1):
    return struct.pack("<IIQQQQQQ", kind, 5, offset, va, va, filesz, memsz, 4096)


def files():
    good = header() + segment()
    return {
        "empty": (b"", "no ELF program"),
        "text": (b"just a text\n" * 99, "no ELF program"),
        "short": (header()[:40], "ends inside"),
        "x86": (header(machine=62) + segment(), "another machine"),
        "class32": (header(bits=1) + segment(), "32 bits"),
        "object": (header(kind=1) + segment(), "no program"),
        "embedded": (header(flags=8) + segment(), "RVE"),
        "none": (header(phnum=0), "0 program headers"),
        "many": (header(phnum=65535) + segment(), "65535 program headers"),
        "far": (header(phoff=1 << 62) + segment(), "program headers beyond"),
        "nothing": (header() + segment(kind=4), "nothing to load"),
        "beyond": (header() + segment(offset=0x100000), "beyond the file's end"),
        "wrap": (header() + segment(offset=2**64 - 4096), "beyond the file's end"),
        "kernel": (header() + segment(va=2**63), "beyond user addresses"),
        "zero": (header() + segment(va=0), "where none may be mapped"),
        "odd": (header() + segment(va=0x10800), "lies in its page elsewhere"),
        "big": (header() + segment(memsz=1 << 60), "beyond user addresses"),
        "less": (header() + segment(filesz=120, memsz=20), "more bytes in the file than in memory"),
        "overlap": (header(phnum=2) + segment(memsz=1 << 20) + segment(va=0x11000), "overlap"),
        "interp": (header(phnum=2) + segment() + segment(kind=3, filesz=1 << 40), "dynamic linker"),
        "no-end": (header(phnum=2) + segment() + segment(kind=3, filesz=50, memsz=50, va=0x10000) + good,
                   "dynamic linker"),
    }


def complaint(doppel, arguments, status):
    """The sentence, after a look at its form."""
    done = subprocess.run([doppel, "exec", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=20, check=False)
    text = done.stderr.decode()
    if done.returncode != status:
        print(f"{arguments}: status {done.returncode} instead of {status}: {text!r}")
        return None
    if not re.fullmatch(r"doppel: [^\n]+\n", text) or done.stdout:
        print(f"{arguments}: not one sentence: {text!r} {done.stdout!r}")
        return None
    return text


def check(doppel, arguments, status, words):
    text = complaint(doppel, arguments, status)
    if text and words not in text:
        print(f"{arguments}: {text!r} says nothing of {words!r}")
        return False
    return text is not None


def dynamic(folder, compiler):
    source = os.path.join(folder, "main.c")
    program = os.path.join(folder, "dynamic")
    with open(source, "w", encoding="ascii") as file:
        file.write("int main(void) { return 0; }\n")
    subprocess.run([compiler, "-o", program, source], check=True)
    return program


def main():
    doppel, compiler = sys.argv[1:]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, words) in files().items():
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            good &= check(doppel, [path], NOT_RUN, words)
        program = dynamic(folder, compiler)
        good &= check(doppel, [program], NOT_FOUND, "--sysroot")
        good &= check(doppel, ["--sysroot", folder, program], NOT_FOUND, "which is not in " + folder)
        good &= check(doppel, ["--sysroot", folder + "/nowhere", program], USAGE, "nowhere")
        good &= check(doppel, [folder + "/missing"], NOT_FOUND, "missing")
        good &= check(doppel, [folder], NOT_RUN, "no regular file")
    good &= check(doppel, [], USAGE, "needs a program")
    good &= check(doppel, ["--engine", "kvm", "x"], USAGE, "kvm")
    good &= check(doppel, ["--sysrot", "/", "x"], USAGE, "--sysroot")
    good &= check(doppel, ["-E", "NAME", "x"], USAGE, "NAME=VALUE")
    sys.exit(not good)


main()
