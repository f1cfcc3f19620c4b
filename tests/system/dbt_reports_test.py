#!/usr/bin/env python3
"""What the translator says of itself: --stats and --perf-map, with a code cache that never fills and with one
that does.

usage: dbt_reports_test.py DOPPEL
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from machine import fail, guest_file, make_initramfs

LIMIT = 300


def boot(doppel, work, initrd, cache):
    """The statistics, and the map as [(start, size, name)]."""
    stats = os.path.join(work, "stats.json")
    command = [doppel, "run", "--engine", "dbt", "--code-cache", cache, "--perf-map", "--stats", stats, "--kernel",
               guest_file("cloud", "vmlinuz"), "--initrd", initrd, "--append", "console=ttyS0 quiet doppel.test=boot",
               "--memory", "256M", "--net", "none", "--no-reboot"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    said = process.communicate(timeout=LIMIT)[0]
    name = f"/tmp/perf-{process.pid}.map"
    if process.returncode != 0 or "DOPPEL-TEST boot ok" not in said:
        fail(f"the guest did not get through with a cache of {cache}: {said[-500:]}")
    with open(name, encoding="ascii") as file:
        lines = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (.+)\n", line) for line in file]
    os.unlink(name)
    if None in lines:
        fail(f"{name} has lines that perf does not read")
    with open(stats, encoding="utf-8") as file:
        return json.load(file), [(int(m[1], 16), int(m[2], 16), m[3]) for m in lines]


def check_map(regions, blocks):
    """Regions follow each other, as long as nothing was flushed; `blocks` of them besides the stubs."""
    if regions[0][2] != "doppel stubs":
        fail(f"the map starts with {regions[0]}")
    for (start, size, _), (following, _, name) in zip(regions, regions[1:]):
        if start + size > following:
            fail(f"{name} at {following:x} overlaps what is before it")
    if blocks is not None and len(regions) != blocks + 1:
        fail(f"the map has {len(regions) - 1} blocks, the statistics {blocks}")


def check_counters(stats):
    told = stats["translation"]
    if not told["blocks"] < told["guest_instructions"] < told["guest_bytes"] < told["host_bytes"]:
        fail(f"this cannot be: {told}")
    if not 10 < told["nanoseconds_per_instruction"] < 1e6:
        fail(f"nor can that: {told['nanoseconds_per_instruction']} ns for translating an instruction")
    counts = list(stats["untranslated"].values())
    if not 0 < len(counts) <= 10 or counts != sorted(counts, reverse=True):
        fail(f"these are not the instructions left out most often: {stats['untranslated']}")
    vcpu = stats["vcpus"][0]
    if sum(counts) > vcpu["slow_untranslated"]:
        fail(f"{sum(counts)} instructions by class, {vcpu['slow_untranslated']} in all")
    for name in ("slow_unmapped", "slow_unaligned", "block_links", "jump_misses", "attends"):
        if not vcpu[name]:
            fail(f"a boot without any {name}")


def main():
    doppel = sys.argv[1]
    guest_file("cloud", "vmlinuz")
    with tempfile.TemporaryDirectory() as work:
        initrd = make_initramfs("cloud", os.path.join(work, "initrd"))
        stats, regions = boot(doppel, work, initrd, "256M")
        check_counters(stats)
        check_map(regions, stats["translation"]["blocks"])
        if stats["translation"]["flushes"]:
            fail("256M of code cache were not enough for a boot")
        stats, regions = boot(doppel, work, initrd, "4M")
        check_counters(stats)
        check_map(regions, None)
        if not stats["translation"]["flushes"]:
            fail("4M of code cache were enough for a boot")
    print(f"{stats['translation']['flushes']} flushes with 4M")


main()
