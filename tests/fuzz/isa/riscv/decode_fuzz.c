/*
 * riscv_decode() and riscv_disasm() on any bits: what they return must be consistent in itself, and
 * not depend on bits behind the instruction.
 */
#include <stdlib.h>
#include <string.h>

#include "isa/riscv/disasm.h"
#include "isa/riscv/op_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void one(uint32_t bits)
{
    struct riscv_insn in, again;
    char text[64], cut[8];
    int r = riscv_decode(&in, bits);
    must((r == 0) == (in.op != RISCV_OP_ILLEGAL));
    must(in.op < RISCV_OPS && riscv_op_info[in.op].name != NULL);
    must(in.len == riscv_insn_len((uint16_t)bits));
    must(in.rd < 32 && in.rs1 < 32 && in.rs2 < 32 && in.rs3 < 32 && in.rm < 8 && in.csr < 4096);
    if (in.len == 2) {
        riscv_decode(&again, bits ^ 0xffff0000);
        must(memcmp(&in, &again, sizeof(in)) == 0);
    }
    riscv_disasm(text, sizeof(text), &in, bits);
    riscv_disasm(cut, sizeof(cut), &in, bits);
    must(strlen(text) < sizeof(text) - 1 && strncmp(text, cut, strlen(cut)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i += 2) {
        uint32_t bits;
        memcpy(&bits, data + i, sizeof(bits));
        one(bits);
    }
    return 0;
}
