/*
 * From bits to a riscv_insn: the generated decision tree over insn32.pat and insn16.pat.
 */
#include <stdbool.h>
#include <string.h>

#include "isa/riscv/insn.h"

#include "isa/riscv/decode_gen.inc"

int riscv_decode(struct riscv_insn *in, uint32_t bits)
{
    memset(in, 0, sizeof(*in));
    in->len = (uint8_t)riscv_insn_len((uint16_t)bits);
    in->raw = in->len == 2 ? bits & 0xffff : bits;
    bool ok = in->len == 2 ? decode16(in, in->raw) : decode32(in, in->raw);
    if (ok)
        return 0;
    in->op = RISCV_OP_ILLEGAL;
    return -1;
}
