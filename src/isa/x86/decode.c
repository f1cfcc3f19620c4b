/*
 * The x86 decoder: prefixes and opcode. First station of an instruction after its bytes are
 * fetched; the result goes to the interpreter's handlers or a translator.
 *
 * 1. Legacy prefixes in any order, REX only directly before the opcode [SDM 2A 2.1.1, 2.2.1].
 * 2. Escapes or a VEX prefix choose a map, the mandatory prefix a column of it, and ModRM fields,
 *    REX.W and the mode one form of an opcode group. Every form is a line of the tables.
 * 3. ModRM, SIB, displacement (decode_modrm.h), operands (decode_operand.h).
 */
#include "isa/x86/decode_modrm.h"
#include "isa/x86/decode_operand.h"

enum prefix_kind {
    PK_NONE,
    PK_SEG_LEGACY, /* ES CS SS DS: without effect in 64-bit mode */
    PK_SEG,        /* FS GS */
    PK_OPSIZE,
    PK_ADDRSIZE,
    PK_LOCK,
    PK_REPNE,
    PK_REP,
    PK_REX,
};

#define LEGACY_PREFIXES                                                                            \
    [0x26] = PK_SEG_LEGACY, [0x2e] = PK_SEG_LEGACY, [0x36] = PK_SEG_LEGACY,                        \
    [0x3e] = PK_SEG_LEGACY, [0x64] = PK_SEG, [0x65] = PK_SEG, [0x66] = PK_OPSIZE,                  \
    [0x67] = PK_ADDRSIZE, [0xf0] = PK_LOCK, [0xf2] = PK_REPNE, [0xf3] = PK_REP
static const uint8_t prefix_table[2][256] = {
    {LEGACY_PREFIXES}, {LEGACY_PREFIXES, [0x40 ... 0x4f] = PK_REX}, /* 64-bit mode */
};

static void set_segment_override(struct decoder *d, uint8_t byte)
{
    d->prefixes |= X86_P_SEG;
    d->seg = byte >= 0x64 ? byte - 0x64 + X86_SEG_FS : byte >> 3 & 3;
}

HOT void apply_prefix(struct decoder *d, enum prefix_kind kind, uint8_t byte)
{
    switch (kind) {
    case PK_SEG_LEGACY:
        if (!d->m64)
            set_segment_override(d, byte);
        break;
    case PK_SEG:
        set_segment_override(d, byte);
        break;
    case PK_OPSIZE:
        d->prefixes |= X86_P_OPSIZE;
        break;
    case PK_ADDRSIZE:
        d->prefixes |= X86_P_ADDRSIZE;
        break;
    case PK_LOCK:
        d->prefixes |= X86_P_LOCK;
        break;
    case PK_REPNE:
        d->prefixes = (d->prefixes & ~X86_P_REP) | X86_P_REPNE;
        break;
    case PK_REP:
        d->prefixes = (d->prefixes & ~X86_P_REPNE) | X86_P_REP;
        break;
    default:
        break;
    }
}

/* Reads prefixes until the opcode; a REX that anything else follows is ignored. */
HOT uint8_t decode_legacy_prefixes(struct decoder *d)
{
    enum prefix_kind kind;
    uint8_t byte;

    for (;;) {
        byte = *d->pos;
        kind = prefix_table[d->m64][byte];
        if (kind == PK_NONE || offset(d) >= X86_MAX_LEN)
            return fetch8(d);
        d->rex = kind == PK_REX ? byte : 0;
        apply_prefix(d, kind, byte);
        d->pos++;
    }
}

/* All prefixes but VEX; returns the first byte after them. Straight for code with none but REX. */
HOT uint8_t decode_prefixes(struct decoder *d)
{
    unsigned is_rex = d->m64 & ((*d->pos & 0xf0) == 0x40);
    uint8_t byte;

    d->rex = *d->pos & -is_rex;
    d->pos += is_rex;
    byte = *d->pos;
    if (unlikely(prefix_table[d->m64][byte] != PK_NONE))
        byte = decode_legacy_prefixes(d);
    else
        d->pos++;
    d->prefixes |= d->rex & X86_P_REX; /* the bit that all REX bytes have */
    return byte;
}

/* F3 and F2 take precedence over 66 as mandatory prefixes. */
HOT unsigned prefix_column(const struct decoder *d)
{
    if (d->prefixes & (X86_P_REP | X86_P_REPNE))
        return d->prefixes & X86_P_REP ? PFX_F3 : PFX_F2;
    return d->prefixes & X86_P_OPSIZE ? PFX_66 : PFX_NONE;
}

static const struct x86_opdesc invalid;

HOT const struct x86_opdesc *lookup_0f(struct decoder *d)
{
    unsigned column = prefix_column(d), map;

    d->opcode = fetch8(d);
    if (d->opcode != 0x38 && d->opcode != 0x3a) {
        d->in->map = 1;
        return &x86_map_0f[d->opcode][column];
    }
    map = d->opcode == 0x38 ? 2 : 3;
    d->in->map = (uint8_t)map;
    d->opcode = fetch8(d);
    return map == 2 ? &x86_map_0f38[d->opcode][column] : &x86_map_0f3a[d->opcode][column];
}

