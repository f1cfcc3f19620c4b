#!/usr/bin/env python3
"""Makes a Debian disk by `doppel image create`, boots it to its login, and works in it: systemd is content, the network
brings a file, and it powers off. Needs Debian's mirror; without it, or without debootstrap, there is nothing to test.

usage: image_test.py DOPPEL [--arch riscv64|amd64] [--engine E] [--image FILE]
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.request

from machine import FileServer, Machine, fail, guest_file, kernel_image, need_engine, skip

MIRROR = os.environ.get("DOPPEL_DEBIAN_MIRROR", "http://deb.debian.org/debian")
TIMEOUT = 3000
PROMPT = r"root@\S+:~#"


def create(options, path):
    for tool in ("debootstrap", "mke2fs"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            skip(f"{tool} is not installed")
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/trixie/Release", timeout=20).close()
    except OSError as error:
        skip(f"{MIRROR} does not answer: {error}")
    guest_file("riscv64" if options.arch == "riscv64" else "cloud", "initramfs-debian.cpio")
    made = subprocess.run([options.doppel, "image", "create", "--debian", "trixie", "--arch", options.arch, "--size", "3G",
                           "--include", "wget", path], timeout=TIMEOUT, check=False)
    if made.returncode != 0:
        fail(f"image create ended with status {made.returncode}")


def work(machine, url, digest):
    """What a user does after the machine came up."""
    machine.expect("login: ", TIMEOUT)
    machine.say("root")
    machine.expect(PROMPT, TIMEOUT)
    machine.say("systemctl is-system-running --wait; systemctl --failed --no-legend | sed s/^/unit''-failed:/; echo st''age1")
    machine.expect("stage1", TIMEOUT)
    if "unit-failed:" in machine.text:
        fail("a unit of the guest's systemd failed")
    machine.say(f"/usr/lib/systemd/systemd-networkd-wait-online --timeout=60; wget -q -O - {url} | sha256sum; echo st''age2")
    machine.expect("stage2", TIMEOUT)
    if digest not in machine.text:
        fail("the file that the guest fetched is not what was served")
    machine.say("poweroff")


def boot(options, path):
    content = os.urandom(1 << 20)
    server = FileServer(content)
    kernel = "riscv64" if options.arch == "riscv64" else "cloud"
    with Machine([options.doppel, "run", "--engine", options.engine, "--kernel", kernel_image(kernel), "--initrd",
                  guest_file(kernel, "initramfs-debian.cpio"), "--append", "console=ttyS0 quiet", "--memory", "1G",
                  "--cpus", "2", "--net", "user", "--disk", path]) as machine:
        work(machine, f"http://10.0.2.2:{server.port}/file", hashlib.sha256(content).hexdigest())
        status = machine.wait(TIMEOUT)
    if status != 0:
        fail(f"the machine ended with status {status}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("doppel")
    parser.add_argument("--arch", default="riscv64")
    parser.add_argument("--engine", default="dbt")
    parser.add_argument("--image", help="boot this one instead of making one")
    options = parser.parse_args()
    need_engine(options.doppel, options.engine)
    if options.image:
        boot(options, options.image)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "disk.raw")
        create(options, path)
        boot(options, path)


main()
