/*
 * The x86 decoder: prefixes and opcode. First station of an instruction after its bytes are fetched;
 * the result goes to the interpreter's handlers or a translator.
 *
 * 1. Legacy prefixes in any order, REX only directly before the opcode [SDM 2A 2.1.1, 2.2.1].
 * 2. Escapes or a VEX prefix choose a map, the mandatory prefix a column of it, and ModRM fields,
 *    REX.W and the mode one form of an opcode group. Every form is a line of the tables.
 * 3. ModRM, SIB, displacement, operands (decode_modrm.c, decode_operand.c).
 */
#include "isa/x86/decoder.h"

enum prefix_kind {
    PK_NONE,
    PK_SEG_LEGACY, /* ES CS SS DS: without effect in 64-bit mode */
    PK_SEG,        /* FS GS */
    PK_OPSIZE,
    PK_ADDRSIZE,
    PK_LOCK,
    PK_REPNE,
    PK_REP,
    PK_REX, /* in 64-bit mode only */
};

static const uint8_t prefix_table[256] = {
    [0x26] = PK_SEG_LEGACY, [0x2e] = PK_SEG_LEGACY, [0x36] = PK_SEG_LEGACY, [0x3e] = PK_SEG_LEGACY,
    [0x40 ... 0x4f] = PK_REX, [0x64] = PK_SEG,     [0x65] = PK_SEG,   [0x66] = PK_OPSIZE,
    [0x67] = PK_ADDRSIZE,     [0xf0] = PK_LOCK,    [0xf2] = PK_REPNE, [0xf3] = PK_REP,
};

static void set_segment_override(struct x86_insn *in, uint8_t byte)
{
    in->prefixes |= X86_P_SEG;
    in->seg = byte >= 0x64 ? byte - 0x64 + X86_SEG_FS : byte >> 3 & 3;
}

static void apply_prefix(struct decoder *d, enum prefix_kind kind, uint8_t byte)
{
    struct x86_insn *in = d->in;

    switch (kind) {
    case PK_SEG_LEGACY:
        if (!d->m64)
            set_segment_override(in, byte);
        break;
    case PK_SEG:
        set_segment_override(in, byte);
        break;
    case PK_OPSIZE:
        in->prefixes |= X86_P_OPSIZE;
        break;
    case PK_ADDRSIZE:
        in->prefixes |= X86_P_ADDRSIZE;
        break;
    case PK_LOCK:
        in->prefixes |= X86_P_LOCK;
        break;
    case PK_REPNE:
        in->prefixes = (in->prefixes & ~X86_P_REP) | X86_P_REPNE;
        break;
    default:
        in->prefixes = (in->prefixes & ~X86_P_REPNE) | X86_P_REP;
        break;
    }
}

/* Reads all prefixes but VEX; returns the first byte after them. */
static uint8_t decode_prefixes(struct decoder *d)
{
    struct x86_insn *in = d->in;
    uint8_t rex = 0;

    for (;;) {
        uint8_t byte = fetch8(d);
        enum prefix_kind kind = prefix_table[byte];

        if (kind == PK_NONE || (kind == PK_REX && !d->m64)) {
            if (rex) {
                in->rex = rex;
                in->prefixes |= X86_P_REX;
            }
            d->w = rex >> 3 & 1;
            d->r = (rex & 4) << 1;
            d->x = (rex & 2) << 2;
            d->b = (rex & 1) << 3;
            return byte;
        }
        /* A REX that anything but the opcode follows is ignored. */
        rex = 0;
        if (kind == PK_REX)
            rex = byte;
        else
            apply_prefix(d, kind, byte);
    }
}

/* F3 and F2 take precedence over 66 as mandatory prefixes. */
static unsigned prefix_column(const struct x86_insn *in)
{
    if (in->prefixes & X86_P_REP)
        return PFX_F3;
    if (in->prefixes & X86_P_REPNE)
        return PFX_F2;
    return in->prefixes & X86_P_OPSIZE ? PFX_66 : PFX_NONE;
}

