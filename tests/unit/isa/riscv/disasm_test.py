#!/usr/bin/env python3
"""The decoder and disassembler against binutils: the same text for the same bits.

usage: disasm_test.py LIST_CODE OBJDUMP

All compressed encodings, and every pattern with random operands. Skipped where there is no OBJDUMP.
"""
import os
import re
import subprocess
import sys
import tempfile



def normal(text):
    """One form for both: no comments or symbols, all numbers in decimal."""
    text = re.sub(r"\s*(#.*|<.*>)$", "", text).strip()
    text = re.sub(r"0x[0-9a-f]+", lambda match: str(int(match[0], 16)), text)
    return re.sub(r"\s+", " ", text)


def expand(text):
    """What a compressed instruction of objdump's stands for, in the form of the instruction itself."""
    name, _, rest = text.partition(" ")
    if not name.startswith("c.") or name == "c.unimp":
        return text
    name = name[2:]
    o = rest.split(",") if rest else []
    if name in ("lwsp", "ldsp", "swsp", "sdsp", "fldsp", "fsdsp"):
        return f"{name[:-2]} {rest}"
    if name in ("lw", "ld", "sw", "sd", "fld", "fsd"):
        return f"{name} {rest}"
    if name in ("addi4spn", "addi16sp"):
        return f"addi {rest}" if len(o) == 3 else f"addi {o[0]},{o[0]},{o[-1]}"
    if name == "li":
        return f"addi {o[0]},zero,{o[1]}"
    if name == "lui":
        return f"lui {o[0]},{int(o[1])}"
    if name == "mv":
        return f"add {o[0]},zero,{o[1]}"
    if name in ("jr", "jalr"):
        return f"jalr {'zero' if name == 'jr' else 'ra'},0({o[0]})"
    if name == "j":
        return f"jal zero,{o[0]}"
    if name in ("beqz", "bnez"):
        return f"{name[:3]} {o[0]},zero,{o[1]}"
    if name == "nop":
        return f"addi zero,zero,{o[0] if o else 0}"
    if name == "ebreak":
        return name
    if name.endswith("64"):
        return f"{name[:-2]} {o[0]},{o[0]},0"
    return f"{name} {o[0]},{rest}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if not os.path.exists(sys.argv[2]):
        print("skipped: there is no riscv64-linux-gnu-objdump (package binutils-riscv64-linux-gnu)")
        sys.exit(77)
    with tempfile.NamedTemporaryFile() as code:
        ours = subprocess.run([sys.argv[1], code.name], stdout=subprocess.PIPE, text=True, check=True).stdout
        theirs = subprocess.run([sys.argv[2], "-D", "-b", "binary", "-m", "riscv:rv64", "-M", "no-aliases", "-z",
                                 code.name], stdout=subprocess.PIPE, text=True, check=True).stdout
    judged = {}
    for line in theirs.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(.*)$", line)
        if found:
            judged[int(found[1], 16)] = found[3]
    bad = compared = 0
    for line in ours.splitlines():
        pc, bits, status, text = line.split("\t", 3)
        theirs = judged.get(int(pc, 16))
        verdict = compare(int(bits, 16), status == "0", text, theirs)
        compared += 1
        if verdict:
            bad += 1
            if bad <= 40:
                print(f"{bits}: {verdict}")
    print(f"{compared} instructions, {bad} differ")
    sys.exit(1 if bad or compared < 60000 else 0)


def compare(bits, ok, ours, theirs):
    """What is wrong, or None. Where we see nothing, so must objdump: or something we do not offer."""
    theirs = expand(normal(theirs or ""))
    ours = normal(ours)
    if ours == theirs or (not ok and re.match(r"\.(2|4)byte|unimp|c\.unimp", theirs)):
        return None
    return f"{ours!r}, objdump {theirs!r}"


main()
