"""Listening to a console, and what both tables of the benchmark do with the measures of their runs."""
import os
import select
import statistics
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "doppel")


def lines_of(descriptor, process, deadline):
    """Yields (time, line) from the console until it ends, the machine does, or time is up."""
    pending = b""
    while time.monotonic() < deadline:
        if not select.select([descriptor], [], [], 0.2)[0]:
            if process.poll() is not None:
                return
            continue
        data = os.read(descriptor, 65536)
        if not data:
            return
        *complete, pending = (pending + data).split(b"\n")
        for line in complete:
            yield time.monotonic(), line.decode("utf-8", "replace")


def medians(runs):
    names = {name for run in runs for name in run}
    return {name: statistics.median(run[name] for run in runs if name in run) for name in names}
