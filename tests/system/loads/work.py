"""Exercises the interpreter and its C modules; prints the same on every correct machine."""
import array
import bisect
import collections
import concurrent.futures
import ctypes
import decimal
import fractions
import hashlib
import heapq
import itertools
import json
import math
import os
import pickle
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import zlib

SCALE = 10 if sys.argv[1] == "long" else 1


def digest(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def integers():
    a, b = 0, 1
    for _ in range(3000 * SCALE):
        a, b = b, a + b
    return digest(a), pow(3, a % 100003, 2**521 - 1) % 10**12, math.factorial(400 * SCALE) % (10**9 + 7)


def floats():
    """Only operations that IEEE 754 defines to the last bit."""
    x, out = 0.1, []
    for i in range(1, 5000 * SCALE):
        x = math.sqrt(x * x + 1.0 / i) - math.floor(x) * 0.5
        out.append(x)
    return math.fsum(out).hex(), digest(out), float("1e23").hex(), repr(5e-324 * 3), (0.1 + 0.2).hex()


def functions():
    """What a mathematical library computes, to the digits on which all of them agree."""
    return [f"{f(0.7 + i / 97):.10e}" for f in (math.sin, math.exp, math.log, math.atan, math.gamma) for i in range(9)]


def exact():
    decimal.getcontext().prec = 200
    total = sum((decimal.Decimal(1) / decimal.Decimal(n) for n in range(1, 300 * SCALE)), decimal.Decimal(0))
    harmonic = sum((fractions.Fraction(1, n) for n in range(1, 150)), fractions.Fraction(0))
    return digest(total), harmonic.numerator % 10**15


def containers():
    random.seed(7)
    numbers = [random.randrange(10**9) for _ in range(5000 * SCALE)]
    counts = collections.Counter(n % 257 for n in numbers)
    heap = numbers[:1000]
    heapq.heapify(heap)
    smallest = [heapq.heappop(heap) for _ in range(500)]
    ordered = sorted(numbers, key=lambda n: (n % 1000, -n))
    return digest(ordered), digest(smallest), counts.most_common(3), bisect.bisect(sorted(numbers), 5 * 10**8)


def text():
    words = [hashlib.md5(str(i).encode()).hexdigest() for i in range(1000 * SCALE)]
    joined = " ".join(words)
    matches = re.findall(r"\b(\w*?)(\d{3})([a-f]+)\w*\b", joined)
    swapped = re.sub(r"([a-f])(\d)", r"\2\1", joined)
    return len(matches), digest(matches), zlib.crc32(swapped.encode()), joined.upper().count("FE")


def binary():
    data = array.array("d", (i * 0.25 for i in range(2000 * SCALE)))
    packed = struct.pack("<IhqdB", 1, -2, 3, 4.5, 6) + data.tobytes()
    squeezed = zlib.compress(packed, 9)
    assert zlib.decompress(squeezed) == packed
    blob = pickle.dumps({"a": list(range(100)), "b": (1.5, "x", None)})
    return digest(packed), zlib.adler32(squeezed), pickle.loads(blob)["b"]


def documents():
    tree = {str(i): [i, i / 8, None, {"deep": ["é\n" * (i % 5)]}] for i in range(500 * SCALE)}
    encoded = json.dumps(tree, sort_keys=True)
    assert json.loads(encoded) == tree
    return digest(encoded)


def exceptions():
    caught = 0
    for i in range(2000 * SCALE):
        try:
            [][i] if i % 3 else {}[i]
        except (IndexError, KeyError) as error:
            caught += len(type(error).__name__)
    def deep(n):
        return 1 + deep(n + 1)
    try:
        deep(0)
    except RecursionError:
        caught += 1
    return caught


def threads():
    total, lock = [0], threading.Lock()
    def add(n):
        for _ in range(n):
            with lock:
                total[0] += 1
    workers = [threading.Thread(target=add, args=(500 * SCALE,)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda n: zlib.crc32(bytes(range(256)) * n), range(1, 60)))
    return total[0], digest(sums)


def processes():
    outputs = []
    for i in range(5 * SCALE):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, hashlib.sha1(str(i).encode()).digest())
            os._exit(i)
        status = os.waitpid(child, 0)[1]
        outputs.append((os.read(read, 20).hex(), os.waitstatus_to_exitcode(status)))
        os.close(read)
        os.close(write)
    echoed = subprocess.run(["sort", "-rn"], input=b"".join(b"%d\n" % n for n in range(100)), stdout=subprocess.PIPE,
                            check=True)
    return digest(outputs), digest(echoed.stdout)


def signals():
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append("usr1"))
    signal.signal(signal.SIGALRM, lambda *_: seen.append("alarm"))
    for _ in range(50):
        os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    signal.pause()
    return collections.Counter(seen)["usr1"], seen[-1]


def foreign():
    libc = ctypes.CDLL(None)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    values = (ctypes.c_int * 200)(*((i * 7919) % 211 for i in range(200)))
    libc.qsort(values, len(values), ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    return digest(list(values))


def generators():
    def queens(n, row=0, columns=0, left=0, right=0):
        if row == n:
            yield 1
            return
        free = ~(columns | left | right) & ((1 << n) - 1)
        while free:
            bit = free & -free
            free ^= bit
            yield from queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    chained = itertools.accumulate(itertools.chain.from_iterable(itertools.combinations(range(14), 4)))
    return sum(queens(8 if SCALE > 1 else 6)), max(chained)


for part in (integers, floats, functions, exact, containers, text, binary, documents, exceptions, threads, processes,
             signals, foreign, generators):
    print(part.__name__, part(), flush=True)
