"""The third table: the same workloads compiled for RISC-V, as programs of a process VM; natively as x86 code.

Everybody runs the same RISC-V program, but for native, which is measured with the x86 program of the same sources.
"""
import os
import shutil
import statistics
import subprocess
import time

import classes
import ratios
from contenders import exec_engines

# No x87, which has no counterpart; no classes of x86 instructions.
WORKLOADS = ["integer", "branchy", "calls", "nbody", "matmul", "spectral", "mandelbrot", "solve", "convert", "memory",
             "system"]
USER_PEER = "qemu-riscv64"
# Times faster than qemu's user mode, as the geometric mean of the class.
USER_GOALS = ratios.Goals(peer=USER_PEER, native={},
                          faster={"integer": 2.5, "branchy": 2.5, "calls": 2.5, "float": 8, "memory": 1.2, "programs": 3})
NO_GOALS = ratios.Goals(peer=USER_PEER, native={}, faster={})  # the interpreter's
START_TARGET = 0.5  # of qemu's time
START_RUNS = 25
NOTHING_STATUS = 42


class Program:
    """Runs the workloads of a RISC-V program by some command."""
    pid = None

    def __init__(self, name, command, folder, why_not=None, goals=None):
        self.name, self.command, self.folder, self.why_not, self.goals = name, command, folder, why_not, goals

    def available(self):
        return self.why_not

    def lines(self, options, _guest):
        return classes.lines_of_command([*self.command, os.path.join(self.folder, "classes-riscv64"),
                                         *options.arguments])

    def start_seconds(self):
        """From exec to the end of a program that does nothing."""
        begin = time.monotonic()
        status = subprocess.run([*self.command, os.path.join(self.folder, "nothing-riscv64")], check=False).returncode
        seconds = time.monotonic() - begin
        if status != NOTHING_STATUS:
            raise RuntimeError(f"{self.name}: the program that does nothing ended with {status}")
        return seconds


class Native:
    """The x86 program."""
    name, pid = "native", None

    def __init__(self, folder):
        self.folder = folder

    def lines(self, options, _guest):
        return classes.lines_of_command([os.path.join(self.folder, "classes"), *options.arguments])


def programs(build, options):
    folder = os.path.join(build, "bench", "guest", "classes")
    doppel = os.path.join(build, "doppel")
    wanted = [Program(f"exec {engine}", [doppel, "exec", "--engine", engine], folder,
                      goals=USER_GOALS if engine == "dbt" else NO_GOALS)
              for engine in exec_engines(doppel) if not options.engines or engine in options.engines]
    if not options.quick:
        wanted.append(Program(USER_PEER, [USER_PEER], folder,
                              None if shutil.which(USER_PEER) else f"{USER_PEER} is not installed"))
    return wanted


def print_starts(takers):
    """The time that a trivial program takes, interleaved; and the target."""
    seconds = {taker.name: [] for taker in takers}
    for _ in range(START_RUNS):
        for taker in takers:
            seconds[taker.name].append(taker.start_seconds())
    least = {name: statistics.median(times) for name, times in seconds.items()}
    for name, value in least.items():
        print(f"a program that does nothing, {name}: {1000 * value:.2f} ms")
        if name != USER_PEER and USER_PEER in least:
            share = value / least[USER_PEER]
            print(f"{'met   ' if share <= START_TARGET else 'MISSED'} {name + ': share of ' + USER_PEER + ' start':44}"
                  f"{share:8.2f}  (target {START_TARGET:g})")
    return least


def run(options):
    """Returns the exit status; None: there is nothing to run."""
    build = options.build
    folder = os.path.join(build, "bench", "guest", "classes")
    if not os.path.exists(os.path.join(folder, "classes-riscv64")):
        print("RISC-V: skipped, the workloads were not compiled for it (riscv64-linux-gnu-gcc is missing)")
        return None
    takers = programs(build, options)
    for taker in takers:
        if taker.available():
            print(f"{taker.name}: skipped, {taker.available()}")
    takers = [taker for taker in takers if not taker.available()]
    if not any(taker.name != USER_PEER for taker in takers):
        print("RISC-V: skipped, this doppel has no `exec`")
        return None
    if not options.only:
        options.arguments = [*options.arguments, *WORKLOADS]
    runs, complaints = classes.interleave([Native(folder), *takers], options, None)
    if not options.quick:
        summary = ratios.summarize(runs, options.cpu_time)
        every = [ratios.Ratios(summary, taker.name, taker.goals) for taker in takers if taker.name != USER_PEER]
        for one in every:
            ratios.print_ratios(one)
        print_starts(takers)
        ratios.write(os.path.join(build, "bench-riscv.json"), runs, summary, every)
    return 1 if complaints else 0
