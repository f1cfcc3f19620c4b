#!/usr/bin/env python3
"""Boots Debian from the image of tools/guest-rootfs and runs real programs in it: a compiler, interpreters, a
database, compression, cryptography, stress-ng, kernel modules. What they write must be, byte for byte, what the
same binaries write natively on this machine. Each load is one line with its result and its seconds.

usage: loads_test.py DOPPEL [--engine E] [--cpus N] [--only NAME,...] [--size short|long]
       loads_test.py DOPPEL --minutes N     all of them mixed, over and over, for so long
       loads_test.py qemu ...               (tries the loads themselves)

The loads are tests/system/loads/NAME.sh; `boot` is Debian's own start, by systemd up to the login.
"""
import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from loads_native import LOADS, need_native, run_natively
from machine import CACHE, Machine, fail, guest_file, make_initramfs, need_engine

# Those whose output is compared with a native run's; the others judge for themselves.
COMPARED = ["compile", "make", "checksums", "python", "perl", "sqlite", "compress"]
JUDGING = ["speed", "stress", "modules"]
DISK_SIZE = "2G"
# How long a guest may say nothing: the longest load, on an interpreter.
PATIENCE = {"short": 900, "long": 7200}


def doppel_command(options, initrd, append, disk):
    root = os.path.join(CACHE, "guest", "debian-amd64.raw")
    return [options.doppel, "run", "--engine", options.engine, "--kernel", guest_file(options.kernel, "vmlinuz"),
            "--initrd", initrd, "--append", append, "--cpus", str(options.cpus), "--memory", options.memory,
            "--disk", f"{root},ro", *(["--disk", disk] if disk else []), "--no-reboot"]


def qemu_command(options, initrd, append, disk):
    root = os.path.join(CACHE, "guest", "debian-amd64.raw")
    disks = [f"file={root},format=raw,if=virtio,readonly=on"]
    disks += [f"file={disk},format=raw,if=virtio"] if disk else []
    return ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", options.memory,
            "-smp", str(options.cpus), "-kernel", guest_file(options.kernel, "vmlinuz"), "-initrd", initrd,
            "-append", append, "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
            *[word for disk in disks for word in ("-drive", disk)]]


def start(options, work, append, disk=None):
    initrd = make_initramfs(options.kernel, os.path.join(work, "initrd"), kind="debian")
    make_command = qemu_command if options.doppel == "qemu" else doppel_command
    return Machine(make_command(options, initrd, f"console=ttyS0 quiet panic=-1 {append}", disk))


class Watch:
    """Wall-clock time since it was made, and what processor time the machine took in that."""

    def __init__(self, machine):
        self.machine = machine
        self.begun, self.used = time.monotonic(), self._processor()

    def _processor(self):
        try:
            with open(f"/proc/{self.machine.process.pid}/stat", encoding="ascii") as file:
                fields = file.read().rpartition(")")[2].split()
        except FileNotFoundError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __str__(self):
        return f"{time.monotonic() - self.begun:8.1f} s, {self._processor() - self.used:7.1f} s of processor time"


def report(name, taken, reason):
    """One line; a reason is why the load failed."""
    print(f"{'FAIL' if reason else 'pass'}  {name:10} {taken}  {reason}".rstrip(), flush=True)
    return not reason


def boot(options, work):
    """Debian's systemd starts everything, nothing of it fails, and it stops again."""
    patience = PATIENCE["short"]
    with start(options, work, "systemd.show_status=0") as machine:
        watch = Watch(machine)
        machine.expect(r"login: root \(automatic login\)(.|\n)*root@doppel:", patience)
        machine.say("systemctl is-system-running --wait; systemctl --failed --plain --no-legend | cat; echo DO''NE")
        machine.expect(r"\nDONE", patience)
        taken = str(watch)
        machine.say("poweroff")
        status = machine.wait(patience)
        reason = f"status {status}" if status else ""
        if not re.search(r"\n[^\n]*\brunning\r?\n", machine.text):
            reason = "systemd says that not all is running"
        return report("boot", taken, reason)


