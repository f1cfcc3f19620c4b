/*
 * ModRM addressing forms [SDM 2A 2.1.5, 2.2.1]: second stage of the decoder.
 */
#include "isa/x86/decoder.h"

static void fetch_disp(struct decoder *d, unsigned size)
{
    struct x86_insn *in = d->in;

    in->disp_off = offset(d);
    in->disp_size = (uint8_t)size;
    in->disp = sign_extend(fetch_le(d, size), size);
}

/* SS is the default segment of addresses based on rSP or rBP, DS of all others [SDM 1 3.7.4]. */
static void default_to_ss(struct x86_insn *in)
{
    if (!(in->prefixes & X86_P_SEG))
        in->seg = X86_SEG_SS;
}

static void decode_memory16(struct decoder *d)
{
    /* [SDM 2A table 2-1], by rm */
    static const struct {
        uint8_t base, index, seg_ss;
    } form[8] = {
        {3, 6, 0}, {3, 7, 0}, {5, 6, 1}, {5, 7, 1},
        {6, X86_REG_NONE, 0}, {7, X86_REG_NONE, 0}, {5, X86_REG_NONE, 1}, {3, X86_REG_NONE, 0},
    };
    struct x86_insn *in = d->in;
    unsigned mod = modrm_mod(d), rm = modrm_rm(d);

    if (mod == 0 && rm == 6) {
        fetch_disp(d, 2);
        return;
    }
    in->base = form[rm].base;
    in->index = form[rm].index;
    if (form[rm].seg_ss)
        default_to_ss(in);
    if (mod != 0)
        fetch_disp(d, mod);
}

/* True if the SIB byte has no base, so that a 32-bit displacement follows whatever mod says. */
static bool decode_sib(struct decoder *d)
{
    struct x86_insn *in = d->in;
    uint8_t index, base;

    in->has_sib = true;
    in->sib = fetch8(d);
    index = (uint8_t)((in->sib >> 3 & 7) | d->x);
    base = in->sib & 7;
    in->scale = in->sib >> 6;
    if (index != 4 || (d->desc->flags & X86_F_VSIB))
        in->index = index;
    if (base == 5 && modrm_mod(d) == 0)
        return true;
    in->base = base | d->b;
    return false;
}

static void decode_memory32(struct decoder *d)
{
    struct x86_insn *in = d->in;
    unsigned mod = modrm_mod(d), rm = modrm_rm(d);
    bool disp32 = mod == 2;

    if (rm == 4) {
        disp32 |= decode_sib(d);
    } else if (rm == 5 && mod == 0) {
        disp32 = true;
        if (d->m64)
            in->base = X86_REG_RIP;
    } else {
        in->base = (uint8_t)rm | d->b;
    }
    if (in->base == 4 || in->base == 5)
        default_to_ss(in);
    if (disp32)
        fetch_disp(d, 4);
    else if (mod == 1)
        fetch_disp(d, 1);
}

void x86_decode_memory(struct decoder *d)
{
    if (d->in->addrsize == 2)
        decode_memory16(d);
    else
        decode_memory32(d);
}
