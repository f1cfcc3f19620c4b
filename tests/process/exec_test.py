#!/usr/bin/env python3
"""A program under doppel exec prints and returns what it does for the judge.

usage: exec_test.py (--qemu QEMU | --native PROGRAM) --engine ENGINE DOPPEL STATIC DYNAMIC
"""
import os
import shutil
import subprocess
import sys
import tempfile

SYSROOT = "/usr/riscv64-linux-gnu"


def run(command, program):
    """(status, output) of the program, which lies in an empty folder of its own under one name."""
    with tempfile.TemporaryDirectory() as folder:
        inside = os.path.join(folder, "program")
        work = os.path.join(folder, "work")
        shutil.copy(program, inside)
        os.mkdir(work)
        done = subprocess.run([*command, inside, "word", "two words", ""], cwd=work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False,
                              env={"GUEST": "variable", "PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout.decode(errors="replace").replace(folder, "")


def differences(expected, got):
    if expected[0] != got[0]:
        yield f"status {got[0]} instead of {expected[0]}"
    left, right = expected[1].splitlines(), got[1].splitlines()
    for number, (a, b) in enumerate(zip(left, right), 1):
        if a != b:
            yield f"line {number}: {b!r} instead of {a!r}"
    if len(left) != len(right):
        yield f"{len(right)} lines instead of {len(left)}: {right[-1:]}"


def main():
    kind, judge, _, engine, doppel, static, dynamic = sys.argv[1:]
    judge, doppel = os.path.abspath(judge), os.path.abspath(doppel)
    failed = False
    for program, options in ((static, []), (dynamic, ["--sysroot", SYSROOT])):
        expected = run([], judge) if kind == "--native" else run([judge, "-L", SYSROOT], program)
        got = run([doppel, "exec", "--engine", engine, *options], program)
        for line in differences(expected, got):
            print(f"{os.path.basename(program)}: {line}")
            failed = True
    sys.exit(failed)


main()
