#!/usr/bin/env python3
"""Debian's RISC-V programs under doppel exec, each compared with qemu-riscv64.

usage: debian_test.py programs|stress DOPPEL QEMU ENGINE

Programs that start others are compared with what this machine's own shell says: QEMU cannot start programs
without help from the kernel. Skipped where tools/riscv-sysroot cannot get them.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", "tools", "riscv-sysroot")
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
TREE = os.path.join(CACHE, "doppel", "guest", "riscv64-sysroot")
SKIP = 77

SCRIPT = r"""
set -e
seq 1 5000 | sort -rn | head -3
echo one two three | tr a-z A-Z | sed 's/TWO/2/' | awk '{ print $3, $1 }'
for i in 1 2 3; do (exit $i) || echo "status $?"; done
x=$(printf '%s\n' b a c | sort | tr -d '\n'); echo "$x"
trap 'echo usr1' USR1; kill -USR1 $$; trap - USR1
(sleep 0.05; echo late) & wait $!
mkdir -p d/e; echo text > d/e/f; find d -type f | xargs grep -c text; rm -r d
cat <<END | while read -r line; do echo "<$line>"; done
here
document
END
yes | head -1000 | wc -l
diff <(echo a) <(echo b) || echo differs
exec 2>/dev/null
( ulimit -c 0; sh -c 'kill -SEGV $$' ) || echo "killed $?"
"""

PYTHON = r"""
import hashlib, json, math, re, subprocess, threading, zlib
print(hashlib.sha256(b"x" * 100000).hexdigest(), zlib.crc32(b"abc" * 1000))
print(math.sin(1.5), 2 ** 0.5, 1e22 / 3, round(2.675, 2), float("1e-320"), 7 ** 200 % 1000007)
print(json.dumps({"a": [1, 2.5, None]}), re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world"))
found = []
threads = [threading.Thread(target=lambda i=i: found.append(sum(range(i * 1000)))) for i in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sum(found))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(18), sorted(range(50), key=lambda n: n * 7919 % 101)[:9])
"""

SQL = """create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000)
insert into t select x, x * 1.5 from c; create index i on t(b); select sum(a), avg(b), count(*) from t
where b > 100.25;"""


STRESS = {"pthread": 100, "mutex": 2000, "futex": 2000, "fork": 30, "vfork": 30, "clone": 30, "exec": 20, "signal": 2000,
          "sigsegv": 1000, "sigsuspend": 500, "sigrt": 500, "timer": 200, "sigfd": 500, "pipe": 5000, "mmap": 3,
          "mremap": 20, "mprotect": 2000, "malloc": 2000, "shm-sysv": 20, "msg": 2000, "sem": 2000, "poll": 1000,
          "epoll": 200, "timerfd": 500, "sockfd": 500, "inotify": 2, "wait": 50, "stack": 1000, "sysbadaddr": 100}


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **options)
    return done.returncode, done.stdout


class Runner:
    def __init__(self, doppel, qemu, engine):
        self.doppel = [doppel, "exec", "--engine", engine, "--sysroot", TREE]
        self.qemu = [qemu, "-L", TREE]
        self.failed = False

    def compare(self, name, got, expected):
        if got != expected:
            print(f"{name}: {got} instead of {expected}")
            self.failed = True

    def same(self, name, *arguments, stdin=b""):
        words = [os.path.join(TREE, "usr/bin", name), *arguments]
        self.compare(name, run(self.doppel + words, input=stdin), run(self.qemu + words, input=stdin))

    def shell(self, shell, folder):
        words = [os.path.join(TREE, "usr/bin", shell), "-c"]
        script = SCRIPT if shell == "bash" else SCRIPT.replace("diff <(echo a) <(echo b)", "false")
        expected = run([shell, "-c", script], cwd=folder)
        self.compare(shell, run(self.doppel + ["--argv0", shell] + words + [script], cwd=folder), expected)
        self.compare(shell + " -c uname", run(self.doppel + words + ["uname -m; exit 3"]), (3, b"riscv64\n"))


def stress(runner, folder):
    """Each of stress-ng's loads does so many of its operations on two processes, and finds nothing wrong."""
    for name, operations in STRESS.items():
        words = [os.path.join(TREE, "usr/bin/stress-ng"), "--verify", "--quiet", "--timeout", "60", "--" + name, "2",
                 f"--{name}-ops", str(operations)]
        status, text = run(runner.doppel + words, cwd=folder)
        complaints = [line for line in text.splitlines() if b"finished prematurely" not in line]
        runner.compare("stress-ng " + name, (status, complaints), (0, []))


def compile_something(runner, folder):
    """Debian's gcc, with all the programs it starts, makes what the cross compiler's binutils can read."""
    source = os.path.join(folder, "p.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); return 5; }\n')
    program = os.path.join(folder, "p")
    gcc = os.path.join(TREE, "usr/bin/gcc")
    runner.compare("gcc", run([*runner.doppel, gcc, "-O2", "-o", program, source]), (0, b""))
    runner.compare("what gcc made", run([*runner.doppel, program]), (5, b"42\n"))


def programs(runner, folder):
    path = os.path.join(folder, "data")
    with open(path, "wb") as file:
        file.write(bytes(range(256)) * 3000)
    runner.same("sha256sum", path)
    runner.same("sort", "-n", stdin=b"3\n1\n2\n")
    runner.same("ls", "-l", path)
    runner.same("expr", "6", "*", "7")
    runner.same("factor", "1234567890123456789")
    runner.same("gzip", "-9nc", path)
    runner.same("pigz", "-p", "4", "-nc", path)
    runner.same("python3", "-c", PYTHON)
    runner.same("sqlite3", ":memory:", SQL)
    runner.same("openssl", "dgst", "-sha512", path)
    runner.same("openssl", "enc", "-aes-128-cbc", "-K", "00" * 16, "-iv", "11" * 16, "-in", path)
    runner.shell("bash", folder)
    runner.shell("dash", folder)
    compile_something(runner, folder)


def main():
    what, doppel, qemu, engine = sys.argv[1:]
    got = subprocess.run([TOOL, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if got.returncode != 0:
        print(got.stdout.strip())
        sys.exit(SKIP)
    runner = Runner(os.path.abspath(doppel), qemu, engine)
    with tempfile.TemporaryDirectory() as folder:
        if what == "stress":
            stress(runner, folder)
        else:
            programs(runner, folder)
    sys.exit(runner.failed)


main()
