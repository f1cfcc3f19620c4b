#!/usr/bin/env python3
"""The KVM engine on the real semantics of SVM: qemu emulates a processor that has it, Debian's kernel with
kvm-amd runs there, and doppel boots Debian once more inside.

usage: nested_test.py DOPPEL [--npt 0|1] [--cpus N] [--engines LIST]

--cpus is the inner machine's; the outer one has a single processor, because Debian's kernel dies on two of
qemu's as soon as it uses SVM (qemu 7.2 and 10.0). With --engines the inner machine is saved and resumed on
those engines in turn.
"""
import argparse
import os
import tempfile

from machine import Machine, chain_end, fail, guest_file, make_initramfs, skip, svm_machine, test_results

TIMEOUT, ROUNDS = 900, 9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("doppel")
    parser.add_argument("--npt", default="1")
    parser.add_argument("--cpus", default="1")
    parser.add_argument("--engines")
    options = parser.parse_args()
    script = "nested_resume" if options.engines else "nested"
    kernel = guest_file("cloud", "vmlinuz")
    with tempfile.TemporaryDirectory() as work:
        inner = make_initramfs("cloud", os.path.join(work, "inner"))
        outer = make_initramfs("cloud", os.path.join(work, "outer"), "--module", "kvm_amd", "--program",
                               options.doppel, "--add", f"{kernel}=inner/vmlinuz", "--add", f"{inner}=inner/initrd")
        append = f"console=ttyS0 quiet doppel.test={script} doppel.cpus={options.cpus} kvm_amd.npt={options.npt}"
        if options.engines:
            append += f" doppel.engines={options.engines} doppel.rounds={ROUNDS} doppel.last={chain_end(ROUNDS)}"
        with Machine(svm_machine(outer, append)) as machine:
            machine.wait(TIMEOUT)
    result, reason = test_results(machine.text).get(script, ("fail", "it did not say how it went"))
    if result == "skip":
        skip(reason)
    if result != "ok":
        fail(reason)


main()
