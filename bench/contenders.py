"""How each monitor is started on the same kernel and initramfs, with its serial console on a pipe.

A contender offers `available()` (a reason why not, or None) and `command(guest, work)`, which prepares what
it needs in the folder `work` and gives its command line. Its console is its standard output, or the named
pipe `work/console`.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
from hostkvm import why_not_kvm  # noqa: E402

MEMORY_MIB = 256


def known_engines(doppel):
    """The engines this doppel's help names, the fastest without hardware first."""
    text = subprocess.run([doppel, "help", "run"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return [engine for engine in ("dbt", "interp", "kvm") if f" {engine}" in text]


def exec_engines(doppel):
    """The engines of this doppel's process VM; none: it has no process VM."""
    text = subprocess.run([doppel, "help", "exec"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout
    return [engine for engine in ("dbt", "interp") if engine in text]


class Guest:
    """What everybody boots: one processor, `memory` MiB, and perhaps a raw disk that is only read."""

    def __init__(self, kernel, initrd, append, memory=MEMORY_MIB, disk=None):
        self.kernel, self.initrd, self.append = kernel, initrd, append
        self.memory, self.disk = memory, disk


class Doppel:
    def __init__(self, program, engine):
        self.program, self.engine, self.name = program, engine, f"doppel {engine}"

    def available(self):
        if self.engine not in known_engines(self.program):
            return f"this doppel has no engine {self.engine}"
        return why_not_kvm(self.program) if self.engine == "kvm" else None

    def command(self, guest, _work):
        return [self.program, "run", "--engine", self.engine, "--kernel", guest.kernel, "--initrd", guest.initrd,
                "--append", guest.append, "--memory", f"{guest.memory}M", "--cpus", "1", "--no-reboot",
                *(["--disk", f"{guest.disk},ro"] if guest.disk else [])]


class Qemu:
    name = "qemu tcg"
    # Without locks: it takes another reader's lock on the whole file for that of a writer.
    DISK = "if=virtio,format=raw,readonly=on,file.locking=off"

    def available(self):
        return None if shutil.which("qemu-system-x86_64") else "qemu-system-x86_64 is not installed"

    def command(self, guest, _work):
        return ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", str(guest.memory),
                "-kernel", guest.kernel, "-initrd", guest.initrd, "-append", guest.append,
                "-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot",
                *(["-drive", f"{self.DISK},file={guest.disk}"] if guest.disk else [])]


class QemuRiscv:
    name = "qemu riscv"

    def available(self):
        return None if shutil.which("qemu-system-riscv64") else "qemu-system-riscv64 is not installed"

    def command(self, guest, _work):
        return ["qemu-system-riscv64", "-M", "virt", "-accel", "tcg", "-m", str(guest.memory),
                "-kernel", guest.kernel, "-initrd", guest.initrd, "-append", guest.append, "-display", "none",
                "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot"]


class Bochs:
    """Boots from a CD image, since it cannot be given a kernel. Its time includes its BIOS reading that."""
    name = "bochs"
    NEEDS = ["/usr/bin/bochs", "/usr/bin/xorriso", "/usr/lib/ISOLINUX/isolinux.bin",
             "/usr/lib/syslinux/modules/bios/ldlinux.c32", "/usr/share/bochs/BIOS-bochs-latest",
             "/usr/share/vgabios/vgabios.bin"]

    def available(self):
        missing = [path for path in self.NEEDS if not os.path.exists(path)]
        return f"{missing[0]} is missing" if missing else None

    def _make_image(self, guest, work):
        tree = os.path.join(work, "iso")
        os.makedirs(os.path.join(tree, "isolinux"), exist_ok=True)
        for source, target in ((self.NEEDS[2], "isolinux"), (self.NEEDS[3], "isolinux"),
                               (guest.kernel, "vmlinuz"), (guest.initrd, "initrd")):
            shutil.copy(source, os.path.join(tree, target))
        with open(os.path.join(tree, "isolinux", "isolinux.cfg"), "w", encoding="ascii") as file:
            file.write("DEFAULT guest\nPROMPT 0\nLABEL guest\n KERNEL /vmlinuz\n INITRD /initrd\n"
                       f" APPEND {guest.append}\n")
        image = os.path.join(work, "bochs.iso")
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", image, "-b", "isolinux/isolinux.bin",
                        "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
                        tree], check=True, stderr=subprocess.DEVNULL)
        return image

    def command(self, guest, work):
        console = os.path.join(work, "console")
        if os.path.exists(console):
            os.remove(console)
        os.mkfifo(console)
        config, script = os.path.join(work, "bochsrc"), os.path.join(work, "bochs.start")
        with open(config, "w", encoding="ascii") as file:
            file.write("\n".join([
                'display_library: rfb, options="timeout=0"', f"megs: {guest.memory}",
                f"romimage: file={self.NEEDS[4]}", f"vgaromimage: file={self.NEEDS[5]}",
                "cpu: model=corei7_haswell_4770, ips=50000000, reset_on_triple_fault=0", "clock: sync=none",
                f"ata0-master: type=cdrom, path={self._make_image(guest, work)}, status=inserted", "boot: cdrom",
                f"com1: enabled=1, mode=file, dev={console}", f"log: {work}/bochs.log", "panic: action=fatal", ""]))
        # Debian's bochs has its debugger built in and waits for a command to start.
        with open(script, "w", encoding="ascii") as file:
            file.write("c\n")
        return ["bochs", "-q", "-f", config, "-rc", script]