static const struct x86_opdesc *lookup_escaped(struct decoder *d)
{
    struct x86_insn *in = d->in;
    unsigned column = prefix_column(in);

    in->opcode_off = offset(d);
    in->opcode = fetch8(d);
    if (in->opcode != 0x38 && in->opcode != 0x3a) {
        in->map = 1;
        return &x86_map_0f[in->opcode][column];
    }
    in->map = in->opcode == 0x38 ? 2 : 3;
    in->opcode_off = offset(d);
    in->opcode = fetch8(d);
    return in->map == 2 ? &x86_map_0f38[in->opcode][column] : &x86_map_0f3a[in->opcode][column];
}

/* The third VEX byte, or the second of the short form: W vvvv L pp [SDM 2A 2.3.5]. */
static void decode_vex_tail(struct decoder *d, uint8_t byte)
{
    struct x86_insn *in = d->in;

    in->vex_vvvv = (~byte >> 3 & 15) & (d->m64 ? 15 : 7);
    in->vex_l = byte >> 2 & 1;
    in->vex_pp = byte & 3;
    in->vex_w = d->w;
    in->rex = (uint8_t)(0x40 | d->w << 3 | d->r >> 1 | d->x >> 2 | d->b >> 3);
}

/* VEX replaces the prefixes that it encodes and excludes them. NULL: #UD. */
static const struct x86_opdesc *lookup_vex(struct decoder *d, uint8_t lead)
{
    const unsigned excluded = X86_P_LOCK | X86_P_REP | X86_P_REPNE | X86_P_OPSIZE | X86_P_REX;
    struct x86_insn *in = d->in;
    uint8_t byte = fetch8(d), map = 1;

    if (in->prefixes & excluded)
        return NULL;
    in->prefixes |= X86_P_VEX;
    d->r = (~byte >> 4) & 8;
    if (lead == 0xc4) {
        map = byte & 31;
        d->x = (~byte >> 3) & 8;
        d->b = d->m64 ? (~byte >> 2) & 8 : 0;
        byte = fetch8(d);
        d->w = byte >> 7;
    }
    decode_vex_tail(d, byte);
    in->map = map;
    in->opcode_off = offset(d);
    in->opcode = fetch8(d);
    switch (map) {
    case 1:
        return &x86_map_vex_0f[in->opcode][in->vex_pp];
    case 2:
        return &x86_map_vex_0f38[in->opcode][in->vex_pp];
    case 3:
        return &x86_map_vex_0f3a[in->opcode][in->vex_pp];
    default:
        return NULL;
    }
}

/* Outside 64-bit mode C4 and C5 are LES and LDS, which have no register form. */
static bool is_vex(const struct decoder *d, uint8_t byte)
{
    if ((byte & 0xfe) != 0xc4)
        return false;
    return d->m64 || (d->pos < d->end && (*d->pos & 0xc0) == 0xc0);
}

static const struct x86_opdesc *lookup(struct decoder *d, uint8_t byte)
{
    struct x86_insn *in = d->in;

    in->escape_off = (uint8_t)(offset(d) - 1);
    if (byte == 0x0f)
        return lookup_escaped(d);
    if (is_vex(d, byte))
        return lookup_vex(d, byte);
    in->opcode_off = in->escape_off;
    in->opcode = byte;
    return &x86_map_1[byte];
}

static unsigned select_index(struct decoder *d, enum op_select how)
{
    switch (how) {
    case SEL_REP:
        return prefix_column(d->in);
    case SEL_64:
        return d->m64;
    case SEL_W:
        return d->w;
    case SEL_L:
        return d->in->vex_l;
    case SEL_REXB:
        return d->b >> 3;
    default:
        break;
    }
    need_modrm(d);
    switch (how) {
    case SEL_REG:
        return modrm_reg(d);
    case SEL_MOD:
        return modrm_mod(d) == 3;
    case SEL_RM:
        return modrm_rm(d);
    default: /* SEL_X87 */
        return modrm_mod(d) == 3 ? 8 + (d->in->modrm & 63u) : modrm_reg(d);
    }
}

