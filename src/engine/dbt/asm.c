/*
 * Host instruction encoding. [SDM 2 2.1-2.3]
 */
#include "engine/dbt/asm.h"

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1, PREFIX_GS = 0x65 };

void asm_bytes(struct asm_buf *a, const uint8_t *p, unsigned n)
{
    if (a->size - a->len < n) {
        a->full = true;
        return;
    }
    memcpy(a->bytes + a->len, p, n);
    a->len += n;
}

static bool fits8(int32_t v)
{
    return v >= -128 && v < 128;
}

/* Some leading bytes, then more. */
static uint64_t join(uint64_t head, unsigned n, uint64_t tail)
{
    return head | tail << 8 * n;
}

/* A few bytes of code in a word. */
struct word {
    uint64_t v;
    unsigned n;
};

/* ModRM, SIB, and in *disp how many bytes of displacement follow: all four without a base, which is
 * what mod 0 means then. */
static inline struct word modrm_sib(unsigned reg, const struct asm_mem *m, unsigned *disp)
{
    const unsigned r = (reg & 7) << 3, scale = (unsigned)m->scale << 6, index = (m->index & 7) << 3;
    if (m->base == ASM_NONE) {
        *disp = 4;
        return (struct word){4 | r | (scale | index | 5) << 8, 2};
    }
    const unsigned base = m->base & 7;
    *disp = fits8(m->disp) ? 1 : 4;
    if (m->disp == 0 && base != H_RBP)
        *disp = 0;
    const unsigned mod = (*disp + 1) / 2 << 6; /* 0, 1, 4 bytes: 0, 1, 2 */
    if (m->index == ASM_NONE && base != H_RSP)
        return (struct word){mod | r | base, 1};
    return (struct word){mod | r | 4 | (scale | index | base) << 8, 2};
}

void asm_modrm_mem(struct asm_buf *a, unsigned reg, const struct asm_mem *m)
{
    unsigned disp;
    struct word w = modrm_sib(reg, m, &disp);
    asm_put(a, join(w.v, w.n, (uint32_t)m->disp), w.n + disp);
}

/* One opcode byte, or 0f and another. */
static inline struct word opcode_word(unsigned opcode)
{
    if (opcode > 0xff)
        return (struct word){opcode >> 8 | (opcode & 0xff) << 8, 2};
    return (struct word){opcode, 1};
}

/* At most 7 bytes and a displacement. */
static inline void op_mem(struct asm_buf *a, bool w, unsigned opcode, unsigned reg,
                          const struct asm_mem *m)
{
    unsigned rex = (w ? REX_W : 0) | asm_rex_bits(reg, m), n = m->gs, disp;
    struct word op = opcode_word(opcode), modrm = modrm_sib(reg, m, &disp);
    uint64_t v = m->gs ? PREFIX_GS : 0;
    if (rex)
        v = join(v, n++, REX | rex);
    v = join(v, n, join(op.v, op.n, modrm.v));
    asm_put2(a, v, n + op.n + modrm.n, (uint32_t)m->disp, disp);
}

void asm_op_mem(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, struct asm_mem m)
{
    op_mem(a, w, opcode, reg, &m);
}

void asm_op_reg(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, unsigned rm)
{
    unsigned rex = (w ? REX_W : 0) | (reg & 8 ? REX_R : 0) | (rm & 8 ? REX_B : 0);
    struct word op = opcode_word(opcode);
    uint64_t modrm = 0xc0 | (reg & 7) << 3 | (rm & 7);
    unsigned n = rex != 0;
    asm_put(a, join(rex ? REX | rex : 0, n, join(op.v, op.n, modrm)), n + op.n + 1);
}

void asm_lea(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    op_mem(a, true, 0x8d, dst, &m);
}

void asm_lea_wide(struct asm_buf *a, unsigned dst, unsigned base, int32_t disp)
{
    unsigned rex = REX | REX_W | (dst & 8 ? REX_R : 0) | (base & 8 ? REX_B : 0);
    unsigned modrm = 0x80 | (dst & 7) << 3 | (base & 7);
    asm_put(a, join(rex | 0x8d << 8 | modrm << 16, 3, (uint32_t)disp), 7);
}

void asm_lea32(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, false, 0x8d, dst, m);
}

void asm_load(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    op_mem(a, true, 0x8b, dst, &m);
}

void asm_store(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    op_mem(a, true, 0x89, src, &m);
}

void asm_load32(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, false, 0x8b, dst, m);
}

void asm_store32(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    asm_op_mem(a, false, 0x89, src, m);
}

void asm_mov(struct asm_buf *a, unsigned dst, unsigned src)
{
    asm_op_reg(a, true, 0x89, src, dst);
}

void asm_mov_imm32(struct asm_buf *a, unsigned dst, uint32_t v)
{
    unsigned n = dst >> 3;
    uint64_t head = join(n ? REX | REX_B : 0, n, 0xb8 | (dst & 7));
    asm_put(a, join(head, n + 1, v), n + 5);
}

