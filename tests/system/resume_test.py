#!/usr/bin/env python3
"""Saves a running Debian machine in the middle of a chain of hashes, resumes it, and expects the chain to end
as if nothing had happened.

usage: resume_test.py DOPPEL [--from ENGINE] [--to ENGINE] [--cpus N] [--kernel NAME]
"""
import argparse
import os
import signal
import tempfile

from machine import Machine, chain_end, fail, kernel_image, make_initramfs, need_engine, test_results

ROUNDS, SAVE_AFTER, TIMEOUT = 40, 5, 600


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("doppel")
    parser.add_argument("--from", dest="first", default="interp")
    parser.add_argument("--to", dest="second", default="interp")
    parser.add_argument("--cpus", default="1")
    parser.add_argument("--kernel", default="cloud")
    options = parser.parse_args()
    for engine in (options.first, options.second):
        need_engine(options.doppel, engine)
    kernel = kernel_image(options.kernel)
    with tempfile.TemporaryDirectory() as work:
        initrd = make_initramfs(options.kernel, os.path.join(work, "initrd"))
        state, disk = os.path.join(work, "state"), os.path.join(work, "disk.raw")
        with open(disk, "wb") as file:
            file.truncate(64 << 20)
        append = f"console=ttyS0 quiet doppel.test=ticks,disk doppel.rounds={ROUNDS} doppel.last={chain_end(ROUNDS)}"
        with Machine([options.doppel, "run", "--engine", options.first, "--kernel", kernel, "--initrd", initrd,
                      "--append", append, "--cpus", options.cpus, "--memory", "256M", "--disk", disk,
                      "--save-on-exit", state]) as machine:
            machine.expect(f"DOPPEL-TICK {SAVE_AFTER} ", TIMEOUT)
            machine.process.send_signal(signal.SIGTERM)
            machine.wait(TIMEOUT)
        if "DOPPEL-TEST" in machine.text:
            fail("the guest was through before it was saved")
        with Machine([options.doppel, "resume", "--engine", options.second, state]) as machine:
            status = machine.wait(TIMEOUT)
    results = test_results(machine.text)
    if status != 0 or results.get("ticks", ("",))[0] != "ok" or results.get("disk", ("",))[0] != "ok":
        fail(f"after resuming: status {status}, {results}")


main()