def make_disk(folder, image):
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/usr/sbin:/sbin") or "mke2fs"
    with open(image, "wb"):
        os.truncate(image, 0)
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", folder, image, DISK_SIZE], check=True)


def prepare(options, names, work):
    """The guest's disk with the loads and what a native run gives; {name: sum} of the latter."""
    folder = os.path.join(work, "disk")
    for name in ("expected", "native"):
        os.makedirs(os.path.join(folder, name))
    shutil.copytree(LOADS, os.path.join(folder, "loads"))
    sums = {}
    for name in names:
        expected = os.path.join(folder, "expected", name)
        if name in COMPARED:
            begun = time.monotonic()
            run_natively(folder, name, options.size)
            print(f"native {name:11} {time.monotonic() - begun:8.1f} s", flush=True)
        else:
            open(expected, "wb").close()
        with open(expected, "rb") as file:
            sums[name] = hashlib.sha256(file.read()).hexdigest()
    os.rename(os.path.join(folder, "native"), os.path.join(work, "native"))
    make_disk(folder, os.path.join(work, "disk.raw"))
    return sums


def verdict(sums, name, digest, status):
    if status != "0":
        return f"status {status}"
    return "" if digest == sums[name] else "the output differs from the native run's"


def follow(machine, options, sums):
    """Reports the loads as they end; (how many passed, how many failed, whether the guest said that all was done)."""
    watches, passed, failed, done = {}, 0, 0, False
    for line in machine.lines(PATIENCE[options.size]):
        if match := re.search(r"DOPPEL-LOAD begin (\w+) (\d+)", line):
            watches[match.groups()] = Watch(machine)
        elif match := re.search(r"DOPPEL-LOAD end (\w+) (\d+) (\w+) (.*)", line):
            name, worker, digest, status = match.groups()
            reason = verdict(sums, name, digest, status)
            report(name, watches.pop((name, worker)), reason)
            passed, failed = passed + (not reason), failed + bool(reason)
        elif match := re.search(r"doppel: .*", line):
            fail(f"the monitor says: {match[0]}")
        done = done or "DOPPEL-LOAD all-done" in line
    return passed, failed, done


def run_loads(options, names, work):
    sums = prepare(options, names, work)
    append = (f"init=/mnt/loads/init doppel.data=/dev/vdb doppel.loads={','.join(names)} doppel.size={options.size} "
              f"doppel.minutes={options.minutes}")
    with start(options, work, append, os.path.join(work, "disk.raw")) as machine:
        passed, failed, done = follow(machine, options, sums)
        status = machine.wait(60)
    print(f"{passed} loads passed, {failed} failed")
    return done and status == 0 and failed == 0 and passed >= len(names)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("doppel")
    parser.add_argument("--engine", default="interp")
    parser.add_argument("--kernel", default="cloud")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", default="2048M")
    parser.add_argument("--only", help="names, separated by commas; boot is one")
    parser.add_argument("--size", choices=sorted(PATIENCE), default="short")
    parser.add_argument("--minutes", type=int, default=0, help="run the loads mixed for so long")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the disk (with failed/) and the native outputs there")
    options = parser.parse_args()
    names = ["boot", *COMPARED, *JUDGING]
    if options.only:
        chosen = options.only.split(",")
        for name in chosen:
            if name not in names:
                parser.error(f"there is no load {name}; there are {', '.join(names)}.")
        names = chosen
    return options, [name for name in names if not (options.minutes and name == "boot")]


def main():
    options, names = parse_arguments()
    need_native(options.kernel)
    need_engine(options.doppel, options.engine)
    with contextlib.ExitStack() as stack:
        work = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="doppel-loads."))
        os.makedirs(work, exist_ok=True)
        good = True
        if "boot" in names:
            names.remove("boot")
            good = boot(options, work)
        if names:
            good = run_loads(options, names, work) and good
    if not good:
        fail("not every load passed")


try:
    main()
except RuntimeError as error:
    sys.exit(str(error))
