"""The third table: the same workloads compiled for RISC-V; natively as x86 code.

Once in a process VM, beside qemu's user mode, and once in a machine, beside qemu's. Everybody runs the same RISC-V
program, but for native, which is measured with the x86 program of the same sources.
"""
import os
import shutil
import statistics
import subprocess
import time

import classes
import ratios
from console import CACHE, TOP
from contenders import Doppel, Guest, QemuRiscv, exec_engines

# No x87, which has no counterpart; no classes of x86 instructions.
COMPUTING = ["integer", "branchy", "calls", "nbody", "matmul", "spectral", "mandelbrot", "solve", "convert", "memory"]
# qemu's user mode starts no other RISC-V programs by itself.
IN_PROCESS = [*COMPUTING, "getpid", "signal", "protect", "futex-wake", "fault", "map", "file-create", "file-read",
              "socket", "pipe", "thread", "futex-switch", "fork", "fork-write"]
IN_MACHINE = [*COMPUTING, "system"]
PROCESS_PEER = "qemu-riscv64"
MACHINE_PEER = QemuRiscv.name
# Times faster than the peer, as the geometric mean of the class.
PROCESS_TARGETS = {"integer": 2.5, "branchy": 2.5, "calls": 2.5, "float": 8, "memory": 1.2, "programs": 3}
MACHINE_TARGETS = {"integer": 2.5, "branchy": 3, "calls": 3, "float": 8, "memory": 2, "programs": 4, "system": 3}
START_TARGET = 0.5  # of the peer's time
START_RUNS = 25
NOTHING_STATUS = 42
MEMORY_MIB = 512


class Program:
    """Runs the workloads of a RISC-V program by some command."""
    pid = None

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder

    def available(self):
        return None if shutil.which(self.command[0]) else f"{self.command[0]} is not installed"

    def lines(self, options, _guest):
        return classes.lines_of_command([*self.command, os.path.join(self.folder, "riscv64", "classes"),
                                         *options.arguments])

    def start_seconds(self):
        """From exec to the end of a program that does nothing."""
        begin = time.monotonic()
        status = subprocess.run([*self.command, os.path.join(self.folder, "riscv64", "nothing")],
                                check=False).returncode
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


def print_starts(takers):
    """The time that a trivial program takes, interleaved; and the target."""
    seconds = {taker.name: [] for taker in takers}
    for _ in range(START_RUNS):
        for taker in takers:
            seconds[taker.name].append(taker.start_seconds())
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, value in medians.items():
        print(f"a program that does nothing, {name}: {1000 * value:.2f} ms")
        if name != PROCESS_PEER and PROCESS_PEER in medians:
            share = value / medians[PROCESS_PEER]
            print(f"{'met   ' if share <= START_TARGET else 'MISSED'} {name + ': share of ' + PROCESS_PEER + ' start':44}"
                  f"{share:8.2f}  (target {START_TARGET:g})")


def present(takers):
    """Those that can take part; says why of the others."""
    for taker in takers:
        if taker.available():
            print(f"{taker.name}: skipped, {taker.available()}")
    return [taker for taker in takers if not taker.available()]


class Contest:
    """One half of the table: who takes part, whom they are measured by, and what they run."""

    def __init__(self, takers, peer, targets, workloads):
        self.takers, self.peer, self.targets, self.workloads = present(takers), peer, targets, workloads

    def goals(self, name):
        """The targets are the translator's."""
        return ratios.Goals(peer=self.peer, native={}, faster=self.targets if "dbt" in name else {})

    def run(self, options, folder, guest, path):
        """Returns the complaints."""
        own = [taker for taker in self.takers if taker.name != self.peer]
        if not own:
            return []
        runs, complaints = classes.interleave([Native(folder), *self.takers], options, guest)
        if not options.quick:
            summary = ratios.summarize(runs, options.cpu_time)
            every = [ratios.Ratios(summary, taker.name, self.goals(taker.name)) for taker in own]
            for one in every:
                ratios.print_ratios(one)
            ratios.write(path, runs, summary, every)
        return complaints


def process_contest(options, folder):
    doppel = os.path.join(options.build, "doppel")
    takers = [Program(f"exec {engine}", [doppel, "exec", "--engine", engine], folder)
              for engine in exec_engines(doppel) if not options.engines or engine in options.engines]
    if not options.quick:
        takers.append(Program(PROCESS_PEER, [PROCESS_PEER], folder))
    return Contest(takers, PROCESS_PEER, PROCESS_TARGETS, IN_PROCESS)


class RiscvDoppel(Doppel):
    def available(self):
        return None if os.path.isdir(f"{CACHE}/guest/riscv64") else "there is no RISC-V guest (tools/guest-fetch)"


def machine_contest(options):
    doppel = os.path.join(options.build, "doppel")
    takers = [classes.Machine(RiscvDoppel(doppel, engine)) for engine in ("dbt", "interp")
              if not options.engines or engine in options.engines]
    if not options.quick:
        takers.append(classes.Machine(QemuRiscv()))
    return Contest(takers, MACHINE_PEER, MACHINE_TARGETS, IN_MACHINE)


def build_guest(build, folder, arguments):
    image = os.path.abspath(os.path.join(build, "bench-riscv.cpio"))
    subprocess.run([f"{TOP}/tools/guest-initramfs", "bench", "--kernel", "riscv64", "--quiet",
                    "--program", f"{folder}/riscv64/classes", "--program", f"{folder}/riscv64/nothing",
                    "--add", f"{TOP}/bench/guest/init-classes=/etc/init-classes", "--output", image], check=True)
    append = f"console=ttyS0 quiet rdinit=/etc/init-classes doppel.classes={','.join(arguments)}"
    return Guest(f"{CACHE}/guest/riscv64/vmlinux", image, append, memory=MEMORY_MIB)


def run(options):
    """Returns the exit status; None: there is nothing to run."""
    build, arguments = options.build, options.arguments
    folder = os.path.join(build, "bench", "guest", "classes")
    if not os.path.exists(os.path.join(folder, "riscv64", "classes")):
        print("RISC-V: skipped, the workloads were not compiled for it (riscv64-linux-gnu-gcc is missing)")
        return None
    process, machine = process_contest(options, folder), machine_contest(options)
    options.arguments = arguments if options.only else [*arguments, *process.workloads]
    complaints = process.run(options, folder, None, os.path.join(build, "bench-riscv-process.json"))
    if not options.quick and not options.only:
        print_starts(process.takers)
    options.arguments = arguments if options.only else [*arguments, *machine.workloads]
    if machine.takers and not options.quick:
        complaints += machine.run(options, folder, build_guest(build, folder, options.arguments),
                                  os.path.join(build, "bench-riscv.json"))
    return 1 if complaints else 0