/* The last VEX byte: W or R, vvvv, L, pp [SDM 2A 2.3.5]. Returns pp. */
HOT unsigned decode_vex_tail(struct decoder *d, uint8_t byte)
{
    struct x86_insn *in = d->in;
    unsigned vvvv = ~byte >> 3 & 15;

    /* There are eight registers outside 64-bit mode, where the high bit of vvvv is ignored. */
    d->vvvv = vvvv & (d->m64 ? 15 : 7);
    d->vex_l = byte >> 2 & 1;
    d->excluded |= (d->vex_l ? X86_F_L0 : X86_F_L1) | (rex_w(d) ? X86_F_W0 : X86_F_W1);
    d->excluded |= vvvv ? X86_F_NOVVVV : 0;
    in->vex_vvvv = (uint8_t)d->vvvv;
    in->vex_l = d->vex_l;
    in->vex_w = (uint8_t)rex_w(d);
    in->vex_pp = byte & 3;
    return byte & 3;
}

/* VEX replaces the prefixes that it encodes and excludes them. */
HOT const struct x86_opdesc *lookup_vex(struct decoder *d, uint8_t lead)
{
    const unsigned excluded = X86_P_LOCK | X86_P_REP | X86_P_REPNE | X86_P_OPSIZE | X86_P_REX;
    uint8_t byte = fetch8(d), map = 1;
    unsigned column;

    if (d->prefixes & excluded)
        return &invalid;
    d->prefixes |= X86_P_VEX;
    d->size_row |= d->size_row == 0; /* no 16-bit operands */
    d->rex = 0x40 | (~byte >> 5 & 4);
    if (lead == 0xc4) {
        map = byte & 31;
        d->rex |= ~byte >> 5 & (d->m64 ? 7 : 6);
        byte = fetch8(d);
        d->rex |= byte >> 4 & 8;
    }
    column = decode_vex_tail(d, byte);
    d->in->map = map;
    d->opcode = fetch8(d);
    switch (map) {
    case 1:
        return &x86_map_vex_0f[d->opcode][column];
    case 2:
        return &x86_map_vex_0f38[d->opcode][column];
    case 3:
        return &x86_map_vex_0f3a[d->opcode][column];
    default:
        return &invalid;
    }
}

/* Outside 64-bit mode C4 and C5 are LES and LDS, which have no register form. */
HOT bool is_vex(const struct decoder *d, uint8_t byte)
{
    return (byte & 0xfe) == 0xc4 && (d->m64 || (*d->pos & 0xc0) == 0xc0);
}

HOT const struct x86_opdesc *lookup(struct decoder *d, uint8_t byte)
{
    if (unlikely(byte == 0x0f))
        return lookup_0f(d);
    if (unlikely(is_vex(d, byte)))
        return lookup_vex(d, byte);
    d->opcode = byte;
    return &x86_map_1[byte];
}

HOT unsigned select_index(struct decoder *d, enum op_select how)
{
    uint8_t modrm = *d->pos;

    switch (how) {
    case SEL_REP:
        return prefix_column(d);
    case SEL_64:
        return d->m64;
    case SEL_W:
        return rex_w(d);
    case SEL_W64:
        return rex_w(d) & d->m64;
    case SEL_L:
        return d->vex_l;
    case SEL_REXB:
        return d->rex & 1;
    default:
        break;
    }
    d->peeked = true;
    switch (how) {
    case SEL_REG:
        return modrm >> 3 & 7;
    case SEL_MOD:
        return modrm >= 0xc0;
    case SEL_RM:
        return modrm & 7;
    default: /* SEL_X87 */
        return modrm >= 0xc0 ? 8 + (modrm & 63u) : modrm >> 3 & 7;
    }
}

/* A form without ModRM looks like one with a register. */
HOT void decode_modrm(struct decoder *d)
{
    unsigned len = d->desc->modrm_len;

    d->modrm = *d->pos | d->desc->modrm_or;
    d->rm_is_mem = d->modrm < 0xc0;
    d->in->modrm = *d->pos & -len;
    d->in->modrm_off = offset(d) & -len;
    d->in->has_modrm = len;
    d->pos += len;
}

/* What the mode, VEX and mod exclude. */
HOT bool form_is_valid(const struct decoder *d)
{
    uint32_t excluded = d->excluded | (d->rm_is_mem ? X86_F_REGONLY : X86_F_MEMONLY);

    return (d->desc->iclass != X86_I_INVALID) & !(d->desc->flags & excluded);
}

