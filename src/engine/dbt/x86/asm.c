/*
 * Host instruction encoding. [SDM 2 2.1-2.3]
 */
#include "engine/dbt/x86/asm.h"

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

static unsigned sib(const struct asm_mem *m)
{
    unsigned index = m->index == ASM_NONE ? 4 : m->index & 7u;
    unsigned base = m->base == ASM_NONE ? 5 : m->base & 7u;
    return (unsigned)m->scale << 6 | index << 3 | base;
}

/* Some leading bytes, then more. */
static uint64_t join(uint64_t head, unsigned n, uint64_t tail)
{
    return head | tail << 8 * n;
}

/* Bytes of the displacement: all of it without a base, which is what mod 0 means then. */
static unsigned disp_size(const struct asm_mem *m)
{
    if (m->base == ASM_NONE)
        return 4;
    if (m->disp == 0 && (m->base & 7) != H_RBP)
        return 0;
    return fits8(m->disp) ? 1 : 4;
}

void asm_modrm_mem(struct asm_buf *a, unsigned reg, const struct asm_mem *m)
{
    bool with_sib = m->base == ASM_NONE || m->index != ASM_NONE || (m->base & 7) == H_RSP;
    unsigned disp = disp_size(m), n = with_sib ? 2 : 1;
    unsigned mod = m->base == ASM_NONE ? 0 : (disp + 1) / 2; /* 0, 1, 4 bytes: 0, 1, 2 */
    uint64_t modrm = mod << 6 | (reg & 7) << 3 | (with_sib ? 4 : m->base & 7u);
    if (with_sib)
        modrm |= sib(m) << 8;
    asm_put(a, join(modrm, n, (uint32_t)m->disp), n + disp);
}

unsigned asm_rex_bits(unsigned reg, const struct asm_mem *m)
{
    return (reg & 8 ? REX_R : 0) | (m->index != ASM_NONE && (m->index & 8) ? REX_X : 0) |
           (m->base != ASM_NONE && (m->base & 8) ? REX_B : 0);
}

/* One opcode byte, or 0f and another. */
static uint64_t opcode_bytes(unsigned opcode)
{
    return opcode > 0xff ? opcode >> 8 | (opcode & 0xff) << 8 : opcode;
}

static unsigned opcode_size(unsigned opcode)
{
    return opcode > 0xff ? 2 : 1;
}

void asm_op_mem(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, struct asm_mem m)
{
    unsigned rex = (w ? REX_W : 0) | asm_rex_bits(reg, &m), n = m.gs;
    uint64_t head = m.gs ? PREFIX_GS : 0;
    if (rex)
        head = join(head, n++, REX | rex);
    asm_put(a, join(head, n, opcode_bytes(opcode)), n + opcode_size(opcode));
    asm_modrm_mem(a, reg, &m);
}

void asm_op_reg(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, unsigned rm)
{
    unsigned rex = (w ? REX_W : 0) | (reg & 8 ? REX_R : 0) | (rm & 8 ? REX_B : 0);
    unsigned n = rex != 0, size = opcode_size(opcode);
    uint64_t modrm = 0xc0 | (reg & 7) << 3 | (rm & 7);
    asm_put(a, join(rex ? REX | rex : 0, n, join(opcode_bytes(opcode), size, modrm)), n + size + 1);
}

void asm_lea(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, true, 0x8d, dst, m);
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
    asm_op_mem(a, true, 0x8b, dst, m);
}

void asm_store(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    asm_op_mem(a, true, 0x89, src, m);
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

void asm_here8(struct asm_buf *a, uint32_t at)
{
    if (!a->full)
        a->bytes[at] = (uint8_t)(a->len - (at + 1));
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
