"""Runs a monitor with a guest of the cache and listens to its console: what the system tests share."""
import ctypes
import hashlib
import http.server
import os
import re
import select
import shutil
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "doppel")
SKIPPED = 77

sys.path.insert(0, os.path.join(TOP, "tools"))
from hostkvm import why_not_kvm  # noqa: E402


def skip(reason):
    print(reason)
    sys.exit(SKIPPED)


def fail(reason):
    print(f"FAILED: {reason}")
    sys.exit(1)


def why_not_dbt():
    hwcap2_fsgsbase, at_hwcap2 = 2, 26
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        if not re.search(r"^flags\b.*\bbmi2\b", info.read(), re.MULTILINE):
            return "the host's processor lacks BMI2"
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.argtypes, getauxval.restype = [ctypes.c_ulong], ctypes.c_ulong
    return None if getauxval(at_hwcap2) & hwcap2_fsgsbase else "the host's kernel has no FSGSBASE"


def need_engine(doppel, engine):
    """Skips where the engine is KVM and that does not run at hardware speed here, and where it is the translator
    and the host cannot have it."""
    reason = None
    if engine == "kvm":
        reason = why_not_kvm(doppel)
    elif engine != "interp":
        reason = why_not_dbt()
    if reason:
        skip(reason)


def guest_file(kernel, name):
    path = os.path.join(CACHE, "guest", kernel, name)
    if not os.path.exists(path):
        skip(f"{path} is not there (tools/guest-fetch)")
    return path


def kernel_image(kernel):
    """The kernel of one of the cache's guests; RISC-V's comes unpacked."""
    return guest_file(kernel, "vmlinux" if kernel == "riscv64" else "vmlinuz")


def architecture(kernel):
    return "riscv64" if kernel == "riscv64" else "x86_64"


def svm_machine(initrd, append):
    """The command of a machine whose processor has SVM, emulated; DOPPEL_TEST_QEMU names another qemu.

    qemu 7.2 does not intercept the nested guest's XSETBV, so that KVM never learns which vector registers are in
    use; its processor goes without. Version 10 does.
    """
    qemu = os.environ.get("DOPPEL_TEST_QEMU") or shutil.which("qemu-system-x86_64")
    if not qemu:
        skip("qemu-system-x86_64 is not installed")
    version = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True).stdout
    xsave = "+xsave" if int(re.search(r"version (\d+)", version).group(1)) >= 10 else "-xsave"
    return [qemu, "-M", "q35", "-accel", "tcg", "-cpu", f"EPYC,+svm,+npt,{xsave}", "-m", "1G", "-smp", "1",
            "-kernel", guest_file("cloud", "vmlinuz"), "-initrd", initrd, "-append", append, "-display", "none",
            "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot"]


def make_initramfs(kernel, output, *options, kind="test"):
    guest_file(kernel, "modules")
    subprocess.run([os.path.join(TOP, "tools", "guest-initramfs"), kind, "--quiet", "--kernel", kernel,
                    "--output", output, *options], check=True)
    return output


class Machine:
    """A running monitor; everything it says is kept in `text` and shown on standard output."""

    def __init__(self, command):
        print("+", " ".join(command), flush=True)
        self.text = ""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self, seconds):
        """Takes in what is there; False at the end of the output."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return True
        data = os.read(self.process.stdout.fileno(), 65536).decode("utf-8", "replace")
        self.text += data
        sys.stdout.write(data)
        sys.stdout.flush()
        return bool(data)

    def expect(self, pattern, timeout):
        """Waits until the console has said `pattern`; the match."""
        deadline = time.monotonic() + timeout
        more = True
        while True:
            match = re.search(pattern, self.text)
            if match:
                return match
            if not more:
                fail(f"the machine ended (status {self.process.wait()}) before it said /{pattern}/")
            if time.monotonic() > deadline:
                fail(f"the machine did not say /{pattern}/ within {timeout} s")
            more = self._read(1)

    def lines(self, patience):
        """Each whole line as it comes, until the end; fails when none comes within `patience` seconds."""
        done, deadline, more = 0, time.monotonic() + patience, True
        while more:
            more = self._read(1)
            while (end := self.text.find("\n", done)) >= 0:
                yield self.text[done:end].rstrip("\r")
                done, deadline = end + 1, time.monotonic() + patience
            if time.monotonic() > deadline:
                fail(f"the machine said nothing for {patience} s")

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, timeout):
        """Reads to the end; the status."""
        deadline = time.monotonic() + timeout
        while self._read(1):
            if time.monotonic() > deadline:
                fail(f"the machine did not end within {timeout} s")
        return self.process.wait()


class FileServer:
    """Serves some bytes over HTTP on a free port of the loopback interface."""

    def __init__(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def chain_end(rounds):
    """What tests/system/guest/ticks.sh arrives at: five hashes of the previous line a round."""
    value = "doppel"
    for _ in range(rounds * 5):
        value = hashlib.sha256(f"{value}\n".encode()).hexdigest()
    return value


def test_results(text):
    """{name: (result, reason)} of the DOPPEL-TEST lines."""
    found = re.findall(r"DOPPEL-TEST (\S+) (ok|fail|skip) ?(.*?)\r?\n", text)
    return {name: (result, reason) for name, result, reason in found}
