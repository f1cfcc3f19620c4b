"""The second table: workloads by class, natively, in doppel and in QEMU; the same programs and kernel for all.

Every run boots a machine, so that boot to user space is measured, too. The workloads time themselves; a
checksum that differs from native is an error, and makes the exit status 1.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from console import CACHE, TOP, lines_of
from contenders import Doppel, Guest, Qemu

DEBIAN = os.path.join(CACHE, "guest", "debian-amd64")
MEMORY_MIB = 512
TIMEOUT = 1800
QUICK_DIVISOR = 10
CLOCK_TOLERANCE = 0.05
BUSY = 0.7  # load average above which others disturb


def cpu_seconds(pid):
    """The processor time of a process's threads so far, to the nanosecond."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    except FileNotFoundError:  # a thread that ended meanwhile
        pass
    return total / 1e9


def lines_of_command(command, environment=None):
    """What a program prints, and a line that says so if it fails."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env={**os.environ, **(environment or {})}) as process:
        yield from lines_of(process.stdout.fileno(), process, time.monotonic() + TIMEOUT)
    if process.returncode != 0:
        yield time.monotonic(), f"DOPPEL-CLASS native {os.path.basename(command[0])} failed: {process.returncode}"


class Native:
    """The host itself, without a machine."""
    name = "native"
    pid = None

    def __init__(self, build):
        self.build = build

    def available(self):
        return None

    def lines(self, options, guest):
        yield from self._output([os.path.join(self.build, "bench", "guest", "classes", "classes"),
                                 *options.arguments])
        if guest.disk:
            with tempfile.TemporaryDirectory() as work:
                for path in program_files(self.build):
                    shutil.copy(path, work)
                yield from self._output([f"{TOP}/bench/guest/native-programs", DEBIAN, work, *options.only])

    def _output(self, command):
        return lines_of_command(command, {} if os.getuid() == 0 else {"NO_ROOT": "1"})


class Machine:
    """A monitor with a guest."""

    def __init__(self, monitor):
        self.monitor, self.name, self.pid = monitor, monitor.name, None

    def available(self):
        return self.monitor.available()

    def lines(self, _options, guest):
        with tempfile.TemporaryDirectory() as work:
            command = self.monitor.command(guest, work)
            start = time.monotonic()
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT) as process:
                self.pid = process.pid
                yield start, "DOPPEL-START"
                yield from lines_of(process.stdout.fileno(), process, start + TIMEOUT)
                process.kill()


class Listener:
    """Makes measures of what a run prints: {workload: measure}, boot_s and complaints."""
    BEGIN = re.compile(r"DOPPEL-BEGIN (\S+)")
    RESULT = re.compile(r"DOPPEL-CLASS (\S+) (\S+) units=(\d+) rounds=(\d+) least=(\d+) median=(\d+) mean=(\d+) "
                        r"cpu=(\d+) check=(\w+)")
    PROBLEM = re.compile(r"DOPPEL-CLASS (\S+) (\S+) (skipped|failed): (.*)")
    CLOCK = re.compile(r"DOPPEL-CLOCK (begin|end) ([\d.]+)")

    def __init__(self, contestant):
        self.contestant, self.began = contestant, None
        self.measures, self.problems, self.complaints = {}, {}, []
        self.boot = None  # {"s": to user space by the clock, "cpu_s": in processor time}
        self.start, self.clock, self.last = None, {}, "nothing"

    def hear(self, now, line):
        """Takes one line; returns whether it was the last."""
        result, problem, clock = self.RESULT.search(line), self.PROBLEM.search(line), self.CLOCK.search(line)
        if result:
            self._take_result(result, now)
        elif self.BEGIN.search(line):
            self.began = (now, self._cpu())
        elif problem:
            self.problems[problem[2]] = f"{problem[3]}: {problem[4].strip()}"
        elif clock:
            self.clock[clock[1]] = (now, float(clock[2]))
        elif "DOPPEL-START" in line:
            self.start = now
        elif "DOPPEL-BOOT userspace" in line and self.start:
            self.boot = {"s": now - self.start, "cpu_s": self._cpu()}
        self.last = line.strip() or self.last
        return "DOPPEL-BENCH-END" in line

    def _cpu(self):
        return cpu_seconds(self.contestant.pid) if self.contestant.pid else 0

    def _take_result(self, result, now):
        """cpu_ns is what the work cost the host: for a guest, its own time by the monitor's share of a processor."""
        units, least, median, mean, cpu = (int(result[i]) for i in (3, 5, 6, 7, 8))
        if self.contestant.pid and self.began:
            cpu = mean * min(1.0, (self._cpu() - self.began[1]) / max(now - self.began[0], 1e-6))
        self.measures[result[2]] = {"class": result[1], "ns": least / units, "median_ns": median / units,
                                    "cpu_ns": cpu / units, "units": units, "rounds": int(result[4]),
                                    "check": result[9]}

    def finish(self):
        if self.start and "DOPPEL-BENCH-END" not in self.last:
            self.complaints.append(f"did not come to its end; the last it said was: {self.last}")
        if len(self.clock) == 2:
            host, guest = (self.clock["end"][i] - self.clock["begin"][i] for i in (0, 1))
            if abs(guest - host) > CLOCK_TOLERANCE * host + 0.1:
                self.complaints.append(f"its clock says {guest:.1f} s, the host's {host:.1f} s")