/* What the prefixes and the mode forbid for the form. */
static bool form_is_valid(const struct decoder *d)
{
    const struct x86_insn *in = d->in;
    uint32_t flags = d->desc->flags;

    if (d->desc->iclass == X86_I_INVALID || (flags & (d->m64 ? X86_F_I64 : X86_F_O64)))
        return false;
    if (!(in->prefixes & X86_P_VEX))
        return true;
    if ((flags & X86_F_L0 && in->vex_l) || (flags & X86_F_L1 && !in->vex_l))
        return false;
    if ((flags & X86_F_W0 && in->vex_w) || (flags & X86_F_W1 && !in->vex_w))
        return false;
    return (flags & X86_F_VVVV) || in->vex_vvvv == 0;
}

/* [SDM 2A table 2-2 and 2.2.1.2] */
static unsigned operand_size(const struct decoder *d, uint32_t flags)
{
    bool toggled = (d->in->prefixes & X86_P_OPSIZE) && !(flags & X86_F_MP66);

    if (d->in->prefixes & X86_P_VEX)
        return d->m64 && d->w ? 8 : 4;
    if (!d->m64)
        return (d->in->mode == X86_MODE_32) != toggled ? 4 : 2;
    if (d->w || (flags & X86_F_F64))
        return 8;
    if (toggled)
        return 2;
    return flags & X86_F_D64 ? 8 : 4;
}

static unsigned address_size(const struct decoder *d)
{
    bool toggled = d->in->prefixes & X86_P_ADDRSIZE;

    if (d->m64)
        return toggled ? 4 : 8;
    return (d->in->mode == X86_MODE_32) != toggled ? 4 : 2;
}

static void set_sizes(struct decoder *d, uint32_t flags)
{
    struct x86_insn *in = d->in;
    unsigned opsize = operand_size(d, flags);

    d->size_ctx = (uint8_t)((opsize >> 2) + 3 * in->vex_l + (d->m64 ? 6 : 0));
    in->opsize = flags & X86_F_BYTE ? 1 : (uint8_t)opsize;
    in->addrsize = (uint8_t)address_size(d);
}

/* ModRM and memory operand of the form; false if it excludes the mod that is there. */
static bool decode_modrm(struct decoder *d)
{
    uint32_t flags = d->desc->flags;

    if (!(flags & X86_F_MODRM))
        return true;
    need_modrm(d);
    if (rm_is_reg(d))
        return !(flags & X86_F_MEMONLY);
    if (flags & X86_F_REGONLY)
        return false;
    x86_decode_memory(d);
    return true;
}

static bool lock_is_valid(const struct x86_insn *in)
{
    if (!(in->prefixes & X86_P_LOCK))
        return true;
    return (in->desc->flags & X86_F_LOCKABLE) && in->mem == 0;
}

/* Everything after the prefixes; false is #UD. */
static bool decode_body(struct decoder *d, uint8_t byte)
{
    const struct x86_opdesc *desc = lookup(d, byte);
    uint32_t inherited = 0;

    if (!desc)
        return false;
    while (desc->select != SEL_NONE) {
        inherited |= desc->flags;
        desc = &desc->sub[select_index(d, desc->select)];
    }
    d->desc = d->in->desc = desc;
    if (!form_is_valid(d))
        return false;
    set_sizes(d, desc->flags | inherited);
    return decode_modrm(d) && x86_decode_operands(d) && lock_is_valid(d->in);
}

int x86_decode(struct x86_insn *out, const uint8_t *bytes, size_t avail, enum x86_mode mode)
{
    struct decoder d = {
        .start = bytes,
        .pos = bytes,
        .end = bytes + (avail < X86_MAX_LEN ? avail : X86_MAX_LEN),
        .in = out,
        .m64 = mode == X86_MODE_64,
    };
    bool valid;

    memset(out, 0, sizeof(*out));
    out->mode = (uint8_t)mode;
    out->seg = X86_SEG_DS;
    out->base = out->index = X86_REG_NONE;
    out->mem = X86_MEM_NONE;
    valid = decode_body(&d, decode_prefixes(&d));
    if (d.over)
        return avail < X86_MAX_LEN ? -X86_D_SHORT : -X86_D_GP;
    if (!valid)
        return -X86_D_UD;
    out->iclass = d.desc->iclass;
    out->len = offset(&d);
    return 0;
}
