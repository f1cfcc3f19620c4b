#!/usr/bin/env python3
"""Boots a Debian kernel with the test initramfs, runs scripts of tests/system/guest in it, and expects each of
them to succeed and the machine to power off.

usage: guest_test.py DOPPEL [--engine E] [--kernel cloud|generic|riscv64] [--cpus N] [--code-cache SIZE]
                     [--firmware FILE] [--timeout S] SCRIPT...
       guest_test.py qemu SCRIPT...     (tries the scripts themselves)
"""
import argparse
import hashlib
import os
import socket
import tempfile
import threading
import time
import urllib.request

from machine import CACHE, FileServer, Machine, architecture, fail, kernel_image, make_initramfs, need_engine, skip, test_results


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def doppel_command(options, initrd, append, disk, port):
    disk += ",ro" if "readonly" in options.scripts else ""
    return [options.doppel, "run", "--engine", options.engine, "--kernel", kernel_image(options.kernel),
            "--initrd", initrd, "--append", append, "--cpus", str(options.cpus), "--memory", "256M",
            "--disk", disk, "--net", f"user,forward=tcp:127.0.0.1:{port}:80", "--no-reboot",
            "--virtio", options.virtio, "--virtio-console", f"file={console_file(disk)}",
            *(["--firmware", firmware(options.firmware)] if options.firmware else []),
            *(["--code-cache", options.code_cache] if options.code_cache else [])]


def firmware(path):
    if not os.path.exists(path):
        skip(f"{path} is not there (package opensbi)")
    return path


def console_file(disk):
    """What the guest writes to its virtio console, beside the disk."""
    return os.path.join(os.path.dirname(disk), "hvc0")


def qemu_command(options, initrd, append, disk, port):
    read_only = "on" if "readonly" in options.scripts else "off"
    return ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-m", "256", "-smp", str(options.cpus),
            "-kernel", kernel_image(options.kernel), "-initrd", initrd, "-append", append,
            "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
            "-drive", f"file={disk},if=none,id=d,format=raw,readonly={read_only}", "-device", "virtio-blk-pci,drive=d",
            "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:80", "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci", "-chardev", "null,id=c", "-device", "virtconsole,chardev=c"]


def visit(machine, port):
    """The host's half of serve.sh: a request through the forwarded port once the guest listens."""
    while "DOPPEL-READY serve" not in machine.text and machine.process.poll() is None:
        time.sleep(0.1)
    for _ in range(20):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                print("the guest served:", answer.read().decode().strip())
                return
        except OSError:
            time.sleep(0.5)


def check_results(options, machine, status, console):
    results = test_results(machine.text)
    bad = []
    if "console" in options.scripts and options.doppel != "qemu":
        with open(console, encoding="utf-8", errors="replace") as file:
            if "DOPPEL-CONSOLE hello" not in file.read():
                bad.append("the line that the guest wrote to its virtio console did not arrive")
    for name in options.scripts:
        result, reason = results.get(name, ("fail", "it did not say how it went"))
        if result != "ok":
            bad.append(f"{name}: {result} {reason}")
    wanted = 3 if "reset" in options.scripts and options.doppel != "qemu" else 0
    if status != wanted:
        bad.append(f"the status is {status}, not {wanted}")
    if bad:
        fail("; ".join(bad))


def run(options):
    content = os.urandom(1 << 20)
    server, port = FileServer(content), free_port()
    append = (f"console=ttyS0 quiet doppel.test={','.join(options.scripts)} doppel.cpus={options.cpus} "
              f"doppel.arch={architecture(options.kernel)} "
              f"doppel.url=http://10.0.2.2:{server.port}/file doppel.sum={hashlib.sha256(content).hexdigest()}")
    with tempfile.TemporaryDirectory() as work:
        disk = os.path.join(work, "disk.raw")
        with open(disk, "wb") as file:
            file.truncate(64 << 20)
        initrd = make_initramfs(options.kernel, os.path.join(work, "initrd"))
        make_command = qemu_command if options.doppel == "qemu" else doppel_command
        with Machine(make_command(options, initrd, append, disk, port)) as machine:
            if "serve" in options.scripts:
                threading.Thread(target=visit, args=(machine, port), daemon=True).start()
            status = machine.wait(options.timeout)
        check_results(options, machine, status, console_file(disk))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("doppel")
    parser.add_argument("scripts", nargs="+")
    parser.add_argument("--engine", default="interp")
    parser.add_argument("--kernel", default="cloud")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--virtio", default="pci")
    parser.add_argument("--code-cache")
    parser.add_argument("--firmware")
    parser.add_argument("--timeout", type=int, default=600)
    options = parser.parse_args()
    if not os.path.isdir(os.path.join(CACHE, "guest")):
        skip("there are no guest files (tools/guest-fetch)")
    need_engine(options.doppel, options.engine)
    run(options)


main()
