#!/usr/bin/env python3
"""The small guests of tests/guest on the real semantics of SVM: qemu emulates a processor that has it, Debian's
kernel with kvm-amd runs there, and the guests run on its KVM. So do the KVM engine's own tests.

usage: kvm_guests_test.py GUEST-RUN --npt 0|1 [--program TEST] --guest 'ENGINES NAME [ARGUMENTS]' ...
       (NAME.elf is beside GUEST-RUN)
"""
import argparse
import os
import tempfile

from machine import Machine, fail, make_initramfs, skip, svm_machine, test_results

TIMEOUT = 900
SCRIPT = "kvm_guests"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--npt", default="1")
    parser.add_argument("--program", action="append", default=[])
    parser.add_argument("--guest", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        files, lines = [], []
        for program in options.program:
            files += ["--program", program]
        for guest in options.guest:
            name = guest.split()[1]
            files += ["--add", f"{os.path.dirname(options.runner)}/{name}.elf=guests/{name}.elf"]
            lines.append(guest)
        with open(os.path.join(work, "list"), "w", encoding="ascii") as listing:
            listing.write("\n".join(lines) + "\n")
        initrd = make_initramfs("cloud", os.path.join(work, "initrd"), "--module", "kvm_amd", "--program",
                                options.runner, "--add", f"{work}/list=guests/list", *files)
        programs = ",".join(os.path.basename(program) for program in options.program)
        append = f"console=ttyS0 quiet doppel.test={SCRIPT} doppel.programs={programs} kvm_amd.npt={options.npt}"
        with Machine(svm_machine(initrd, append)) as machine:
            machine.wait(TIMEOUT)
    result, reason = test_results(machine.text).get(SCRIPT, ("fail", "it did not say how it went"))
    if result == "skip":
        skip(reason)
    if result != "ok":
        fail(reason)


main()