def listen(contestant, options, guest):
    listener = Listener(contestant)
    for now, line in contestant.lines(options, guest):
        if listener.hear(now, line):
            break
    listener.finish()
    return listener


def program_files(build):
    """What the programs of Debian need beside them."""
    folder = os.path.join(TOP, "bench", "guest")
    return [*(os.path.join(folder, "programs", name) for name in os.listdir(os.path.join(folder, "programs"))),
            os.path.join(folder, "classes", "integer.c"), os.path.join(folder, "classes", "workload.h"),
            os.path.join(build, "bench", "guest", "classes", "timed")]


def debian_disk(options):
    """The image whose programs are run, or None; the same files must be there for running them natively."""
    if options.quick:
        return None
    if os.path.exists(f"{DEBIAN}.raw") and os.path.isdir(DEBIAN):
        return f"{DEBIAN}.raw"
    print("programs: skipped, there is no Debian image and tree (tools/guest-rootfs --tree)")
    return None


def build_guest(build, options):
    folder = os.path.join(build, "bench", "guest", "classes")
    image = os.path.abspath(os.path.join(build, "bench-classes.cpio"))
    disk = debian_disk(options)
    subprocess.run([os.path.join(TOP, "tools", "guest-initramfs"), "bench", "--quiet",
                    "--program", os.path.join(folder, "classes"), "--program", os.path.join(folder, "nothing"),
                    "--add", f"{TOP}/bench/guest/init-classes=/etc/init-classes", "--output", image,
                    *(word for path in (program_files(build) if disk else [])
                      for word in ("--add", f"{path}=/programs/{os.path.basename(path)}"))], check=True)
    append = (f"console=ttyS0 quiet rdinit=/etc/init-classes doppel.classes={','.join(options.arguments)} "
              f"doppel.programs={','.join(options.only)}")
    return Guest(f"{CACHE}/guest/cloud/vmlinuz", image, append, memory=MEMORY_MIB, disk=disk)


def contestants(build, options):
    """Who takes part; the first is the judge of checksums and the measure of the ratios."""
    doppel = os.path.join(build, "doppel")
    wanted = [Native(build), *(Machine(Doppel(doppel, engine)) for engine in options.engines)]
    if not options.quick:
        wanted.append(Machine(Qemu()))
    found = []
    for contestant in wanted:
        why_not = contestant.available()
        if why_not:
            print(f"{contestant.name}: skipped, {why_not}")
        else:
            found.append(contestant)
    return found


def judge(name, listener, native):
    """What is wrong with a run, in sentences."""
    for complaint in listener.complaints:
        yield f"{name}: {complaint}"
    for workload, problem in listener.problems.items():
        if problem.startswith("failed"):
            yield f"{name}: {workload} {problem}"
    for workload, measure in listener.measures.items():
        expected = native.measures.get(workload)
        if expected and expected["check"] != measure["check"]:
            yield f"{name}: {workload} computed {measure['check']}, native {expected['check']}"
    for workload in native.measures:
        if workload not in listener.measures and workload not in listener.problems:
            yield f"{name}: {workload} gave no result"


def contest(build, options):
    """All runs of the table of classes: ({name: [listener]}, complaints)."""
    return interleave(contestants(build, options), options, build_guest(build, options))


def interleave(takers, options, guest):
    """Lets them run in turn; the first, native, is the judge: ({name: [listener]}, complaints)."""
    runs, complaints = {}, []
    if os.getloadavg()[0] > BUSY and not options.quick:
        print(f"the host is busy (load {os.getloadavg()[0]:.1f}): "
              f"{'processor time is taken' if options.cpu_time else 'the times are rough; there is --cpu-time'}")
    for number in range(options.runs):
        for contestant in takers:
            began = time.monotonic()
            listener = listen(contestant, options, guest)
            runs.setdefault(contestant.name, []).append(listener)
            found = list(judge(contestant.name, listener, runs["native"][0]))
            booted = f", user space after {listener.boot['s']:.2f} s" if listener.boot else ""
            print(f"{contestant.name}, run {number + 1}: {len(listener.measures)} workloads in "
                  f"{time.monotonic() - began:.1f} s{booted}", flush=True)
            for complaint in found:
                print(f"  {complaint}", flush=True)
            complaints += found
    return runs, complaints