/* [SDM 2A table 2-2 and 2.2.1.2] by code size, W and 66, class of the form. */
HOT void set_sizes(struct decoder *d)
{
    static const uint8_t opsize_table[3][4][OPSIZE_COUNT] = {
        /* PLAIN, D64, F64, MIN32, MAX32 */
        {{2, 2, 2, 4, 2}, {4, 4, 4, 4, 4}, {2, 2, 2, 4, 2}, {4, 4, 4, 4, 4}},
        {{4, 4, 4, 4, 4}, {2, 2, 2, 4, 2}, {4, 4, 4, 4, 4}, {2, 2, 2, 4, 2}},
        {{4, 8, 8, 4, 4}, {2, 2, 8, 4, 2}, {8, 8, 8, 8, 4}, {8, 8, 8, 8, 4}},
    };
    unsigned column = rex_w(d) << 1 | (d->prefixes & X86_P_OPSIZE ? 1 : 0);
    unsigned opsize = opsize_table[d->size_row][column][d->desc->opsize_class];

    d->size_ctx = opsize >> 2 | d->rm_is_mem << 2 | d->m64 << 3 | d->vex_l << 4;
    d->in->opsize = d->desc->flags & X86_F_BYTE ? 1 : (uint8_t)opsize;
}

HOT unsigned address_size(const struct decoder *d, enum x86_mode mode)
{
    bool toggled = d->prefixes & X86_P_ADDRSIZE;

    if (d->m64)
        return toggled ? 4 : 8;
    return (mode == X86_MODE_32) != toggled ? 4 : 2;
}

HOT bool lock_is_valid(const struct decoder *d)
{
    return !(d->prefixes & X86_P_LOCK) || ((d->desc->flags & X86_F_LOCKABLE) && d->mem == 0);
}

/* Everything after the prefixes; false is #UD. */
HOT bool decode_body(struct decoder *d, uint8_t byte)
{
    d->in->escape_off = (uint8_t)(offset(d) - 1);
    d->desc = lookup(d, byte);
    d->in->opcode_off = (uint8_t)(offset(d) - 1);
    while (unlikely(d->desc->select != SEL_NONE))
        d->desc = &d->desc->sub[select_index(d, d->desc->select)];
    decode_modrm(d);
    if (unlikely(!form_is_valid(d)))
        return false;
    set_sizes(d);
    if (d->rm_is_mem)
        decode_memory(d);
    return decode_operands(d) && lock_is_valid(d);
}

HOT void finish(const struct decoder *d)
{
    struct x86_insn *in = d->in;

    in->desc = d->desc;
    in->iclass = d->desc->iclass;
    in->prefixes = (uint16_t)d->prefixes;
    in->opcode = d->opcode;
    in->addrsize = d->addrsize;
    in->rex = d->rex;
    in->seg = d->seg;
    in->has_sib = d->has_sib;
    in->nops = d->desc->nops;
    in->mem = d->mem;
    in->len = offset(d);
}

/* memset() of this size becomes `rep stos`, which takes longer than all the rest. */
HOT void clear(struct x86_insn *in)
{
    typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));
    pair *p = (pair *)in;

    _Static_assert(sizeof(*in) == 6 * sizeof(pair), "one store each");
    p[0] = p[1] = p[2] = p[3] = p[4] = p[5] = (pair){0, 0};
}

HOT int decode_in_mode(struct x86_insn *out, const uint8_t *bytes, size_t avail, enum x86_mode mode)
{
    struct decoder d = {
        .start = bytes,
        .in = out,
        .m64 = mode == X86_MODE_64,
        .size_row = mode >> 5,
        .excluded = (mode == X86_MODE_64 ? X86_F_I64 : X86_F_O64),
        .seg = X86_SEG_DS,
        .mem = X86_MEM_NONE,
    };
    size_t limit = avail < X86_MAX_LEN ? avail : X86_MAX_LEN;
    uint8_t padded[X86_READABLE];
    uint8_t byte;
    bool valid;

    if (unlikely(avail < X86_READABLE)) {
        memset(padded, 0, sizeof(padded));
        memcpy(padded, bytes, limit);
        d.start = padded;
    }
    d.pos = d.start;
    clear(out);
    out->mode = (uint8_t)mode;
    out->base = out->index = X86_REG_NONE;
    byte = decode_prefixes(&d);
    d.addrsize = address_size(&d, mode);
    valid = decode_body(&d, byte);
    finish(&d);
    if (valid && out->len <= limit)
        return 0;
    /* A ModRM byte that decided about validity is needed, too. */
    if (out->len + (size_t)(d.peeked && !out->has_modrm) <= limit)
        return -X86_D_UD;
    return avail < X86_MAX_LEN ? -X86_D_SHORT : -X86_D_GP;
}

/* Two copies, of which one knows that it is in 64-bit mode. */
int x86_decode(struct x86_insn *out, const uint8_t *bytes, size_t avail, enum x86_mode mode)
{
    if (mode == X86_MODE_64)
        return decode_in_mode(out, bytes, avail, X86_MODE_64);
    return decode_in_mode(out, bytes, avail, mode);
}
