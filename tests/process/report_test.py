#!/usr/bin/env python3
"""What doppel exec tells about a program, and what its options change.

usage: report_test.py DOPPEL PROGRAM ENGINE
"""
import json
import os
import resource
import subprocess
import sys
import tempfile


def run(command, **options):
    done = subprocess.run(command, **options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30, check=False, env={"UNSET": "inherited", "LD_BIND_NOW": "1"})
    return done.returncode, done.stdout, done.stderr


class Checks:
    failed = False

    def equal(self, what, got, expected):
        if got != expected:
            print(f"{what}: {got!r} instead of {expected!r}")
            self.failed = True

    def contains(self, what, text, *words):
        for word in words:
            if word not in text:
                print(f"{what}: {word!r} is not in {text!r}")
                self.failed = True


def options(check, doppel, program):
    start = [doppel, "exec", *ENGINE]
    check.equal("plain", run([*start, program]), (4, "4 1 /report\n- inherited\n", ""))
    check.equal("variables", run([*start, "-E", "SET=a b", "-U", "UNSET", program, "-E", "x"]),
                (4, "4 3 /report\na b -\n", ""))
    check.equal("long", run([*start, "--env=SET==", "--unset", "UNSET", "--", program]), (4, "4 1 /report\n= -\n", ""))
    check.equal("argv0", run([*start, "--argv0", "other", program]), (4, "4 1 other\n- inherited\n", ""))


def reports(check, doppel, program, folder):
    status, out, log = run([doppel, "exec", *ENGINE, "--strace", program])
    check.equal("strace", (status, out), (4, "4 1 /report\n- inherited\n"))
    check.contains("strace", log, "unknown_425(0x1, 0x2", " = -1 ENOSYS", "unknown_100000(", "exit_group(4)",
                   "write(1, ")
    stats = os.path.join(folder, "stats.json")
    run([doppel, "exec", *ENGINE, "--stats", stats, program])
    with open(stats, encoding="ascii") as file:
        got = json.load(file)
    check.equal("engine", got["engine"], ENGINE[1])
    check.equal("unknown", got["unknown_system_calls"].get("425"), 3)
    check.equal("calls", 10 < got["system_calls"] < 200, True)


def binfmt(check, doppel, program, folder):
    """As the kernel starts us: a link of a certain name, the program's path, and its own argv."""
    link = os.path.join(folder, "doppel-exec-riscv64")
    os.symlink(doppel, link)
    check.equal("binfmt", run([link, program, "its-name", "x"]), (4, "4 2 its-name\n- inherited\n", ""))
    check.equal("binfmt, wrong", run([link, program])[0], 2)
    status, line, _ = run([doppel, "exec", "--print-binfmt"])
    check.equal("binfmt", status, 0)
    check.contains("binfmt", line, ":doppel-riscv64:M::", "\\xf3\\x00:", os.path.dirname(doppel), ":PF\n")


def limits(check, doppel, program):
    """Too small a limit on files for a code cache: the interpreter needs none."""
    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    check.equal("ulimit", run([doppel, "exec", program], preexec_fn=small)[0], 4)
    status, _, text = run([doppel, "exec", "--engine", "dbt", program], preexec_fn=small)
    check.equal("ulimit, dbt", status, 2)
    check.contains("ulimit, dbt", text, "ulimit -f")


def main():
    doppel, program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        options(check, doppel, program)
        reports(check, doppel, program, folder)
        binfmt(check, doppel, program, folder)
    limits(check, doppel, program)
    sys.exit(check.failed)


ENGINE = ["--engine", sys.argv[3]]
main()
