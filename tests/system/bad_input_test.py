#!/usr/bin/env python3
"""Wrong usage and bad files: one clear sentence on standard error, status 2, and nothing written.

usage: bad_input_test.py DOPPEL
"""
import fcntl
import gzip
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile

from machine import guest_file

LIMIT = 20


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def elf(machine, entry=0x100000):
    """The head of an ELF executable for some machine, without anything to load."""
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 0, 64, 0, 0)


def riscv_image(offset):
    """A RISC-V Linux Image that wants to lie `offset` bytes into memory."""
    header = b"MZ" + bytes(6) + struct.pack("<QQQII", offset, 0x10000, 0, 2, 0) + bytes(8) + b"RISCV\0\0\0RSC\x05"
    return header + bytes(8000)


def make_files(folder, kernel):
    """The bad files, and good ones to put beside them; {name: path}."""
    with open(kernel, "rb") as file:
        image = file.read()
    broken = bytearray(image)
    broken[0x1F1 + 0x11:0x1F1 + 0x15] = b"XXXX"  # the HdrS magic of the boot protocol, at 0x202
    contents = {
        "empty": b"", "noise": bytes(range(256)) * 64, "truncated": image[:70000], "header": image[:0x210],
        "broken": bytes(broken), "arm": elf(0xB7), "riscv": elf(0xF3), "elf": elf(0x3E), "disk": bytes(1 << 20), "large": bytes(3 << 20),
        "odd": bytes(1000), "gzip": gzip.compress(b"hello" * 1000), "torn": gzip.compress(os.urandom(5000))[:2000],
        "image": riscv_image(0x200000), "place": riscv_image(0x1001), "torn_image": riscv_image(0x200000)[:60],
    }
    files = {name: write(os.path.join(folder, name), data) for name, data in contents.items()}
    files.update(kernel=kernel, missing=os.path.join(folder, "missing"), folder=folder)
    return files


def cases(files, port):
    """(what, arguments, what the sentence must mention)"""
    kernel = ["--kernel", files["kernel"]]
    for name in ("missing", "empty", "noise", "truncated", "header", "broken", "arm", "riscv", "elf", "folder"):
        yield f"kernel {name}", ["--kernel", files[name]], re.escape(files[name])
    for name in ("gzip", "torn", "place", "torn_image"):
        yield f"kernel {name}", ["--kernel", files[name]], re.escape(files[name])
    yield "kernel of another architecture", ["--arch", "x86_64", "--kernel", files["image"]], "RISC-V.*x86-64"
    yield "kernel of this architecture", ["--arch", "riscv64", *kernel], "x86.*RISC-V"
    yield "architecture", ["--arch", "vax"], "riscv64"
    yield "firmware for a PC", ["--arch", "x86_64", "--firmware", files["disk"], *kernel], "RISC-V"
    yield "firmware missing", ["--firmware", files["missing"], "--kernel", files["image"]], re.escape(files["missing"])
    yield "firmware too large", ["--firmware", files["large"], "--kernel", files["image"]], "room"
    yield "KVM for RISC-V", ["--engine", "kvm", "--kernel", files["image"]], "riscv64"
    yield "debug console for RISC-V", ["--debugcon", "stdio", "--kernel", files["image"]], "x86-64"
    for name in ("missing", "empty", "folder"):
        yield f"initrd {name}", [*kernel, "--initrd", files[name]], re.escape(files[name])
    for name in ("missing", "empty", "odd", "folder"):
        yield f"disk {name}", [*kernel, "--disk", files[name]], re.escape(files[name])
    yield "disk in use", [*kernel, "--disk", files["disk"]], "use"
    yield "disk format", [*kernel, "--disk", files["disk"] + ",format=vhdx"], "vhdx"
    yield "disk option", [*kernel, "--disk", files["disk"] + ",rw=maybe"], "rw"
    yield "too much memory", [*kernel, "--memory", "17G"], "16"
    yield "too little memory", [*kernel, "--memory", "1M"], "32"
    for size in ("0", "lots", "1X", "-1G", "99999999999999999999G"):
        yield f"memory {size}", [*kernel, "--memory", size], re.escape(size)
    for size in ("0", "4095K", "2G", "much"):
        yield f"code cache {size}", [*kernel, "--code-cache", size], re.escape(size)
    for count in ("0", "9", "-1", "two", "1.5"):
        yield f"cpus {count}", [*kernel, "--cpus", count], "cpus|processor|1 to 8"
    yield "unknown option", ["--kernal", "x"], "--kernel"
    yield "another unknown option", ["--memroy=1G"], "--memory"
    yield "option without value", ["--kernel"], "--kernel"
    yield "engine", ["--engine", "warp"], "interp"
    yield "console", [*kernel, "--console", "teletype"], "stdio"
    yield "console in a missing folder", [*kernel, "--console", f"file={files['missing']}/x"], re.escape(files["missing"])
    yield "debug console", [*kernel, "--debugcon", "teletype"], "stdio"
    yield "network", [*kernel, "--net", "token-ring"], "user"
    yield "network option", [*kernel, "--net", "user,backward=1"], "backward"
    yield "forward", [*kernel, "--net", "user,forward=tcp:127.0.0.1:2222"], "forward"
    yield "port", [*kernel, "--net", "user,forward=tcp:127.0.0.1:99999:22"], "99999"
    yield "port in use", [*kernel, "--net", f"user,forward=tcp:127.0.0.1:{port}:22"], str(port)
    tun = os.access("/dev/net/tun", os.R_OK | os.W_OK)
    yield "tap that is not there", [*kernel, "--net", "tap=doppel-none0"], "doppel-none0" if tun else "/dev/net/tun"


def resume_cases(files):
    for name in ("missing", "empty", "noise", "kernel", "folder"):
        yield f"state {name}", [files[name]], re.escape(files[name])
    yield "no state", [], "file|FILE"


def run(program, arguments):
    try:
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return None


def complaint(result, wanted, before, folder):
    """What is wrong with the way a case ended, or None."""
    if result is None:
        return f"it still runs after {LIMIT} s"
    said = result.stderr.decode("utf-8", "replace").strip()
    if result.returncode != 2:
        return f"status {result.returncode}, not 2: {said}"
    if len(said.splitlines()) != 1:
        return f"not one sentence: {said!r}"
    if not re.search(wanted, said):
        return f"the sentence does not mention /{wanted}/: {said}"
    if result.stdout:
        return f"it wrote to standard output: {result.stdout[:80]!r}"
    if sorted(os.listdir(folder)) != before:
        return "it left a file behind"
    return None


def main():
    program, bad, count = sys.argv[1], 0, 0
    kernel = guest_file("cloud", "vmlinuz")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as busy:
        files = make_files(folder, kernel)
        before = sorted(os.listdir(folder))
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        # Another program that holds the disk's lock, in both of the ways there are.
        with open(files["disk"], "r+b") as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            fcntl.fcntl(locked, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
            everything = [("run", *case) for case in cases(files, busy.getsockname()[1])]
            everything += [("resume", *case) for case in resume_cases(files)]
            for command, what, arguments, wanted in everything:
                count += 1
                wrong = complaint(run(program, [command, *arguments]), wanted, before, folder)
                if wrong:
                    bad += 1
                    print(f"{command}, {what}: {wrong}")
    print(f"{count - bad} of {count} cases are refused well")
    sys.exit(1 if bad else 0)


main()
