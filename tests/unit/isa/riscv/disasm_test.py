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

ARCH = "rv64imafdc_zicsr_zifencei_zicbom_zicboz_zba_zbb_zbs"


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


def disassemble(objdump, code, folder):
    """{address: text} of the raw code, through an ELF file, which says what extensions to know."""
    path = os.path.join(folder, "code.o")
    source = f'.attribute arch, "{ARCH}"\n.incbin "{code}"\n'
    subprocess.run([objdump.replace("objdump", "as"), f"-march={ARCH}", "-o", path], input=source, text=True, check=True)
    subprocess.run([objdump.replace("objdump", "objcopy"), "--strip-symbol=$d", path], check=True)
    text = subprocess.run([objdump, "-D", "-j", ".text", "-M", "no-aliases", "-z", path],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    found = (re.match(r"\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(.*)$", line) for line in text.splitlines())
    return {int(match[1], 16): match[3] for match in found if match}


def pardoned(bits, ours, theirs):
    """Differences that are no errors of ours, each for a reason."""
    if bits & 0x607f == 0xf and theirs.startswith((".4byte", "pause", "fence.tso")):
        return True  # fences: fields that the manual wants ignored, and names for two of its forms
    if ours.startswith(".4byte") and "unknown" in theirs:
        return True  # reserved rounding modes are illegal
    if bits == 0x6101 and theirs == "addi sp,sp,0":
        return True  # c.addi16sp by 0 is reserved
    if ours.startswith("czero") and theirs.startswith(".4byte"):
        return True  # Zicond is younger than this objdump
    if ours.startswith("csrr"):  # CSRs have names there
        return ours.split(",")[::2] == theirs.split(",")[::2] and bits >> 20 == int(ours.split(",")[1])
    if re.match(r"fcvt\.d\.(s|w|wu) ", ours):  # exact: objdump knows no rounding mode but 0
        return theirs.startswith(".4byte") or re.sub(",rne$", "", ours) == theirs
    return False


def compare(bits, ok, ours, theirs):
    """What is wrong, or None."""
    theirs, ours = expand(normal(theirs or "")), normal(ours)
    if ours == theirs or (not ok and re.match(r"\.(2|4)byte|c\.unimp", theirs)) or pardoned(bits, ours, theirs):
        return None
    return f"{ours!r}, objdump {theirs!r}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if not os.path.exists(sys.argv[2]):
        print("skipped: there is no riscv64-linux-gnu-objdump (package binutils-riscv64-linux-gnu)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        code = os.path.join(folder, "code")
        ours = subprocess.run([sys.argv[1], code], stdout=subprocess.PIPE, text=True, check=True).stdout
        judged = disassemble(sys.argv[2], code, folder)
    bad = compared = 0
    for line in ours.splitlines():
        pc, bits, status, text = line.split("\t", 3)
        verdict = compare(int(bits, 16), status == "0", text, judged.get(int(pc, 16)))
        compared += 1
        bad += verdict is not None
        if verdict and bad <= 40:
            print(f"{bits}: {verdict}")
    print(f"{compared} instructions, {bad} differ")
    sys.exit(1 if bad or compared < 60000 else 0)


main()
