"""Whether KVM is worth using on this host, as doppel itself judges it."""
import os
import subprocess


def why_not_kvm(doppel):
    """None where `--engine auto` takes KVM, else the reason."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no /dev/kvm to use"
    kernel = os.path.join(os.path.dirname(doppel), "bench", "guest", "exit")
    try:
        run = subprocess.run([doppel, "run", "--engine", "auto", "--kernel", kernel, "--memory", "64M", "--net", "none",
                              "--console", "none"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, timeout=60, text=True, check=False)
    except subprocess.TimeoutExpired:
        return "the trial machine did not end"
    chosen = [line.strip() for line in run.stderr.splitlines() if "engine: " in line]
    return None if chosen and chosen[0].endswith("engine: kvm") else chosen[0] if chosen else "the trial failed"
