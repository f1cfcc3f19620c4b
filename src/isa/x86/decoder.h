/*
 * The decoder's working state, shared by its three stages: prefixes and opcode (decode.c), ModRM and
 * memory operand (decode_modrm.c), operands (decode_operand.c). Internal to them.
 *
 * Bytes are fetched with a sticky overrun mark instead of a check a byte: past the end every fetch
 * gives 0 and sets `over`, which is looked at wherever decoding can end.
 */
#ifndef ISA_X86_DECODER_H
#define ISA_X86_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa/x86/decode.h"
#include "isa/x86/opcode.h"

enum { X86_MAX_LEN = 15 };

struct decoder {
    const uint8_t *start, *pos, *end; /* end: at most 15 bytes after start */
    struct x86_insn *in;
    const struct x86_opdesc *desc;
    bool over;             /* wanted a byte beyond end */
    bool m64;              /* 64-bit mode */
    uint8_t r, x, b;       /* 0 or 8: register extensions of REX or VEX */
    uint8_t w;             /* 0 or 1: REX.W or VEX.W */
    uint8_t size_ctx;      /* column of the operand size table */
};

static inline uint8_t fetch8(struct decoder *d)
{
    if (d->pos < d->end)
        return *d->pos++;
    d->over = true;
    return 0;
}

/* `size` little-endian bytes, zero-extended; size is 1, 2, 4 or 8. */
static inline uint64_t fetch_le(struct decoder *d, unsigned size)
{
    uint64_t v = 0;

    if ((size_t)(d->end - d->pos) < size) {
        d->over = true;
        d->pos = d->end;
        return 0;
    }
    switch (size) {
    case 1:
        v = *d->pos;
        break;
    case 2:
        v = (uint64_t)d->pos[0] | (uint64_t)d->pos[1] << 8;
        break;
    case 4: {
        uint32_t v32;
        memcpy(&v32, d->pos, 4);
        v = v32;
        break;
    }
    default:
        memcpy(&v, d->pos, 8);
        break;
    }
    d->pos += size;
    return v;
}

static inline int64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(v << shift) >> shift;
}

static inline uint8_t offset(const struct decoder *d)
{
    return (uint8_t)(d->pos - d->start);
}

static inline unsigned modrm_mod(const struct decoder *d)
{
    return d->in->modrm >> 6;
}

static inline unsigned modrm_reg(const struct decoder *d)
{
    return d->in->modrm >> 3 & 7;
}

static inline unsigned modrm_rm(const struct decoder *d)
{
    return d->in->modrm & 7;
}

static inline bool rm_is_reg(const struct decoder *d)
{
    return modrm_mod(d) == 3 || (d->desc->flags & X86_F_MODRM_REG);
}

/* Fetches the ModRM byte unless it is there already. */
static inline void need_modrm(struct decoder *d)
{
    if (d->in->has_modrm)
        return;
    d->in->modrm_off = offset(d);
    d->in->modrm = fetch8(d);
    d->in->has_modrm = true;
}

/* Decodes the memory operand that ModRM says: SIB, displacement, base, index, scale, segment. */
void x86_decode_memory(struct decoder *d);

/* Decodes the operands of d->desc. False: a combination that is #UD. */
bool x86_decode_operands(struct decoder *d);

#endif
