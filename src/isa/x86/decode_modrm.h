/*
 * ModRM addressing forms [SDM 2A 2.1.5, 2.2.1]: second stage of the decoder. Written as selections
 * rather than branches: no branch predictor knows the next instruction's addressing form.
 */
#ifndef ISA_X86_DECODE_MODRM_H
#define ISA_X86_DECODE_MODRM_H

#include "isa/x86/decoder.h"

HOT void decode_disp(struct decoder *d, unsigned size)
{
    unsigned present = size != 0;

    d->in->disp_off = offset(d) & -present;
    d->in->disp_size = (uint8_t)size;
    d->in->disp = fetch_signed(d, size) & -(int64_t)present;
}

/* SS is the default segment of addresses based on rSP or rBP, DS of all others [SDM 1 3.7.4]. */
HOT void default_segment(struct decoder *d, bool stack)
{
    /* SS and DS are neighbours. */
    d->seg -= stack & !(d->prefixes & X86_P_SEG);
}

HOT void decode_memory16(struct decoder *d)
{
    enum { NONE = X86_REG_NONE };
    /* [SDM 2A table 2-1], by rm */
    static const uint8_t base[8] = {3, 3, 5, 5, 6, 7, 5, 3};
    static const uint8_t index[8] = {6, 7, 6, 7, NONE, NONE, NONE, NONE};
    unsigned mod = modrm_mod(d), rm = modrm_rm(d);

    if (mod == 0 && rm == 6) {
        decode_disp(d, 2);
        return;
    }
    d->in->base = base[rm];
    d->in->index = index[rm];
    default_segment(d, base[rm] == 5);
    decode_disp(d, mod);
}

HOT void decode_memory32(struct decoder *d)
{
    static const uint8_t disp_size[4] = {0, 1, 4, 0};
    unsigned mod = modrm_mod(d), rm = modrm_rm(d), index, base;
    bool sib = rm == 4, no_base, has_index;
    uint8_t byte = *d->pos & -sib;

    d->pos += sib;
    d->has_sib = sib;
    d->in->sib = byte;
    d->in->scale = byte >> 6;
    index = (byte >> 3 & 7u) | rex_x(d);
    has_index = sib & ((index != 4) | !!(d->desc->flags & X86_F_VSIB));
    d->index = (uint8_t)(has_index ? index : X86_REG_NONE);
    d->in->index = d->index;

    base = sib ? byte & 7u : rm;
    no_base = (base == 5) & (mod == 0);
    base |= rex_b(d);
    default_segment(d, ((base | 1) == 5) & !no_base);
    base = no_base ? (unsigned)X86_REG_NONE - (!sib & d->m64) : base; /* NONE or RIP */
    d->in->base = (uint8_t)base;
    decode_disp(d, disp_size[mod] + 4u * no_base);
}

/* The memory operand that ModRM says: SIB, displacement, base, index, scale, segment. */
HOT void decode_memory(struct decoder *d)
{
    if (d->addrsize == 2)
        decode_memory16(d);
    else
        decode_memory32(d);
}

#endif
