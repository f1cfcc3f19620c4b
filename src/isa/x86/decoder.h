/*
 * The decoder's working state, shared by its three stages: prefixes and opcode (decode.c), memory
 * operand (decode_modrm.h), operands (decode_operand.h). Internal to them.
 *
 * The stages are one translation unit and this struct a local of x86_decode() whose address goes
 * nowhere, so it lives in registers; struct x86_insn is only written. Bytes are read without a
 * check each: X86_READABLE of them may be, and the length is compared with what there was in the
 * end.
 */
#ifndef ISA_X86_DECODER_H
#define ISA_X86_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "isa/x86/decode.h"
#include "isa/x86/opcode.h"

enum {
    X86_MAX_LEN = 15,
    /* 16 prefixes and opcode, 2 escapes, ModRM, SIB, displacement, immediate, and a read of 8 */
    X86_READABLE = 48,
};

/* Part of x86_decode(), whatever the compiler thinks of its size. */
#define HOT static inline __attribute__((always_inline))

struct decoder {
    const uint8_t *start, *pos;
    struct x86_insn *in;
    const struct x86_opdesc *desc;
    uint32_t prefixes;
    uint32_t excluded; /* form flags that mode, VEX.L and VEX.W exclude */
    bool m64;          /* 64-bit mode */
    bool peeked;       /* ModRM was looked at to select a form */
    bool rm_is_mem;    /* ModRM.rm is a memory operand */
    bool has_sib;
    /* Numbers of a byte, held in words for speed. */
    unsigned size_row; /* of the operand and address size tables: 0, 1, 2 = 16, 32, 64 */
    unsigned size_ctx; /* column of the operand type table */
    unsigned addrsize;
    unsigned rex;         /* as written, or made of VEX's bits; 0: none */
    unsigned vex_l, vvvv; /* vvvv: as register number */
    unsigned opcode, modrm;
    unsigned seg, index, mem;
};

HOT unsigned fetch8(struct decoder *d)
{
    return *d->pos++;
}

/* `size` little-endian bytes, 1 to 8. */
HOT uint64_t fetch_unsigned(struct decoder *d, unsigned size)
{
    unsigned shift = -8 * size & 63;
    uint64_t v;

    memcpy(&v, d->pos, 8);
    d->pos += size;
    return v << shift >> shift;
}

HOT int64_t fetch_signed(struct decoder *d, unsigned size)
{
    unsigned shift = -8 * size & 63;
    uint64_t v;

    memcpy(&v, d->pos, 8);
    d->pos += size;
    return (int64_t)(v << shift) >> shift;
}

/* Register extensions: 0 or 8. */
HOT unsigned rex_r(const struct decoder *d)
{
    return d->rex << 1 & 8;
}

HOT unsigned rex_x(const struct decoder *d)
{
    return d->rex << 2 & 8;
}

HOT unsigned rex_b(const struct decoder *d)
{
    return d->rex << 3 & 8;
}

HOT unsigned rex_w(const struct decoder *d)
{
    return d->rex >> 3 & 1;
}

HOT unsigned offset(const struct decoder *d)
{
    return (unsigned)(d->pos - d->start);
}

HOT unsigned modrm_mod(const struct decoder *d)
{
    return d->modrm >> 6;
}

HOT unsigned modrm_reg(const struct decoder *d)
{
    return d->modrm >> 3 & 7;
}

HOT unsigned modrm_rm(const struct decoder *d)
{
    return d->modrm & 7;
}

#endif
