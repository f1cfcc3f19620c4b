"""The first table: boot, integer loops, user land, memory and start of whole machines side by side with peers.

BENCH_RUNS (3) is the number of runs, BENCH_BOCHS_RUNS (1) that of the one which takes minutes,
BENCH_ROUNDS (10000000) the length of the loops.
"""
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

from console import CACHE, TOP, lines_of, medians
from contenders import MEMORY_MIB, Bochs, Doppel, Guest, Qemu

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
BOCHS_RUNS = int(os.environ.get("BENCH_BOCHS_RUNS", "1"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10000000"))
TIMEOUT = 900
CHECKS = {}  # loop -> check value, the same for everybody


def memory_beyond_ram(pid):
    """MiB resident outside the guest's RAM, which is the one mapping as large as that."""
    total, size = 0, 0
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if bounds:
                size = int(bounds[2], 16) - int(bounds[1], 16)
                ram = "memfd:" in line or size >= MEMORY_MIB * 0.9 * 2**20
            elif line.startswith("Rss:") and not ram:
                total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pid):
    """What the monitor has consumed so far. Other work on the host disturbs that less than the clock."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def boot(contender, guest, work):
    """One run; the measures it yielded. The loops are rated by processor time, the rest by the clock."""
    measures, began = {}, {}
    command = contender.command(guest, work)
    console = os.path.join(work, "console")
    named = isinstance(contender, Bochs)
    reader = os.open(console, os.O_RDONLY | os.O_NONBLOCK) if named else None
    start = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL if named else subprocess.PIPE) as process:
        descriptor = reader if named else process.stdout.fileno()
        for now, line in lines_of(descriptor, process, start + TIMEOUT):
            if "DOPPEL-BOOT userspace" in line:
                measures["boot_s"] = now - start
                measures["boot_cpu_s"] = cpu_seconds(process.pid)
                measures["memory_mib"] = memory_beyond_ram(process.pid)
            begin = re.search(r"DOPPEL-LOOP (\w+) begin", line)
            if begin:
                began[begin[1]] = cpu_seconds(process.pid)
            end = re.search(r"DOPPEL-LOOP (\w+) instructions=(\d+).* check=(\w+)", line)
            if end and end[1] in began:
                taken = max(cpu_seconds(process.pid) - began[end[1]], 0.01)
                measures[f"{end[1]}_mips"] = int(end[2]) / taken / 1e6
                if CHECKS.setdefault(end[1], end[3]) != end[3]:
                    print(f"{contender.name}: loop {end[1]} computed {end[3]}, not {CHECKS[end[1]]}")
            if "DOPPEL-SHELL begin" in line:
                began["shell"] = now
            elif "DOPPEL-SHELL end" in line:
                measures["shell_s"] = now - began["shell"]
            if "DOPPEL-BENCH-END" in line:
                break
        process.kill()
    if named:
        os.close(reader)
    return measures


def native_loops(build):
    """The host itself, without any monitor."""
    measures = {}
    output = subprocess.run([f"{build}/bench/guest/loop", "-n", str(ROUNDS * 10)], stdout=subprocess.PIPE,
                            text=True, check=True).stdout
    for name, mips in re.findall(r"DOPPEL-LOOP (\w+) instructions.* mips=([\d.]+)", output):
        measures[f"{name}_mips"] = float(mips)
    return measures


def start_to_exit(doppel, build):
    """Milliseconds from exec to the end of a machine whose first instructions end it."""
    times = []
    for _ in range(10):
        start = time.monotonic()
        run = subprocess.run([doppel, "run", "--engine", "interp", "--kernel", f"{build}/bench/guest/exit",
                              "--memory", f"{MEMORY_MIB}M", "--net", "none", "--console", "none"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             check=False)
        if run.returncode != (42 << 1 | 1):
            print(f"the machine that only exits ended with status {run.returncode}")
            return {}
        times.append((time.monotonic() - start) * 1e3)
    return {"start_to_exit_ms": statistics.median(times)}


def small_benches(build):
    """Each bench/NAME_bench prints lines `BENCH name value unit`."""
    found = {}
    for name in sorted(os.listdir(os.path.join(build, "bench"))):
        path = os.path.join(build, "bench", name)
        if name.endswith("_bench") and os.access(path, os.X_OK) and os.path.isfile(path):
            output = subprocess.run([path], stdout=subprocess.PIPE, text=True, check=False).stdout
            for label, value, unit in re.findall(r"^BENCH (\S+) (\S+) (\S+)", output, re.MULTILINE):
                found[f"{label}_{unit}"] = float(value)
    return found


def print_table(results):
    columns = ["boot_s", "boot_cpu_s", "alu_mips", "mem_mips", "shell_s", "memory_mib"]
    print(f"\n{'':16}" + "".join(f"{column:>12}" for column in columns) + f"{'runs':>6}")
    for name, result in results.items():
        values = [f"{result[column]:.2f}" if column in result else "-" for column in columns]
        print(f"{name:16}" + "".join(f"{value:>12}" for value in values) + f"{result.get('runs', 1):>6}")


def build_guest(build):
    subprocess.run([os.path.join(TOP, "tools", "guest-initramfs"), "bench", "--quiet", "--program",
                    os.path.join(build, "bench", "guest", "loop"), "--output", f"{build}/bench.cpio"], check=True)
    return Guest(f"{CACHE}/guest/cloud/vmlinuz", os.path.abspath(f"{build}/bench.cpio"),
                 f"console=ttyS0 quiet doppel.rounds={ROUNDS}")


def contest(build, guest):
    """All runs of all contenders, interleaved; {name: [measures]}."""
    doppel = os.path.join(build, "doppel")
    contenders = [*((Doppel(doppel, engine), RUNS) for engine in ("dbt", "interp", "kvm")), (Qemu(), RUNS),
                  (Bochs(), BOCHS_RUNS)]
    runs = {}
    for number in range(max(RUNS, BOCHS_RUNS)):
        for contender, wanted in contenders:
            why_not = contender.available()
            if number >= wanted or why_not:
                if why_not and number == 0:
                    print(f"{contender.name}: skipped, {why_not}")
                continue
            with tempfile.TemporaryDirectory() as work:
                measures = boot(contender, guest, work)
            done = " ".join(f"{name}={value:.2f}" for name, value in sorted(measures.items()))
            print(f"{contender.name}, run {number + 1}: {done or 'it did not reach user space'}", flush=True)
            runs.setdefault(contender.name, []).append(measures)
    return runs


def run(build):
    """Prints the table and writes BUILD/bench.json."""
    runs = contest(build, build_guest(build))
    results = {name: {**medians(measures), "runs": len(measures)} for name, measures in runs.items()}
    results["native"] = native_loops(build)
    small = {**start_to_exit(os.path.join(build, "doppel"), build), **small_benches(build)}
    print_table(results)
    for name, value in small.items():
        print(f"{name:28} {value:.2f}")
    with open(os.path.join(build, "bench.json"), "w", encoding="ascii") as file:
        json.dump({"contenders": results, "doppel": small, "runs": runs}, file, indent=2)
    print(f"\nwritten to {build}/bench.json")
