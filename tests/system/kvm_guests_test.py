#!/usr/bin/env python3
"""The small guests of tests/guest on the real semantics of SVM: qemu emulates a processor that has it, Debian's
kernel with kvm-amd runs there, and the guests run on its KVM.

usage: kvm_guests_test.py GUEST-RUN --npt 0|1 --guest 'ENGINES NAME [ARGUMENTS]' ...   (NAME.elf is beside GUEST-RUN)
"""
import argparse
import os
import shutil
import tempfile

from machine import Machine, fail, guest_file, make_initramfs, skip, test_results

TIMEOUT = 900
# qemu 7.2 does not intercept the guest's XSETBV, so that KVM never learns which vector registers are in use.
CPU = "EPYC,+svm,+npt,-xsave"
SCRIPT = "kvm_guests"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--npt", default="1")
    parser.add_argument("--guest", action="append", default=[])
    options = parser.parse_args()
    if not shutil.which("qemu-system-x86_64"):
        skip("qemu-system-x86_64 is not installed")
    kernel = guest_file("cloud", "vmlinuz")
    with tempfile.TemporaryDirectory() as work:
        files, lines = [], []
        for guest in options.guest:
            name = guest.split()[1]
            files += ["--add", f"{os.path.dirname(options.runner)}/{name}.elf=guests/{name}.elf"]
            lines.append(guest)
        with open(os.path.join(work, "list"), "w", encoding="ascii") as listing:
            listing.write("\n".join(lines) + "\n")
        initrd = make_initramfs("cloud", os.path.join(work, "initrd"), "--module", "kvm_amd", "--program",
                                options.runner, "--add", f"{work}/list=guests/list", *files)
        with Machine(["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", CPU, "-m", "1G",
                      "-smp", "1", "-kernel", kernel, "-initrd", initrd, "-append",
                      f"console=ttyS0 quiet doppel.test={SCRIPT} kvm_amd.npt={options.npt}", "-display", "none",
                      "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot"]) as machine:
            machine.wait(TIMEOUT)
    result, reason = test_results(machine.text).get(SCRIPT, ("fail", "it did not say how it went"))
    if result == "skip":
        skip(reason)
    if result != "ok":
        fail(reason)


main()
