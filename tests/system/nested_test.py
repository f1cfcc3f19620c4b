#!/usr/bin/env python3
"""The KVM engine on the real semantics of SVM: qemu emulates a processor that has it, Debian's kernel with
kvm-amd runs there, and doppel boots Debian once more inside.

usage: nested_test.py DOPPEL [--npt 0|1] [--cpus N] [--script NAME]
"""
import argparse
import os
import shutil
import tempfile

from machine import Machine, fail, guest_file, make_initramfs, skip, test_results

TIMEOUT = 900
# qemu 7.2 does not intercept the guest's XSETBV, so that KVM never learns which vector registers are in use.
CPU = "EPYC,+svm,+npt,-xsave"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("doppel")
    parser.add_argument("--npt", default="1")
    parser.add_argument("--cpus", default="1")
    parser.add_argument("--script", default="nested")
    options = parser.parse_args()
    if not shutil.which("qemu-system-x86_64"):
        skip("qemu-system-x86_64 is not installed")
    kernel = guest_file("cloud", "vmlinuz")
    with tempfile.TemporaryDirectory() as work:
        inner = make_initramfs("cloud", os.path.join(work, "inner"))
        outer = make_initramfs("cloud", os.path.join(work, "outer"), "--module", "kvm_amd", "--program",
                               options.doppel, "--add", f"{kernel}=inner/vmlinuz", "--add", f"{inner}=inner/initrd")
        append = (f"console=ttyS0 quiet doppel.test={options.script} doppel.cpus={options.cpus} "
                  f"kvm_amd.npt={options.npt}")
        with Machine(["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", CPU, "-m", "1G",
                      "-smp", options.cpus, "-kernel", kernel, "-initrd", outer, "-append", append, "-display", "none",
                      "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot"]) as machine:
            machine.wait(TIMEOUT)
    result, reason = test_results(machine.text).get(options.script, ("fail", "it did not say how it went"))
    if result == "skip":
        skip(reason)
    if result != "ok":
        fail(reason)


main()
