/*
 * x86_decode() on any bytes: it must not touch memory beyond them, and what it returns must be
 * consistent in itself, stable when more bytes follow, and SHORT when one is missing. The first
 * byte chooses the mode.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "isa/x86/decode.h"

/* Only our own inconsistency gets here, and a fuzzer wants to see it die. */
static void must(bool condition)
{
    if (!condition)
        abort();
}

static void operand_is_consistent(const struct x86_insn *in, unsigned i)
{
    const struct x86_operand *op = &in->op[i];

    switch (op->kind) {
    case X86_OP_GPR:
        must(op->reg < 16 || (op->reg < 20 && op->size == 1 && !(in->prefixes & X86_P_REX)));
        must(op->size == 1 || op->size == 2 || op->size == 4 || op->size == 8);
        break;
    case X86_OP_MEM:
        must(in->mem == i);
        break;
    case X86_OP_IMM:
    case X86_OP_REL:
    case X86_OP_FAR:
        must(in->desc->op[i] != 0);
        break;
    case X86_OP_SEG:
        must(op->reg <= X86_SEG_GS);
        break;
    case X86_OP_XMM:
    case X86_OP_YMM:
    case X86_OP_CR:
        must(op->reg < 16);
        break;
    case X86_OP_MMX:
    case X86_OP_ST:
    case X86_OP_DR:
        must(op->reg < 8);
        break;
    default:
        must(false);
    }
}

static void insn_is_consistent(const struct x86_insn *in, size_t avail)
{
    must(in->len >= 1 && in->len <= 15 && in->len <= avail);
    must(in->iclass > X86_I_INVALID && in->iclass < X86_I_COUNT);
    must(in->desc && in->desc->iclass == in->iclass && in->desc->select == 0);
    must(in->desc->feature < X86_FEAT_COUNT && in->map <= 3 && in->nops <= 4);
    must(!(in->desc->flags_write & in->desc->flags_undef));
    must(in->seg <= X86_SEG_GS && in->scale <= 3);
    must(in->escape_off <= in->opcode_off && in->opcode_off < in->len);
    must(in->base <= X86_REG_NONE && (in->index < 16 || in->index == X86_REG_NONE));
    must(!in->has_modrm || in->modrm_off == in->opcode_off + 1);
    must(in->disp_off + in->disp_size <= in->len && in->imm_off + in->imm_size <= in->len);
    must(in->imm_size == 0 || in->imm_off + in->imm_size == in->len);
    must(!x86_is_mem(in) || in->op[in->mem].kind == X86_OP_MEM);
    must(!(in->prefixes & X86_P_LOCK) || in->mem == 0);
    for (unsigned i = 0; i < in->nops; i++)
        operand_is_consistent(in, i);
}

/* Decodes from a block of exactly `avail` bytes, so that a sanitizer sees one too far. */
static int decode_exact(struct x86_insn *in, const uint8_t *bytes, size_t avail, enum x86_mode mode)
{
    uint8_t *copy = malloc(avail + (avail == 0));
    int r;

    must(copy != NULL);
    memcpy(copy, bytes, avail);
    r = x86_decode(in, copy, avail, mode);
    free(copy);
    return r;
}

static void prefixes_are_short(const struct x86_insn *in, const uint8_t *bytes)
{
    struct x86_insn part;

    for (size_t n = 0; n < in->len; n++)
        must(decode_exact(&part, bytes, n, in->mode) == -X86_D_SHORT);
    must(decode_exact(&part, bytes, in->len, in->mode) == 0);
    must(memcmp(&part, in, sizeof(part)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum x86_mode modes[4] = {X86_MODE_64, X86_MODE_32, X86_MODE_16, X86_MODE_64};
    enum x86_mode mode = size ? modes[data[0] & 3] : X86_MODE_64;
    struct x86_insn in;

    for (size_t at = 1; at < size;) {
        int r = x86_decode(&in, data + at, size - at, mode);

        must(r == 0 || r == -X86_D_SHORT || r == -X86_D_UD || r == -X86_D_GP);
        must(r != -X86_D_SHORT || size - at < 15);
        must(r != -X86_D_GP || size - at >= 15);
        if (r == 0) {
            insn_is_consistent(&in, size - at);
            prefixes_are_short(&in, data + at);
        }
        at += r == 0 ? in.len : 1;
    }
    return 0;
}
