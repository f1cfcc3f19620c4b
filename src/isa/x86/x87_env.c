/*
 * The x87 environment in its four memory formats, and the full tag word that only it shows.
 * [SDM 1 8.1.7, 8.1.10]
 *
 * FCS and FDS are stored as zero, as on CPUs that have deprecated them (CPUID.7.0:EBX[13]).
 */
#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* The tag of a register's content: 80 bits, exponent in the upper two bytes. */
static unsigned content_tag(const uint8_t *st)
{
    uint64_t mant;
    uint16_t exp;

    memcpy(&mant, st, 8);
    memcpy(&exp, st + 8, 2);
    exp &= 0x7fff;
    if (!exp && !mant)
        return TAG_ZERO;
    if (!exp || exp == 0x7fff || !(mant >> 63))
        return TAG_SPECIAL;
    return TAG_VALID;
}

/* The image holds one bit a physical register, and contents by stack position. */
static uint16_t full_tags(const struct x86_cpu *c)
{
    unsigned top = xs_fsw(c) >> FSW_TOP_SHIFT & 7, tags = 0;

    for (unsigned phys = 0; phys < 8; phys++) {
        unsigned tag = TAG_EMPTY;
        if (xs_ftw(c) >> phys & 1)
            tag = content_tag(c->xsave + XS_ST + 16 * ((phys - top) & 7));
        tags |= tag << (2 * phys);
    }
    return (uint16_t)tags;
}

static uint8_t abridged_tags(uint16_t full)
{
    unsigned tags = 0;
    for (unsigned phys = 0; phys < 8; phys++)
        if ((full >> (2 * phys) & 3) != TAG_EMPTY)
            tags |= 1u << phys;
    return (uint8_t)tags;
}

/* The seven fields, whatever the width; reserved upper halves read as ones. */
static void env_fields(const struct x86_cpu *c, enum x87_layout layout, uint32_t f[7])
{
    uint32_t fip = (uint32_t)xs_fip(c), fdp = (uint32_t)xs_fdp(c), fop = xs_fop(c) & FOP_BITS;

    f[0] = 0xffff0000 | xs_fcw(c);
    f[1] = 0xffff0000 | xs_fsw(c);
    f[2] = 0xffff0000 | full_tags(c);
    f[3] = fip;
    f[5] = fdp;
    switch (layout) {
    case X87_PROT32:
        f[4] = fop << 16;
        f[6] = 0xffff0000;
        break;
    case X87_PROT16:
        f[4] = f[6] = 0;
        break;
    case X87_REAL32:
        f[3] = 0xffff0000 | (fip & 0xffff);
        f[4] = (fip >> 16) << 12 | fop;
        f[5] = 0xffff0000 | (fdp & 0xffff);
        f[6] = (fdp >> 16) << 12;
        break;
    case X87_REAL16:
        f[4] = (fip >> 16 & 15) << 12 | fop;
        f[6] = (fdp >> 16 & 15) << 12;
        break;
    }
}

unsigned x87_env_store(const struct x86_cpu *c, enum x87_layout layout, uint8_t *p)
{
    unsigned width = x87_env_size(layout) / 7;
    uint32_t f[7];

    env_fields(c, layout, f);
    for (unsigned i = 0; i < 7; i++)
        memcpy(p + width * i, &f[i], width);
    return 7 * width;
}

static void load_pointers(struct x86_cpu *c, enum x87_layout layout, const uint32_t f[7])
{
    uint32_t fip = f[3], fdp = f[5], fop = 0;

    switch (layout) {
    case X87_PROT32:
        fop = f[4] >> 16;
        break;
    case X87_PROT16:
        break;
    case X87_REAL32:
        fip = (f[3] & 0xffff) | (f[4] >> 12 & 0xffff) << 16;
        fdp = (f[5] & 0xffff) | (f[6] >> 12 & 0xffff) << 16;
        fop = f[4];
        break;
    case X87_REAL16:
        fip = f[3] | (f[4] >> 12 & 15) << 16;
        fdp = f[5] | (f[6] >> 12 & 15) << 16;
        fop = f[4];
        break;
    }
    xs_set_fip(c, fip);
    xs_set_fdp(c, fdp);
    xs_set_fop(c, fop & FOP_BITS);
}

void x87_env_load(struct x86_cpu *c, enum x87_layout layout, const uint8_t *p)
{
    unsigned width = x87_env_size(layout) / 7;
    uint32_t f[7] = {0};

    for (unsigned i = 0; i < 7; i++)
        memcpy(&f[i], p + width * i, width);
    xs_set_fcw(c, x87_valid_fcw((uint16_t)f[0]));
    x87_set_top(c, f[1] >> FSW_TOP_SHIFT & 7);
    xs_set_fsw(c, x87_summary(xs_fcw(c), (uint16_t)f[1]));
    xs_set_ftw(c, abridged_tags((uint16_t)f[2]));
    load_pointers(c, layout, f);
}
