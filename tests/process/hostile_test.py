#!/usr/bin/env python3
"""Programs that damage themselves end as they would on a real machine, and doppel does not notice.

usage: hostile_test.py DOPPEL PROGRAM ENGINE
"""
import os
import signal
import subprocess
import sys
import tempfile

FAULTS = ["unmap-all", "unmap-stack", "overflow", "handler-without-stack", "sigreturn", "handler-nowhere",
          "jump", "fault-in-handler"]


def run(command):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def main():
    doppel, program, engine = sys.argv[1:]
    doppel, program = os.path.abspath(doppel), os.path.abspath(program)
    failed = False
    for how in [*FAULTS, "calls"]:
        expected = (77, "") if how == "calls" else (-signal.SIGSEGV, "")
        got = run([doppel, "exec", "--engine", engine, program, how])
        if got != expected:
            print(f"{how}: {got} instead of {expected}")
            failed = True
    sys.exit(failed)


main()
