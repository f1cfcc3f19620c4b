#!/usr/bin/env python3
"""The RISC-V instruction tests: a group's output under doppel must be that of QEMU's user-mode emulator.

    judge.py [--judge QEMU] [--board] [--seeds N] GROUP PROGRAM RUNNER...

RUNNER... is the command before the program's path, or with --board the `doppel run` that takes it as --kernel. On a
difference the first line that differs is run again on both sides with its registers shown. The group "own" has no
judge: the program itself knows the results. The group "math" is the program of that name.
"""
import argparse
import itertools
import subprocess
import sys

CPU = "rv64,zba=true,zbb=true,zbs=true"
SHOWN = 12  # lines of each side


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def first_difference(one, other):
    for number, (a, b) in enumerate(itertools.zip_longest(one, other)):
        if a != b:
            return number
    return None


def candidate(args, group, line=None):
    """The command under test."""
    if args.board:
        return [*args.runner, "--kernel", args.program, "--append",
                f"insn:{group}" if line is None else f"insn:{group},{line}"]
    return [*args.runner, args.program, group, *([] if line is None else [str(line)])]


def judge(args, group, line=None):
    return [args.judge, "-cpu", CPU, args.program, group, *([] if line is None else [str(line)])]


def explain(number, name, args, group):
    """The registers of the first run of that line in which the two sides part."""
    sides = [run(side(args, group, number)) for side in (judge, candidate)]
    print(f"line {number}: {name}")
    at = first_difference(*sides)
    if at is None:
        print("the same when run alone with its registers shown")
        return
    start = max(n for n in range(at + 1) if n == 0 or sides[0][n:n + 1] == ["run"])
    for who, side in zip(("judge", "doppel"), sides):
        print(f"{who}:", *side[start:start + SHOWN], sep="\n")


def judge_group(group, args):
    """How many lines agree; ends the program at the first that does not."""
    expected, result = run(judge(args, group)), run(candidate(args, group))
    if not expected:
        sys.exit("the judge says nothing")
    number = first_difference(expected, result)
    if number is not None and args.group == "math":
        for who, lines in ("judge", expected), ("doppel", result):
            print(f"line {number} of {who}:", *lines[number:number + 1])
        sys.exit(1)
    if number is not None:
        explain(number, expected[number] if number < len(expected) else "beyond the end", args, group)
        sys.exit(1)
    return len(expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge")
    parser.add_argument("--board", action="store_true", help="RUNNER is `doppel run`: without a system")
    parser.add_argument("--seeds", type=int, help="of the group `sequence`: 1 to this")
    parser.add_argument("group")
    parser.add_argument("program")
    parser.add_argument("runner", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.group == "own":
        result = run(candidate(args, args.group))
        sys.exit(0 if result == ["own ok"] else "\n".join(result))
    groups = [f"{args.group}{n}" for n in range(1, args.seeds + 1)] if args.seeds else [args.group]
    print(f"{sum(judge_group(group, args) for group in groups)} lines, all the same")


main()