void asm_mov_imm64(struct asm_buf *a, unsigned dst, uint64_t v)
{
    if (v <= UINT32_MAX) {
        asm_mov_imm32(a, dst, (uint32_t)v);
        return;
    }
    asm_8(a, REX | REX_W | (dst & 8 ? REX_B : 0));
    if ((uint64_t)(int64_t)(int32_t)v == v) {
        asm_8(a, 0xc7);
        asm_8(a, 0xc0 | (dst & 7));
        asm_32(a, (uint32_t)v);
        return;
    }
    asm_8(a, 0xb8 | (dst & 7));
    asm_64(a, v);
}

/* VEX with map and pp; `r` and `b` are register numbers, `v` is vvvv, W = 1. */
static uint64_t vex3(unsigned r, unsigned b, unsigned map, unsigned v_pp)
{
    unsigned registers = (r & 8 ? 0 : 0x80) | 0x40 | (b & 8 ? 0 : 0x20);
    return 0xc4 | (registers | map) << 8 | (0x80 | v_pp) << 16;
}

void asm_rorx(struct asm_buf *a, unsigned dst, unsigned src, unsigned count)
{
    uint64_t rest = 0xf0 | (0xc0 | (dst & 7) << 3 | (src & 7)) << 8 | count << 16;
    asm_put(a, join(vex3(dst, src, 3, 0x78 | 3), 3, rest), 6); /* VEX.LZ.F2.0F3A.W1 F0 /r ib */
}

void asm_pdep_gs(struct asm_buf *a, unsigned dst, unsigned src, uint32_t gs_off)
{
    struct asm_mem m = MEM_GS(gs_off);
    uint64_t vex = vex3(dst, 0, 2, (~src & 15) << 3 | 3); /* VEX.LZ.F2.0F38.W1 F5 /r */
    asm_put(a, join(PREFIX_GS, 1, join(vex, 3, 0xf5)), 5);
    asm_modrm_mem(a, dst, &m);
}

/* 64 bits */
void asm_crc32(struct asm_buf *a, unsigned dst, unsigned src)
{
    unsigned rex = REX | REX_W | (dst & 8 ? REX_R : 0) | (src & 8 ? REX_B : 0);
    uint64_t modrm = 0xc0 | (dst & 7) << 3 | (src & 7);
    asm_put(a, join(0xf2 | rex << 8, 2, join(0xf1380f, 3, modrm)), 6);
}

void asm_test8_imm(struct asm_buf *a, unsigned reg, unsigned imm)
{
    unsigned n = reg >= H_RSP;
    uint64_t rex = n ? REX | (reg & 8 ? REX_B : 0) : 0;
    asm_put(a, join(rex, n, 0xf6 | (0xc0 | (reg & 7)) << 8 | imm << 16), n + 3);
}

void asm_flags_keep(struct asm_buf *a)
{
    asm_put(a, 0xc0900f9f, 4); /* lahf; seto al */
}

void asm_flags_load(struct asm_buf *a)
{
    asm_put(a, 0x9e7f04, 3); /* add al, 7fh; sahf */
}

uint32_t asm_jcc(struct asm_buf *a, unsigned cc)
{
    asm_put(a, 0x0f | (0x80 | cc) << 8, 6);
    return a->len - 4;
}

uint32_t asm_jcc_also(struct asm_buf *a, unsigned cc, uint32_t chain)
{
    uint32_t at = asm_jcc(a, cc);
    if (!a->full)
        memcpy(a->bytes + at, &chain, 4);
    return at;
}

uint32_t asm_jmp(struct asm_buf *a)
{
    asm_put(a, 0xe9, 5);
    return a->len - 4;
}

uint32_t asm_jcc8(struct asm_buf *a, unsigned cc)
{
    asm_put(a, 0x70 | cc, 2);
    return a->len - 1;
}

uint32_t asm_jmp8(struct asm_buf *a)
{
    asm_put(a, 0xeb, 2);
    return a->len - 1;
}

uint32_t asm_jrcxz(struct asm_buf *a)
{
    asm_put(a, 0xe3, 2);
    return a->len - 1;
}

void asm_to(struct asm_buf *a, uint32_t at, uint32_t to)
{
    uint32_t rel = to - (at + 4);
    if (!a->full)
        memcpy(a->bytes + at, &rel, 4);
}

void asm_here(struct asm_buf *a, uint32_t at)
{
    asm_to(a, at, a->len);
}

void asm_here_all(struct asm_buf *a, uint32_t chain)
{
    while (chain && !a->full) {
        uint32_t next;
        memcpy(&next, a->bytes + chain, 4);
        asm_here(a, chain);
        chain = next;
    }
}

void asm_to8(struct asm_buf *a, uint32_t at, uint32_t to)
{
    if (!a->full)
        a->bytes[at] = (uint8_t)(to - (at + 1));
}

void asm_here8(struct asm_buf *a, uint32_t at)
{
    asm_to8(a, at, a->len);
}

void asm_jmp_to(struct asm_buf *a, uint32_t to)
{
    asm_to(a, asm_jmp(a), to);
}

void asm_jmp_mem(struct asm_buf *a, struct asm_mem m)
{
    asm_op_mem(a, false, 0xff, 4, m);
}

void asm_align_field(struct asm_buf *a, unsigned before)
{
    while (((a->len + before) & 7) > 4)
        asm_8(a, 0x90);
}
