#include "insn_forms.h"

#include <string.h>

#include "isa/x86/decode.h"
#include "isa/x86/exec_table.h"

enum { MAP_VEX = 4, MAPS = 8 };

struct prefix_set {
    uint8_t bytes[3], n;
    uint8_t rex; /* 0, or 40 or 48 with random R X B */
};

/* clang-format off */
static const struct prefix_set sets64[] = {
    {{0}, 0, 0},          {{0}, 0, 0x48},       {{0}, 0, 0x40},          {{0x66}, 1, 0},
    {{0x66}, 1, 0x40},    {{0x66}, 1, 0x48},    {{0x67}, 1, 0},          {{0x67}, 1, 0x48},
    {{0xf3}, 1, 0},       {{0xf3}, 1, 0x48},    {{0xf2}, 1, 0},          {{0xf2}, 1, 0x48},
    {{0xf0}, 1, 0},       {{0xf0}, 1, 0x48},    {{0xf0, 0x66}, 2, 0},    {{0x66, 0xf3}, 2, 0},
    {{0x66, 0xf2}, 2, 0}, {{0x66, 0x67}, 2, 0}, {{0x67, 0xf3}, 2, 0},    {{0x67, 0xf3}, 2, 0x48},
    {{0x67, 0xf2}, 2, 0}, {{0x64}, 1, 0},       {{0x65}, 1, 0x48},       {{0x64, 0x67}, 2, 0},
    {{0x36}, 1, 0},       {{0xf3, 0xf2}, 2, 0}, {{0x66, 0x65, 0xf3}, 3, 0},
};
static const struct prefix_set sets32[] = {
    {{0}, 0, 0},          {{0x66}, 1, 0},       {{0x67}, 1, 0},       {{0x66, 0x67}, 2, 0},
    {{0xf3}, 1, 0},       {{0xf2}, 1, 0},       {{0xf0}, 1, 0},       {{0xf0, 0x66}, 2, 0},
    {{0x66, 0xf3}, 2, 0}, {{0x67, 0xf3}, 2, 0}, {{0x66, 0xf2}, 2, 0}, {{0x2e}, 1, 0},
    {{0x36}, 1, 0},       {{0x26}, 1, 0},       {{0x64}, 1, 0},       {{0x64, 0x67}, 2, 0},
    {{0x65, 0x66}, 2, 0}, {{0x65, 0x67, 0x66}, 3, 0},
};
/* clang-format on */

static unsigned prefix_sets(const struct form *f)
{
    if (f->map >= MAP_VEX)
        return 4; /* VEX.pp */
    return f->mode == 64 ? sizeof(sets64) / sizeof(sets64[0]) : sizeof(sets32) / sizeof(sets32[0]);
}

void form_first(struct form *f, unsigned mode)
{
    *f = (struct form){.mode = (uint8_t)mode};
}

bool form_next(struct form *f)
{
    if (++f->reg < 8)
        return true;
    f->reg = 0;
    if (++f->prefix < prefix_sets(f))
        return true;
    f->prefix = 0;
    if (++f->opcode != 0)
        return true;
    if (++f->map == MAP_VEX)
        f->map++; /* there is no VEX map 0 */
    return f->map < MAPS;
}

static void put(struct insn_code *c, unsigned byte)
{
    c->bytes[c->len++] = (uint8_t)byte;
}

static void put_legacy(const struct form *f, struct rng *r, struct insn_code *c)
{
    const struct prefix_set *s = f->mode == 64 ? &sets64[f->prefix] : &sets32[f->prefix];
    for (unsigned i = 0; i < s->n; i++)
        put(c, s->bytes[i]);
    if (s->rex)
        put(c, s->rex | rng_below(r, 8));
    if (f->map)
        put(c, 0x0f);
    if (f->map > 1)
        put(c, f->map == 2 ? 0x38 : 0x3a);
}

/* L = 0 mostly: the integer forms want it. No vvvv at times: many forms have none. Outside 64-bit
 * mode R and X must be 1 inverted. */
static void put_vex(const struct form *f, struct rng *r, struct insn_code *c)
{
    unsigned b1 = (unsigned)rng_next(r), b2 = (unsigned)rng_next(r);
    if (rng_one_in(r, 3))
        b2 |= 0x78;
    if (f->mode != 64) {
        b1 |= 0xc0;
        b2 |= 0x40;
    }
    put(c, 0xc4);
    put(c, (b1 & 0xe0) | (f->map - MAP_VEX));
    put(c, (b2 & (rng_one_in(r, 4) ? 0xfc : 0xf8)) | f->prefix);
}

