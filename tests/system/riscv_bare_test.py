#!/usr/bin/env python3
"""Bare RISC-V programs end the machine with a status of their own: through the `tohost` word of an ELF file, and
through the test finisher. U-Boot reaches its prompt, behind OpenSBI and on the built-in SBI.

usage: riscv_bare_test.py DOPPEL [--engine E]
"""
import argparse
import os
import shutil
import subprocess
import tempfile

from machine import Machine, fail, skip

COMPILER = "riscv64-linux-gnu-gcc"
UBOOT = "/usr/lib/u-boot/qemu-riscv64_smode"
OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"
TIMEOUT = 120

# Every hart starts here in M-mode; all but the first stand.
START = """
    .globl _start
_start:
    csrr t0, mhartid
1:  bnez t0, 1b
"""
# A word at a time to the host, which takes it by writing 0.
TOHOST = """
send:
    la t1, tohost
1:  ld t2, (t1)
    bnez t2, 1b
    sd a0, (t1)
    ret
    .section .tohost, "aw"
    .globl tohost, fromhost
    .balign 64
tohost: .dword 0
    .balign 64
fromhost: .dword 0
"""
PROGRAMS = {
    "tohost": (START + "li a0, 42 << 1 | 1\n call send\n2: j 2b\n" + TOHOST, 42, ""),
    "tohost-pass": (START + "li a0, 1\n call send\n2: j 2b\n" + TOHOST, 0, ""),
    "tohost-console": (START + "li a0, 0x101 << 48 | 'o'\n call send\n li a0, 0x101 << 48 | 'k'\n call send\n"
                       "li a0, 1\n call send\n2: j 2b\n" + TOHOST, 0, "ok"),
    "finisher": (START + "li t1, 0x100000\n li t2, 7 << 16 | 0x3333\n sw t2, (t1)\n2: j 2b\n", 7, ""),
    "finisher-pass": (START + "li t1, 0x100000\n li t2, 0x5555\n sw t2, (t1)\n2: j 2b\n", 0, ""),
    "finisher-reset": (START + "li t1, 0x100000\n li t2, 0x7777\n sw t2, (t1)\n2: j 2b\n", 3, ""),
}


def build(folder, name, source):
    path = os.path.join(folder, name)
    with open(path + ".S", "w", encoding="ascii") as file:
        file.write("    .text\n" + source)
    subprocess.run([COMPILER, "-nostdlib", "-static", "-Wl,-Ttext=0x80000000", "-Wl,-n", "-Wl,--build-id=none", "-o", path,
                    path + ".S"], check=True)
    return path


def run_programs(options):
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, status, text) in PROGRAMS.items():
            elf = build(folder, name, source)
            for cpus in ("1", "2"):
                done = subprocess.run([options.doppel, "run", "--engine", options.engine, "--kernel", elf, "--cpus",
                                       cpus, "--net", "none", "--no-reboot"], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, timeout=TIMEOUT, check=False)
                if done.returncode != status or done.stdout.strip() != text:
                    wrong.append(f"{name} with {cpus} harts: status {done.returncode}, not {status}; it said "
                                 f"{done.stdout + done.stderr!r}")
    return wrong


def run_uboot(options, arguments):
    command = [options.doppel, "run", "--engine", options.engine, "--net", "none", *arguments]
    with Machine(command) as machine:
        machine.expect("stop autoboot", TIMEOUT)
        machine.say("")
        machine.expect("\n=> ", TIMEOUT)
        machine.say("poweroff")
        status = machine.wait(TIMEOUT)
    if status != 0:
        fail(f"U-Boot's poweroff ended with status {status}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("doppel")
    parser.add_argument("--engine", default="interp")
    options = parser.parse_args()
    if not shutil.which(COMPILER):
        skip(f"{COMPILER} is not installed")
    wrong = run_programs(options)
    if wrong:
        fail("; ".join(wrong))
    if not os.path.exists(UBOOT):
        skip("the programs end well; U-Boot (package u-boot-qemu) is not installed")
    run_uboot(options, ["--kernel", f"{UBOOT}/uboot.elf"])
    if os.path.exists(OPENSBI):
        run_uboot(options, ["--kernel", f"{UBOOT}/u-boot.bin", "--firmware", OPENSBI])


main()
