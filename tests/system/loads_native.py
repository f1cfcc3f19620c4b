"""Runs loads natively: the same binaries, out of the guest's image, in a chroot on this machine."""
import os
import shlex
import shutil
import subprocess

from machine import CACHE, guest_file, skip

TREE = os.path.join(CACHE, "guest", "debian-amd64")
LOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loads")

# Mounts are private to the command and end with it. Without root it needs a user namespace of its own.
ENTER = """
mount --rbind /dev {tree}/dev
mount --rbind /proc {tree}/proc
mount -t tmpfs tmp {tree}/tmp
mount --bind {disk} {tree}/mnt
exec chroot {tree} /mnt/loads/run "$@"
"""


def command(disk, arguments):
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    script = ENTER.format(tree=shlex.quote(os.path.realpath(TREE)), disk=shlex.quote(disk))
    return ["unshare", *namespaces, "sh", "-e", "-c", script, "run", *arguments]


def need_native(kernel):
    """Skips where the image, its unpacked files or the right to enter them are missing."""
    for name in ("debian-amd64.raw", "debian-amd64"):
        if not os.path.exists(os.path.join(CACHE, "guest", name)):
            skip(f"{os.path.join(CACHE, 'guest', name)} is not there (tools/guest-rootfs --tree)")
    with open(guest_file(kernel, "release"), encoding="ascii") as file:
        release = file.read().strip()
    if not os.path.isdir(os.path.join(TREE, "lib", "modules", release)):
        skip(f"the image has no modules for the kernel {release} (tools/guest-rootfs --tree)")
    if not shutil.which("unshare") or subprocess.run(command(TREE, [])[:-5] + ["true"], check=False).returncode != 0:
        skip("running natively in a chroot needs root or user namespaces, and there are none")


def run_natively(disk, name, size):
    """Leaves the list of the output's sums in expected/NAME of the folder that becomes the guest's disk."""
    run = subprocess.run(command(disk, [name, size, f"/mnt/native/{name}"]), check=False)
    folder = os.path.join(disk, "native", name)
    if run.returncode != 0:
        with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as file:
            print(file.read())
        raise RuntimeError(f"{name} fails natively (status {run.returncode})")
    shutil.copy(os.path.join(folder, "sums"), os.path.join(disk, "expected", name))