static void put_tail(const struct form *f, struct rng *r, struct insn_code *c)
{
    put(c, f->opcode);
    unsigned modrm = (unsigned)rng_next(r);
    put(c, ((rng_one_in(r, 2) ? modrm | 0xc0 : modrm) & 0xc7) | f->reg << 3);
    c->insn.len = c->len; /* of what the form fixes */
    while (c->len < 15)
        put(c, (unsigned)rng_next(r));
}

/* Prefixes and escapes in the opcode's place (they have sets and maps of their own), and system
 * calls, which the host would carry out. */
static bool hands_off(const struct form *f)
{
    static const uint8_t lead[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65,
                                   0x66, 0x67, 0xc4, 0xc5, 0xf0, 0xf2, 0xf3};
    if (f->map == 1)
        return f->opcode == 0x05 || f->opcode == 0x34 || f->opcode == 0x38 || f->opcode == 0x3a;
    if (f->map != 0)
        return false;
    if (f->mode == 32 && (f->opcode == 0x62 || f->opcode == 0xc4 || f->opcode == 0xc5))
        return false; /* BOUND, LES, LDS */
    return memchr(lead, f->opcode, sizeof(lead)) || (f->mode == 64 && (f->opcode & 0xf0) == 0x40);
}

/* Opcodes that raise #UD in a guest of ours but not on each host: protection keys, bounds,
 * transactions, XSAVE's later relatives. */
static bool maybe_defined(const struct form *f)
{
    if (f->map == 0)
        return f->opcode == 0x62 || (f->opcode & 0xfc) == 0xc4;
    if (f->map >= 2)
        return true;
    return f->opcode == 0x01 || f->opcode == 0x1a || f->opcode == 0x1b || f->opcode == 0x1c ||
           f->opcode == 0x1e || f->opcode == 0xae || f->opcode == 0xc7;
}

static bool excluded(const struct x86_insn *in, bool vectors)
{
    switch (in->iclass) {
    case X86_I_CPUID: /* the answers are policy or chance */
    case X86_I_RDTSC:
    case X86_I_RDTSCP:
    case X86_I_RDPID:
    case X86_I_RDPMC:
    case X86_I_RDRAND:
    case X86_I_RDSEED:
    case X86_I_SGDT: /* UMIP: Linux answers in the hardware's place */
    case X86_I_SIDT:
    case X86_I_SLDT:
    case X86_I_SMSW:
    case X86_I_STR:
    case X86_I_SYSCALL: /* calls of the host */
    case X86_I_SYSENTER:
    case X86_I_VMCALL:
    case X86_I_VMMCALL:
    case X86_I_MONITOR: /* not offered */
    case X86_I_MWAIT:
        return true;
    case X86_I_INT:
        return in->imm == 0x80;
    case X86_I_XRSTOR: /* images hold more on the host, and its kernel's own components */
    case X86_I_XRSTORS:
    case X86_I_XSAVE:
    case X86_I_XSAVEC:
    case X86_I_XSAVEOPT:
    case X86_I_XSAVES:
    case X86_I_XGETBV:
        return true;
    default:
        return (x86_exec_of(in->iclass) == NULL) != vectors;
    }
}

/* Forms without ModRM come once, not once a reg. */
static bool duplicate(const struct form *f, const struct x86_insn *in)
{
    return !in->has_modrm && f->reg != 0;
}

enum form_kind form_complete(const struct form *f, struct rng *r, bool vectors,
                             struct insn_code *code)
{
    memset(code, 0, sizeof(*code));
    code->mode = f->mode;
    if (f->map >= MAP_VEX)
        put_vex(f, r, code);
    else
        put_legacy(f, r, code);
    put_tail(f, r, code);
    if (hands_off(f))
        return FORM_SKIP;
    unsigned fixed = code->insn.len;
    int err = x86_decode(&code->insn, code->bytes, 15, f->mode);
    if (err == -X86_D_UD && f->map < MAP_VEX && !maybe_defined(f)) {
        memset(code->bytes + fixed, 0xcc, 15 - fixed); /* should the host execute it after all */
        return vectors ? FORM_SKIP : FORM_UNDEFINED;
    }
    if (err || excluded(&code->insn, vectors) || duplicate(f, &code->insn))
        return FORM_SKIP;
    code->len = code->insn.len;
    code->decoded = true;
    return FORM_EXECUTES;
}
